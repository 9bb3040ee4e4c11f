//! Files and folders deleted, as deep as they may be.
//!
//! A guest can nest folders deeper than any path or stack is long. So a folder
//! that is not empty is moved up to the one that is being cleared, and never
//! more than two are open.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use cap_std::fs::Dir;

use super::error::{FileError, failed, refused};
use super::write::{TEMPORARY, temporary_name};
use super::{Files, Gone};

/// How long one call may delete. A guest that keeps writing into the folder
/// could otherwise hold it for ever; some million files are gone by then.
const REMOVAL: Duration = Duration::from_secs(60);

impl Files {
    /// Deletes what `user_path` leads to; `recursive` with all it holds. The
    /// root itself stays, and is emptied. Blocks on the disk.
    ///
    /// # Errors
    /// It is not there, holds something, or the system refuses.
    pub fn remove(&self, user_path: &str, recursive: bool) -> Result<(), FileError> {
        let path = self.resolve(user_path)?;
        let Some(name) = path.file_name() else {
            return match recursive {
                true => self.clear(&self.root),
                false => Err(FileError::NotEmpty),
            };
        };
        let parent = path.parent().unwrap_or_else(|| Path::new(""));
        let parent = self.folder(parent).map_err(refused("open the folder"))?;
        let meta = parent
            .symlink_metadata(name)
            .map_err(refused("read the file's metadata"))?;
        if recursive && meta.is_dir() {
            self.remove_tree(&parent, name)
        } else {
            self.unlink(&parent, name).map_err(emptied)
        }
    }

    /// Whether there is something where `user_path` leads to.
    ///
    /// # Errors
    /// There is not, or the system refuses.
    pub fn look(&self, user_path: &str) -> Result<(), FileError> {
        let path = self.resolve(user_path)?;
        let meta = self.root.symlink_metadata(super::name_or_dot(&path));
        let what = "read the file's metadata";
        meta.map(drop).map_err(refused(what))
    }

    /// Deletes what was left unfinished by a host that was killed: all that
    /// bears the name of a temporary file. For the start, when nothing runs.
    ///
    /// # Errors
    /// The tree cannot be read.
    pub fn sweep_temporary(&self) -> Result<(), FileError> {
        let mut pending = vec![std::path::PathBuf::new()];
        while let Some(path) = pending.pop() {
            let folder = self.folder(&path).map_err(failed("open the folder"))?;
            for entry in folder.entries().map_err(failed("list the folder"))? {
                let entry = entry.map_err(failed("list the folder"))?;
                let (name, kind) = (entry.file_name(), entry.file_type());
                let is_folder = kind.map_err(failed("list the folder"))?.is_dir();
                let ours = name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes());
                match (ours, is_folder) {
                    (true, true) => self.remove_tree(&folder, &name)?,
                    (true, false) => self.unlink(&folder, &name).map_err(emptied)?,
                    // Deeper than we ever write.
                    (false, true) if path.as_os_str().len() < super::PATH_BYTES / 2 => {
                        pending.push(path.join(name));
                    }
                    (false, _) => {}
                }
            }
        }
        Ok(())
    }

    fn remove_tree(&self, parent: &Dir, name: &OsStr) -> Result<(), FileError> {
        let since = Instant::now();
        loop {
            let folder = parent.open_dir(name).map_err(refused("open the folder"))?;
            self.clear(&folder)?;
            match self.unlink(parent, name) {
                // A guest wrote into it meanwhile.
                Err(error) if not_empty(&error) && since.elapsed() < REMOVAL => {}
                removed => return removed.map_err(emptied),
            }
        }
    }

    /// Deletes all that `top` holds.
    fn clear(&self, top: &Dir) -> Result<(), FileError> {
        let since = Instant::now();
        loop {
            let mut any = false;
            for entry in top.entries().map_err(failed("list the folder"))? {
                let name = entry.map_err(failed("list the folder"))?.file_name();
                any = true;
                match self.unlink(top, &name) {
                    Err(error) if not_empty(&error) => self.flatten(top, &name)?,
                    removed => removed.map_err(emptied)?,
                }
            }
            if !any {
                return Ok(());
            }
            if since.elapsed() > REMOVAL {
                return Err(FileError::NotEmpty);
            }
        }
    }

    /// Deletes the files in the folder `name` of `top`, and moves its folders
    /// up to `top`.
    fn flatten(&self, top: &Dir, name: &OsStr) -> Result<(), FileError> {
        let folder = top.open_dir(name).map_err(refused("open the folder"))?;
        for entry in folder.entries().map_err(failed("list the folder"))? {
            let inner = entry.map_err(failed("list the folder"))?.file_name();
            match self.unlink(&folder, &inner) {
                Err(error) if not_empty(&error) => folder
                    .rename(&inner, top, temporary_name())
                    .map_err(refused("move the folder"))?,
                removed => removed.map_err(emptied)?,
            }
        }
        Ok(())
    }

    /// Takes one name away, and books that; none is fine too.
    pub(super) fn unlink(&self, folder: &Dir, name: &OsStr) -> io::Result<()> {
        self.quota.shrink(&mut || {
            let meta = match folder.symlink_metadata(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                meta => meta?,
            };
            match meta.is_dir() {
                true => folder.remove_dir(name)?,
                false => folder.remove_file(name)?,
            }
            Ok(Some(Gone::of(&meta)))
        })
    }
}

fn not_empty(error: &io::Error) -> bool {
    // Which of the two it is differs between file systems.
    matches!(
        error.kind(),
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
    )
}

fn emptied(error: io::Error) -> FileError {
    match not_empty(&error) {
        true => FileError::NotEmpty,
        false => refused("remove the file")(error),
    }
}
