//! Compiled code that came with the program, put where this user keeps its
//! own: an image's folder belongs to somebody else, and cannot be written.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Only this user decides what runs here.
const FOLDER_MODE: u32 = 0o700;
/// How far below the root files are: a version, a kind of processor.
const DEPTH: usize = 2;
/// Native code, and what says that it is there: in this order, so that it is.
const KINDS: [&str; 2] = ["code", "json"];

/// Copies what is missing from `from` to `cache`; gives how many files that
/// were. Whoever loads code checks what it loads, as it does its own.
///
/// # Errors
/// A folder or file cannot be read or written.
pub(super) fn copy(from: &Path, cache: &Path) -> io::Result<usize> {
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(cache)?;
    copy_below(from, cache, DEPTH)
}

fn copy_below(from: &Path, to: &Path, depth: usize) -> io::Result<usize> {
    if depth == 0 {
        let kinds = KINDS.iter().map(|kind| copy_kind(from, to, kind));
        return kinds.sum();
    }
    let mut copied = 0;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let folder = to.join(entry.file_name());
            match DirBuilder::new().mode(FOLDER_MODE).create(&folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => copied += copy_below(&entry.path(), &folder, depth - 1)?,
            }
        }
    }
    Ok(copied)
}

fn copy_kind(from: &Path, to: &Path, kind: &str) -> io::Result<usize> {
    let mut copied = 0;
    for entry in fs::read_dir(from)? {
        let (path, target) = {
            let entry = entry?;
            (entry.path(), to.join(entry.file_name()))
        };
        let is_kind = path.extension().is_some_and(|extension| extension == kind);
        if is_kind && !target.exists() {
            copy_whole(&path, to, &target)?;
            copied += 1;
        }
    }
    Ok(copied)
}

/// Writes aside and renames: after a crash the file is there as a whole, or
/// not at all.
fn copy_whole(from: &Path, folder: &Path, to: &Path) -> io::Result<()> {
    let mut draft = tempfile::NamedTempFile::new_in(folder)?;
    io::copy(&mut File::open(from)?, &mut draft)?;
    draft.as_file().sync_all()?;
    draft.persist(to)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn image() -> tempfile::TempDir {
        let image = tempfile::tempdir().unwrap();
        let folder = image.path().join("mote-1/x86_64");
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in [("a.json", "{}"), ("b.code", "code"), ("c.stamp", "")] {
            fs::write(folder.join(name), text).unwrap();
        }
        image
    }

    #[test]
    fn what_is_missing_is_copied_once_for_this_user_alone() {
        let (image, own) = (image(), tempfile::tempdir().unwrap());
        let cache = own.path().join("cache");
        assert_eq!(copy(image.path(), &cache).unwrap(), 2);
        assert_eq!(copy(image.path(), &cache).unwrap(), 0);
        let folder = cache.join("mote-1/x86_64");
        assert_eq!(fs::read(folder.join("b.code")).unwrap(), b"code");
        assert!(
            !folder.join("c.stamp").exists(),
            "that is of the image's disk"
        );
        let mode = fs::metadata(folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, FOLDER_MODE);
    }

    #[test]
    fn what_is_there_is_left_as_it_is() {
        let (image, own) = (image(), tempfile::tempdir().unwrap());
        let folder = own.path().join("mote-1/x86_64");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("b.code"), "ours").unwrap();
        assert_eq!(copy(image.path(), own.path()).unwrap(), 1);
        assert_eq!(fs::read(folder.join("b.code")).unwrap(), b"ours");
    }
}
