//! What can go wrong with a sandbox's files.

use std::io;

use super::{Full, PathError};

/// A file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The path itself is bad.
    #[error(transparent)]
    Path(#[from] PathError),
    /// There is nothing.
    #[error("path does not exist within the sandbox")]
    Missing,
    /// The system refuses.
    #[error("permission denied")]
    Denied,
    /// A file was to be written where a folder is.
    #[error("target path is a directory")]
    IsFolder,
    /// A folder was to be deleted with what it holds, without saying so.
    #[error("directory is not empty; pass recursive=true to remove it")]
    NotEmpty,
    /// A device, a socket or a pipe: opening it could block, or do something.
    #[error("the path is neither a file nor a directory; only these can be read")]
    Special,
    /// More names than one answer, or one archive, may hold.
    #[error("there are more than {0} entries; ask for a part of them")]
    TooMany(usize),
    /// An archive that cannot be taken as it is.
    #[error("the archive cannot be unpacked: {0}")]
    Archive(String),
    /// There is no room.
    #[error(transparent)]
    Full(#[from] Full),
    /// The system failed.
    #[error("failed to {what}: {source}")]
    Io {
        /// A verb and its object.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// Says what was tried when the system failed; a full disk is [`Full`].
pub(super) fn failed(what: &'static str) -> impl Fn(io::Error) -> FileError {
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Full::Disk.into(),
        _ => FileError::Io { what, source },
    }
}

/// Tells a missing path and a refusal from other failures.
pub(super) fn refused(what: &'static str) -> impl Fn(io::Error) -> FileError {
    move |source| match source.kind() {
        io::ErrorKind::NotFound => FileError::Missing,
        io::ErrorKind::PermissionDenied => FileError::Denied,
        _ => failed(what)(source),
    }
}
