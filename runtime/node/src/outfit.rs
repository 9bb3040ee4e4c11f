//! What a session has besides its image and its environment: volumes, where
//! they are mounted, and where its programs begin.

use std::collections::BTreeMap;

use mote_api::{Digest, GuestPath};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What a session has besides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Outfit {
    pub(crate) volumes: Vec<Volume>,
    pub(crate) mounts: Vec<Mount>,
    /// Where programs begin; without, in the workspace.
    pub(crate) working_dir: Option<GuestPath>,
}

/// A session that has nothing besides.
pub(crate) static PLAIN: Outfit = Outfit {
    volumes: Vec::new(),
    mounts: Vec::new(),
    working_dir: None,
};

/// A folder besides the workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Volume {
    /// A label, which is the name of its folder on disk, too.
    pub(crate) name: String,
    pub(crate) content: Content,
    /// Most that it may hold of what programs write, in bytes; 0: as much as
    /// the session may.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) max_bytes: u64,
}

fn is_none(bytes: &u64) -> bool {
    *bytes == 0
}

/// What is in a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Content {
    /// What programs write.
    Own,
    /// What was sent: the files whose digest this is.
    Sent(Digest),
}

/// Where a volume is seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mount {
    pub(crate) volume: String,
    pub(crate) path: GuestPath,
    /// A folder of the volume: names, and `/` between them; empty for all.
    pub(crate) sub_path: String,
    pub(crate) read_only: bool,
}

impl Mount {
    /// Whether it is at a folder that every session has; its volume is that
    /// folder then.
    pub(crate) fn is_over_own(&self) -> bool {
        [GuestPath::workspace(), GuestPath::tmp()].contains(&self.path)
    }
}

/// A file that was sent for a volume.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SentFile {
    /// Names, and `/` between them.
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
    /// Permission bits.
    pub(crate) mode: u32,
}

/// What was sent for each volume that has such files, in the order of paths.
pub(crate) type Sent = BTreeMap<String, Vec<SentFile>>;

impl std::fmt::Debug for SentFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // It may be a secret.
        write!(f, "{} ({} bytes)", self.path, self.bytes.len())
    }
}

/// The digest of files, which are in the order of their paths.
pub(crate) fn digest_of(files: &[SentFile]) -> Digest {
    let mut hash = Sha256::new();
    for SentFile { path, bytes, mode } in files {
        // Lengths first, so that no two lists are one text.
        for part in [path.as_bytes(), bytes] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.update(mode.to_le_bytes());
    }
    Digest::from_bytes(hash.finalize().into())
}

impl Outfit {
    /// The names of volumes in which programs write, but for those that are
    /// folders which every session has.
    pub(crate) fn own(&self) -> impl Iterator<Item = &str> {
        let own = |volume: &&Volume| {
            volume.content == Content::Own && self.over_own(&volume.name).is_none()
        };
        self.volumes
            .iter()
            .filter(own)
            .map(|volume| volume.name.as_str())
    }

    /// The folder which every session has that a volume is, if it is one.
    pub(crate) fn over_own(&self, name: &str) -> Option<&GuestPath> {
        let mut mounts = self.mounts_of(name);
        mounts.find(|it| it.is_over_own()).map(|it| &it.path)
    }

    fn mounts_of<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Mount> {
        self.mounts.iter().filter(move |it| it.volume == name)
    }

    /// The volumes that may hold less than the session, and where each is seen.
    pub(crate) fn bounded(&self) -> impl Iterator<Item = (&Volume, Vec<GuestPath>)> {
        let bounded = self.volumes.iter().filter(|it| it.max_bytes > 0);
        bounded.map(|volume| {
            let seen = self.mounts_of(&volume.name).map(|it| it.path.clone());
            (volume, seen.collect())
        })
    }

    /// Where programs begin.
    pub(crate) fn folder(&self) -> GuestPath {
        self.working_dir
            .clone()
            .unwrap_or_else(GuestPath::workspace)
    }

    /// What the volumes hold that was sent, by their names.
    pub(crate) fn digests(&self) -> impl Iterator<Item = (&str, Digest)> {
        self.volumes
            .iter()
            .filter_map(|volume| match volume.content {
                Content::Sent(digest) => Some((volume.name.as_str(), digest)),
                Content::Own => None,
            })
    }

    /// Notes what a volume holds now.
    pub(crate) fn note(&mut self, name: &str, now: Digest) {
        for volume in &mut self.volumes {
            if let (true, Content::Sent(digest)) = (volume.name == name, &mut volume.content) {
                *digest = now;
            }
        }
    }

    /// The names of volumes for which other files were sent than they hold.
    pub(crate) fn renewed(&self, wanted: &Self) -> Vec<(String, Digest)> {
        let held: BTreeMap<&str, Digest> = self.digests().collect();
        let other =
            |(name, digest): &(&str, Digest)| held.get(name).is_some_and(|held| held != digest);
        wanted
            .digests()
            .filter(other)
            .map(|(name, digest)| (name.to_owned(), digest))
            .collect()
    }

    /// The parts that a session is made of, and whether they are the same in
    /// `wanted`. What was sent for a volume is none of them.
    pub(crate) fn compared(&self, wanted: &Self) -> [(&'static str, bool); 3] {
        let Self {
            volumes,
            mounts,
            working_dir,
        } = self;
        let same = |(a, b): (&Volume, &Volume)| {
            let kind = |volume: &Volume| std::mem::discriminant(&volume.content);
            a.name == b.name && kind(a) == kind(b) && a.max_bytes == b.max_bytes
        };
        let volumes =
            volumes.len() == wanted.volumes.len() && volumes.iter().zip(&wanted.volumes).all(same);
        [
            ("volumes", volumes),
            ("mounts", *mounts == wanted.mounts),
            ("working directory", *working_dir == wanted.working_dir),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, bytes: &str, mode: u32) -> SentFile {
        SentFile {
            path: path.to_owned(),
            bytes: bytes.into(),
            mode,
        }
    }

    fn with(name: &str, content: Content) -> Outfit {
        Outfit {
            volumes: vec![Volume {
                name: name.to_owned(),
                content,
                max_bytes: 0,
            }],
            ..Outfit::default()
        }
    }

    #[test]
    fn a_digest_is_of_paths_contents_and_modes() {
        let lists = [
            vec![],
            vec![file("", "", 0)],
            vec![file("a", "b", 0o600)],
            vec![file("a", "b", 0o700)],
            vec![file("a", "c", 0o600)],
            vec![file("ab", "", 0o600)],
            vec![file("a", "b", 0o600), file("b", "", 0o600)],
        ];
        let digests: std::collections::BTreeSet<_> =
            lists.iter().map(|files| digest_of(files)).collect();
        assert_eq!(digests.len(), lists.len());
        assert_eq!(digest_of(&lists[2]), digest_of(&lists[2].clone()));
    }

    #[test]
    fn other_files_make_no_other_session_and_other_volumes_do() {
        let one = digest_of(&[file("a", "1", 0o600)]);
        let two = digest_of(&[file("a", "2", 0o600)]);
        let (held, wanted) = (with("v", Content::Sent(one)), with("v", Content::Sent(two)));
        assert!(held.compared(&wanted).iter().all(|(_, same)| *same));
        assert_eq!(held.renewed(&wanted), [("v".to_owned(), two)]);
        assert_eq!(held.renewed(&held), []);
        for other in [
            with("w", Content::Sent(one)),
            with("v", Content::Own),
            PLAIN.clone(),
        ] {
            assert_eq!(held.compared(&other)[0], ("volumes", false));
            assert_eq!(held.renewed(&other), []);
        }
        let mut noted = held;
        noted.note("v", two);
        assert_eq!(noted, wanted);
    }

    #[test]
    fn a_volume_of_another_size_is_another_and_one_without_is_kept_as_ever() {
        let sized = |max_bytes| {
            let mut outfit = with("v", Content::Own);
            outfit.volumes[0].max_bytes = max_bytes;
            outfit
        };
        assert_eq!(sized(1).compared(&sized(1))[0], ("volumes", true));
        for (held, wanted) in [(1, 2), (0, 1), (1, 0)] {
            let compared = sized(held).compared(&sized(wanted));
            assert_eq!(compared[0], ("volumes", false));
        }
        let kept = |outfit: &Outfit| serde_json::to_string(&outfit.volumes[0]).unwrap();
        assert_eq!(kept(&sized(0)), r#"{"name":"v","content":"own"}"#);
        for outfit in [sized(0), sized(7)] {
            let read: Volume = serde_json::from_str(&kept(&outfit)).unwrap();
            assert_eq!(read, outfit.volumes[0]);
        }
    }
}
