//! Which file, whatever its names.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// Device and inode.
pub(crate) type FileId = (u64, u64);

/// The file that was looked at.
pub(crate) fn file_id(meta: &Metadata) -> FileId {
    (meta.dev(), meta.ino())
}
