//! Volumes, mounts and the working directory, as they are asked for.

use std::collections::{BTreeMap, BTreeSet};

use mote_api::GuestPath;
use mote_rpc::v1;
use mote_rpc::v1::volume::Source;

use crate::outfit::{Content, Mount, Outfit, Sent, SentFile, Volume, digest_of};

/// Volumes of one session, and places where they are seen: each place is an
/// open folder of each of its programs.
const MAX_VOLUMES: usize = 32;
const MAX_MOUNTS: usize = 32;
/// Files that are sent for one session, and bytes of all of them: four
/// objects of Kubernetes as large as they may be.
const MAX_FILES: usize = 4_096;
const MAX_FILE_BYTES: usize = 4 << 20;
/// Longest name of a volume, as Kubernetes has them.
const MAX_NAME_BYTES: usize = 63;
/// Longest path in a volume, longest name in it, and most names of one path:
/// below what the system takes, with the node's own folders before it.
const MAX_PATH_BYTES: usize = 1_024;
const MAX_PART_BYTES: usize = 255;
const MAX_PARTS: usize = 32;
/// Permission bits there are.
const MODES: u32 = 0o777;

/// What a session has besides, and the files that were sent for it.
///
/// # Errors
/// It makes no sense, as a sentence.
pub(super) fn parse(
    volumes: Vec<v1::Volume>,
    mounts: Vec<v1::Mount>,
    working_dir: &str,
) -> Result<(Outfit, Sent), String> {
    at_most(volumes.len(), MAX_VOLUMES, "volumes")?;
    at_most(mounts.len(), MAX_MOUNTS, "mounts")?;
    let (volumes, sent) = parse_volumes(volumes)?;
    let mounts = parse_mounts(mounts, &volumes, &sent)?;
    let working_dir = (!working_dir.is_empty())
        .then(|| parse_working_dir(working_dir, &mounts))
        .transpose()?;
    let outfit = Outfit {
        volumes,
        mounts,
        working_dir,
    };
    Ok((outfit, sent))
}

fn at_most(count: usize, most: usize, what: &str) -> Result<(), String> {
    if count <= most {
        return Ok(());
    }
    Err(format!("{count} {what}; a session has {most} at most"))
}

fn parse_volumes(volumes: Vec<v1::Volume>) -> Result<(Vec<Volume>, Sent), String> {
    let mut all = Vec::with_capacity(volumes.len());
    let (mut sent, mut names) = (Sent::new(), BTreeSet::new());
    let (mut files, mut bytes) = (0, 0);
    for v1::Volume { name, source } in volumes {
        check_name(&name)?;
        if !names.insert(name.clone()) {
            return Err(format!(
                "there are two volumes {name}; give each its own name"
            ));
        }
        let mut max_bytes = 0;
        let content = match source {
            Some(Source::EmptyDir(v1::EmptyDir { size_bytes })) => {
                max_bytes = size_bytes;
                Content::Own
            }
            Some(Source::Files(v1::Files { files: asked })) => {
                files += asked.len();
                bytes += asked.iter().map(|file| file.content.len()).sum::<usize>();
                at_most(files, MAX_FILES, "files")?;
                at_most(bytes, MAX_FILE_BYTES, "bytes of files")?;
                let asked = parse_files(&name, asked)?;
                let digest = digest_of(&asked);
                sent.insert(name.clone(), asked);
                Content::Sent(digest)
            }
            None => {
                return Err(format!(
                    "volume {name} is of a kind that this node host does not know; use a node of the controller's version"
                ));
            }
        };
        all.push(Volume {
            name,
            content,
            max_bytes,
        });
    }
    Ok((all, sent))
}

/// The name is that of a folder on the node's disk.
fn check_name(name: &str) -> Result<(), String> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(letter) {
        return Ok(());
    }
    Err(format!(
        "{} is no name of a volume; give 1 to {MAX_NAME_BYTES} of a-z, 0-9 and -",
        told(name)
    ))
}

/// The files, in the order of their paths.
fn parse_files(volume: &str, files: Vec<v1::File>) -> Result<Vec<SentFile>, String> {
    let mut all = BTreeMap::new();
    for v1::File {
        path,
        content,
        mode,
    } in files
    {
        check_path(&path).map_err(|why| format!("a file of volume {volume}: {why}"))?;
        if mode > MODES {
            return Err(format!(
                "file {path} of volume {volume} has mode {mode:o}; give permission bits, 777 at most"
            ));
        }
        let file = SentFile {
            path: path.clone(),
            bytes: content,
            mode,
        };
        if all.insert(path.clone(), file).is_some() {
            return Err(format!(
                "volume {volume} has two files {path}; send one of each path"
            ));
        }
    }
    for path in all.keys() {
        let mut above = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
        if let Some(file) = above.find(|above| all.contains_key(*above)) {
            return Err(format!(
                "{file} of volume {volume} is a file and the folder of {path}; send one of the two"
            ));
        }
    }
    Ok(all.into_values().collect())
}

/// Whether a path leads to something below where it begins.
fn check_path(path: &str) -> Result<(), String> {
    let parts = path.split('/');
    // Names of the node's own begin with two dots, as those of a kubelet do.
    let good = |part: &str| {
        (1..=MAX_PART_BYTES).contains(&part.len()) && part != "." && !part.starts_with("..")
    };
    let ok = path.len() <= MAX_PATH_BYTES
        && !path.contains('\0')
        && parts.clone().count() <= MAX_PARTS
        && parts.clone().all(good);
    ok.then_some(()).ok_or_else(|| {
        format!(
            "{} is no path below a volume; give one of {MAX_PATH_BYTES} bytes at most, without empty parts, `.`, NUL, and names that begin with `..`",
            told(path)
        )
    })
}

fn parse_mounts(
    mounts: Vec<v1::Mount>,
    volumes: &[Volume],
    sent: &Sent,
) -> Result<Vec<Mount>, String> {
    let mut all: Vec<Mount> = Vec::with_capacity(mounts.len());
    for asked in mounts {
        let mount = parse_mount(asked, volumes, sent)?;
        all.iter().try_for_each(|other| check_pair(other, &mount))?;
        all.push(mount);
    }
    Ok(all)
}

fn parse_mount(asked: v1::Mount, volumes: &[Volume], sent: &Sent) -> Result<Mount, String> {
    let v1::Mount {
        volume,
        path,
        sub_path,
        read_only,
    } = asked;
    let path = parse_guest(&path)?;
    let found = volumes.iter().find(|held| held.name == volume);
    let found = found.ok_or_else(|| {
        format!(
            "{path} is to be volume {}, which is not there; name one of the session's volumes",
            told(&volume)
        )
    })?;
    if !sub_path.is_empty() {
        check_path(&sub_path).map_err(|why| format!("the sub-path of {path}: {why}"))?;
    }
    if let Some(files) = sent.get(&volume).filter(|_| !sub_path.is_empty()) {
        let below = format!("{sub_path}/");
        if !files.iter().any(|file| file.path.starts_with(&below)) {
            return Err(format!(
                "{sub_path} is no folder of volume {volume}, and only a folder can be mounted, at {path}; mount the whole volume"
            ));
        }
    }
    let mount = Mount {
        read_only: read_only || matches!(found.content, Content::Sent(_)),
        volume,
        path,
        sub_path,
    };
    check_place(&mount)?;
    Ok(mount)
}

/// Whether anything can be mounted there. Over a folder that every session
/// has, only what can be that folder: a whole volume in which programs write.
fn check_place(mount: &Mount) -> Result<(), String> {
    let path = &mount.path;
    let own = [GuestPath::workspace(), GuestPath::tmp()];
    let is_folder = mount.is_over_own() && !mount.read_only && mount.sub_path.is_empty();
    if is_folder || !own.iter().any(|own| meet(own, path)) {
        return Ok(());
    }
    Err(format!(
        "{path} cannot be mounted at: it is /workspace or /tmp, or above or below one; name another path, or mount all of an emptyDir at one of the two, for reading and writing"
    ))
}

/// Whether two mounts can be there at once.
fn check_pair(one: &Mount, other: &Mount) -> Result<(), String> {
    if meet(&one.path, &other.path) {
        return Err(format!(
            "{} and {} cannot both be mounted at: one lies in the other; name paths beside each other",
            one.path, other.path
        ));
    }
    if one.volume == other.volume && (one.is_over_own() || other.is_over_own()) {
        return Err(format!(
            "volume {} cannot be mounted at both {} and {}: it is a folder that the session has anyway; mount another volume",
            told(&one.volume),
            one.path,
            other.path
        ));
    }
    let changed_in = |read: &Mount, write: &Mount| {
        read.read_only && !write.read_only && is_in(&read.sub_path, &write.sub_path)
    };
    if one.volume == other.volume && (changed_in(one, other) || changed_in(other, one)) {
        return Err(format!(
            "what of volume {} is to be read alone at one of {} and {} could be changed at the other; mount both alike",
            one.volume, one.path, other.path
        ));
    }
    Ok(())
}

/// Whether one of two paths is the other or lies in it.
fn meet(one: &GuestPath, other: &GuestPath) -> bool {
    one.below(other).is_some() || other.below(one).is_some()
}

/// Whether a path in a volume is another or lies in it.
fn is_in(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder);
    rest.is_some_and(|rest| folder.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

fn parse_working_dir(path: &str, mounts: &[Mount]) -> Result<GuestPath, String> {
    let path = parse_guest(path)?;
    let workspace = GuestPath::workspace();
    let held = mounts.iter().map(|mount| &mount.path);
    if held
        .chain([&workspace])
        .any(|held| path.below(held).is_some())
    {
        return Ok(path);
    }
    Err(format!(
        "the working directory {path} lies in no folder of the session; name one in /workspace or where a volume is mounted"
    ))
}

/// A path as guests see it, which may end with a slash.
fn parse_guest(path: &str) -> Result<GuestPath, String> {
    let plain = path.trim_end_matches('/');
    let plain = if plain.is_empty() { path } else { plain };
    plain.parse().map_err(|_| {
        format!(
            "{} is no path of a folder; write an absolute one without `.`, `..`, empty parts or NUL, such as /data",
            told(path)
        )
    })
}

/// As much of a caller's text as a sentence has room for.
fn told(text: &str) -> String {
    const MOST: usize = 128;
    let clipped: String = text.chars().take(MOST).collect();
    format!("{clipped:?}")
}

#[cfg(test)]
mod tests;
