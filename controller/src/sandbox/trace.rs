//! The trace that a sandbox belongs to, for whoever collects traces.

use serde_json::{Value, json};

use super::validate::Subject;
use crate::names::annotation;

/// A patch that gives a sandbox a trace of its own, unless it has one. Its
/// number is the object's UID, which is as unique and there already.
pub(super) fn patch(subject: &Subject<'_>) -> Option<Value> {
    let annotations = subject.sandbox.metadata.annotations.as_ref();
    let known = annotations.and_then(|annotations| annotations.get(annotation::TRACE_CONTEXT));
    if known.is_some_and(|known| !known.is_empty()) {
        return None;
    }
    let digits = subject.uid.chars().filter(char::is_ascii_hexdigit).take(32);
    let uid = u128::from_str_radix(&digits.collect::<String>(), 16).unwrap_or_default();
    // A trace or a span of zeroes is none, by the standard.
    let (trace, span) = (uid.max(1), ((uid >> 64) as u64).max(1));
    let carrier = json!({"traceparent": format!("00-{trace:032x}-{span:016x}-01")});
    Some(json!({"metadata": {"annotations": {annotation::TRACE_CONTEXT: carrier.to_string()}}}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::fixtures::{annotated, sandbox, subject};

    #[test]
    fn a_sandbox_without_a_trace_is_given_one() {
        for mut sandbox in [sandbox(), annotated(annotation::TRACE_CONTEXT, Some(""))] {
            sandbox.metadata.uid = Some("00112233-4455-6677-8899-aabbccddeeff".to_owned());
            let patch = patch(&subject(&sandbox)).unwrap();
            assert_eq!(
                patch["metadata"]["annotations"][annotation::TRACE_CONTEXT],
                r#"{"traceparent":"00-00112233445566778899aabbccddeeff-0011223344556677-01"}"#
            );
        }
    }

    #[test]
    fn a_trace_that_is_there_is_left() {
        let sandbox = annotated(annotation::TRACE_CONTEXT, Some("{\"traceparent\":\"x\"}"));
        assert_eq!(patch(&subject(&sandbox)), None);
    }

    #[test]
    fn a_trace_is_never_all_zeroes() {
        let mut sandbox = sandbox();
        sandbox.metadata.uid = Some("zzz".to_owned());
        let patch = patch(&subject(&sandbox)).unwrap().to_string();
        assert!(
            patch.contains("0001-") && patch.contains("0001-01"),
            "{patch}"
        );
    }
}
