use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest guest path in bytes: Linux's `PATH_MAX`.
const MAX_PATH_BYTES: usize = 4096;

/// A name is not of its form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not an absolute, normalised guest path.
    #[error(
        "{0:?} is no guest path; write an absolute path without `.`, `..`, empty parts or NUL, such as /data"
    )]
    GuestPath(String),
    /// Not a SHA-256 digest.
    #[error("{0:?} is no digest; write sha256: and 64 lower-case hexadecimal digits")]
    Digest(String),
}

/// An absolute path as a guest sees it, such as `/workspace` or `/`: no `.`,
/// no `..`, no empty component, no trailing slash, no NUL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GuestPath(String);

impl GuestPath {
    /// Where a sandbox's own persistent files are.
    pub fn workspace() -> Self {
        Self("/workspace".to_owned())
    }

    /// Scratch space that goes with the session.
    pub fn tmp() -> Self {
        Self("/tmp".to_owned())
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The absolute path that `path` names when `self` is the working
    /// directory, with `.` and `..` resolved by name alone.
    ///
    /// # Errors
    /// `path` holds a NUL or the result is longer than 4096 bytes.
    pub fn join(&self, path: &str) -> Result<Self, NameError> {
        let base = if path.starts_with('/') {
            ""
        } else {
            self.as_str()
        };
        let mut parts: Vec<&str> = Vec::new();
        for part in base.split('/').chain(path.split('/')) {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        format!("/{}", parts.join("/")).parse()
    }

    /// Whether one of the two is the other or lies in it.
    pub fn meets(&self, other: &GuestPath) -> bool {
        self.below(other).is_some() || other.below(self).is_some()
    }

    /// The rest of `self` below `dir`, without a leading slash; `None` where
    /// `self` is not `dir` or below it.
    pub fn below(&self, dir: &GuestPath) -> Option<&str> {
        let rest = self.0.strip_prefix(dir.0.trim_end_matches('/'))?;
        match rest.strip_prefix('/') {
            Some(rest) => Some(rest),
            None if rest.is_empty() => Some(""),
            None => None,
        }
    }
}

impl FromStr for GuestPath {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let invalid = || NameError::GuestPath(text.to_owned());
        let rest = text.strip_prefix('/').ok_or_else(invalid)?;
        let normal = rest.is_empty() || rest.split('/').all(|p| !matches!(p, "" | "." | ".."));
        if normal && text.len() <= MAX_PATH_BYTES && !text.contains('\0') {
            Ok(Self(text.to_owned()))
        } else {
            Err(invalid())
        }
    }
}

impl TryFrom<String> for GuestPath {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<GuestPath> for String {
    fn from(path: GuestPath) -> Self {
        path.0
    }
}

impl fmt::Display for GuestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The digest by which a component is known, written as in OCI:
/// `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest whose 32 bytes are `bytes`.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 64 hexadecimal digits without `sha256:`; fit for a file name.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl FromStr for Digest {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let invalid = || NameError::Digest(text.to_owned());
        let hex = text.strip_prefix("sha256:").ok_or_else(invalid)?;
        let lower = |b: &u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if hex.len() != 64 || !hex.as_bytes().iter().all(lower) {
            return Err(invalid());
        }
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| invalid())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| invalid())?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> GuestPath {
        text.parse().unwrap()
    }

    #[test]
    fn guest_paths_are_absolute_and_normal() {
        for text in ["/", "/data", "/a/b.c/d e"] {
            assert_eq!(path(text).as_str(), text);
        }
        for text in ["", "data", "/a/", "/a//b", "/a/./b", "/../etc", "/a\0b"] {
            assert!(text.parse::<GuestPath>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn join_never_leaves_the_root() {
        assert_eq!(path("/w").join("../../etc/passwd"), Ok(path("/etc/passwd")));
        assert_eq!(path("/w").join("./a/../b"), Ok(path("/w/b")));
        assert_eq!(path("/w").join("/abs"), Ok(path("/abs")));
        assert_eq!(path("/w").join("/.."), Ok(path("/")));
    }

    #[test]
    fn below_compares_whole_components() {
        assert_eq!(path("/data/x/y").below(&path("/data")), Some("x/y"));
        assert_eq!(path("/data").below(&path("/data")), Some(""));
        assert_eq!(path("/x").below(&path("/")), Some("x"));
        assert_eq!(path("/database").below(&path("/data")), None);
    }

    #[test]
    fn digests_round_trip_and_refuse_other_forms() {
        let digest = Digest::from_bytes([0xab; 32]);
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for text in [
            "",
            "sha256:",
            "md5:00",
            &"sha256:G".repeat(9),
            &digest.hex(),
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text:?}");
        }
        assert!(digest.to_string().to_uppercase().parse::<Digest>().is_err());
    }
}
