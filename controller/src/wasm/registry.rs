//! What registries want to see, from image pull secrets.

use serde_json::{Map, Value, json};

use super::source::{Source, SourceKind, Sources};

/// The key of a Secret of the type `kubernetes.io/dockerconfigjson`.
const CONFIG: &str = ".dockerconfigjson";
/// The key of a Secret of the older type `kubernetes.io/dockercfg`.
const OLD_CONFIG: &str = ".dockercfg";
/// Where the newer kind has what the older has at its root.
const AUTHS: &str = "auths";

/// One Docker configuration of all these secrets, in JSON; empty for none. As
/// for pods, one that is not there or cannot be read is left out: pulling
/// says whether it was needed.
pub fn registry_credentials(secrets: &[String], sources: &Sources) -> Vec<u8> {
    let mut auths = Map::new();
    for name in secrets {
        let source = Source {
            kind: SourceKind::Secret,
            name: name.clone(),
        };
        let data = sources.all(&source, true).ok().flatten();
        // Of two for one registry the first counts.
        for (registry, auth) in data.and_then(auths_of).into_iter().flatten() {
            auths.entry(registry).or_insert(auth);
        }
    }
    if auths.is_empty() {
        return Vec::new();
    }
    json!({ AUTHS: auths }).to_string().into_bytes()
}

fn auths_of(data: &std::collections::BTreeMap<String, Vec<u8>>) -> Option<Map<String, Value>> {
    let parsed = |key: &str| serde_json::from_slice::<Map<String, Value>>(data.get(key)?).ok();
    match parsed(CONFIG) {
        Some(mut config) => match config.remove(AUTHS)? {
            Value::Object(auths) => Some(auths),
            _ => None,
        },
        None => parsed(OLD_CONFIG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(secrets: &[(&str, &str, &str)]) -> String {
        let names: Vec<String> = secrets.iter().map(|it| it.0.to_owned()).collect();
        let all = secrets.iter().map(|(name, key, text)| {
            let source = Source {
                kind: SourceKind::Secret,
                name: (*name).to_owned(),
            };
            let data = [((*key).to_owned(), text.as_bytes().to_vec())];
            (source, data.into())
        });
        String::from_utf8(registry_credentials(&names, &Sources::of(all))).unwrap()
    }

    #[test]
    fn secrets_of_both_types_become_one_configuration() {
        let new = (
            "a",
            CONFIG,
            r#"{"auths":{"r":{"auth":"1"}},"credsStore":"x"}"#,
        );
        let old = ("b", OLD_CONFIG, r#"{"r":{"auth":"2"},"s":{"auth":"3"}}"#);
        assert_eq!(
            credentials(&[new, old]),
            r#"{"auths":{"r":{"auth":"1"},"s":{"auth":"3"}}}"#
        );
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        for bad in ["", "[]", r#"{"auths":[]}"#, r#"{"other":{}}"#] {
            assert_eq!(credentials(&[("a", CONFIG, bad)]), "", "{bad}");
        }
        assert!(registry_credentials(&["none".to_owned()], &Sources::default()).is_empty());
    }
}
