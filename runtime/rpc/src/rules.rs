//! What node hosts take of a session, as far as that can be known without the
//! node. The controller looks first, so that an object is told which of its
//! fields is too much, and a choice between tiers knows it.

use mote_api::GuestPath;

/// Volumes of one session, and places where they are seen: each place is an
/// open folder of each of its programs.
pub const MAX_VOLUMES: usize = 32;
/// As above.
pub const MAX_MOUNTS: usize = 32;
/// Bytes of all files that are sent for one session: four objects of Kubernetes
/// as large as they may be.
pub const MAX_FILE_BYTES: usize = 4 << 20;
/// Longest name of a volume, as Kubernetes has them.
pub const MAX_VOLUME_NAME_BYTES: usize = 63;
/// Longest path in a volume, longest name in it, and most names of one path:
/// below what the system takes, with the node's own folders before it.
pub const MAX_PATH_BYTES: usize = 1_024;
/// As above.
pub const MAX_PART_BYTES: usize = 255;
/// As above.
pub const MAX_PARTS: usize = 32;
/// Words of a command, and bytes of all of them: more than any that people
/// write, and little beside the rest of what a node keeps of a session.
pub const MAX_COMMAND_WORDS: usize = 1_024;
/// As above.
pub const MAX_COMMAND_BYTES: usize = 64 << 10;
/// Longest deadline, in seconds: that of Kubernetes.
pub const MAX_DEADLINE_SECONDS: u64 = (1 << 31) - 1;

/// Whether a volume may have this name: it is that of a folder on the node's
/// disk.
pub fn is_volume_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_VOLUME_NAME_BYTES).contains(&name.len()) && name.bytes().all(letter)
}

/// Whether a path leads to something below where a volume begins.
pub fn is_path_in_volume(path: &str) -> bool {
    let parts = path.split('/');
    // Names of the node's own begin with two dots, as those of a kubelet do.
    let good = |part: &str| {
        (1..=MAX_PART_BYTES).contains(&part.len()) && part != "." && !part.starts_with("..")
    };
    path.len() <= MAX_PATH_BYTES
        && !path.contains('\0')
        && parts.clone().count() <= MAX_PARTS
        && parts.clone().all(good)
}

/// A part of a volume, the whole of which is the empty path, and whether it is
/// for reading alone.
pub type Part<'a> = (&'a str, bool);

/// Whether what is for reading alone in one of two parts of a volume can be
/// changed in the other.
pub fn can_be_changed(one: Part<'_>, other: Part<'_>) -> bool {
    let changed_in = |(read, for_reading): Part<'_>, (written, read_only): Part<'_>| {
        for_reading && !read_only && is_in(read, written)
    };
    changed_in(one, other) || changed_in(other, one)
}

/// Whether a path in a volume is another or lies in it.
fn is_in(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder);
    rest.is_some_and(|rest| folder.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

/// Whether programs can begin in a folder: one of those that every session has,
/// where something is mounted, or below.
pub fn is_in_session<'a>(
    folder: &GuestPath,
    mounts: impl IntoIterator<Item = &'a GuestPath>,
) -> bool {
    let own = [GuestPath::workspace(), GuestPath::tmp()];
    let is_below = |held: &GuestPath| folder.below(held).is_some();
    own.iter().any(is_below) || mounts.into_iter().any(is_below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_has_the_name_of_a_folder() {
        let longest = "v".repeat(MAX_VOLUME_NAME_BYTES);
        assert!(is_volume_name("v-1") && is_volume_name(&longest));
        for name in ["", "V", "../up", "a.b", &(longest + "v")] {
            assert!(!is_volume_name(name), "{name}");
        }
    }

    #[test]
    fn a_path_in_a_volume_leads_out_of_it_nowhere() {
        let deepest = vec!["d"; MAX_PARTS].join("/");
        assert!(is_path_in_volume("a/b") && is_path_in_volume(&deepest));
        let long = "x".repeat(MAX_PART_BYTES + 1);
        for path in ["", "/a", "a//b", "./a", "a/..", "..data", "a\0b", &long] {
            assert!(!is_path_in_volume(path), "{path}");
        }
        assert!(!is_path_in_volume(&(deepest + "/d")));
    }

    #[test]
    fn what_is_for_reading_is_changed_only_where_it_is_written() {
        for (one, other, changed) in [
            (("", true), ("", false), true),
            (("a/b", true), ("a", false), true),
            (("a", true), ("a/b", false), false),
            (("ab", true), ("a", false), false),
            (("a", true), ("a", true), false),
        ] {
            assert_eq!(can_be_changed(one, other), changed, "{one:?} {other:?}");
            assert_eq!(can_be_changed(other, one), changed, "{other:?} {one:?}");
        }
    }

    #[test]
    fn programs_begin_in_a_folder_of_the_session() {
        let path = |text: &str| text.parse::<GuestPath>().unwrap();
        let mounts = [path("/data")];
        for folder in ["/workspace", "/workspace/a", "/tmp", "/data/x"] {
            assert!(is_in_session(&path(folder), &mounts), "{folder}");
        }
        for folder in ["/", "/etc", "/workspaces", "/dat"] {
            assert!(!is_in_session(&path(folder), &mounts), "{folder}");
        }
    }
}
