//! What `/v1/metadata` tells of the environment.

use std::collections::BTreeMap;

/// A variable whose name holds one of these is never told.
const SECRETS: [&str; 10] = [
    "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CRED", "KEY", "AUTH", "BEARER", "PRIVATE", "CERT",
];

/// The variables whose names begin with `prefix` and hint at no secret.
pub fn metadata(
    variables: impl Iterator<Item = (String, String)>,
    prefix: &str,
) -> BTreeMap<String, String> {
    let is_secret = |name: &str| {
        let name = name.to_ascii_uppercase();
        SECRETS.iter().any(|word| name.contains(word))
    };
    variables
        .filter(|(name, _)| name.starts_with(prefix) && !is_secret(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str) -> bool {
        let variable = (name.to_owned(), "value".to_owned());
        !metadata([variable].into_iter(), "SANDBOX_").is_empty()
    }

    #[test]
    fn what_has_the_prefix_is_told() {
        assert!(told("SANDBOX_NAME"));
        assert!(!told("NAME"));
        assert!(!told("sandbox_name"));
    }

    #[test]
    fn what_hints_at_a_secret_is_not_told() {
        for word in SECRETS {
            assert!(!told(&format!("SANDBOX_{word}")), "{word}");
            let inside = format!("SANDBOX_MY{}S", word.to_lowercase());
            assert!(!told(&inside), "{inside}");
        }
    }
}
