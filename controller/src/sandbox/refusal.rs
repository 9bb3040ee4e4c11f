//! What the controller declines to do, and who owns what.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use mote_rpc::v1::refusal::Reason;

use super::validate::Subject;
use crate::driver::ReconcileError;
use crate::names::{controller_of, label};
use crate::wasm::{LinkError, Missing, ReadError};
use crate::write::WriteError;

/// Why something was not done for a sandbox. It stands in a condition: it says
/// what to do about it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Refusal {
    /// More than one pod says that it is this sandbox's.
    #[error(
        "multiple Pods ({0}) are controlled by this Sandbox; refusing to choose or create a Pod"
    )]
    MultiplePods(usize),
    /// Someone else controls an object with the name of ours.
    #[error(
        "{kind} {name:?} is controlled by {owner}, not by this sandbox; delete it or rename the sandbox"
    )]
    Foreign {
        /// Kind of the object.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Who controls it.
        owner: String,
    },
    /// Nobody controls an object with the name of ours, and nobody gave it to us.
    #[error(
        "{kind} {name:?} is nobody's and is not for adoption; label it {key}=true to give it to this sandbox, or delete it",
        key = label::ADOPTABLE
    )]
    NotAdoptable {
        /// Kind of the object.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A service that would have to be headless is not, and cannot become so.
    #[error(
        "Service {name:?} has the cluster IP {ip} and a sandbox needs a headless one; delete it"
    )]
    NotHeadless {
        /// Its name.
        name: String,
        /// Its address.
        ip: String,
    },
    /// A volume claim of our name goes away and would take the pod's volume along.
    #[error("PersistentVolumeClaim {name:?} is being deleted; the pod waits for a new one")]
    ClaimTerminating {
        /// Its name.
        name: String,
    },
    /// A volume claim template without a name.
    #[error("volume claim template number {} has no name; give it one", index + 1)]
    NamelessClaim {
        /// Its place in the list, from 0.
        index: usize,
    },
    /// Two volume claim templates with one name.
    #[error("two volume claim templates are named {name:?}; rename one")]
    DoubleClaim {
        /// The name.
        name: String,
    },
    /// It must be a wasm session and asks for what those cannot have.
    #[error("this sandbox cannot be wasm: {0}; change it, or take another runtimeClassName")]
    NotWasm(String),
    /// More volume claim templates than a pod can have volumes.
    #[error(
        "there are {count} volume claim templates and no more than {most} are possible; leave some out"
    )]
    TooManyClaims {
        /// How many.
        count: usize,
        /// How many there may be.
        most: usize,
    },
}

/// What went wrong in a pass.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// We declined.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The API server did, or did not answer.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A node host did, or did not answer.
    #[error("node {0}: {1}")]
    Node(String, LinkError),
    /// What its session needs is not there.
    #[error(transparent)]
    Missing(#[from] Missing),
}

impl Trouble {
    /// Whether it stays so until something changes.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Node(_, LinkError::Refused(refusal)) => matches!(
                refusal.reason(),
                Reason::Invalid | Reason::Immutable | Reason::ImageUnknown | Reason::ImageInvalid
            ),
            Self::Missing(Missing::TooMuch { .. }) => true,
            Self::Refused(_) | Self::Write(_) | Self::Node(..) | Self::Missing(_) => false,
        }
    }

    /// Whether it is only that the cache is behind, or that others write too:
    /// the next pass sees what is there, and nobody needs to be told.
    pub(super) fn is_race(&self) -> bool {
        matches!(
            self,
            Self::Write(
                WriteError::Conflict(_) | WriteError::NotFound(_) | WriteError::AlreadyExists(_)
            )
        )
    }
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Write(error) => error.into(),
            ReadError::Missing(missing) => missing.into(),
        }
    }
}

impl From<Trouble> for ReconcileError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Write(error) => error.into(),
            Trouble::Missing(missing) => Self::Missing(missing.to_string()),
            Trouble::Refused(_) | Trouble::Node(..) => Self::Node(trouble.to_string()),
        }
    }
}

/// Whose an object is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Ownership {
    /// This sandbox controls it.
    Ours,
    /// Nobody controls it, and its labels give it to this sandbox.
    Offered,
    /// Nobody controls it.
    Nobodys,
    /// Another one controls it: kind, name and UID.
    Foreign(String),
}

/// Whose an object is. Labels are what anyone may write, so they offer and
/// never prove; only the controller's UID proves.
pub(super) fn ownership(metadata: &ObjectMeta, subject: &Subject) -> Ownership {
    if let Some(owner) = controller_of(metadata) {
        return if owner.uid == subject.uid {
            Ownership::Ours
        } else {
            Ownership::Foreign(format!(
                "{} {:?} (UID {})",
                owner.kind, owner.name, owner.uid
            ))
        };
    }
    let says = |key: &str, value: &str| {
        let labels = metadata.labels.as_ref();
        labels
            .and_then(|labels| labels.get(key))
            .is_some_and(|is| is == value)
    };
    if says(label::ADOPTABLE, "true") || says(label::SANDBOX_NAME_HASH, &subject.hash) {
        Ownership::Offered
    } else {
        Ownership::Nobodys
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::fixtures::{owned_by, sandbox};

    fn labelled(key: &str, value: &str) -> ObjectMeta {
        let labels = Some([(key.to_owned(), value.to_owned())].into());
        ObjectMeta {
            labels,
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn the_controllers_uid_decides_and_not_its_name() {
        let sandbox = sandbox();
        let subject = Subject::of(&sandbox).unwrap();
        assert_eq!(
            ownership(&owned_by("uid-of-box"), &subject),
            Ownership::Ours
        );
        // The same name in an earlier life.
        assert!(matches!(
            ownership(&owned_by("another-uid"), &subject),
            Ownership::Foreign(_)
        ));
    }

    #[test]
    fn an_owner_that_is_not_the_controller_changes_nothing() {
        let sandbox = sandbox();
        let mut metadata = owned_by("uid-of-box");
        metadata.owner_references.as_mut().unwrap()[0].controller = None;
        assert_eq!(
            ownership(&metadata, &Subject::of(&sandbox).unwrap()),
            Ownership::Nobodys
        );
    }

    #[test]
    fn only_two_labels_offer_and_only_with_their_value() {
        let sandbox = sandbox();
        let subject = Subject::of(&sandbox).unwrap();
        for (key, value, whose) in [
            (label::ADOPTABLE, "true", Ownership::Offered),
            (label::ADOPTABLE, "yes", Ownership::Nobodys),
            (
                label::SANDBOX_NAME_HASH,
                subject.hash.as_str(),
                Ownership::Offered,
            ),
            (label::SANDBOX_NAME_HASH, "00000000", Ownership::Nobodys),
            (label::WARM_POOL_SANDBOX, "true", Ownership::Nobodys),
        ] {
            assert_eq!(
                ownership(&labelled(key, value), &subject),
                whose,
                "{key}={value}"
            );
        }
    }

    #[test]
    fn a_label_does_not_take_an_object_from_its_controller() {
        let sandbox = sandbox();
        let mut metadata = owned_by("another-uid");
        metadata.labels = labelled(label::ADOPTABLE, "true").labels;
        assert!(matches!(
            ownership(&metadata, &Subject::of(&sandbox).unwrap()),
            Ownership::Foreign(_)
        ));
    }
}
