//! What is remembered of a sandbox on disk, so that it outlives the process.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mote_api::{Digest, Grant, Limits, SandboxId};
use serde::{Deserialize, Serialize};

use crate::addresses::Own;
use crate::duty::{Course, Duty, Ended};
use crate::outfit::{Outfit, PLAIN};

/// The form of records. A record of a later form is refused, not guessed at.
/// The first knew no objects, the second no policies and no volumes, the third
/// one address at most and no commands.
const FORM: u32 = 4;

/// A sandbox as it was asked for, and where its life has led it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    form: u32,
    pub(crate) id: SandboxId,
    pub(crate) image: String,
    /// What its image was when it was made, if it was pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pulled: Option<Digest>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) limits: Limits,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) idle_timeout_seconds: Option<u64>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    #[serde(alias = "address")]
    pub(crate) addresses: Own,
    /// It was suspended and waits to be resumed.
    pub(crate) suspended: bool,
    /// Whose session it is, if it is one.
    #[serde(default)]
    pub(crate) object: Option<Object>,
    /// What it has besides; most have nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outfit: Option<Box<Outfit>>,
    /// What it does by itself; most do nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) course: Option<Box<Course>>,
}

/// The Kubernetes object whose session a sandbox is; its UID is the sandbox's
/// name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Object {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// The latest that the session was made to follow.
    pub(crate) generation: i64,
    /// What was asked for, which may be more than a later node gives.
    pub(crate) asked: Resources,
    /// The policy that says who may call it; empty for whoever reaches it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) policy: String,
}

/// What a session follows of its object while it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Latest {
    pub(crate) generation: i64,
    pub(crate) policy: String,
    /// What volumes hold now that was sent.
    pub(crate) renewed: Vec<(String, Digest)>,
    /// Its environment, where that becomes another.
    pub(crate) env: Option<BTreeMap<String, String>>,
    /// What it does by itself, where that becomes another thing.
    pub(crate) duty: Option<Duty>,
}

/// Ceilings as an object has them; 0 leaves one to the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resources {
    pub(crate) memory_bytes: u64,
    pub(crate) cpu_millis: u32,
    pub(crate) disk_bytes: u64,
}

/// A record on disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    /// It is no record.
    #[error("not a record of a sandbox: {0}")]
    Json(#[from] serde_json::Error),
    /// It was written by a later version.
    #[error("its form is {0}, and this version knows up to {FORM}; use the version that wrote it")]
    Form(u32),
}

/// The checked parts of a new sandbox.
pub(crate) struct Terms {
    pub(crate) id: SandboxId,
    pub(crate) image: String,
    pub(crate) grants: Vec<Grant>,
    pub(crate) limits: Limits,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) idle_timeout_seconds: Option<u64>,
    pub(crate) ttl_seconds: Option<u64>,
}

/// How a new sandbox begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beginning {
    /// Whose session it is.
    pub(crate) object: Option<Object>,
    /// Whether it waits to be resumed before its first call.
    pub(crate) suspended: bool,
    /// What its image is, if it was pulled.
    pub(crate) pulled: Option<Digest>,
    /// What it has besides.
    pub(crate) outfit: Outfit,
    /// What it does by itself.
    pub(crate) duty: Duty,
}

impl Record {
    /// The record of a sandbox that begins now.
    pub(crate) fn new(terms: Terms, beginning: Beginning, addresses: Own, now: Timestamp) -> Self {
        let Terms {
            id,
            image,
            grants,
            limits,
            env,
            labels,
            idle_timeout_seconds,
            ttl_seconds,
        } = terms;
        let after = |seconds: u64| {
            let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
            now.checked_add(SignedDuration::from_secs(seconds)).ok()
        };
        Self {
            form: FORM,
            id,
            image,
            pulled: beginning.pulled,
            grants,
            limits,
            env,
            labels,
            idle_timeout_seconds,
            created_at: now,
            expires_at: ttl_seconds.and_then(after),
            addresses,
            suspended: beginning.suspended,
            object: beginning.object,
            course: Course::begin(beginning.duty, now),
            outfit: (beginning.outfit != PLAIN).then(|| beginning.outfit.into()),
        }
    }

    /// What it has besides its image and its environment.
    pub(crate) fn outfit(&self) -> &Outfit {
        self.outfit.as_deref().unwrap_or(&PLAIN)
    }

    /// How it has come to its end, if it has.
    pub(crate) fn ended(&self) -> Option<&Ended> {
        self.course.as_ref()?.ended.as_ref()
    }

    /// Begins anew with what it does by itself.
    pub(crate) fn begin(&mut self, now: Timestamp) {
        let duty = self.course.take().map(|course| course.duty);
        self.course = duty.and_then(|duty| Course::begin(duty, now));
    }

    /// Goes on to the latest of its object.
    pub(crate) fn follow(&mut self, latest: Latest) {
        let Latest {
            generation,
            policy,
            renewed,
            env,
            duty,
        } = latest;
        if let Some(duty) = duty {
            // When that begins is said where the session comes back.
            self.course = Course::begin(duty, self.created_at);
        }
        if let Some(env) = env {
            self.env = env;
        }
        if let Some(object) = &mut self.object {
            (object.generation, object.policy) = (generation, policy);
        }
        for (name, digest) in renewed {
            if let Some(outfit) = &mut self.outfit {
                outfit.note(&name, digest);
            }
        }
    }

    /// The policy that says who may call it; empty for whoever reaches it.
    pub(crate) fn policy(&self) -> &str {
        self.object.as_ref().map_or("", |object| &object.policy)
    }

    /// Reads a record back.
    ///
    /// # Errors
    /// The bytes are none, or of a later version.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        #[derive(Deserialize)]
        struct Form {
            form: u32,
        }
        let Form { form } = serde_json::from_slice(bytes)?;
        if form > FORM {
            return Err(RecordError::Form(form));
        }
        let record = serde_json::from_slice(bytes)?;
        // It is kept with all that this form has.
        Ok(Self {
            form: FORM,
            ..record
        })
    }

    /// The bytes to keep.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, RecordError> {
        Ok(serde_json::to_vec_pretty(self)?)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    pub(crate) fn terms(id: &str) -> Terms {
        Terms {
            id: id.parse().unwrap(),
            image: "mote.dev/base".to_owned(),
            grants: Vec::new(),
            limits: Limits::default(),
            env: BTreeMap::new(),
            labels: BTreeMap::new(),
            idle_timeout_seconds: None,
            ttl_seconds: Some(60),
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let beginning = Beginning {
            object: Some(Object {
                namespace: "default".to_owned(),
                name: "work".to_owned(),
                generation: 7,
                asked: Resources {
                    memory_bytes: 1 << 20,
                    cpu_millis: 500,
                    disk_bytes: 0,
                },
                policy: "default/work".to_owned(),
            }),
            suspended: true,
            pulled: Some(Digest::from_bytes([7; 32])),
            outfit: Outfit {
                working_dir: Some("/workspace/app".parse().unwrap()),
                ..Outfit::default()
            },
            duty: Duty {
                command: None,
                deadline_seconds: Some(60),
            },
        };
        let record = Record::new(terms("a"), beginning, Own::default(), Timestamp::UNIX_EPOCH);
        let back = Record::parse(&record.to_bytes().unwrap()).unwrap();
        assert_eq!(back, record);
        assert_eq!(back.expires_at.unwrap().as_second(), 60);
    }

    #[test]
    fn a_record_of_a_later_form_is_refused_by_its_number() {
        let later = br#"{"form": 5, "whatever": true}"#;
        assert!(matches!(Record::parse(later), Err(RecordError::Form(5))));
        assert!(Record::parse(b"{}").is_err() && Record::parse(b"").is_err());
    }

    #[test]
    fn a_record_of_the_first_form_is_of_no_object() {
        let record = Record::new(
            terms("a"),
            Beginning::default(),
            Own::default(),
            Timestamp::UNIX_EPOCH,
        );
        let mut first: serde_json::Value =
            serde_json::from_slice(&record.to_bytes().unwrap()).unwrap();
        first["form"] = 1.into();
        let parts = first.as_object_mut().unwrap();
        assert!(parts.remove("addresses").is_some());
        parts.insert("address".to_owned(), "10.9.0.7".into());
        assert!(first.as_object_mut().unwrap().remove("object").is_some());
        let back = Record::parse(first.to_string().as_bytes()).unwrap();
        assert_eq!(back.form, FORM, "an older host must not read it again");
        assert_eq!((back.object, back.id), (None, record.id));
        assert!(
            back.addresses
                .iter()
                .eq(["10.9.0.7".parse::<IpAddr>().unwrap()])
        );
    }
}
