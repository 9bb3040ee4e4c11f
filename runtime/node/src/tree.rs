//! Trees of files that guests made: counted, copied, compared and removed
//! below directory handles. No link is followed, nothing waits on a pipe, and
//! no tree is too deep or too long a name to be got rid of.

use std::collections::HashSet;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use mote_host::DiskUse;
use rand::RngExt;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RawMode, Stat, Timespec, Timestamps};
use rustix::io::Errno;

mod diff;

pub(crate) use diff::{Clock, changes};

/// Deepest nesting that is counted and copied: each level holds an open
/// directory meanwhile. Build trees are a tenth as deep.
const MAX_DEPTH: usize = 256;

/// A tree is deeper than [`MAX_DEPTH`].
fn too_deep() -> io::Error {
    io::Error::other(format!(
        "folders nest deeper than {MAX_DEPTH} levels; remove the deepest"
    ))
}

/// What a tree holds, its root not counted.
///
/// # Errors
/// It cannot be read, or is too deep.
pub(crate) fn count(root: &Path) -> io::Result<DiskUse> {
    let mut held = DiskUse::default();
    count_below(&open_root(root)?, 0, &mut held, &mut HashSet::new())?;
    Ok(held)
}

/// Whether a tree holds nothing.
///
/// # Errors
/// It cannot be read.
pub(crate) fn is_empty(root: &Path) -> io::Result<bool> {
    Ok(std::fs::read_dir(root)?.next().is_none())
}

/// In `linked` are the files with more names than one that were counted.
fn count_below(
    dir: &OwnedFd,
    depth: usize,
    held: &mut DiskUse,
    linked: &mut HashSet<u64>,
) -> io::Result<()> {
    for name in names(dir)? {
        let meta = stat(dir, &name)?;
        held.entries += 1;
        match kind(&meta) {
            FileType::RegularFile if meta.st_nlink < 2 || linked.insert(meta.st_ino) => {
                held.bytes += size(&meta);
            }
            FileType::Directory if depth == MAX_DEPTH => return Err(too_deep()),
            FileType::Directory => count_below(&open_dir(dir, &name)?, depth + 1, held, linked)?,
            _ => {}
        }
    }
    Ok(())
}

/// Copies the tree at `from` to `to`, which is not there yet: files, folders
/// and links of both kinds, with their modes and times. Pipes and devices are
/// left out.
///
/// # Errors
/// A file operation fails, or the tree is too deep. What was copied by then
/// stays; `to` with `~` after it may, too.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let from = open_root(from)?;
    rustix::fs::mkdir(to, Mode::RWXU)?;
    let mut aside = to.as_os_str().to_owned();
    aside.push("~");
    let aside = Path::new(&aside);
    rustix::fs::mkdir(aside, Mode::RWXU)?;
    let links = open_root(aside)?;
    let copied = copy_below(&from, &open_root(to)?, &links, 0);
    remove(aside)?;
    copied
}

/// In `links` lie the copies of files with more names than one, each by its
/// number: the other names are links to it, so that no byte is copied twice.
fn copy_below(from: &OwnedFd, to: &OwnedFd, links: &OwnedFd, depth: usize) -> io::Result<()> {
    for name in names(from)? {
        let meta = stat(from, &name)?;
        match kind(&meta) {
            FileType::RegularFile if meta.st_nlink > 1 => {
                let number = CString::new(format!("{}-{}", meta.st_dev, meta.st_ino))?;
                if let Err(errno) = link(links, &number, to, &name) {
                    if errno != Errno::NOENT {
                        return Err(errno.into());
                    }
                    copy_file((from, &name), (links, &number), &meta)?;
                    link(links, &number, to, &name)?;
                }
            }
            FileType::RegularFile => copy_file((from, &name), (to, &name), &meta)?,
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(from, &name, Vec::new())?;
                rustix::fs::symlinkat(target, to, &name)?;
            }
            FileType::Directory if depth == MAX_DEPTH => return Err(too_deep()),
            FileType::Directory => {
                rustix::fs::mkdirat(to, &name, Mode::RWXU)?;
                let below = open_dir(to, &name)?;
                copy_below(&open_dir(from, &name)?, &below, links, depth + 1)?;
                finish(&below, &meta)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn link(from: &OwnedFd, name: &CStr, to: &OwnedFd, other: &CStr) -> Result<(), Errno> {
    rustix::fs::linkat(from, name, to, other, AtFlags::empty())
}

fn copy_file(
    (from, name): (&OwnedFd, &CStr),
    (to, copy): (&OwnedFd, &CStr),
    meta: &Stat,
) -> io::Result<()> {
    let mut source = open_file(from, name)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let target = rustix::fs::openat(to, copy, flags, Mode::RUSR | Mode::WUSR)?;
    let mut target = File::from(target);
    io::copy(&mut source, &mut target)?;
    finish(&target, meta)
}

/// Gives a copy the mode and the times of what it is a copy of.
fn finish(copy: impl AsFd, meta: &Stat) -> io::Result<()> {
    let mode = Mode::from_raw_mode(meta.st_mode as RawMode & 0o777);
    rustix::fs::fchmod(&copy, mode)?;
    let time = |seconds, nanos| Timespec {
        tv_sec: seconds,
        tv_nsec: nanos,
    };
    rustix::fs::futimens(
        &copy,
        &Timestamps {
            last_access: time(meta.st_atime as _, meta.st_atime_nsec as _),
            last_modification: time(meta.st_mtime as _, meta.st_mtime_nsec as _),
        },
    )?;
    Ok(())
}

/// Removes a tree, however deep. What is not there counts as removed.
///
/// Folders in it are moved next to it before they are emptied, so that one
/// handle at a time is enough: `path` must lie in a folder of ours.
///
/// # Errors
/// A file operation fails; what is left can be removed later.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent = open_root(parent)?;
    let mut waiting = vec![CString::new(name.as_bytes())?];
    while let Some(name) = waiting.pop() {
        let dir = match open_dir(&parent, &name) {
            Ok(dir) => dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                rustix::fs::unlinkat(&parent, &name, AtFlags::empty())?;
                continue;
            }
            Err(error) => return Err(error),
        };
        // A guest may have taken our own rights away.
        rustix::fs::fchmod(&dir, Mode::RWXU)?;
        let mut folders = Vec::new();
        for entry in names(&dir)? {
            match rustix::fs::unlinkat(&dir, &entry, AtFlags::empty()) {
                Ok(()) => {}
                Err(Errno::ISDIR | Errno::PERM) => {
                    folders.push(move_aside(&dir, &entry, &parent)?);
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        rustix::fs::unlinkat(&parent, &name, AtFlags::REMOVEDIR)?;
        waiting.extend(folders);
    }
    Ok(())
}

/// Moves a folder out of `dir` into `parent`; returns its name there. What a
/// removal that was cut off has left there has names of the same kind, so it
/// is one by chance.
fn move_aside(dir: &OwnedFd, entry: &CStr, parent: &OwnedFd) -> io::Result<CString> {
    let aside = CString::new(format!("..~{:032x}", rand::rng().random::<u128>()))?;
    rustix::fs::renameat(dir, entry, parent, &aside)?;
    Ok(aside)
}

fn open_root(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(CWD, path, DIRECTORY, Mode::empty())?)
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

fn open_dir(dir: &OwnedFd, name: &CStr) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(dir, name, DIRECTORY, Mode::empty())?)
}

fn open_file(dir: &OwnedFd, name: &CStr) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(dir, name, flags, Mode::empty())?.into())
}

/// The names in a folder, sorted.
fn names(dir: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn stat(dir: &OwnedFd, name: &CStr) -> io::Result<Stat> {
    Ok(rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn kind(meta: &Stat) -> FileType {
    FileType::from_raw_mode(meta.st_mode as RawMode)
}

fn size(meta: &Stat) -> u64 {
    u64::try_from(meta.st_size).unwrap_or(0)
}

/// How a path is shown to people.
fn shown(parts: &[&CStr]) -> String {
    let parts = parts
        .iter()
        .map(|part| OsStr::from_bytes(part.to_bytes()).to_string_lossy());
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_copy_has_the_same_files_modes_times_and_links() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::write(from.join("a/f"), "text").unwrap();
        fs::set_permissions(from.join("a/f"), fs::Permissions::from_mode(0o640)).unwrap();
        symlink("/etc/passwd", from.join("link")).unwrap();
        rustix::fs::mknodat(CWD, from.join("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        copy(&from, &to).unwrap();
        let meta = |root: &Path| fs::metadata(root.join("a/f")).unwrap();
        assert_eq!(fs::read(to.join("a/f")).unwrap(), b"text");
        assert_eq!(meta(&to).permissions(), meta(&from).permissions());
        assert_eq!(
            meta(&to).modified().unwrap(),
            meta(&from).modified().unwrap()
        );
        assert_eq!(
            fs::read_link(to.join("link")).unwrap(),
            Path::new("/etc/passwd")
        );
        assert!(!to.join("pipe").exists());
        let held = count(&to).unwrap();
        assert_eq!((held.bytes, held.entries), (4, 4));
    }

    #[test]
    fn names_of_one_file_are_names_of_one_copy() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        fs::create_dir_all(from.join("sub")).unwrap();
        fs::write(from.join("a"), "text").unwrap();
        for name in ["b", "sub/c"] {
            fs::hard_link(from.join("a"), from.join(name)).unwrap();
        }
        copy(&from, &to).unwrap();
        let id =
            |name: &str| std::os::unix::fs::MetadataExt::ino(&fs::metadata(to.join(name)).unwrap());
        assert!(id("a") == id("b") && id("b") == id("sub/c"));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_tree_deeper_than_any_path_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let top = root.path().join("top");
        fs::create_dir(&top).unwrap();
        let mut dir = open_root(&top).unwrap();
        for _ in 0..3_000 {
            rustix::fs::mkdirat(&dir, c"deep", Mode::RWXU).unwrap();
            dir = open_dir(&dir, c"deep").unwrap();
        }
        drop(dir);
        assert!(count(&top).is_err() && copy(&top, &root.path().join("c")).is_err());
        remove(&top).unwrap();
        remove(&root.path().join("c")).unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_removal_that_was_cut_off_is_finished_by_the_next() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        // The same folders once more beside what is left of them: as if each
        // removal had been cut off after its first step.
        for _ in 0..3 {
            fs::create_dir_all(at("top/a/b/c")).unwrap();
            fs::write(at("top/a/b/f"), "").unwrap();
            let (top, parent) = (
                open_root(&at("top")).unwrap(),
                open_root(root.path()).unwrap(),
            );
            move_aside(&top, c"a", &parent).unwrap();
        }
        fs::create_dir_all(at("top/a/b")).unwrap();
        for number in 0..3 {
            fs::create_dir_all(at(&format!("top~{number}/full"))).unwrap();
        }
        for entry in fs::read_dir(root.path()).unwrap() {
            remove(&entry.unwrap().path()).unwrap();
        }
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn removing_follows_no_link() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("top/sub")).unwrap();
        fs::create_dir(root.path().join("other")).unwrap();
        fs::write(root.path().join("other/kept"), "").unwrap();
        symlink("../other", root.path().join("top/link")).unwrap();
        remove(&root.path().join("top")).unwrap();
        assert!(root.path().join("other/kept").exists());
        assert!(!root.path().join("top").exists());
    }
}
