//! Labels and annotations that a claim brings to its pod.
//!
//! By labels a pod is selected: by policies, by services, by what watches the
//! cluster. So a claim may bring labels of allowed domains only. Annotations
//! are instructions to the cluster's own parts; those are closed.

use std::collections::BTreeMap;

use super::domains::{Domains, is_within};
use super::refusal::Refusal;
use crate::crd::PodMetadata;
use crate::names::annotation::SAFE_TO_EVICT;

/// Domains whose annotations the parts of the cluster act upon.
const CLOSED_DOMAINS: [&str; 3] = ["kubernetes.io", "k8s.io", "agents.x-k8s.io"];
/// What a label's value and the name in a key may have, in bytes.
const MAX_NAME: usize = 63;
/// What the domain in a key may have, in bytes.
const MAX_DOMAIN: usize = 253;

/// Checks what a claim brings, whatever its template says.
///
/// # Errors
/// The first label or annotation that it may not bring.
pub(super) fn validate(brought: &PodMetadata, domains: &Domains) -> Result<(), Refusal> {
    for (key, value) in &brought.labels {
        label(key, value, domains)
            .map_err(|why| Refusal::Metadata(format!("label {key:?}: {why}")))?;
    }
    for key in brought.annotations.keys() {
        annotation(key).map_err(|why| Refusal::Metadata(format!("annotation {key:?}: {why}")))?;
    }
    Ok(())
}

fn label(key: &str, value: &str, domains: &Domains) -> Result<(), String> {
    if key.eq_ignore_ascii_case("app") && value.eq_ignore_ascii_case("sandbox-router") {
        return Err("the value sandbox-router is the router's own".to_owned());
    }
    let domain =
        domain_of(key)?.ok_or("it needs a domain, such as sandbox.users.io/, before its name")?;
    if !domains.allow(&domain) {
        return Err(format!("the domain {domain:?} is not on the allow-list"));
    }
    if value.is_empty() || is_name(value) {
        return Ok(());
    }
    Err(format!("the value {value:?} is {NAME_RULE}"))
}

fn annotation(key: &str) -> Result<(), String> {
    let domain = domain_of(key)?.unwrap_or_default();
    let closed = CLOSED_DOMAINS
        .iter()
        .any(|closed| is_within(&domain, closed));
    if closed && key != SAFE_TO_EVICT {
        return Err(format!("the domain {domain:?} is kept for the cluster"));
    }
    Ok(())
}

const NAME_RULE: &str = "longer than 63 characters, or has others than letters, digits, '-', '_' and '.', or does not begin and end with a letter or digit";

/// The domain of a key, in lower case; `None` for a key without one.
fn domain_of(key: &str) -> Result<Option<String>, String> {
    let (domain, name) = match key.split_once('/') {
        Some((domain, name)) => (Some(domain), name),
        None => (None, key),
    };
    if !is_name(name) {
        return Err(format!("the name in the key is {NAME_RULE}"));
    }
    match domain {
        Some(domain) if !is_domain(domain) => Err(format!("{domain:?} is no domain in lower case")),
        domain => Ok(domain.map(str::to_owned)),
    }
}

fn is_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let bytes = name.as_bytes();
    name.len() <= MAX_NAME
        && bytes.iter().all(|byte| inner(*byte))
        && [bytes.first(), bytes.last()]
            .iter()
            .all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
}

fn is_domain(domain: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    domain.len() <= MAX_DOMAIN && domain.split('.').all(part)
}

/// Adds what a claim brings to what its template has.
///
/// # Errors
/// A key to which both give a value, each another.
pub(super) fn merge(base: &mut PodMetadata, brought: &PodMetadata) -> Result<(), Refusal> {
    add("label", &mut base.labels, &brought.labels)?;
    add("annotation", &mut base.annotations, &brought.annotations)
}

fn add(
    what: &str,
    base: &mut BTreeMap<String, String>,
    brought: &BTreeMap<String, String>,
) -> Result<(), Refusal> {
    for (key, value) in brought {
        let before = base.entry(key.clone()).or_insert_with(|| value.clone());
        if before != value {
            return Err(Refusal::Metadata(format!(
                "{what} {key:?} is {before:?} in the template and cannot become {value:?}"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(key: &str, value: &str) -> PodMetadata {
        PodMetadata {
            labels: [(key.to_owned(), value.to_owned())].into(),
            ..PodMetadata::default()
        }
    }

    fn annotated(key: &str, value: &str) -> PodMetadata {
        PodMetadata {
            annotations: [(key.to_owned(), value.to_owned())].into(),
            ..PodMetadata::default()
        }
    }

    fn judge(brought: &PodMetadata) -> Result<(), Refusal> {
        validate(brought, &Domains::default())
    }

    #[test]
    fn a_label_of_an_allowed_domain_passes() {
        assert_eq!(judge(&labelled("sandbox.users.io/team", "a")), Ok(()));
        assert_eq!(judge(&labelled("x.sandbox.users.io/team", "")), Ok(()));
        let custom = Domains::parse("example.com");
        let brought = labelled("example.com/team", "a");
        assert_eq!(validate(&brought, &custom), Ok(()));
        assert!(judge(&brought).is_err());
    }

    #[test]
    fn a_label_without_a_domain_or_of_another_one_is_refused() {
        for key in [
            "team",
            "example.com/team",
            "agents.x-k8s.io/claim-uid",
            "kubernetes.io/x",
        ] {
            let refusal = judge(&labelled(key, "a")).unwrap_err();
            assert_eq!(refusal.reason(), "InvalidMetadata", "{key}");
        }
    }

    #[test]
    fn a_label_as_long_as_can_be_passes_and_a_longer_one_is_refused() {
        let key = "sandbox.users.io/team";
        assert_eq!(judge(&labelled(key, &"a".repeat(63))), Ok(()));
        assert!(judge(&labelled(key, &"a".repeat(64))).is_err());
        assert!(
            judge(&labelled(
                &format!("sandbox.users.io/{}", "a".repeat(64)),
                "a"
            ))
            .is_err()
        );
    }

    #[test]
    fn a_value_or_key_out_of_pattern_is_refused() {
        for value in ["-a", "a-", "a b", "ä"] {
            assert!(
                judge(&labelled("sandbox.users.io/team", value)).is_err(),
                "{value}"
            );
        }
        for key in [
            "sandbox.users.io/",
            "sandbox.users.io/a/b",
            "/team",
            "Sandbox.users.io/team",
        ] {
            assert!(judge(&labelled(key, "a")).is_err(), "{key}");
            assert!(judge(&annotated(key, "a")).is_err(), "{key}");
        }
    }

    #[test]
    fn nobody_passes_for_the_router() {
        for (key, value) in [("app", "sandbox-router"), ("App", "Sandbox-Router")] {
            assert!(
                judge(&labelled(key, value))
                    .unwrap_err()
                    .to_string()
                    .contains("router")
            );
        }
    }

    #[test]
    fn annotations_of_the_system_are_refused_but_for_eviction() {
        for key in ["kubernetes.io/x", "a.k8s.io/x", "agents.x-k8s.io/pod-name"] {
            assert!(judge(&annotated(key, "a")).is_err(), "{key}");
        }
        for key in [SAFE_TO_EVICT, "example.com/x", "plain"] {
            assert_eq!(judge(&annotated(key, "anything at all")), Ok(()), "{key}");
        }
    }

    #[test]
    fn a_claim_adds_and_repeats_but_never_changes() {
        let mut base = labelled("sandbox.users.io/a", "1");
        merge(&mut base, &labelled("sandbox.users.io/b", "2")).unwrap();
        merge(&mut base, &labelled("sandbox.users.io/a", "1")).unwrap();
        assert_eq!(base.labels.len(), 2);
        let refusal = merge(&mut base, &labelled("sandbox.users.io/a", "2")).unwrap_err();
        assert_eq!(refusal.reason(), "InvalidMetadata");
        let mut base = annotated("x", "1");
        assert!(merge(&mut base, &annotated("x", "2")).is_err());
    }
}
