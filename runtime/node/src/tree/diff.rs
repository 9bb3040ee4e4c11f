//! What a call changed: a tree compared with the one it is a copy of.

use std::ffi::{CStr, CString};
use std::fs;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use mote_api::{Change, ChangeKind};
use rustix::fs::{FileType, Stat};

use super::{MAX_DEPTH, kind, names, open_dir, open_file, open_root, shown, size, stat, too_deep};

/// Most changes that are listed: an outcome travels in one header.
const MAX_CHANGES: usize = 100;
/// Bytes compared at a time.
const BLOCK_BYTES: usize = 64 * 1024;

/// An instant on the clock by which the file system marks changes. A guest
/// can set a file's modification time and not this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Clock(i64, i64);

impl Clock {
    /// Now, by the clock of the file system that holds `folder`, where a
    /// mark is made for it.
    pub(crate) fn now(folder: &Path) -> io::Result<Self> {
        let meta = tempfile::tempfile_in(folder)?.metadata()?;
        Ok(Self(meta.ctime(), meta.ctime_nsec()))
    }

    fn of(meta: &Stat) -> Self {
        Self(meta.st_ctime as _, meta.st_ctime_nsec as _)
    }
}

/// What differs in `new` from `old`, of which it was a copy at `copied`; and
/// whether there is more than is listed.
///
/// # Errors
/// A tree cannot be read, or is too deep.
pub(crate) fn changes(old: &Path, new: &Path, copied: Clock) -> io::Result<(Vec<Change>, bool)> {
    let mut walk = Walk {
        copied,
        changes: Vec::new(),
        truncated: false,
    };
    fs::metadata(old)?;
    walk.compare(&open_root(old)?, &open_root(new)?, &mut Vec::new())?;
    Ok((walk.changes, walk.truncated))
}

struct Walk {
    copied: Clock,
    changes: Vec<Change>,
    truncated: bool,
}

impl Walk {
    /// Compares two folders, whose names are sorted.
    fn compare(
        &mut self,
        old: &OwnedFd,
        new: &OwnedFd,
        above: &mut Vec<CString>,
    ) -> io::Result<()> {
        let mut all = names(old)?;
        let fresh = names(new)?;
        all.extend(fresh.iter().cloned());
        all.sort();
        all.dedup();
        for name in all {
            if self.truncated {
                return Ok(());
            }
            let (before, after) = (found(old, &name)?, found(new, &name)?);
            match (before, after) {
                (Some(before), Some(after)) => {
                    self.compare_entry((old, &before), (new, &after), &name, above)?;
                }
                (Some(before), None) => {
                    self.whole(old, &before, &name, above, ChangeKind::Removed)?;
                }
                (None, Some(after)) => self.whole(new, &after, &name, above, ChangeKind::Added)?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn compare_entry(
        &mut self,
        (old, before): (&OwnedFd, &Stat),
        (new, after): (&OwnedFd, &Stat),
        name: &CStr,
        above: &mut Vec<CString>,
    ) -> io::Result<()> {
        let both = (kind(before), kind(after));
        if both == (FileType::Directory, FileType::Directory) {
            if above.len() == MAX_DEPTH {
                return Err(too_deep());
            }
            let (old, new) = (open_dir(old, name)?, open_dir(new, name)?);
            above.push(name.to_owned());
            self.compare(&old, &new, above)?;
            above.pop();
            return Ok(());
        }
        let touched = Clock::of(after) >= self.copied;
        let changed = match both {
            (FileType::RegularFile, FileType::RegularFile) => {
                let mode = |meta: &Stat| meta.st_mode & 0o777;
                touched
                    && (size(before) != size(after)
                        || mode(before) != mode(after)
                        || differ(old, new, name)?)
            }
            (FileType::Symlink, FileType::Symlink) => {
                let target = |dir| rustix::fs::readlinkat(dir, name, Vec::new());
                target(old)? != target(new)?
            }
            (before, after) => before != after,
        };
        if changed {
            self.note(name, above, ChangeKind::Changed);
        }
        Ok(())
    }

    /// Notes a whole tree that came or went.
    fn whole(
        &mut self,
        dir: &OwnedFd,
        meta: &Stat,
        name: &CStr,
        above: &mut Vec<CString>,
        change: ChangeKind,
    ) -> io::Result<()> {
        self.note(name, above, change);
        if kind(meta) != FileType::Directory || self.truncated {
            return Ok(());
        }
        if above.len() == MAX_DEPTH {
            return Err(too_deep());
        }
        let below = open_dir(dir, name)?;
        above.push(name.to_owned());
        for name in names(&below)? {
            let meta = stat(&below, &name)?;
            self.whole(&below, &meta, &name, above, change)?;
        }
        above.pop();
        Ok(())
    }

    fn note(&mut self, name: &CStr, above: &[CString], kind: ChangeKind) {
        if self.changes.len() == MAX_CHANGES {
            self.truncated = true;
            return;
        }
        let parts: Vec<&CStr> = above.iter().map(CString::as_c_str).chain([name]).collect();
        let path = shown(&parts);
        self.changes.push(Change { path, kind });
    }
}

fn found(dir: &OwnedFd, name: &CStr) -> io::Result<Option<Stat>> {
    match stat(dir, name) {
        Ok(meta) => Ok(Some(meta)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether two files of the same size hold different bytes.
fn differ(old: &OwnedFd, new: &OwnedFd, name: &CStr) -> io::Result<bool> {
    let (mut old, mut new) = (open_file(old, name)?, open_file(new, name)?);
    let (mut a, mut b) = (Vec::new(), Vec::new());
    loop {
        for (file, block) in [(&mut old, &mut a), (&mut new, &mut b)] {
            block.clear();
            file.take(BLOCK_BYTES as u64).read_to_end(block)?;
        }
        if a != b {
            return Ok(true);
        }
        if a.is_empty() {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::copy;
    use super::*;

    #[test]
    fn each_change_is_told_once_in_the_order_of_the_paths() {
        let root = tempfile::tempdir().unwrap();
        let (old, new) = (root.path().join("old"), root.path().join("new"));
        fs::create_dir_all(old.join("d/gone")).unwrap();
        for (path, text) in [
            ("same", "1"),
            ("d/edited", "12"),
            ("d/gone/f", "1"),
            ("z", ""),
        ] {
            fs::write(old.join(path), text).unwrap();
        }
        copy(&old, &new).unwrap();
        let copied = Clock::now(root.path()).unwrap();
        assert_eq!(changes(&old, &new, copied).unwrap(), (Vec::new(), false));

        // As long as before and with the old time: only the bytes tell.
        let edited = fs::File::options()
            .write(true)
            .open(new.join("d/edited"))
            .unwrap();
        io::Write::write_all(&mut &edited, b"21").unwrap();
        let time = fs::metadata(old.join("d/edited"))
            .unwrap()
            .modified()
            .unwrap();
        edited.set_modified(time).unwrap();
        fs::remove_dir_all(new.join("d/gone")).unwrap();
        fs::create_dir(new.join("e")).unwrap();
        fs::remove_file(new.join("z")).unwrap();
        fs::create_dir(new.join("z")).unwrap();
        let (found, truncated) = changes(&old, &new, copied).unwrap();
        let found: Vec<_> = found.iter().map(|c| (c.path.as_str(), c.kind)).collect();
        use ChangeKind::{Added, Changed, Removed};
        let expected = [
            ("d/edited", Changed),
            ("d/gone", Removed),
            ("d/gone/f", Removed),
            ("e", Added),
            ("z", Changed),
        ];
        assert_eq!(found, expected);
        assert!(!truncated);
    }

    #[test]
    fn more_changes_than_are_listed_are_said_to_be() {
        let root = tempfile::tempdir().unwrap();
        let (old, new) = (root.path().join("old"), root.path().join("new"));
        fs::create_dir(&old).unwrap();
        fs::create_dir(&new).unwrap();
        let copied = Clock::now(root.path()).unwrap();
        for number in 0..=MAX_CHANGES {
            fs::write(new.join(number.to_string()), "").unwrap();
        }
        let (found, truncated) = changes(&old, &new, copied).unwrap();
        assert_eq!((found.len(), truncated), (MAX_CHANGES, true));
    }
}
