//! Files written beside their place and then put there at once.
//!
//! ```text
//! Upload ─ write ─ … ─ finish ─► the file is the new one
//!    └─ dropped before that   ─► the file is the old one; nothing is left
//! ```

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, OpenOptions, OpenOptionsExt};

use super::error::{FileError, failed};
use super::{Files, Gone, Held, name_or_dot};

/// How names begin that stand for something unfinished. Such names are ours:
/// what bears one at the start is swept away.
pub(super) const TEMPORARY: &str = ".sandboxd-tmp-";
/// How often a free name is guessed; each guess is one of 2^64.
const GUESSES: u32 = 16;
/// Permission bits of folders that are made on the way.
const FOLDER_MODE: u32 = 0o755;

/// A file on its way. Dropped before it is finished, it leaves nothing.
pub struct Upload {
    files: Files,
    folder: Dir,
    temporary: OsString,
    file: Arc<File>,
    /// A guest may take its name away, and its bytes stay.
    held: Option<Held>,
    name: OsString,
    /// Bytes that were booked and then not written.
    unwritten: u64,
    placed: bool,
    made: Made,
}

impl Files {
    /// Begins to write the file that `user_path` leads to. Folders on the way
    /// are made. Blocks on the disk.
    ///
    /// # Errors
    /// A folder is there, there is no room, or the system refuses.
    pub fn upload(&self, user_path: &str, mode: u32) -> Result<Upload, FileError> {
        let path = self.vacant(user_path)?;
        let (parent, name) = split(&path);
        let mut made = Made::none(self);
        let folder = self.make_folders(parent, &mut made)?;
        let mut upload = self.upload_in(folder, name, mode)?;
        upload.made = made;
        Ok(upload)
    }

    /// Where a file may be written to that `user_path` leads to.
    ///
    /// # Errors
    /// A folder is there.
    pub fn vacant(&self, user_path: &str) -> Result<PathBuf, FileError> {
        let path = self.resolve(user_path)?;
        let meta = self.root.metadata(name_or_dot(&path));
        match meta.is_ok_and(|meta| meta.is_dir()) {
            true => Err(FileError::IsFolder),
            false => Ok(path),
        }
    }

    /// Begins to write the file `name` in `folder`.
    pub(super) fn upload_in(
        &self,
        folder: Dir,
        name: &OsStr,
        mode: u32,
    ) -> Result<Upload, FileError> {
        self.quota.grow(0, 1)?;
        let created = create_temporary(&folder);
        let (temporary, file) = created.map_err(|error| {
            self.give_back_name();
            failed("create temp file")(error)
        })?;
        let mut upload = Upload {
            files: self.clone(),
            folder,
            temporary,
            file: Arc::new(file.into_std()),
            held: None,
            name: name.to_owned(),
            unwritten: 0,
            placed: false,
            made: Made::none(self),
        };
        let held = self.quota.hold(&upload.file);
        upload.held = Some(held.map_err(failed("create temp file"))?);
        let permissions = std::fs::Permissions::from_mode(mode);
        upload
            .file
            .set_permissions(permissions)
            .map_err(failed("set file mode"))?;
        Ok(upload)
    }

    /// Opens the folder at `path`, a path without links; it and those above
    /// it are made if they are not there, and added to `made`.
    pub(super) fn make_folders(&self, path: &Path, made: &mut Made) -> Result<Dir, FileError> {
        let what = "create parent directory";
        match self.folder(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened.map_err(failed(what)),
        }
        let mut folder = self.folder(Path::new("")).map_err(failed(what))?;
        let mut reached = PathBuf::new();
        for name in path {
            reached.push(name);
            let is_new = self.make_folder(&folder, name, FOLDER_MODE)?;
            folder = folder.open_dir(name).map_err(failed(what))?;
            if is_new {
                let meta = folder.dir_metadata().map_err(failed(what))?;
                made.folders.push((reached.clone(), Gone::of(&meta).id));
            }
        }
        Ok(folder)
    }

    /// Makes the folder `name` in `parent`, unless there is one; whether it
    /// did.
    pub(super) fn make_folder(
        &self,
        parent: &Dir,
        name: &OsStr,
        mode: u32,
    ) -> Result<bool, FileError> {
        if parent
            .symlink_metadata(name)
            .is_ok_and(|meta| meta.is_dir())
        {
            return Ok(false);
        }
        self.quota.grow(0, 1)?;
        let mut builder = DirBuilder::new();
        builder.mode(mode);
        let Err(error) = parent.create_dir_with(name, &builder) else {
            return Ok(true);
        };
        self.give_back_name();
        match error.kind() {
            io::ErrorKind::AlreadyExists => Ok(false),
            _ => Err(failed("create parent directory")(error)),
        }
    }

    /// Takes back the booking of a name that did not come to be.
    pub(super) fn give_back_name(&self) {
        let none = Gone {
            id: (0, 0),
            links: 1,
            bytes: 0,
        };
        // The closure does not fail, and nothing else in there does.
        let _ = self.quota.shrink(&mut || Ok(Some(none)));
    }

    /// Renames `temporary` to `name`, and books what that replaces.
    pub(super) fn place(&self, folder: &Dir, temporary: &OsStr, name: &OsStr) -> io::Result<()> {
        self.quota.shrink(&mut || {
            let replaced = folder.symlink_metadata(name).ok();
            folder.rename(temporary, folder, name)?;
            Ok(replaced.map(|meta| Gone::of(&meta)))
        })
    }
}

impl Upload {
    /// Writes more of it. Blocks on the disk.
    ///
    /// # Errors
    /// There is no room, or the system fails.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.files.quota.grow(bytes.len() as u64, 0)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            match (&*self.file).write(rest) {
                Ok(written) if written > 0 => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                stopped => {
                    let error = stopped
                        .err()
                        .unwrap_or_else(|| io::ErrorKind::WriteZero.into());
                    self.unwritten = self.unwritten.saturating_add(rest.len() as u64);
                    return Err(failed("write file contents")(error));
                }
            }
        }
        Ok(())
    }

    /// Puts the file in its place once it is safe on the disk.
    ///
    /// # Errors
    /// The system fails; the old file, if any, is still there.
    pub fn finish(self) -> Result<(), FileError> {
        self.file.sync_all().map_err(failed("sync file"))?;
        self.place()
    }

    /// Puts the file in its place. After a loss of power it may be empty.
    pub(super) fn place(mut self) -> Result<(), FileError> {
        self.files
            .place(&self.folder, &self.temporary, &self.name)
            .map_err(|error| match error.kind() {
                io::ErrorKind::IsADirectory => FileError::IsFolder,
                _ => failed("move file into place")(error),
            })?;
        self.placed = true;
        self.made.keep();
        Ok(())
    }

    /// The file itself, to set what is not its content.
    pub(super) fn file(&self) -> &File {
        &self.file
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.placed {
            return;
        }
        // Its bytes are to go with its name, as those that were not written.
        self.held = None;
        let removed = self.files.quota.shrink(&mut || {
            let meta = match self.folder.symlink_metadata(&self.temporary) {
                // A guest took the name away, and its bytes went just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                meta => meta?,
            };
            let gone = Gone::of(&meta);
            let ours = self.file.metadata()?;
            if gone.id != (ours.dev(), ours.ino()) {
                // A guest took the name for a file of its own.
                return Ok(None);
            }
            self.folder.remove_file(&self.temporary)?;
            let bytes = gone.bytes.saturating_add(self.unwritten);
            Ok(Some(Gone { bytes, ..gone }))
        });
        if let Err(error) = removed {
            tracing::warn!(%error, "an unfinished file is left behind");
        }
    }
}

/// Folders that were made for a file. Dropped before they are kept, they go
/// again, unless something else is in them by then.
pub(super) struct Made {
    files: Files,
    /// Each with its device and inode, the deepest last.
    folders: Vec<(PathBuf, (u64, u64))>,
}

impl Made {
    pub(super) fn none(files: &Files) -> Self {
        Self {
            files: files.clone(),
            folders: Vec::new(),
        }
    }

    /// They are to stay.
    pub(super) fn keep(&mut self) {
        self.folders.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let root = &self.files.root;
        while let Some((path, id)) = self.folders.pop() {
            let removed = self.files.quota.shrink(&mut || {
                let gone = Gone::of(&root.symlink_metadata(&path)?);
                if gone.id != id {
                    // A guest took the name for a folder of its own.
                    return Ok(None);
                }
                root.remove_dir(&path)?;
                Ok(Some(gone))
            });
            if removed.is_err() {
                // It is in use, and so are those above it.
                self.folders.clear();
            }
        }
    }
}

/// A path's folder and the name in it.
pub(super) fn split(path: &Path) -> (&Path, &OsStr) {
    let parent = path.parent().unwrap_or_else(|| Path::new(""));
    (parent, path.file_name().unwrap_or_default())
}

/// A name that nothing bears, most likely.
pub(super) fn temporary_name() -> OsString {
    let chance = RandomState::new().build_hasher().finish();
    format!("{TEMPORARY}{chance:016x}").into()
}

fn create_temporary(folder: &Dir) -> io::Result<(OsString, cap_std::fs::File)> {
    let mut options = OpenOptions::new();
    // Appended, each byte makes the file one longer, as it is booked, whatever
    // a guest does to the file meanwhile.
    options.append(true).create_new(true).mode(0o600);
    for _ in 0..GUESSES {
        let name = temporary_name();
        match folder.open_with(&name, &options) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return Ok((name, created?)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
