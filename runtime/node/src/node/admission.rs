//! From what a caller asks for to the terms of a sandbox, or a refusal that
//! says which part cannot be had.

use std::path::{Path, PathBuf};

use mote_api::{Grant, Limits, SandboxId, SandboxSpec};
use rand::RngExt;

use crate::config::{NodeConfig, SandboxLimits};
use crate::record::{Record, Terms};
use crate::sandbox;

/// The images there are. Each holds all of the userland.
pub(crate) const IMAGES: [&str; 1] = ["mote.dev/base"];
/// Most labels, and bytes of all of them, one sandbox may have: as much as
/// Kubernetes lets an object's annotations have, divided among many.
const MAX_LABELS: usize = 64;
const MAX_LABEL_BYTES: usize = 16 * 1024;
/// Longest time in seconds that a sandbox may be told to wait or live: ten
/// years, which every date can hold.
const MAX_SECONDS: u64 = 10 * 365 * 24 * 60 * 60;
/// Letters of made-up names: no vowels, so that they spell nothing, and no
/// digits that look like letters.
const NAME_LETTERS: &[u8] = b"bcdfghjkmnpqrstvwxz2456789";
/// Letters of one made-up name: 27^10 names, so that two never meet.
const NAME_LENGTH: usize = 10;

/// A sandbox cannot be as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SpecError {
    /// It makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// It makes sense, and is not allowed here.
    #[error("{0}")]
    Forbidden(String),
    /// It names an image that is not here.
    #[error("there is no image {0:?}; there is {all}", all = IMAGES.join(", "))]
    Image(String),
}

/// What sandboxes of this node may be.
pub(super) struct Admission {
    limits: SandboxLimits,
    folders: Vec<PathBuf>,
    state: PathBuf,
}

impl Admission {
    pub(super) fn new(config: &NodeConfig) -> Self {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Self {
            limits: config.limits.clone(),
            folders: config.folders.iter().map(|path| real(path)).collect(),
            state: real(&config.state),
        }
    }

    /// The terms of a sandbox as it is asked for.
    pub(super) fn check(&self, spec: SandboxSpec) -> Result<Terms, SpecError> {
        let SandboxSpec {
            id,
            image,
            mut grants,
            limits,
            env,
            labels,
            idle_timeout_seconds,
            ttl_seconds,
        } = spec;
        let image = image.unwrap_or_else(|| IMAGES[0].to_owned());
        if !IMAGES.contains(&image.as_str()) {
            return Err(SpecError::Image(image));
        }
        for grant in &mut grants {
            self.check_grant(grant)?;
        }
        for (name, seconds) in [
            ("idle_timeout_seconds", idle_timeout_seconds),
            ("ttl_seconds", ttl_seconds),
        ] {
            if seconds.is_some_and(|seconds| seconds == 0 || seconds > MAX_SECONDS) {
                return Err(SpecError::Invalid(format!(
                    "{name} must be 1 to {MAX_SECONDS}; leave it out for no such time"
                )));
            }
        }
        let bytes: usize = labels
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if labels.len() > MAX_LABELS || bytes > MAX_LABEL_BYTES {
            return Err(SpecError::Invalid(format!(
                "{} labels of {bytes} bytes; the most is {MAX_LABELS} of {MAX_LABEL_BYTES} bytes",
                labels.len()
            )));
        }
        let terms = Terms {
            id: id.map_or_else(made_up, Ok)?,
            image,
            grants,
            limits: self.limits(&limits)?,
            env,
            labels,
            idle_timeout_seconds,
            ttl_seconds,
        };
        // Grants that make sense each may not make sense together.
        sandbox::grants(&terms.grants, &terms.env, Path::new(""), Path::new(""))
            .map_err(|error| SpecError::Invalid(error.to_string()))?;
        Ok(terms)
    }

    /// Checks a sandbox from before against what this node may give now.
    /// Ceilings are lowered to those of today.
    pub(super) fn recheck(&self, record: &mut Record) -> Result<(), SpecError> {
        record.limits = self.limits.most.min(&record.limits);
        for grant in &mut record.grants {
            let before = grant.clone();
            self.check_grant(grant)?;
            if let (Grant::Preopen(then), Grant::Preopen(now)) = (&before, &*grant)
                && then.host != now.host
            {
                return Err(SpecError::Forbidden(format!(
                    "folder {} leads elsewhere than when it was granted",
                    then.host.display()
                )));
            }
        }
        Ok(())
    }

    fn limits(
        &self,
        asked: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Limits, SpecError> {
        let limits = self
            .limits
            .usual
            .replaced(asked)
            .map_err(SpecError::Invalid)?;
        if self.limits.most.min(&limits) == limits {
            return Ok(limits);
        }
        let most = serde_json::to_string(&self.limits.most).unwrap_or_default();
        Err(SpecError::Forbidden(format!(
            "limits: more than this node gives to one sandbox, which is {most}"
        )))
    }

    /// A folder of the host has to lie in one that this node may give away.
    fn check_grant(&self, grant: &mut Grant) -> Result<(), SpecError> {
        let Grant::Preopen(preopen) = grant else {
            return Ok(());
        };
        let forbidden =
            |why: &str| SpecError::Forbidden(format!("folder {} {why}", preopen.host.display()));
        let place = preopen.host.canonicalize();
        let place = place.map_err(|_| forbidden("may not be granted, or is not there"))?;
        let allowed = self.folders.iter().any(|folder| place.starts_with(folder));
        if !allowed {
            return Err(forbidden(
                "may not be granted, or is not there; start the node with --allow-folder for one above it",
            ));
        }
        if place.starts_with(&self.state) || self.state.starts_with(&place) {
            return Err(forbidden("holds, or is part of, the node's own state"));
        }
        // What was checked is what will be opened.
        preopen.host = place;
        Ok(())
    }
}

/// What a fork is, where it is not asked to be otherwise: as its source.
pub(super) fn inherit(spec: SandboxSpec, from: &Record) -> SandboxSpec {
    let mut limits = match serde_json::to_value(&from.limits) {
        Ok(serde_json::Value::Object(limits)) => limits,
        _ => serde_json::Map::new(),
    };
    limits.extend(spec.limits);
    let mut env = from.env.clone();
    env.extend(spec.env);
    let mut labels = from.labels.clone();
    labels.extend(spec.labels);
    SandboxSpec {
        id: spec.id,
        image: spec.image.or_else(|| Some(from.image.clone())),
        grants: if spec.grants.is_empty() {
            from.grants.clone()
        } else {
            spec.grants
        },
        limits,
        env,
        labels,
        idle_timeout_seconds: spec.idle_timeout_seconds.or(from.idle_timeout_seconds),
        ttl_seconds: spec.ttl_seconds,
    }
}

fn made_up() -> Result<SandboxId, SpecError> {
    let mut random = rand::rng();
    let name: String = std::iter::repeat_with(|| random.random_range(0..NAME_LETTERS.len()))
        .filter_map(|at| NAME_LETTERS.get(at))
        .take(NAME_LENGTH)
        .map(|letter| char::from(*letter))
        .collect();
    name.parse()
        .map_err(|error: mote_api::LabelError| SpecError::Invalid(error.to_string()))
}

/// The ceilings that a node gives one sandbox at most, unless told otherwise.
pub fn most() -> Limits {
    Limits {
        deadline: std::time::Duration::from_secs(60 * 60),
        memory: Limits::MAX_MEMORY,
        disk: Limits::MOST_DISK,
        disk_entries: 1 << 20,
        ..Limits::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mote_api::{Access, ByteSize, Preopen};

    fn admission(folders: &[&Path], state: &Path) -> Admission {
        Admission {
            limits: SandboxLimits {
                usual: Limits::default(),
                most: most(),
            },
            folders: folders
                .iter()
                .map(|path| path.canonicalize().unwrap())
                .collect(),
            state: state.canonicalize().unwrap(),
        }
    }

    fn with_folder(host: &Path, guest: &str) -> SandboxSpec {
        SandboxSpec {
            grants: vec![Grant::Preopen(Preopen {
                guest: guest.parse().unwrap(),
                host: host.to_owned(),
                access: Access::ReadOnly,
            })],
            ..SandboxSpec::default()
        }
    }

    #[test]
    fn no_folder_of_the_host_is_granted_unless_the_node_was_told_so() {
        let root = tempfile::tempdir().unwrap();
        for name in ["state/sandboxes", "open/sub", "closed"] {
            std::fs::create_dir_all(root.path().join(name)).unwrap();
        }
        let at = |name: &str| root.path().join(name);
        std::os::unix::fs::symlink(at("closed"), at("open/link")).unwrap();
        let state = at("state");
        let none = admission(&[], &state);
        let some = admission(&[&at("open")], &state);
        let all = admission(&[root.path()], &state);
        let granted = |admission: &Admission, name: &str| {
            admission.check(with_folder(&at(name), "/data")).is_ok()
        };
        assert!(!granted(&none, "open"));
        assert!(granted(&some, "open") && granted(&some, "open/sub"));
        for outside in ["closed", "open/link", "open/../closed", "open/missing", ""] {
            assert!(!granted(&some, outside), "{outside}");
        }
        for own in ["state", "state/sandboxes", ""] {
            assert!(!granted(&all, own), "{own}");
        }
        assert!(granted(&all, "closed"));
    }

    #[test]
    fn a_sandbox_has_its_own_workspace_and_no_other() {
        let root = tempfile::tempdir().unwrap();
        let state = tempfile::tempdir().unwrap();
        let admission = admission(&[root.path()], state.path());
        assert!(
            admission
                .check(with_folder(root.path(), "/workspace"))
                .is_err()
        );
        assert!(admission.check(with_folder(root.path(), "/data")).is_ok());
    }

    #[test]
    fn no_more_is_given_than_the_node_has_for_one() {
        let state = tempfile::tempdir().unwrap();
        let admission = admission(&[], state.path());
        let asked = |json: &str| {
            admission.check(SandboxSpec {
                limits: serde_json::from_str(json).unwrap(),
                ..SandboxSpec::default()
            })
        };
        let raised = asked(r#"{"memory": "1Gi", "deadline": 300}"#).unwrap();
        assert_eq!(raised.limits.memory, ByteSize::gib(1));
        assert!(matches!(
            asked(r#"{"disk": "1Ti"}"#),
            Err(SpecError::Forbidden(_))
        ));
        assert!(matches!(
            asked(r#"{"dsik": "1"}"#),
            Err(SpecError::Invalid(_))
        ));
    }

    #[test]
    fn made_up_names_are_names() {
        for _ in 0..100 {
            assert_eq!(made_up().unwrap().as_str().len(), NAME_LENGTH);
        }
    }
}
