//! Volumes, mounts and the working directory, as they are asked for.

use std::collections::{BTreeMap, BTreeSet};

use mote_api::GuestPath;
use mote_rpc::rules::{
    self, MAX_FILE_BYTES, MAX_MOUNTS, MAX_PATH_BYTES, MAX_VOLUME_NAME_BYTES, MAX_VOLUMES,
};
use mote_rpc::v1;
use mote_rpc::v1::volume::Source;

use crate::outfit::{Content, Mount, Outfit, Sent, SentFile, Volume, digest_of};

/// Files that are sent for one session.
const MAX_FILES: usize = 4_096;
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
    if rules::is_volume_name(name) {
        return Ok(());
    }
    Err(format!(
        "{} is no name of a volume; give 1 to {MAX_VOLUME_NAME_BYTES} of a-z, 0-9 and -",
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
    rules::is_path_in_volume(path).then_some(()).ok_or_else(|| {
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
    if is_folder || !own.iter().any(|own| own.meets(path)) {
        return Ok(());
    }
    Err(format!(
        "{path} cannot be mounted at: it is /workspace or /tmp, or above or below one; name another path, or mount all of an emptyDir at one of the two, for reading and writing"
    ))
}

/// Whether two mounts can be there at once.
fn check_pair(one: &Mount, other: &Mount) -> Result<(), String> {
    if one.path.meets(&other.path) {
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
    let [this, that] = [one, other].map(|mount| (mount.sub_path.as_str(), mount.read_only));
    if one.volume == other.volume && rules::can_be_changed(this, that) {
        return Err(format!(
            "what of volume {} is to be read alone at one of {} and {} could be changed at the other; mount both alike",
            one.volume, one.path, other.path
        ));
    }
    Ok(())
}

fn parse_working_dir(path: &str, mounts: &[Mount]) -> Result<GuestPath, String> {
    let path = parse_guest(path)?;
    if rules::is_in_session(&path, mounts.iter().map(|mount| &mount.path)) {
        return Ok(path);
    }
    Err(format!(
        "the working directory {path} lies in no folder of the session; name one in /workspace, /tmp or where a volume is mounted"
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
