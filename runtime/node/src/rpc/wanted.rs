//! A session as it is asked for, once it makes sense.

mod duty;
mod outfit;

use std::collections::BTreeMap;

use mote_api::{ByteSize, SandboxId, SandboxSpec};
use mote_rpc::v1::{SessionSpec, refusal::Reason};
use serde_json::{Map, Value};

use super::ensure::Refused;
use super::police;
use crate::duty::Duty;
use crate::images::Credentials;
use crate::outfit::{Outfit, Sent};
use crate::record::{Object, Resources};

/// Longest name of a namespace and of an object, as Kubernetes has them.
const MAX_NAMESPACE_BYTES: usize = 63;
const MAX_NAME_BYTES: usize = 253;

/// A session as it is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    pub(super) id: SandboxId,
    pub(super) object: Object,
    pub(super) suspended: bool,
    pub(super) image: String,
    /// What the image's registry wants to see.
    pub(super) credentials: Credentials,
    pub(super) env: BTreeMap<String, String>,
    pub(super) outfit: Outfit,
    pub(super) duty: Duty,
    /// The files of its volumes.
    pub(super) sent: Sent,
}

impl Wanted {
    /// Checks what was asked for, as far as that can be done without the node.
    ///
    /// # Errors
    /// It makes no sense.
    pub(super) fn parse(spec: SessionSpec) -> Result<Self, Refused> {
        let SessionSpec {
            uid,
            generation,
            namespace,
            name,
            suspended,
            image,
            env,
            resources,
            registry_credentials,
            policy,
            volumes,
            mounts,
            working_dir,
            command,
            active_deadline_seconds,
        } = spec;
        let id = parse_uid(&uid)?;
        if generation < 1 {
            return Err(invalid(format!(
                "generation {generation} of {uid}: an object's generation is 1 at least"
            )));
        }
        for (what, text, most) in [
            ("namespace", &namespace, MAX_NAMESPACE_BYTES),
            ("name", &name, MAX_NAME_BYTES),
        ] {
            if !is_name(text, most) {
                return Err(invalid(format!(
                    "{what} {text:?} of {uid}: give 1 to {most} of a-z, 0-9, - and ."
                )));
            }
        }
        if image.is_empty() {
            return Err(invalid(format!("{uid} names no image; name one")));
        }
        let credentials = Credentials::parse(&registry_credentials);
        let credentials = credentials.map_err(|error| invalid(format!("{uid}: {error}")))?;
        if !policy.is_empty() {
            police::check_name(&policy).map_err(invalid)?;
        }
        let (outfit, sent) = outfit::parse(volumes, mounts, &working_dir)
            .map_err(|error| invalid(format!("{uid}: {error}")))?;
        let duty = duty::parse(command, active_deadline_seconds)
            .map_err(|error| invalid(format!("{uid}: {error}")))?;
        let resources = resources.unwrap_or_default();
        let object = Object {
            namespace,
            name,
            generation,
            asked: Resources {
                memory_bytes: resources.memory_bytes,
                cpu_millis: resources.cpu_millis,
                disk_bytes: resources.disk_bytes,
            },
            policy,
        };
        Ok(Self {
            id,
            object,
            suspended,
            image,
            credentials,
            env: env.into_iter().collect(),
            outfit,
            duty,
            sent,
        })
    }

    /// Whether hosts of requests can name it, where nothing else does: of
    /// `a.b.c`, nobody could say where the name ends. One that is to be
    /// suspended is called by nobody.
    ///
    /// # Errors
    /// They cannot.
    pub(super) fn check_callable_by_name(&self) -> Result<(), Refused> {
        let name = &self.object.name;
        if self.suspended || !name.contains('.') {
            return Ok(());
        }
        Err(invalid(format!(
            "the name {name:?} has a dot, and this node tells sessions apart by NAME.NAMESPACE in the Host header; give the sandbox a name without dots, or use a node whose sessions have addresses of their own"
        )))
    }

    /// The sandbox to make for it. Its image is looked at apart.
    pub(super) fn spec(&self) -> SandboxSpec {
        let asked = &self.object.asked;
        let ceilings = [("memory", asked.memory_bytes), ("disk", asked.disk_bytes)];
        let limits: Map<String, Value> = ceilings
            .into_iter()
            .filter(|(_, bytes)| *bytes > 0)
            .map(|(name, bytes)| (name.to_owned(), ByteSize::bytes(bytes).to_string().into()))
            .collect();
        SandboxSpec {
            id: Some(self.id.clone()),
            limits,
            env: self.env.clone(),
            ..SandboxSpec::default()
        }
    }
}

/// The name of the session of this UID.
///
/// # Errors
/// It is none.
pub(super) fn parse_uid(uid: &str) -> Result<SandboxId, Refused> {
    uid.parse()
        .map_err(|_| invalid(format!("{uid:?} is no UID of an object")))
}

fn invalid(message: String) -> Refused {
    Refused::new(Reason::Invalid, message)
}

/// Whether Kubernetes may have such a name. It goes into logs and answers, and
/// into no path.
fn is_name(text: &str, most: usize) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=most).contains(&text.len())
        && text
            .bytes()
            .all(|byte| letter(byte) || matches!(byte, b'-' | b'.'))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use mote_rpc::v1;

    pub(in crate::rpc) fn spec() -> SessionSpec {
        SessionSpec {
            uid: "0b6e1bd5-8f2e-4dd5-a3c4-3c3a5d1f2a10".to_owned(),
            generation: 1,
            namespace: "default".to_owned(),
            name: "work.v2".to_owned(),
            suspended: false,
            image: "mote.dev/base".to_owned(),
            env: [("A".to_owned(), "b".to_owned())].into(),
            ..SessionSpec::default()
        }
    }

    #[test]
    fn what_is_asked_for_becomes_a_sandbox_of_its_uid() {
        let wanted = Wanted::parse(SessionSpec {
            resources: Some(v1::Resources {
                memory_bytes: 64 << 20,
                cpu_millis: 250,
                disk_bytes: 0,
            }),
            ..spec()
        })
        .unwrap();
        let sandbox = wanted.spec();
        assert_eq!(sandbox.id.unwrap().as_str(), spec().uid);
        assert_eq!(sandbox.env["A"], "b");
        assert_eq!(
            Value::from(sandbox.limits).to_string(),
            r#"{"memory":"64Mi"}"#
        );
        assert_eq!(wanted.object.asked.cpu_millis, 250);
    }

    #[test]
    fn a_name_with_a_dot_is_no_name_in_a_host() {
        let named = |name: &str, suspended: bool| SessionSpec {
            name: name.to_owned(),
            suspended,
            ..spec()
        };
        let check = |spec| Wanted::parse(spec).unwrap().check_callable_by_name();
        assert_eq!(check(named("work-v2", false)), Ok(()));
        assert_eq!(check(named("work.v2", true)), Ok(()));
        let refused = check(named("victim.other.svc", false)).unwrap_err();
        assert_eq!(refused.reason, Reason::Invalid);
        assert!(refused.message.contains("without dots"), "{refused:?}");
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_a_sentence() {
        let longest = "x".repeat(MAX_NAME_BYTES);
        let named = |name: &str| SessionSpec {
            name: name.to_owned(),
            ..spec()
        };
        assert!(Wanted::parse(named(&longest)).is_ok());
        let wrong = [
            SessionSpec {
                uid: "../etc".to_owned(),
                ..spec()
            },
            SessionSpec {
                generation: 0,
                ..spec()
            },
            SessionSpec {
                namespace: "x".repeat(MAX_NAMESPACE_BYTES + 1),
                ..spec()
            },
            SessionSpec {
                image: String::new(),
                ..spec()
            },
            SessionSpec {
                registry_credentials: b"[]".to_vec(),
                ..spec()
            },
            SessionSpec {
                policy: "a b".to_owned(),
                ..spec()
            },
            SessionSpec {
                working_dir: "/etc".to_owned(),
                ..spec()
            },
            SessionSpec {
                command: Some(v1::Command::default()),
                ..spec()
            },
            named(""),
            named("a\nb"),
            named(&(longest + "x")),
        ];
        for spec in wrong {
            let refused = Wanted::parse(spec.clone()).unwrap_err();
            assert_eq!(refused.reason, Reason::Invalid, "{spec:?}");
            assert!(!refused.message.contains('\n'), "{refused:?}");
        }
    }
}
