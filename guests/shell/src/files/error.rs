//! What the host says of a failed file operation, in the words of `strerror`.

use std::io::{Error, ErrorKind};

use crate::bindings::wasi::filesystem::types::ErrorCode;

/// The error of `code` as a shell's commands print it.
pub fn io_error(code: ErrorCode) -> Error {
    let (kind, text) = match code {
        ErrorCode::Access => (ErrorKind::PermissionDenied, "Permission denied"),
        ErrorCode::Busy => (ErrorKind::ResourceBusy, "Device or resource busy"),
        ErrorCode::CrossDevice => (ErrorKind::CrossesDevices, "Invalid cross-device link"),
        ErrorCode::Exist => (ErrorKind::AlreadyExists, "File exists"),
        ErrorCode::FileTooLarge => (ErrorKind::FileTooLarge, "File too large"),
        ErrorCode::IllegalByteSequence => (
            ErrorKind::InvalidData,
            "Invalid or incomplete multibyte or wide character",
        ),
        ErrorCode::InsufficientMemory => (ErrorKind::OutOfMemory, "Cannot allocate memory"),
        ErrorCode::InsufficientSpace => (ErrorKind::StorageFull, "No space left on device"),
        ErrorCode::Invalid => (ErrorKind::InvalidInput, "Invalid argument"),
        ErrorCode::Io => (ErrorKind::Other, "Input/output error"),
        ErrorCode::IsDirectory => (ErrorKind::IsADirectory, "Is a directory"),
        ErrorCode::Loop => (ErrorKind::Other, "Too many levels of symbolic links"),
        ErrorCode::NameTooLong => (ErrorKind::InvalidFilename, "File name too long"),
        ErrorCode::NoEntry => (ErrorKind::NotFound, "No such file or directory"),
        ErrorCode::NotDirectory => (ErrorKind::NotADirectory, "Not a directory"),
        ErrorCode::NotEmpty => (ErrorKind::DirectoryNotEmpty, "Directory not empty"),
        ErrorCode::NotPermitted => (ErrorKind::PermissionDenied, "Operation not permitted"),
        ErrorCode::Quota => (ErrorKind::QuotaExceeded, "Disk quota exceeded"),
        ErrorCode::ReadOnly => (ErrorKind::ReadOnlyFilesystem, "Read-only file system"),
        ErrorCode::TooManyLinks => (ErrorKind::TooManyLinks, "Too many links"),
        ErrorCode::Unsupported => (ErrorKind::Unsupported, "Operation not supported"),
        // The rest cannot come of what the shell asks for.
        other => return Error::other(other.message()),
    };
    Error::new(kind, text)
}
