use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ContextName, GuestPath, Limits, LimitsError};

/// What a caller gives up, or asks for, for one call in a sandbox. The
/// default changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallOptions {
    /// Guest paths of the sandbox's preopens that the call gets; `None` is
    /// all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preopens: Option<Vec<GuestPath>>,
    /// Ceilings, by the names of [`Limits`]; what is not named stays as the
    /// sandbox has it, and nothing is raised.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub limits: Map<String, Value>,
    /// Keep the call's changes of files only if it ends with status 0.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub transaction: bool,
    /// Run in the long-lived interpreter of this name instead of a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<ContextName>,
}

impl Limits {
    /// `self`, with the ceilings that `asked` names lowered to what it says.
    ///
    /// # Errors
    /// A name or value is none of a ceiling.
    pub fn lowered(&self, asked: &Map<String, Value>) -> Result<Self, String> {
        Ok(self.min(&self.replaced(asked)?))
    }

    /// `self`, with the ceilings that `asked` names as it says.
    ///
    /// # Errors
    /// A name or value is none of a ceiling.
    pub fn replaced(&self, asked: &Map<String, Value>) -> Result<Self, String> {
        if asked.is_empty() {
            return Ok(self.clone());
        }
        let mut all = serde_json::to_value(self).map_err(|error| error.to_string())?;
        if let Some(all) = all.as_object_mut() {
            all.extend(asked.clone());
        }
        let asked: Self =
            serde_json::from_value(all).map_err(|error| format!("limits: {error}"))?;
        asked
            .check()
            .map_err(|error: LimitsError| error.to_string())?;
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ByteSize;

    fn asked(json: &str) -> Map<String, Value> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_call_lowers_what_it_names_and_nothing_else() {
        let held = Limits {
            deadline: Duration::from_secs(300),
            ..Limits::default()
        };
        let lowered = held.lowered(&asked(r#"{"memory": "64Mi"}"#)).unwrap();
        assert_eq!(lowered.memory, ByteSize::mib(64));
        assert_eq!(lowered.deadline, held.deadline);
    }

    #[test]
    fn a_call_raises_nothing() {
        let held = Limits::default();
        assert_eq!(
            held.lowered(&asked(r#"{"memory": "2Gi", "processes": 900}"#)),
            Ok(held)
        );
    }

    #[test]
    fn unknown_and_impossible_ceilings_are_errors() {
        for json in [
            r#"{"memroy": "1Mi"}"#,
            r#"{"handles": 0}"#,
            r#"{"depth": -1}"#,
        ] {
            assert!(Limits::default().lowered(&asked(json)).is_err(), "{json}");
        }
    }

    #[test]
    fn an_unknown_option_is_an_error() {
        assert!(serde_json::from_str::<CallOptions>(r#"{"root": true}"#).is_err());
        assert_eq!(
            serde_json::from_str::<CallOptions>("{}").unwrap(),
            CallOptions::default()
        );
    }
}
