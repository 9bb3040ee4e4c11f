//! The sandbox's files for bashkit: `wasi:filesystem` on the preopened
//! directories, with as few calls of the host as an operation can do with.
//!
//! WASI keeps no permission bits and starts no program by them. A file reads as
//! mode 0644, or 0755 if it starts as programs and scripts do, a folder as 0755;
//! what `chmod` sets lasts as long as the shell. What a sandbox may not do fails
//! in the operation itself, with the host's own reason.
//!
//! bashkit's layers above this one serve `/etc`, `/proc` and the stubs in
//! `/bin`, and follow symbolic links, so `stat` here does not.

mod device;
mod error;
mod place;
mod tree;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bashkit::{
    DirEntry, FileSystem, FileSystemExt, FileType, Metadata, Result, async_trait, normalize_path,
};

use crate::bindings::wasi::filesystem::preopens::get_directories;
use crate::bindings::wasi::filesystem::types::{
    Datetime, Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, ErrorCode, NewTimestamp,
    OpenFlags, PathFlags,
};
use crate::bindings::wasi::io::streams::StreamError;
use device::Device;
use error::io_error;
use place::{Place, locate, ways_down};

/// Mode of a file; WASI keeps no permission bits.
const FILE_MODE: u32 = 0o644;

/// Mode of a folder, of a program and of a script.
const PROGRAM_MODE: u32 = 0o755;

/// Mode of what takes everybody's data.
const DEVICE_MODE: u32 = 0o666;

/// How what can be run starts: a script, and WebAssembly.
const PROGRAM_STARTS: [&[u8]; 2] = [b"#!", b"\0asm"];

/// Bytes read or written with one call of the host: what it hands out at most.
const CHUNK_BYTES: usize = 64 * 1024;

/// Bytes `blocking-write-and-flush` takes at most, by its definition.
const FLUSH_BYTES: usize = 4096;

/// The preopened directories.
pub struct Files {
    roots: Vec<String>,
    directories: Vec<Descriptor>,
    /// Modes that were set.
    modes: Mutex<BTreeMap<PathBuf, u32>>,
}

/// A path as WASI takes it: a directory and what lies below.
struct At<'a> {
    directory: &'a Descriptor,
    path: String,
}

impl Files {
    /// What the host has opened for this instance.
    pub fn preopened() -> Self {
        let (directories, paths): (Vec<Descriptor>, Vec<String>) =
            get_directories().into_iter().unzip();
        let normal = |path: String| {
            normalize_path(Path::new(&path))
                .to_string_lossy()
                .into_owned()
        };
        Self {
            roots: paths.into_iter().map(normal).collect(),
            directories,
            modes: Mutex::default(),
        }
    }

    /// The first bytes of a file, `size` at most.
    ///
    /// # Errors
    /// The host's, or that there is no file.
    pub fn head(&self, path: &Path, size: u64) -> io::Result<Vec<u8>> {
        let Some(at) = self.find(path)? else {
            return Err(io_error(ErrorCode::IsDirectory));
        };
        let file = at.open(OpenFlags::empty(), DescriptorFlags::READ)?;
        Ok(file.read(size, 0).map_err(io_error)?.0)
    }

    /// Where `path` is; none if it only leads to where files can be.
    fn find(&self, path: &Path) -> io::Result<Option<At<'_>>> {
        let path = normalize_path(path);
        let Some(text) = path.to_str() else {
            return Err(io_error(ErrorCode::IllegalByteSequence));
        };
        match locate(&self.roots, text) {
            Place::Within(index, rest) => {
                let directory = self
                    .directories
                    .get(index)
                    .ok_or_else(|| io_error(ErrorCode::NoEntry))?;
                Ok(Some(At {
                    directory,
                    path: rest.to_owned(),
                }))
            }
            Place::Above => Ok(None),
            Place::Nowhere => Err(io_error(ErrorCode::NoEntry)),
        }
    }

    /// Where `path` is, to change it there. Above the sandbox's directories
    /// nothing can be changed, and nothing can be created beside them.
    fn find_to_change(&self, path: &Path) -> io::Result<At<'_>> {
        match self.find(path) {
            Ok(Some(at)) => Ok(at),
            Ok(None) => Err(io_error(ErrorCode::Access)),
            Err(error)
                if error.kind() == io::ErrorKind::NotFound && self.is_above(path.parent()) =>
            {
                Err(io_error(ErrorCode::Access))
            }
            Err(error) => Err(error),
        }
    }

    fn is_above(&self, path: Option<&Path>) -> bool {
        path.is_some_and(|path| matches!(self.find(path), Ok(None)))
    }

    /// All of a file.
    ///
    /// # Errors
    /// The host's, or that there is no file.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if let Some(device) = Device::at(&normalize_path(path)) {
            return Ok(device.read());
        }
        let Some(at) = self.find(path)? else {
            return Err(io_error(ErrorCode::IsDirectory));
        };
        let file = at.open(OpenFlags::empty(), DescriptorFlags::READ)?;
        let mut bytes = Vec::new();
        loop {
            let (chunk, end) = file
                .read(CHUNK_BYTES as u64, bytes.len() as u64)
                .map_err(io_error)?;
            if bytes.is_empty() {
                bytes = chunk;
            } else {
                bytes.extend_from_slice(&chunk);
            }
            if end {
                return Ok(bytes);
            }
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if Device::at(&normalize_path(path)).is_some() {
            return Ok(());
        }
        let at = self.find_to_change(path)?;
        let file = at.open(
            OpenFlags::CREATE | OpenFlags::TRUNCATE,
            DescriptorFlags::WRITE,
        )?;
        write_from(&file, bytes, 0)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if Device::at(&normalize_path(path)).is_some() {
            return Ok(());
        }
        let at = self.find_to_change(path)?;
        let file = at.open(OpenFlags::CREATE, DescriptorFlags::WRITE)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let stream = file.append_via_stream().map_err(io_error)?;
        for chunk in bytes.chunks(FLUSH_BYTES) {
            stream
                .blocking_write_and_flush(chunk)
                .map_err(|error| stream_error(&error))?;
        }
        Ok(())
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        match self.find(path) {
            Ok(None) => Err(io_error(ErrorCode::Exist)),
            _ => {
                let at = self.find_to_change(path)?;
                at.directory.create_directory_at(&at.path).map_err(io_error)
            }
        }
    }

    /// Creates a folder with all above it; one that is there already will do.
    fn create_folders(&self, path: &Path) -> io::Result<()> {
        match self.create_folder(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.create_folders(path.parent().ok_or(error)?)?;
                self.create_folder(path)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.is_folder(path) => {
                Ok(())
            }
            result => result,
        }
    }

    fn is_folder(&self, path: &Path) -> bool {
        self.stat_now(path)
            .is_ok_and(|metadata| metadata.file_type.is_dir())
    }

    fn stat_now(&self, path: &Path) -> io::Result<Metadata> {
        if Device::at(&normalize_path(path)).is_some() {
            return Ok(Metadata {
                file_type: FileType::File,
                size: 0,
                mode: DEVICE_MODE,
                modified: UNIX_EPOCH,
                created: UNIX_EPOCH,
            });
        }
        match self.find(path)? {
            Some(at) => {
                let mut metadata = at.stat()?;
                if let Some(mode) = self.modes().get(&normalize_path(path)) {
                    metadata.mode = *mode;
                } else if metadata.file_type.is_file() && at.is_program() {
                    metadata.mode = PROGRAM_MODE;
                }
                Ok(metadata)
            }
            None => Ok(metadata_of(&DescriptorStat {
                type_: DescriptorType::Directory,
                link_count: 1,
                size: 0,
                data_access_timestamp: None,
                data_modification_timestamp: None,
                status_change_timestamp: None,
            })),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = match self.find(path)? {
            None => Vec::new(),
            Some(at) => at.list()?,
        };
        let text = normalize_path(path);
        for name in ways_down(&self.roots, text.to_str().unwrap_or_default()) {
            if !entries.iter().any(|entry| entry.name == name) {
                entries.push(DirEntry {
                    name: name.to_owned(),
                    metadata: self.stat_now(&path.join(name))?,
                });
            }
        }
        Ok(entries)
    }

    fn modes(&self) -> MutexGuard<'_, BTreeMap<PathBuf, u32>> {
        self.modes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the mode of a file that is there no more; it is what comes
    /// back.
    fn forget_mode(&self, path: &Path) -> Option<u32> {
        self.modes().remove(&normalize_path(path))
    }

    fn rename_now(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (source, target) = (self.find_to_change(from)?, self.find_to_change(to)?);
        match source
            .directory
            .rename_at(&source.path, target.directory, &target.path)
        {
            // Two preopened directories may lie on two of the host's disks.
            Err(ErrorCode::CrossDevice) => tree::move_over(&source, &target),
            result => result.map_err(io_error),
        }
    }
}

impl At<'_> {
    fn open(&self, how: OpenFlags, what: DescriptorFlags) -> io::Result<Descriptor> {
        self.directory
            .open_at(PathFlags::SYMLINK_FOLLOW, &self.path, how, what)
            .map_err(io_error)
    }

    fn stat(&self) -> io::Result<Metadata> {
        let stat = self
            .directory
            .stat_at(PathFlags::empty(), &self.path)
            .map_err(io_error)?;
        Ok(metadata_of(&stat))
    }

    /// Whether a file starts as programs and scripts do.
    fn is_program(&self) -> bool {
        const LONGEST: u64 = 4;
        let head = self
            .open(OpenFlags::empty(), DescriptorFlags::READ)
            .and_then(|file| file.read(LONGEST, 0).map_err(io_error));
        head.is_ok_and(|(head, _)| PROGRAM_STARTS.iter().any(|start| head.starts_with(start)))
    }

    fn list(&self) -> io::Result<Vec<DirEntry>> {
        let folder = self.open(OpenFlags::DIRECTORY, DescriptorFlags::READ)?;
        let stream = folder.read_directory().map_err(io_error)?;
        let mut entries = Vec::new();
        while let Some(entry) = stream.read_directory_entry().map_err(io_error)? {
            // One that went in between is not there.
            if let Ok(stat) = folder.stat_at(PathFlags::empty(), &entry.name) {
                entries.push(DirEntry {
                    name: entry.name,
                    metadata: metadata_of(&stat),
                });
            }
        }
        Ok(entries)
    }
}

/// Writes all of `bytes` to `file` from `offset` on.
fn write_from(file: &Descriptor, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let chunk = bytes.get(..CHUNK_BYTES).unwrap_or(bytes);
        let written = file.write(chunk, offset).map_err(io_error)?;
        offset += written;
        bytes = usize::try_from(written)
            .ok()
            .and_then(|written| bytes.get(written..))
            .unwrap_or_default();
    }
    Ok(())
}

/// What went wrong in the file below a stream.
fn stream_error(error: &StreamError) -> io::Error {
    match error {
        StreamError::Closed => io_error(ErrorCode::Io),
        StreamError::LastOperationFailed(error) => {
            let code = crate::bindings::wasi::filesystem::types::filesystem_error_code(error);
            code.map_or_else(|| io::Error::other(error.to_debug_string()), io_error)
        }
    }
}

fn metadata_of(stat: &DescriptorStat) -> Metadata {
    let modified = time_of(stat.data_modification_timestamp);
    Metadata {
        file_type: match stat.type_ {
            DescriptorType::Directory => FileType::Directory,
            DescriptorType::SymbolicLink => FileType::Symlink,
            DescriptorType::Fifo => FileType::Fifo,
            _ => FileType::File,
        },
        size: stat.size,
        mode: match stat.type_ {
            DescriptorType::Directory => PROGRAM_MODE,
            _ => FILE_MODE,
        },
        modified,
        // WASI does not tell; a file is no younger than its last change.
        created: modified,
    }
}

fn time_of(when: Option<Datetime>) -> SystemTime {
    when.map_or(UNIX_EPOCH, |when| {
        UNIX_EPOCH + Duration::new(when.seconds, when.nanoseconds)
    })
}

impl FileSystemExt for Files {
    fn backend_kind(&self) -> &'static str {
        "wasi"
    }
}

// Nothing here waits: a call of the host is over when it returns.
#[async_trait]
impl FileSystem for Files {
    async fn read_file(&self, path: &Path) -> Result<Vec<u8>> {
        Ok(self.read(path)?)
    }

    async fn write_file(&self, path: &Path, content: &[u8]) -> Result<()> {
        Ok(self.write(path, content)?)
    }

    async fn append_file(&self, path: &Path, content: &[u8]) -> Result<()> {
        Ok(self.append(path, content)?)
    }

    async fn mkdir(&self, path: &Path, recursive: bool) -> Result<()> {
        Ok(if recursive {
            self.create_folders(path)
        } else {
            self.create_folder(path)
        }?)
    }

    async fn remove(&self, path: &Path, recursive: bool) -> Result<()> {
        tree::remove(&self.find_to_change(path)?, recursive)?;
        self.forget_mode(path);
        Ok(())
    }

    async fn stat(&self, path: &Path) -> Result<Metadata> {
        Ok(self.stat_now(path)?)
    }

    async fn read_dir(&self, path: &Path) -> Result<Vec<DirEntry>> {
        Ok(self.list(path)?)
    }

    async fn exists(&self, path: &Path) -> Result<bool> {
        Ok(self.stat_now(path).is_ok())
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.rename_now(from, to)?;
        if let Some(mode) = self.forget_mode(from) {
            self.modes().insert(normalize_path(to), mode);
        }
        Ok(())
    }

    async fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        let source = self
            .find(from)?
            .ok_or_else(|| io_error(ErrorCode::IsDirectory))?;
        Ok(tree::copy_file(&source, &self.find_to_change(to)?)?)
    }

    async fn symlink(&self, target: &Path, link: &Path) -> Result<()> {
        let at = self.find_to_change(link)?;
        let target = target
            .to_str()
            .ok_or_else(|| io_error(ErrorCode::IllegalByteSequence))?;
        Ok(at
            .directory
            .symlink_at(target, &at.path)
            .map_err(io_error)?)
    }

    async fn read_link(&self, path: &Path) -> Result<PathBuf> {
        let at = self
            .find(path)?
            .ok_or_else(|| io_error(ErrorCode::Invalid))?;
        Ok(at.directory.readlink_at(&at.path).map_err(io_error)?.into())
    }

    async fn chmod(&self, path: &Path, mode: u32) -> Result<()> {
        self.stat_now(path)?;
        self.modes().insert(normalize_path(path), mode);
        Ok(())
    }

    async fn set_modified_time(&self, path: &Path, time: SystemTime) -> Result<()> {
        let at = self.find_to_change(path)?;
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = NewTimestamp::Timestamp(Datetime {
            seconds: since.as_secs(),
            nanoseconds: since.subsec_nanos(),
        });
        let set = at.directory.set_times_at(
            PathFlags::SYMLINK_FOLLOW,
            &at.path,
            NewTimestamp::NoChange,
            time,
        );
        Ok(set.map_err(io_error)?)
    }
}
