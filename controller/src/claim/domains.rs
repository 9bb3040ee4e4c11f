//! The domains under which claims may bring labels.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The domain that is allowed where the operator names none.
const DEFAULT_DOMAIN: &str = "sandbox.users.io";
/// Domains are at most 253 characters long; a list of hundreds is no list
/// that someone looks through. In bytes.
const MAX_FILE: u64 = 64 * 1024;

/// Domains; each stands for itself and for what is below it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Domains(Vec<String>);

impl Default for Domains {
    fn default() -> Self {
        Self(vec![DEFAULT_DOMAIN.to_owned()])
    }
}

impl Domains {
    /// Reads the operator's list. None, or one without a domain: the default.
    ///
    /// # Errors
    /// A file that is there and cannot be read, or is too long.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        let mut text = String::new();
        if file.take(MAX_FILE + 1).read_to_string(&mut text)? as u64 > MAX_FILE {
            return Err(io::Error::other(format!("longer than {MAX_FILE} bytes")));
        }
        Ok(Self::parse(&text))
    }

    /// Domains stand one a line or with commas between; `#` begins a comment.
    pub(super) fn parse(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| line.split('#').next());
        let words = lines.flat_map(|line| line.split([',', ' ', '\t']));
        let domains: Vec<_> = words
            .map(|word| word.trim().to_ascii_lowercase())
            .filter(|word| !word.is_empty())
            .collect();
        if domains.is_empty() {
            return Self::default();
        }
        Self(domains)
    }

    /// Whether the domain is one of them or below one of them.
    pub(super) fn allow(&self, domain: &str) -> bool {
        self.0.iter().any(|allowed| is_within(domain, allowed))
    }
}

/// Whether a domain is another or below it.
pub(super) fn is_within(domain: &str, above: &str) -> bool {
    domain
        .strip_suffix(above)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_list_one_domain_is_allowed() {
        for domains in [Domains::default(), Domains::parse(" \n# none\n")] {
            assert!(domains.allow("sandbox.users.io") && domains.allow("team.sandbox.users.io"));
            assert!(!domains.allow("evilsandbox.users.io") && !domains.allow("users.io"));
        }
        let nowhere = Domains::read(Path::new("/nonexistent/allowed-label-domains"));
        assert_eq!(nowhere.unwrap(), Domains::default());
    }

    #[test]
    fn a_list_replaces_the_default() {
        let domains = Domains::parse("example.com # ours\nteam.example.org, Other.example\n");
        for allowed in [
            "example.com",
            "a.example.com",
            "team.example.org",
            "other.example",
        ] {
            assert!(domains.allow(allowed), "{allowed}");
        }
        assert!(!domains.allow("sandbox.users.io") && !domains.allow("example.org"));
    }
}
