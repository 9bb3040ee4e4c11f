//! Files to an archive.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cap_std::fs::{Dir, Metadata, PermissionsExt};
use tar::{Builder, EntryType, Header};

use super::ARCHIVE_ENTRIES;
use crate::files::Files;
use crate::files::error::{FileError, failed};
use crate::files::read::names;

impl Files {
    /// Writes what the folder at `path`, a path without links, holds to `out`.
    /// Blocks on the disk and on `out`.
    ///
    /// # Errors
    /// It cannot be read, or has more than [`ARCHIVE_ENTRIES`].
    pub fn pack(&self, path: &Path, out: impl Write) -> Result<(), FileError> {
        let mut pack = Pack {
            files: self,
            top: path,
            archive: Builder::new(out),
            entries: 0,
        };
        let mut pending = vec![PathBuf::new()];
        while let Some(below) = pending.pop() {
            let at = path.join(&below);
            let folder = self.folder(&at).map_err(failed("open the folder"))?;
            for name in names(&folder)? {
                let inner = below.join(&name);
                if pack.add(&folder, &name, &inner)? {
                    pending.push(inner);
                }
            }
        }
        let out = pack.archive.into_inner();
        let flushed = out.and_then(|mut out| out.flush());
        flushed.map_err(failed("write the archive"))
    }
}

struct Pack<'a, W: Write> {
    files: &'a Files,
    top: &'a Path,
    archive: Builder<W>,
    entries: usize,
}

impl<W: Write> Pack<'_, W> {
    /// Adds `name` in `folder`, which the archive calls `inner`, if it is of
    /// a kind that goes in. Whether it is a folder.
    fn add(&mut self, folder: &Dir, name: &OsStr, inner: &Path) -> Result<bool, FileError> {
        self.entries += 1;
        if self.entries > ARCHIVE_ENTRIES {
            return Err(FileError::TooMany(ARCHIVE_ENTRIES));
        }
        let Ok(meta) = folder.symlink_metadata(name) else {
            // Deleted meanwhile.
            return Ok(false);
        };
        let written = if meta.is_dir() {
            let mut header = header(EntryType::Directory, &meta);
            self.archive.append_data(&mut header, inner, io::empty())
        } else if meta.is_symlink() {
            self.add_link(folder, name, inner, &meta)
        } else if meta.is_file() {
            self.add_file(folder, name, inner, &meta)?
        } else {
            Ok(())
        };
        written.map_err(failed("write the archive"))?;
        Ok(meta.is_dir())
    }

    fn add_link(
        &mut self,
        folder: &Dir,
        name: &OsStr,
        inner: &Path,
        meta: &Metadata,
    ) -> io::Result<()> {
        let parent = inner.parent().unwrap_or(inner);
        if self.files.resolve_in(&self.top.join(parent), name).is_err() {
            return Ok(());
        }
        let target = folder.read_link_contents(name)?;
        let mut header = header(EntryType::Symlink, meta);
        self.archive.append_link(&mut header, inner, target)
    }

    /// What is added is as long as the header says, whatever a guest does to
    /// the file meanwhile.
    fn add_file(
        &mut self,
        folder: &Dir,
        name: &OsStr,
        inner: &Path,
        meta: &Metadata,
    ) -> Result<io::Result<()>, FileError> {
        let opened = match self.files.open(folder, Path::new(name), meta) {
            Err(FileError::Missing) => return Ok(Ok(())),
            opened => opened?,
        };
        let mut header = header(EntryType::Regular, meta);
        header.set_size(opened.size);
        let content = (&*opened.file).chain(io::repeat(0)).take(opened.size);
        Ok(self.archive.append_data(&mut header, inner, content))
    }
}

fn header(kind: EntryType, meta: &Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_mode(meta.permissions().mode() & 0o777);
    let modified = meta.modified().map(cap_std::time::SystemTime::into_std);
    let since = modified.map(|modified| modified.duration_since(SystemTime::UNIX_EPOCH));
    let seconds = since.ok().and_then(Result::ok);
    header.set_mtime(seconds.as_ref().map_or(0, Duration::as_secs));
    header
}
