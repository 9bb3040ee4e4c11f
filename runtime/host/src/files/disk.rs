//! The same account of a sandbox's disk, for the host's own writes to it.

use std::io;
use std::sync::Arc;

use mote_api::Limits;

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

/// A handle on the account that a sandbox's guests write against.
#[derive(Clone)]
pub struct Disk(Arc<Ledger>);

impl Disk {
    /// An account for folders that already hold so much of what the limits
    /// allow.
    pub fn new(limits: &Limits, held: DiskUse) -> Self {
        Self(Ledger::new(limits, held))
    }

    pub(crate) fn of(ledger: &Arc<Ledger>) -> Self {
        Self(Arc::clone(ledger))
    }

    /// The ledger, for a session whose folders have more than one name each
    /// where they are `aliased`.
    pub(crate) fn ledger(&self, aliased: bool) -> Arc<Ledger> {
        if aliased {
            self.0.note_aliased();
        }
        Arc::clone(&self.0)
    }

    /// Sets what is held, after it was counted anew. Nobody may write
    /// meanwhile.
    pub fn set(&self, held: DiskUse) {
        self.0.set(held);
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
}
