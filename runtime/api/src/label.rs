//! Names that people give, and that become parts of paths, host names and
//! URLs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest label of a domain name, in bytes: RFC 1035, 2.3.4.
const MAX_LABEL_BYTES: usize = 63;

/// A name is no RFC 1123 label.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} is no {what}; write 1 to {MAX_LABEL_BYTES} of a-z, 0-9 and -, beginning and ending with a letter or digit"
)]
pub struct LabelError {
    what: &'static str,
    name: String,
}

fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [text.bytes().next(), text.bytes().next_back()];
    text.len() <= MAX_LABEL_BYTES
        && ends.iter().all(|end| end.is_some_and(inner))
        && text.bytes().all(|byte| inner(byte) || byte == b'-')
}

macro_rules! label_type {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = LabelError;

            fn from_str(text: &str) -> Result<Self, LabelError> {
                text.to_owned().try_into()
            }
        }

        impl TryFrom<String> for $name {
            type Error = LabelError;

            fn try_from(name: String) -> Result<Self, LabelError> {
                if is_label(&name) {
                    Ok(Self(name))
                } else {
                    Err(LabelError { what: $what, name })
                }
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

label_type!(
    /// The name of a sandbox on its node, such as `build-7`: an RFC 1123
    /// label, as Kubernetes asks of names.
    SandboxId,
    "sandbox name"
);
label_type!(
    /// The name of a long-lived interpreter in a sandbox, such as `main`.
    ContextName,
    "context name"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_labels_of_domain_names() {
        let longest = "x".repeat(MAX_LABEL_BYTES);
        for good in ["a", "7", "build-7", "a--b", &longest] {
            assert!(good.parse::<SandboxId>().is_ok(), "{good}");
        }
        let longer = "x".repeat(MAX_LABEL_BYTES + 1);
        for bad in [
            "", "-a", "a-", "A", "a.b", "a/b", "..", "ä", "a b", "a\0", &longer,
        ] {
            assert!(bad.parse::<SandboxId>().is_err(), "{bad}");
        }
    }
}
