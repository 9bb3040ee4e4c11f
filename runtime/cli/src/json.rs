//! The one JSON object of `mote run --json` and `mote exec -o json`.
//!
//! It is the [`Outcome`], with what the guest wrote in place of the counts of
//! it: `stdout` (or `stdout_base64`, where it is not UTF-8), `stdout_bytes`
//! (all it wrote), `stdout_truncated` (where less than that is here), and the
//! same for stderr.

use anyhow::Context;
use mote_api::{Outcome, Rejection, StreamUsage};
use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// The digits of base64, RFC 4648 §4.
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// An outcome, with the stdout and stderr that were kept.
pub(crate) fn outcome(outcome: &Outcome, kept: [Vec<u8>; 2]) -> Result<Value, Failure> {
    let mut value = serde_json::to_value(outcome).context("failed to write the outcome as JSON")?;
    if let Value::Object(object) = &mut value {
        let [stdout, stderr] = kept;
        put_stream(object, "stdout", stdout, &outcome.stdout);
        put_stream(object, "stderr", stderr, &outcome.stderr);
    }
    Ok(value)
}

/// Why nothing ran.
pub(crate) fn rejection(rejection: &Rejection) -> Value {
    json!({ "rejected": rejection.to_string(), "exit_code": rejection.exit_code() })
}

fn put_stream(object: &mut Map<String, Value>, name: &str, kept: Vec<u8>, usage: &StreamUsage) {
    object.remove(name);
    let truncated = usage.bytes > kept.len() as u64;
    match text(kept, truncated) {
        Ok(text) => object.insert(name.to_owned(), text.into()),
        Err(bytes) => object.insert(format!("{name}_base64"), base64(&bytes).into()),
    };
    object.insert(format!("{name}_bytes"), usage.bytes.into());
    if truncated {
        object.insert(format!("{name}_truncated"), true.into());
    }
    if let Some(path) = &usage.spilled_to {
        object.insert(format!("{name}_spilled_to"), path.as_str().into());
    }
}

/// The bytes as text, if they are. A cut may have gone through a character,
/// which is then left out.
fn text(bytes: Vec<u8>, truncated: bool) -> Result<String, Vec<u8>> {
    String::from_utf8(bytes).or_else(|error| {
        let fault = error.utf8_error();
        let mut bytes = error.into_bytes();
        if !truncated || fault.error_len().is_some() {
            return Err(bytes);
        }
        bytes.truncate(fault.valid_up_to());
        String::from_utf8(bytes).map_err(|error| error.into_bytes())
    })
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place)) as usize & 63;
            let known = place <= group.len();
            text.push(
                BASE64
                    .get(digit)
                    .filter(|_| known)
                    .map_or('=', |d| char::from(*d)),
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_as_in_rfc_4648() {
        for (bytes, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
        assert_eq!(base64(&[0xff, 0xfe, 0xfd]), "//79");
    }

    #[test]
    fn only_a_cut_character_at_the_very_end_is_left_out() {
        let cut = "aé".as_bytes()[..2].to_vec();
        assert_eq!(text(cut.clone(), true), Ok("a".to_owned()));
        assert_eq!(text(cut.clone(), false), Err(cut));
        let binary = vec![0xff, b'a'];
        assert_eq!(text(binary.clone(), true), Err(binary));
    }
}
