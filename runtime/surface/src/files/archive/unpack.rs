//! An archive to files.

use std::ffi::OsStr;
use std::fs::FileTimes;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use cap_std::fs::Dir;
use tar::{Archive, Entry, EntryType};

use super::{ARCHIVE_ENTRIES, EntryExtension};
use crate::files::error::{FileError, failed};
use crate::files::path::names;
use crate::files::write::{Made, temporary_name};
use crate::files::{Files, PATH_BYTES};

/// Bytes that are copied at once.
const COPY_BYTES: usize = 128 * 1024;

impl Files {
    /// Takes the files out of the archive that `from` is, to the folder that
    /// `user_path` leads to, which is made if it is not there. Blocks on the
    /// disk and on `from`.
    ///
    /// # Errors
    /// The archive is broken or holds what may not come in, there is no room,
    /// or the system refuses. What came before stays.
    pub fn unpack(&self, user_path: &str, from: impl Read) -> Result<(), FileError> {
        let top = self.resolve(user_path)?;
        let mut made = Made::none(self);
        let folder = self.make_folders(&top, &mut made)?;
        let mut unpack = Unpack {
            files: self,
            folder: (top.clone(), folder),
            top,
            extension: EntryExtension::default(),
            buffer: vec![0; COPY_BYTES],
        };
        let mut archive = Archive::new(from);
        // Raw, so that it is us who read the extensions, within bounds.
        let entries = archive.entries().map_err(broken)?.raw(true);
        for (at, entry) in entries.enumerate() {
            if at == ARCHIVE_ENTRIES {
                return Err(FileError::TooMany(ARCHIVE_ENTRIES));
            }
            unpack.entry(entry.map_err(broken)?)?;
        }
        made.keep();
        Ok(())
    }
}

struct Unpack<'a> {
    files: &'a Files,
    top: PathBuf,
    /// The folder of the last entry, as most have the same as the one before.
    folder: (PathBuf, Dir),
    extension: EntryExtension,
    buffer: Vec<u8>,
}

impl Unpack<'_> {
    fn entry<R: Read>(&mut self, mut entry: Entry<'_, R>) -> Result<(), FileError> {
        match self.extension.take(&mut entry).map_err(broken)? {
            Some(known) => self.member(entry.header().entry_type(), known, entry),
            None => Ok(()),
        }
    }

    fn member<R: Read>(
        &mut self,
        kind: EntryType,
        known: EntryExtension,
        entry: Entry<'_, R>,
    ) -> Result<(), FileError> {
        if known.size.is_some_and(|size| size != entry.size()) {
            return Err(refuse("a file of 8 GiB or more; send it on its own"));
        }
        let short = || entry.header().path_bytes().into();
        let path = checked(known.path.unwrap_or_else(short))?;
        let (below, folder) = (inner(&path)?, path.ends_with('/'));
        let Some((name, parents)) = below.split_last() else {
            // The folder itself.
            return Ok(());
        };
        self.go_to(parents)?;
        match kind {
            EntryType::Regular if !folder => self.file(name, entry),
            EntryType::Continuous => self.file(name, entry),
            EntryType::Regular | EntryType::Directory => self.make(name, &entry),
            EntryType::Symlink => self.link(name, known.link, &entry),
            _ => Err(refuse(&format!(
                "{path} is neither a file, a folder nor a symbolic link"
            ))),
        }
    }

    /// Opens the folder that `parents` lead to from the top.
    fn go_to(&mut self, parents: &[&str]) -> Result<(), FileError> {
        let path = self.files.resolve_below(&self.top, parents)?;
        if path != self.folder.0 {
            let mut made = Made::none(self.files);
            let folder = self.files.make_folders(&path, &mut made)?;
            made.keep();
            self.folder = (path, folder);
        }
        Ok(())
    }

    fn file<R: Read>(&mut self, name: &str, mut entry: Entry<'_, R>) -> Result<(), FileError> {
        let (mode, time) = (mode(&entry)?, entry.header().mtime().map_err(broken)?);
        let folder = self
            .folder
            .1
            .try_clone()
            .map_err(failed("open the folder"))?;
        let mut upload = self.files.upload_in(folder, OsStr::new(name), mode)?;
        let mut left = entry.size();
        while left > 0 {
            let read = entry.read(&mut self.buffer).map_err(broken)?;
            let bytes = self.buffer.get(..read).unwrap_or_default();
            if bytes.is_empty() {
                return Err(refuse("it ends within a file"));
            }
            upload.write(bytes)?;
            left = left.saturating_sub(read as u64);
        }
        if let Some(time) = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(time)) {
            let times = FileTimes::new().set_modified(time);
            upload
                .file()
                .set_times(times)
                .map_err(failed("set file time"))?;
        }
        upload.place()
    }

    fn make<R: Read>(&mut self, name: &str, entry: &Entry<'_, R>) -> Result<(), FileError> {
        // We are to write into it.
        let mode = mode(entry)? | 0o700;
        self.files
            .make_folder(&self.folder.1, OsStr::new(name), mode)
            .map(drop)
    }

    fn link<R: Read>(
        &mut self,
        name: &str,
        long: Option<Vec<u8>>,
        entry: &Entry<'_, R>,
    ) -> Result<(), FileError> {
        let short = || entry.header().link_name_bytes().unwrap_or_default().into();
        let target = checked(long.unwrap_or_else(short))?;
        if !self.stays(&target) {
            return Err(refuse(&format!("the link {name} leads out of the sandbox")));
        }
        let (files, folder) = (self.files, &self.folder.1);
        files.quota.grow(0, 1)?;
        let temporary = temporary_name();
        if let Err(error) = folder.symlink_contents(&target, &temporary) {
            files.give_back_name();
            return Err(failed("create the link")(error));
        }
        files
            .place(folder, &temporary, OsStr::new(name))
            .map_err(|error| {
                // Nothing is lost if this fails too: it is swept away later.
                let _ = files.unlink(folder, &temporary);
                failed("move the link into place")(error)
            })
    }

    /// Whether a link in the current folder leads below the root, as far as
    /// its text tells. What follows it later is held by the root's handle.
    fn stays(&self, target: &str) -> bool {
        let root = &*self.files.name;
        let from = match (target.starts_with('/'), self.folder.0.to_str()) {
            (true, _) => target.to_owned(),
            (false, Some(folder)) => format!("{root}/{folder}/{target}"),
            (false, None) => return false,
        };
        names(&from).starts_with(&names(root))
    }
}

fn checked(path: Vec<u8>) -> Result<String, FileError> {
    let path = String::from_utf8(path).map_err(|_| refuse("a path is no UTF-8"))?;
    match path.len() <= PATH_BYTES && !path.contains('\0') && !path.is_empty() {
        true => Ok(path),
        false => Err(refuse("a path is empty, holds NUL or is too long")),
    }
}

/// The names of a path below the archive's folder.
fn inner(path: &str) -> Result<Vec<&str>, FileError> {
    if path.starts_with('/') || path.split('/').any(|name| name == "..") {
        return Err(refuse(&format!("{path} is absolute or holds ..")));
    }
    Ok(names(path))
}

fn mode<R: Read>(entry: &Entry<'_, R>) -> Result<u32, FileError> {
    Ok(entry.header().mode().map_err(broken)? & 0o777)
}

fn broken(error: io::Error) -> FileError {
    FileError::Archive(error.to_string())
}

fn refuse(why: &str) -> FileError {
    FileError::Archive(why.to_owned())
}
