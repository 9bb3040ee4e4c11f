//! Files of sandboxes and of here: `work:src/a.txt`, `./a.txt`, `-`.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use crate::find::{Name, is_label};

/// A side of a copy.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    /// In a sandbox.
    There(Remote),
    /// On this machine.
    Here(PathBuf),
    /// Our stdin or stdout.
    Stream,
}

/// A path of a sandbox, as it was written: from which folder it counts, the
/// sandbox says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Remote {
    pub(super) name: Name,
    pub(super) path: String,
    /// It was written as a folder.
    pub(super) folder: bool,
}

/// Reads a side of a copy. What comes before the first colon has to be a
/// sandbox's name, so that `./a:b` is a path of here.
pub(super) fn place(text: &OsStr) -> Result<Place, String> {
    if text == "-" {
        return Ok(Place::Stream);
    }
    let here = || Ok(Place::Here(PathBuf::from(text)));
    let Some((name, path)) = text.to_str().and_then(|text| text.split_once(':')) else {
        return here();
    };
    // `a.b:c` is more often a file of here; `sandbox/a.b:c` is not.
    if !name.contains('/') && !is_label(name) {
        return here();
    }
    match name.parse() {
        Ok(name) => Remote::new(name, path).map(Place::There),
        Err(_) => here(),
    }
}

impl Remote {
    fn new(name: Name, path: &str) -> Result<Self, String> {
        if path.contains('\0') {
            return Err(format!("{name}:{path}: a path holds no zero"));
        }
        Ok(Self {
            folder: path.is_empty() || path.ends_with('/'),
            path: path.to_owned(),
            name,
        })
    }

    /// A name in this folder.
    pub(super) fn join(&self, name: &str) -> Result<Self, String> {
        let folder = self.path.trim_end_matches('/');
        let path = match (folder, self.path.is_empty()) {
            ("", true) => name.to_owned(),
            (folder, _) => format!("{folder}/{name}"),
        };
        Self::new(self.name.clone(), &path)
    }

    /// Its last part, if that is a name.
    pub(super) fn file_name(&self) -> Option<&str> {
        let name = self.path.trim_end_matches('/').rsplit('/').next()?;
        (!matches!(name, "" | "." | "..")).then_some(name)
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.path)
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
        for (text, path, folder) in [
            ("a:b/c", "b/c", false),
            ("a:", "", true),
            ("claim/a:/etc/", "/etc/", true),
            ("sandbox/a.b:x:y", "x:y", false),
        ] {
            let remote = remote(text);
            assert_eq!((remote.path.as_str(), remote.folder), (path, folder));
        }
    }

    #[test]
    fn what_begins_with_no_name_is_a_path_of_here() {
        for text in [
            "a", "./a:b", "/a:b", "A:b", ":b", "a.txt:b", "x/a:b", "../a:b",
        ] {
            let here = Place::Here(PathBuf::from(text));
            assert_eq!(place(OsStr::new(text)), Ok(here), "{text}");
        }
        assert_eq!(place(OsStr::new("-")), Ok(Place::Stream));
    }

    #[test]
    fn a_name_is_joined_to_a_folder() {
        for (folder, whole) in [("s:", "c"), ("s:b", "b/c"), ("s:b/", "b/c"), ("s:/", "/c")] {
            assert_eq!(remote(folder).join("c").unwrap().path, whole);
        }
        assert_eq!(remote("s:a/b/").file_name(), Some("b"));
        for nameless in ["s:", "s:/", "s:a/..", "s:."] {
            assert_eq!(remote(nameless).file_name(), None);
        }
    }
}
