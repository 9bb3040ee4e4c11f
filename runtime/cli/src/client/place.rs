//! Files of sandboxes and of here: `work:src/a.txt`, `./a.txt`, `-`.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use mote_api::SandboxId;
use mote_client::path::WorkspacePath;

/// A side of a copy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    /// In a sandbox.
    There(Remote),
    /// On this machine.
    Here(PathBuf),
    /// Our stdin or stdout.
    Stream,
}

/// A path of a sandbox, at or below its workspace.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Remote {
    pub(crate) id: SandboxId,
    pub(crate) path: WorkspacePath,
}

/// Reads a side of a copy. What comes before the first colon has to be a
/// sandbox's name, so that `./a:b` is a path of here.
pub(crate) fn place(text: &OsStr) -> Result<Place, String> {
    if text == "-" {
        return Ok(Place::Stream);
    }
    let here = || Ok(Place::Here(PathBuf::from(text)));
    let Some((id, path)) = text.to_str().and_then(|text| text.split_once(':')) else {
        return here();
    };
    match id.parse() {
        Ok(id) => Remote::new(id, path).map(Place::There),
        Err(_) => here(),
    }
}

impl Remote {
    /// `path`, from the workspace unless it is absolute.
    pub(crate) fn new(id: SandboxId, path: &str) -> Result<Self, String> {
        let below = WorkspacePath::new(path).map_err(|why| format!("{id}:{path}: {why}"))?;
        Ok(Self { id, path: below })
    }

    /// A name in this folder.
    pub(crate) fn join(&self, name: &str) -> Result<Self, String> {
        Self::new(self.id.clone(), &format!("{}/{name}", self.path))
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.id, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(text: &str) -> Remote {
        match place(OsStr::new(text)).unwrap() {
            Place::There(remote) => remote,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_sandboxs_name_and_a_colon_make_a_path_of_it() {
        for (text, shown, folder) in [
            ("a:b/c", "a:/workspace/b/c", false),
            ("a:", "a:/workspace", true),
            ("a:/workspace/b/", "a:/workspace/b", true),
            ("a:b/../c/./d", "a:/workspace/c/d", false),
            ("a:x:y", "a:/workspace/x:y", false),
        ] {
            let remote = remote(text);
            assert_eq!(
                (remote.to_string().as_str(), remote.path.folder),
                (shown, folder)
            );
        }
    }

    #[test]
    fn what_begins_with_no_name_is_a_path_of_here() {
        for text in ["a", "./a:b", "/a:b", "A:b", ":b"] {
            let here = Place::Here(PathBuf::from(text));
            assert_eq!(place(OsStr::new(text)), Ok(here), "{text}");
        }
        assert_eq!(place(OsStr::new("-")), Ok(Place::Stream));
    }

    #[test]
    fn nothing_outside_the_workspace_is_named() {
        for text in ["a:..", "a:/tmp/x", "a:../../etc/passwd", "a:/workspaces"] {
            let why = place(OsStr::new(text)).unwrap_err();
            assert!(why.contains("not below /workspace"), "{why}");
        }
    }

    #[test]
    fn a_url_holds_no_byte_that_means_something_else_there() {
        assert_eq!(
            remote("a:b c/%2e?#\\ä").path.url_path(),
            "/v1/files/b%20c/%252e%3F%23%5C%C3%A4"
        );
        assert_eq!(remote("a:").path.url_path(), "/v1/files/");
    }

    #[test]
    fn a_name_is_joined_to_a_folder() {
        let joined = remote("a:b/").join("c").unwrap();
        assert_eq!(joined.to_string(), "a:/workspace/b/c");
        assert_eq!(joined.path.name(), Some("c"));
        assert_eq!(remote("a:").path.name(), None);
    }
}
