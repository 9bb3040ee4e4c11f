//! The same account of a sandbox's disk, for the host's own writes to it.

use std::io;
use std::sync::Arc;

use super::ledger::{Ledger, Removed};

/// What a sandbox's writable folders hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskUse {
    /// Sum of the apparent sizes of files.
    pub bytes: u64,
    /// Files, folders and links.
    pub entries: u64,
}

/// There is no room for what was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox's disk limit is reached")]
pub struct DiskFull;

/// What a name stood for before it was taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unlinked {
    /// The file's device and inode.
    pub id: (u64, u64),
    /// How many names it had, this one included.
    pub links: u64,
    /// Its size in bytes; 0 for what is no regular file.
    pub bytes: u64,
}

/// A handle on the account that a session's guests write against.
#[derive(Clone)]
pub struct Disk(Arc<Ledger>);

impl Disk {
    pub(crate) fn new(ledger: &Arc<Ledger>) -> Self {
        Self(Arc::clone(ledger))
    }

    /// What is held now.
    pub fn used(&self) -> DiskUse {
        self.0.used()
    }

    /// Books what is about to be written.
    ///
    /// # Errors
    /// There is no room; nothing is booked.
    pub fn grow(&self, bytes: u64, entries: u64) -> Result<(), DiskFull> {
        let mut entry = self.0.open();
        entry.room(bytes, entries).map_err(|_| DiskFull)?;
        entry.book_bytes(0, bytes);
        (0..entries).for_each(|_| entry.book_entry());
        Ok(())
    }

    /// Runs `remove`, which takes a name away and says what it stood for, and
    /// books that. No guest changes the account in between.
    ///
    /// # Errors
    /// Those of `remove`; nothing is booked.
    pub fn shrink(
        &self,
        remove: &mut dyn FnMut() -> io::Result<Option<Unlinked>>,
    ) -> io::Result<()> {
        let mut entry = self.0.open();
        if let Some(Unlinked { id, links, bytes }) = remove()? {
            entry.book_removal(&Removed {
                id,
                links,
                size: bytes,
            });
        }
        Ok(())
    }

    /// Takes back what was booked for a write that did not happen.
    pub fn give_back(&self, bytes: u64) {
        self.0.open().book_bytes(bytes, 0);
    }
}
