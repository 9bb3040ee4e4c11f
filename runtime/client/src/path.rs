//! Files of a sandbox's workspace: `src/a.txt`, `/workspace/src/`.

use std::fmt::{self, Write};

use mote_api::GuestPath;

/// Where the files of a sandbox are reached.
const FILES: &str = "/v1/files/";

/// A path at or below a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspacePath {
    /// Below the workspace, without `.` and `..`; empty is the workspace.
    below: String,
    /// It was written as a folder.
    pub folder: bool,
}

impl WorkspacePath {
    /// `text`, from the workspace unless it is absolute.
    ///
    /// # Errors
    /// It is no path, or leads elsewhere.
    pub fn new(text: &str) -> Result<Self, String> {
        let workspace = GuestPath::workspace();
        let whole = workspace.join(text).map_err(|error| error.to_string())?;
        let below = whole
            .below(&workspace)
            .ok_or_else(|| format!("it is not below {workspace}; only files there are reached, so copy it there first with exec"))?;
        Ok(Self {
            folder: below.is_empty() || text.ends_with('/'),
            below: below.to_owned(),
        })
    }

    /// A name in this folder.
    ///
    /// # Errors
    /// The name leads elsewhere, or is too long.
    pub fn join(&self, name: &str) -> Result<Self, String> {
        Self::new(&format!("{self}/{name}"))
    }

    /// Its last part; nothing for the workspace.
    pub fn name(&self) -> Option<&str> {
        let name = self.below.rsplit('/').next()?;
        (!name.is_empty()).then_some(name)
    }

    /// The path of its URL. Each byte that has a meaning in one is encoded.
    pub fn url_path(&self) -> String {
        let mut text = FILES.to_owned();
        for byte in self.below.bytes() {
            match byte {
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                    text.push(char::from(byte));
                }
                // Writing to a string cannot fail.
                _ => drop(write!(text, "%{byte:02X}")),
            }
        }
        text
    }
}

impl fmt::Display for WorkspacePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = format!("{}/{}", GuestPath::workspace(), self.below);
        f.write_str(whole.trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> WorkspacePath {
        WorkspacePath::new(text).unwrap()
    }

    #[test]
    fn a_path_is_of_the_workspace() {
        for (text, shown, folder) in [
            ("b/c", "/workspace/b/c", false),
            ("", "/workspace", true),
            ("/workspace/b/", "/workspace/b", true),
            ("b/../c/./d", "/workspace/c/d", false),
            ("x:y", "/workspace/x:y", false),
        ] {
            let path = path(text);
            assert_eq!((path.to_string().as_str(), path.folder), (shown, folder));
        }
    }

    #[test]
    fn nothing_outside_the_workspace_is_named() {
        for text in ["..", "/tmp/x", "../../etc/passwd", "/workspaces"] {
            let why = WorkspacePath::new(text).unwrap_err();
            assert!(why.contains("not below /workspace"), "{why}");
        }
    }

    #[test]
    fn a_url_holds_no_byte_that_means_something_else_there() {
        assert_eq!(
            path("b c/%2e?#\\ä").url_path(),
            "/v1/files/b%20c/%252e%3F%23%5C%C3%A4"
        );
        assert_eq!(path("").url_path(), "/v1/files/");
    }

    #[test]
    fn a_name_is_joined_to_a_folder() {
        let joined = path("b/").join("c").unwrap();
        assert_eq!(joined.to_string(), "/workspace/b/c");
        assert_eq!(joined.name(), Some("c"));
        assert_eq!(path("").name(), None);
        assert!(path("b").join("../../c").is_err());
    }
}
