//! What is remembered of a sandbox on disk, so that it outlives the process.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use mote_api::{Grant, Limits, SandboxId};
use serde::{Deserialize, Serialize};

/// The form of records. A record of a later form is refused, not guessed at.
const FORM: u32 = 1;

/// A sandbox as it was asked for, and where its life has led it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    form: u32,
    pub(crate) id: SandboxId,
    pub(crate) image: String,
    pub(crate) grants: Vec<Grant>,
    pub(crate) limits: Limits,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) idle_timeout_seconds: Option<u64>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) address: Option<IpAddr>,
    /// It was suspended and waits to be resumed.
    pub(crate) suspended: bool,
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

impl Record {
    /// The record of a sandbox that begins now.
    pub(crate) fn new(terms: Terms, address: Option<IpAddr>, now: Timestamp) -> Self {
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
            grants,
            limits,
            env,
            labels,
            idle_timeout_seconds,
            created_at: now,
            expires_at: ttl_seconds.and_then(after),
            address,
            suspended: false,
        }
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
        Ok(serde_json::from_slice(bytes)?)
    }

    /// The bytes to keep.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, RecordError> {
        Ok(serde_json::to_vec_pretty(self)?)
    }
}

#[cfg(test)]
mod tests {
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
        let record = Record::new(terms("a"), None, Timestamp::UNIX_EPOCH);
        let back = Record::parse(&record.to_bytes().unwrap()).unwrap();
        assert_eq!(back, record);
        assert_eq!(back.expires_at.unwrap().as_second(), 60);
    }

    #[test]
    fn a_record_of_a_later_form_is_refused_by_its_number() {
        let later = br#"{"form": 2, "whatever": true}"#;
        assert!(matches!(Record::parse(later), Err(RecordError::Form(2))));
        assert!(Record::parse(b"{}").is_err() && Record::parse(b"").is_err());
    }
}
