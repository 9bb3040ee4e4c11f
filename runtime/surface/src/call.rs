//! What travels beside a call: its options before it, its outcome after it.

use http::{HeaderMap, HeaderValue};
use mote_api::{CallOptions, Outcome};
use serde_json::{Map, Value};

use crate::caller::CALL_HEADER;

/// Longest options, in bytes: HTTP/2 stacks take 16 KiB of headers in all.
const MAX_OPTIONS_BYTES: usize = 8 * 1024;
/// Longest outcome, in bytes: gRPC clients take 8 KiB of trailers in all.
const MAX_OUTCOME_BYTES: usize = 6 * 1024;

/// The options of a call are none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadOptions {
    #[error("{CALL_HEADER} has {0} bytes; at most {MAX_OPTIONS_BYTES} are taken")]
    TooLong(usize),
    #[error("{CALL_HEADER} is no JSON object of call options: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// What the headers, or the metadata of gRPC, say about a call.
pub(crate) fn options(headers: &HeaderMap) -> Result<CallOptions, BadOptions> {
    let Some(value) = headers.get(CALL_HEADER) else {
        return Ok(CallOptions::default());
    };
    if value.len() > MAX_OPTIONS_BYTES {
        return Err(BadOptions::TooLong(value.len()));
    }
    // By way of a map: a list of values would do for the type as well.
    let options: Map<String, Value> = serde_json::from_slice(value.as_bytes())?;
    Ok(serde_json::from_value(options.into())?)
}

/// An outcome as a header's value. A long list of changes is left out.
pub(crate) fn outcome(outcome: &Outcome) -> Option<HeaderValue> {
    let text = ascii(outcome)?;
    let text = if text.len() > MAX_OUTCOME_BYTES {
        let mut short = outcome.clone();
        short.hint = None;
        if let Some(transaction) = &mut short.transaction {
            transaction.changes.clear();
            transaction.truncated = true;
        }
        ascii(&short).filter(|text| text.len() <= MAX_OUTCOME_BYTES)?
    } else {
        text
    };
    HeaderValue::from_str(&text).ok()
}

/// JSON in which everything beyond ASCII is escaped, as headers need it.
fn ascii(outcome: &Outcome) -> Option<String> {
    let text = serde_json::to_string(outcome).ok()?;
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() && character != '\x7f' {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    Some(escaped)
}

#[cfg(test)]
mod tests {
    use mote_api::{Change, ChangeKind, End, StreamUsage, Transaction, Usage};

    use super::*;

    fn with_changes(paths: &[&str]) -> Outcome {
        let change = |path: &&str| Change {
            path: (*path).to_owned(),
            kind: ChangeKind::Added,
        };
        Outcome {
            end: End::Exited { code: 0 },
            exit_code: 0,
            usage: Usage::default(),
            stdout: StreamUsage::default(),
            stderr: StreamUsage::default(),
            denied: Vec::new(),
            limits_hit: Vec::new(),
            hint: None,
            transaction: Some(Transaction {
                committed: true,
                changes: paths.iter().map(change).collect(),
                truncated: false,
            }),
        }
    }

    fn read(value: &HeaderValue) -> Outcome {
        serde_json::from_str(value.to_str().unwrap()).unwrap()
    }

    #[test]
    fn an_outcome_travels_in_ascii() {
        let told = with_changes(&["bücher/😀\n\x7f"]);
        assert_eq!(read(&outcome(&told).unwrap()), told);
    }

    #[test]
    fn a_long_list_of_changes_is_left_out_and_said_so() {
        let long = "x".repeat(MAX_OUTCOME_BYTES);
        let told = read(&outcome(&with_changes(&[&long])).unwrap());
        let transaction = told.transaction.unwrap();
        assert!(transaction.changes.is_empty() && transaction.truncated);
    }

    #[test]
    fn options_are_bounded_before_they_are_parsed() {
        let with = |value: &str| {
            let value = HeaderValue::from_str(value).unwrap();
            options(&HeaderMap::from_iter([(
                http::HeaderName::from_static(CALL_HEADER),
                value,
            )]))
        };
        assert!(with(r#"{"transaction": true}"#).unwrap().transaction);
        let padded = format!("{{}}{}", " ".repeat(MAX_OPTIONS_BYTES));
        assert!(matches!(with(&padded), Err(BadOptions::TooLong(_))));
        for bad in ["", "[]", r#"{"root": true}"#, "{"] {
            assert!(matches!(with(bad), Err(BadOptions::Malformed(_))), "{bad}");
        }
        assert_eq!(options(&HeaderMap::new()).unwrap(), CallOptions::default());
    }
}
