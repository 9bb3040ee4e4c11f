//! A sandbox's files: one directory handle that nothing leads out of.

mod archive;
mod error;
mod path;
mod read;
mod remove;
mod resolve;
mod write;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use cap_std::fs::{Dir, Metadata, MetadataExt};
use mote_api::GuestPath;

pub use archive::{ARCHIVE_ENTRIES, EntryExtension};
pub use error::FileError;
pub use path::{PATH_BYTES, PathError};
pub use read::{Found, LIST_ENTRIES, Listed, Opened};
pub use write::Upload;

/// A sandbox's files. Clones share the handle.
#[derive(Clone)]
pub struct Files {
    root: Arc<Dir>,
    /// Where programs see the root; a path that begins with it is taken as
    /// one below the root.
    name: Arc<str>,
    quota: Arc<dyn Quota>,
}

impl Files {
    /// The files below `root`, which programs see at the absolute path `name`.
    pub fn new(root: Arc<Dir>, name: &str, quota: Arc<dyn Quota>) -> Self {
        Self {
            root,
            name: name.into(),
            quota,
        }
    }

    /// The folder at `path`, a path without links.
    fn folder(&self, path: &Path) -> io::Result<Dir> {
        self.root.open_dir(name_or_dot(path))
    }
}

/// The empty path is the root, and the system wants a name for it.
fn name_or_dot(path: &Path) -> &Path {
    match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    }
}

/// The account of what a sandbox's files take.
pub trait Quota: Send + Sync {
    /// Books so many bytes and names before they are written.
    ///
    /// # Errors
    /// There is no room for them; nothing is booked.
    fn grow(&self, bytes: u64, entries: u64) -> Result<(), Full>;

    /// Runs `remove`, which takes a name away and says what it stood for, and
    /// books that. Nothing else changes the account in between.
    ///
    /// # Errors
    /// Those of `remove`; nothing is booked.
    fn shrink(&self, remove: &mut dyn FnMut() -> io::Result<Option<Gone>>) -> io::Result<()>;

    /// Notes that `file` is open for as long as what is returned is there.
    /// Until then its bytes are taken, even if its name goes.
    ///
    /// # Errors
    /// The file does not tell what it is.
    fn hold(&self, file: &Arc<File>) -> io::Result<Held>;
}

/// A file's being open, in the account of its sandbox; see [`Quota::hold`].
pub struct Held(#[expect(dead_code, reason = "held, not used")] Option<Box<dyn Send + Sync>>);

impl Held {
    /// Is noted until `it` is dropped.
    pub fn new(it: impl Send + Sync + 'static) -> Self {
        Self(Some(Box::new(it)))
    }

    /// Where no account is kept.
    pub const fn nowhere() -> Self {
        Self(None)
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Held")
    }
}

/// There is no room for what was to be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// In all of the sandbox's folders.
    #[error("the sandbox's disk limit is reached; delete files, or give it a larger limit")]
    Sandbox,
    /// In this one, which may hold less.
    #[error("the size limit of {0} is reached; delete files there, or give it a larger limit")]
    Folder(GuestPath),
    /// On the file system below.
    #[error("the disk below the sandbox is full; make room on it")]
    Disk,
}

/// What a name stood for before it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone {
    /// The file's device and inode.
    pub id: (u64, u64),
    /// How many names it had, this one included.
    pub links: u64,
    /// Its size in bytes; 0 for what is no regular file.
    pub bytes: u64,
}

impl Gone {
    /// What a name with this metadata, links not followed, stands for.
    fn of(meta: &Metadata) -> Self {
        let file = meta.is_file();
        Self {
            id: (meta.dev(), meta.ino()),
            links: if file { meta.nlink() } else { 1 },
            bytes: if file { meta.len() } else { 0 },
        }
    }
}

/// The account of a sandbox that only its file system bounds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlimited;

impl Quota for Unlimited {
    fn grow(&self, _bytes: u64, _entries: u64) -> Result<(), Full> {
        Ok(())
    }

    fn shrink(&self, remove: &mut dyn FnMut() -> io::Result<Option<Gone>>) -> io::Result<()> {
        remove().map(drop)
    }

    fn hold(&self, _file: &Arc<File>) -> io::Result<Held> {
        Ok(Held::nowhere())
    }
}

#[cfg(test)]
mod tests;
