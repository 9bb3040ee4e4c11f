//! A caller's path, as far as its text alone says where it leads.

use std::io;

/// Longest path that a caller may name, in bytes: `PATH_MAX` of Linux, past
/// which no system call would take it.
pub const PATH_BYTES: usize = 4096;

/// A path cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// It leads out of the root.
    #[error("path traversal outside sandbox root is forbidden")]
    Escapes,
    /// It holds a NUL byte, which ends a path early.
    #[error("the path holds a NUL byte; name a path without one")]
    Nul,
    /// It is longer than [`PATH_BYTES`].
    #[error("the path is longer than {PATH_BYTES} bytes; name a shorter one")]
    TooLong,
    /// More links than the system would follow.
    #[error("the path leads through too many links, or in a circle; name the file itself")]
    Links,
    /// The system does not let it be followed.
    #[error("failed to follow the path: {0}")]
    Io(#[from] io::Error),
}

/// The names of an absolute path, from the top.
pub(super) fn names(path: &str) -> Vec<&str> {
    walk(Vec::new(), path)
}

/// The names that lead from the root to `user`, without `.` or `..`.
///
/// A relative path starts at the root, which is called `root`. An absolute one
/// is taken as one below the root, whether or not it begins with `root`.
pub(super) fn below<'a>(root: &[&'a str], user: &'a str) -> Result<Vec<&'a str>, PathError> {
    if user.len() > PATH_BYTES {
        return Err(PathError::TooLong);
    }
    if user.contains('\0') {
        return Err(PathError::Nul);
    }
    let absolute = user.starts_with('/');
    let start = if absolute { Vec::new() } else { root.to_vec() };
    let names = walk(start, user);
    match names.strip_prefix(root) {
        Some(below) => Ok(below.to_vec()),
        None if absolute => Ok(names),
        None => Err(PathError::Escapes),
    }
}

/// Goes on from `names` by `path`. Above the top is the top.
fn walk<'a>(mut names: Vec<&'a str>, path: &'a str) -> Vec<&'a str> {
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOT: [&str; 1] = ["workspace"];

    fn joined(user: &str) -> Option<String> {
        below(&ROOT, user).ok().map(|names| names.join("/"))
    }

    #[test]
    fn a_path_is_taken_below_the_root() {
        for (user, expected) in [
            ("", ""),
            (".", ""),
            ("/", ""),
            ("a/b", "a/b"),
            ("./a//b/./", "a/b"),
            ("a/../b", "b"),
            ("/etc/x", "etc/x"),
            ("/../etc/x", "etc/x"),
            ("/workspace", ""),
            ("/workspace/", ""),
            ("/workspace/a", "a"),
            ("//workspace/./a", "a"),
            ("/workspace-evil/a", "workspace-evil/a"),
            ("/workspace/../a", "a"),
            ("workspace/a", "workspace/a"),
            ("../workspace/a", "a"),
            ("...", "..."),
        ] {
            assert_eq!(joined(user).as_deref(), Some(expected), "{user}");
        }
    }

    #[test]
    fn a_relative_path_may_not_leave_the_root() {
        for user in ["..", "../etc/passwd", "a/../../etc", "../workspace-evil/f"] {
            assert!(
                matches!(below(&ROOT, user), Err(PathError::Escapes)),
                "{user}"
            );
        }
    }

    #[test]
    fn nothing_is_above_a_root_that_is_the_top() {
        assert_eq!(below(&[], "../a").unwrap(), ["a"]);
        assert_eq!(names("//a/./b/../c/"), ["a", "c"]);
    }

    #[test]
    fn a_path_is_bounded_and_free_of_nul() {
        assert!(below(&ROOT, &"a".repeat(PATH_BYTES)).is_ok());
        let long = "a".repeat(PATH_BYTES + 1);
        assert!(matches!(below(&ROOT, &long), Err(PathError::TooLong)));
        assert!(matches!(below(&ROOT, "a\0b"), Err(PathError::Nul)));
    }

    proptest! {
        #[test]
        fn what_is_left_has_only_plain_names(user in r"(\.|/|\.\.|a|workspace|\PC){0,12}") {
            for name in below(&ROOT, &user).unwrap_or_default() {
                prop_assert!(!matches!(name, "" | "." | ".."));
                prop_assert!(!name.contains('/'));
            }
        }

        #[test]
        fn what_is_cleaned_stays_as_it_is(user in r"(/|\.|\.\.|[ab]){0,12}") {
            if let Some(once) = joined(&user) {
                prop_assert_eq!(joined(&once), Some(once.clone()));
            }
        }
    }
}
