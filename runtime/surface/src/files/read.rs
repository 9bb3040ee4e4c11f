//! What a path stands for, opened.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use cap_std::fs::{Dir, Metadata, OpenOptions, OpenOptionsExt, PermissionsExt};
use rustix::fs::OFlags;

use super::error::{FileError, failed, refused};
use super::{Files, Held, name_or_dot};

/// Most entries that one folder may have to be listed at once: some 20 MiB
/// while they are told.
pub const LIST_ENTRIES: usize = 100_000;

/// What a path stands for.
#[derive(Debug)]
pub enum Found {
    /// A regular file.
    File(Opened),
    /// A folder, by its path below the root.
    Folder(PathBuf),
}

/// A regular file, open for reading. Its bytes are taken for as long.
#[derive(Debug)]
pub struct Opened {
    /// Never anything but a regular file.
    pub file: Arc<File>,
    /// In bytes, when it was opened.
    pub size: u64,
    /// When it was last written.
    pub modified: SystemTime,
    _held: Held,
}

/// One name in a folder, and what it stands for with links followed.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Without its folder.
    pub name: OsString,
    /// In bytes; of a folder, what the system says.
    pub size: u64,
    /// Whether it is a folder; anything else counts as a file.
    pub folder: bool,
    /// When it was last written.
    pub modified: SystemTime,
    /// Permission bits, the lower nine.
    pub mode: u32,
}

impl Files {
    /// Opens what `user_path` leads to. Blocks on the disk, and on nothing
    /// else: pipes and devices are not opened.
    ///
    /// # Errors
    /// It is not there, may not be read, or is neither file nor folder.
    pub fn find(&self, user_path: &str) -> Result<Found, FileError> {
        let path = self.resolve(user_path)?;
        let meta = self
            .root
            .metadata(name_or_dot(&path))
            .map_err(refused("read the file's metadata"))?;
        match meta.is_dir() {
            true => Ok(Found::Folder(path)),
            false => self.open(&self.root, &path, &meta).map(Found::File),
        }
    }

    /// What the folder at `path` holds, sorted by name. Links that lead
    /// nowhere, or out of the root, are left out.
    ///
    /// # Errors
    /// It cannot be read, or has more than [`LIST_ENTRIES`].
    pub fn list(&self, path: &Path) -> Result<Vec<Listed>, FileError> {
        let folder = self.folder(path).map_err(failed("open the folder"))?;
        let mut listed = Vec::new();
        for name in names(&folder)? {
            let Ok(mut meta) = folder.symlink_metadata(&name) else {
                continue;
            };
            if meta.is_symlink() {
                let target = self.resolve_in(path, &name).ok();
                let Some(Ok(target)) = target.map(|path| self.root.metadata(name_or_dot(&path)))
                else {
                    continue;
                };
                meta = target;
            }
            listed.push(Listed {
                name,
                size: meta.len(),
                folder: meta.is_dir(),
                modified: modified(&meta),
                mode: meta.permissions().mode() & 0o777,
            });
        }
        Ok(listed)
    }

    /// Opens a regular file for reading that `meta` was just told of.
    pub(super) fn open(
        &self,
        folder: &Dir,
        path: &Path,
        meta: &Metadata,
    ) -> Result<Opened, FileError> {
        if !meta.is_file() {
            return Err(FileError::Special);
        }
        let mut options = OpenOptions::new();
        // A guest may have put a pipe there meanwhile, whose opening would wait
        // for a writer.
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        options.read(true).custom_flags(flags.bits().cast_signed());
        let file = folder
            .open_with(path, &options)
            .map_err(refused("open the file"))?;
        let meta = file
            .metadata()
            .map_err(failed("read the file's metadata"))?;
        if !meta.is_file() {
            return Err(FileError::Special);
        }
        let file = Arc::new(file.into_std());
        let held = self.quota.hold(&file);
        Ok(Opened {
            size: meta.len(),
            modified: modified(&meta),
            file,
            _held: held.map_err(failed("read the file's metadata"))?,
        })
    }
}

/// The names in `folder`, sorted.
pub(super) fn names(folder: &Dir) -> Result<Vec<OsString>, FileError> {
    let entries = folder.entries().map_err(failed("list the folder"))?;
    let mut names = Vec::new();
    for entry in entries {
        if names.len() == LIST_ENTRIES {
            return Err(FileError::TooMany(LIST_ENTRIES));
        }
        names.push(entry.map_err(failed("list the folder"))?.file_name());
    }
    names.sort_unstable();
    Ok(names)
}

fn modified(meta: &Metadata) -> SystemTime {
    // Every file system of Linux tells it.
    meta.modified()
        .map_or(SystemTime::UNIX_EPOCH, cap_std::time::SystemTime::into_std)
}
