//! A session's volumes on disk.
//!
//! ```text
//! HOME/volumes/NAME         what programs write
//! HOME/files/NAME/..GEN     what was sent last
//!                /..data    a link to it
//!                /FILE      a link below that, for each first name of a path
//! ```
//!
//! As a kubelet keeps them: one rename puts all files of a volume in the place
//! of those from before, and who has the folder open sees it.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use mote_api::{Access, Grant, GuestPath, Preopen};
use rand::RngExt;

use crate::outfit::{Content, Mount, Outfit, Sent, SentFile};
use crate::tree;

/// Only the node's own user reads what was sent: it may be a secret.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// Bits of a mode that the node's own user is given; nobody else is. The node
/// itself has to read what it mounts.
const OWN_BITS: u32 = 0o700;
const READ_BIT: u32 = 0o400;
/// The link to what was sent last.
const DATA: &str = "..data";

/// Where a session's volumes are.
#[derive(Clone, Copy)]
pub(crate) struct Volumes<'a>(pub(crate) &'a Path);

impl Volumes<'_> {
    /// The folder of a volume in which programs write.
    pub(crate) fn own(self, name: &str) -> PathBuf {
        self.0.join("volumes").join(name)
    }

    fn sent(self, name: &str) -> PathBuf {
        self.0.join("files").join(name)
    }

    /// Makes the volumes of a session that is new.
    ///
    /// # Errors
    /// The disk fails.
    pub(crate) fn make(self, outfit: &Outfit, sent: &Sent) -> io::Result<()> {
        for name in outfit.own() {
            make_folder(&self.own(name))?;
        }
        self.publish(sent)
    }

    /// Puts files in the place of those that were sent before.
    ///
    /// # Errors
    /// The disk fails. Those of each volume are the old or the new ones.
    pub(crate) fn publish(self, sent: &Sent) -> io::Result<()> {
        for (name, files) in sent {
            publish(&self.sent(name), files)?;
        }
        Ok(())
    }

    /// What the mounts grant.
    ///
    /// # Errors
    /// A volume is not there.
    pub(crate) fn grants(self, outfit: &Outfit) -> io::Result<Vec<Grant>> {
        let grant = |mount: &Mount| {
            let access = if mount.read_only {
                Access::ReadOnly
            } else {
                Access::ReadWrite
            };
            Ok(Grant::Preopen(Preopen {
                guest: mount.path.clone(),
                host: self.host(outfit, mount)?,
                access,
            }))
        };
        // A session has its own folders anyway.
        let beside = outfit.mounts.iter().filter(|mount| !mount.is_over_own());
        beside.map(grant).collect()
    }

    fn host(self, outfit: &Outfit, mount: &Mount) -> io::Result<PathBuf> {
        let Mount {
            volume, sub_path, ..
        } = mount;
        if is_own(outfit, volume) {
            // Without a slash at the end, which names no other folder but is
            // another path.
            let folder = self.own(volume);
            return Ok(if sub_path.is_empty() {
                folder
            } else {
                folder.join(sub_path)
            });
        }
        let folder = self.sent(volume);
        if sub_path.is_empty() {
            return Ok(folder);
        }
        // No link is followed when it is opened.
        let data = fs::read_link(folder.join(DATA))?;
        Ok(folder.join(data).join(sub_path))
    }

    /// Makes the folders that are to be there when programs begin and that
    /// programs may have taken away: those of which mounts are, and the one
    /// in which programs begin. Each name is booked by `book` before, which
    /// says whether there is room.
    pub(crate) fn prepare(
        self,
        outfit: &Outfit,
        (workspace, tmp): (&Path, &Path),
        book: &dyn Fn() -> bool,
    ) {
        let own = outfit
            .mounts
            .iter()
            .filter(|mount| is_own(outfit, &mount.volume))
            .map(|mount| (self.own(&mount.volume), mount.sub_path.as_str()));
        let begin = outfit.working_dir.as_ref().and_then(|path| {
            let folders = [(GuestPath::workspace(), workspace), (GuestPath::tmp(), tmp)];
            let mut folders = folders.iter();
            folders.find_map(|(guest, root)| Some((root.to_path_buf(), path.below(guest)?)))
        });
        for (root, below) in own.chain(begin).filter(|(_, below)| !below.is_empty()) {
            if let Err(error) = make_below(&root, below, book) {
                // Who needs it is told that it is not there.
                tracing::debug!(root = %root.display(), below, %error, "failed to make a folder of a session");
            }
        }
    }
}

fn is_own(outfit: &Outfit, name: &str) -> bool {
    outfit
        .volumes
        .iter()
        .any(|volume| volume.name == name && volume.content == Content::Own)
}

/// Makes the folders of a path that leads nowhere else, whatever links a guest
/// has put there.
fn make_below(root: &Path, below: &str, book: &dyn Fn() -> bool) -> io::Result<()> {
    let mut dir = Dir::open_ambient_dir(root, ambient_authority())?;
    for part in below.split('/') {
        let there = dir.symlink_metadata(part);
        if there.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            if !book() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            dir.create_dir(part)?;
        }
        dir = dir.open_dir(part)?;
    }
    Ok(())
}

fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(path)
}

fn publish(folder: &Path, files: &[SentFile]) -> io::Result<()> {
    let generation = format!("..{:016x}", rand::rng().random::<u64>());
    let data = folder.join(&generation);
    make_folder(&data)?;
    for file in files {
        write(&data, file)?;
    }
    sync(&data)?;
    let link = folder.join(format!("{DATA}.new"));
    match fs::remove_file(&link) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    symlink(&generation, &link)?;
    fs::rename(&link, folder.join(DATA))?;
    let names: BTreeSet<&str> = files.iter().filter_map(first_name).collect();
    for name in &names {
        match symlink(Path::new(DATA).join(name), folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    sync(folder)?;
    // What was there before, and what a crash has left.
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let stays = |name: &str| name == DATA || name == generation || names.contains(name);
        if !name.to_str().is_some_and(stays) {
            tree::remove(&entry.path())?;
        }
    }
    Ok(())
}

fn first_name(file: &SentFile) -> Option<&str> {
    file.path.split('/').next()
}

fn write(data: &Path, file: &SentFile) -> io::Result<()> {
    // It was checked to lead nowhere else.
    let path = data.join(&file.path);
    if let Some(above) = path.parent() {
        make_folder(above)?;
    }
    let mut to = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(FILE_MODE)
        .open(&path)?;
    to.write_all(&file.bytes)?;
    to.set_permissions(Permissions::from_mode(file.mode & OWN_BITS | READ_BIT))?;
    to.sync_all()
}

fn sync(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outfit::{Volume, digest_of};
    use std::cell::Cell;

    fn file(path: &str, text: &str, mode: u32) -> SentFile {
        SentFile {
            path: path.to_owned(),
            bytes: text.into(),
            mode,
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with(".."))
            .collect();
        names.sort();
        names
    }

    fn mounted(content: Content, sub_path: &str) -> Outfit {
        Outfit {
            volumes: vec![Volume {
                name: "v".to_owned(),
                content,
                max_bytes: 0,
            }],
            mounts: vec![Mount {
                volume: "v".to_owned(),
                path: "/data".parse().unwrap(),
                sub_path: sub_path.to_owned(),
                read_only: false,
            }],
            working_dir: None,
        }
    }

    fn granted(volumes: Volumes<'_>, outfit: &Outfit) -> PathBuf {
        match volumes.grants(outfit).unwrap().remove(0) {
            Grant::Preopen(preopen) => preopen.host,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn files_are_replaced_as_a_whole_and_those_left_out_go() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("v");
        publish(&folder, &[file("a", "1", 0o644), file("d/b", "2", 0)]).unwrap();
        assert_eq!(names(&folder), ["a", "d"]);
        let open = fs::File::open(&folder).unwrap();
        publish(&folder, &[file("d/b", "3", 0o755), file("e", "", 0o400)]).unwrap();
        assert_eq!(names(&folder), ["d", "e"]);
        assert_eq!(fs::read(folder.join("d/b")).unwrap(), b"3");
        // Who had it open sees the new ones.
        let through = Dir::from_std_file(open);
        assert_eq!(through.read("d/b").unwrap(), b"3");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 4, "nothing is left");
        publish(&folder, &[]).unwrap();
        assert_eq!(names(&folder), [""; 0]);
    }

    #[test]
    fn nobody_else_reads_what_was_sent() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("files/v");
        let modes = [("a", 0o644, 0o600), ("b", 0, 0o400), ("c", 0o777, 0o700)];
        let files = modes.map(|(path, mode, _)| file(path, "", mode));
        publish(&folder, &files).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        for (path, _, on_disk) in modes {
            assert_eq!(mode(&folder.join(path)), on_disk, "{path}");
        }
        assert_eq!((mode(&folder), mode(&folder.join(DATA))), (0o700, 0o700));
    }

    #[test]
    fn what_a_crash_has_left_is_gone_the_next_time() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("v");
        make_folder(&folder.join("..half/deep")).unwrap();
        symlink("..half", folder.join("..data.new")).unwrap();
        symlink("..data/old", folder.join("old")).unwrap();
        publish(&folder, &[file("a", "1", 0o600)]).unwrap();
        assert_eq!(names(&folder), ["a"]);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
    }

    #[test]
    fn a_mount_is_of_the_whole_volume_or_of_a_folder_in_it() {
        let home = tempfile::tempdir().unwrap();
        let volumes = Volumes(home.path());
        let files = vec![file("d/b", "2", 0o600)];
        let sent = Content::Sent(digest_of(&files));
        let sent_files = [("v".to_owned(), files)].into();
        let whole = mounted(sent.clone(), "");
        volumes.make(&whole, &sent_files).unwrap();
        assert!(granted(volumes, &whole).join("d/b").exists());
        let below = granted(volumes, &mounted(sent, "d"));
        assert!(below.join("b").exists());
        assert_eq!(
            below,
            below.canonicalize().unwrap(),
            "no link is on the way"
        );
    }

    #[test]
    fn folders_that_were_taken_away_are_there_again_and_booked() {
        let home = tempfile::tempdir().unwrap();
        let volumes = Volumes(home.path());
        let (workspace, tmp) = (home.path().join("workspace"), home.path().join("tmp"));
        fs::create_dir(&workspace).unwrap();
        fs::create_dir(&tmp).unwrap();
        let outfit = Outfit {
            working_dir: Some("/workspace/app".parse().unwrap()),
            ..mounted(Content::Own, "x/y")
        };
        volumes.make(&outfit, &Sent::new()).unwrap();
        let booked = Cell::new(0);
        let book = || {
            booked.set(booked.get() + 1);
            true
        };
        for _ in 0..2 {
            volumes.prepare(&outfit, (&workspace, &tmp), &book);
            assert!(granted(volumes, &outfit).is_dir() && workspace.join("app").is_dir());
            assert_eq!(booked.get(), 3);
        }
        fs::remove_dir(workspace.join("app")).unwrap();
        volumes.prepare(&outfit, (&workspace, &tmp), &|| false);
        assert!(!workspace.join("app").exists(), "there was no room for it");
        symlink("/tmp", workspace.join("app")).unwrap();
        let deeper = Outfit {
            working_dir: Some("/workspace/app/mote-escaped".parse().unwrap()),
            ..outfit
        };
        volumes.prepare(&deeper, (&workspace, &tmp), &book);
        assert!(!Path::new("/tmp/mote-escaped").exists());
        let elsewhere = Outfit {
            working_dir: Some("/tmp/app".parse().unwrap()),
            ..deeper
        };
        volumes.prepare(&elsewhere, (&workspace, &tmp), &book);
        assert!(tmp.join("app").is_dir());
    }
}
