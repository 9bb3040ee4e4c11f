//! The same account of a sandbox's disk, for the host's own writes to it.

use std::fs::File;
use std::io;
use std::sync::Arc;

use mote_api::{GuestPath, Limits};

use super::folder::{Folder, FolderLimit};
use super::ledger::{Full, Held, Ledger, Removed};

/// What a sandbox's writable folders hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskUse {
    /// Sum of the apparent sizes of files.
    pub bytes: u64,
    /// Files, folders and links.
    pub entries: u64,
}

/// There is no room for what was to be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiskFull {
    /// In all of the sandbox's folders.
    #[error("the sandbox's disk limit is reached")]
    Sandbox,
    /// In this one, which may hold less.
    #[error("the size limit of {0} is reached")]
    Folder(GuestPath),
}

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

/// A file that the host has open; see [`Disk::hold`].
pub struct HeldFile(#[expect(dead_code, reason = "held, not used")] Held);

/// A handle on the account that a sandbox's guests write against.
#[derive(Clone)]
pub struct Disk {
    ledger: Arc<Ledger>,
    /// In which of the folders with a ceiling of their own it writes.
    folder: Option<Folder>,
}

impl Disk {
    /// An account for folders that already hold so much of what the limits
    /// allow; `folders` are those that may hold less.
    pub fn new(limits: &Limits, held: DiskUse, folders: Vec<FolderLimit>) -> Self {
        Self {
            ledger: Ledger::new(limits, held, folders),
            folder: None,
        }
    }

    pub(crate) fn of(ledger: &Arc<Ledger>) -> Self {
        Self {
            ledger: Arc::clone(ledger),
            folder: None,
        }
    }

    /// The same, for writes to the folder that is granted at this guest path.
    #[must_use]
    pub fn at(&self, guest: &GuestPath) -> Self {
        Self {
            ledger: Arc::clone(&self.ledger),
            folder: self.ledger.folder(guest),
        }
    }

    /// The ledger, for a session whose folders have more than one name each
    /// where they are `aliased`.
    pub(crate) fn ledger(&self, aliased: bool) -> Arc<Ledger> {
        if aliased {
            self.ledger.note_aliased();
        }
        Arc::clone(&self.ledger)
    }

    /// Sets what is held, after it was counted anew, and how many bytes each
    /// of the folders holds that may hold less, in their order. Nobody may
    /// write meanwhile.
    pub fn set(&self, held: DiskUse, folders: &[u64]) {
        self.ledger.set(held, folders);
    }

    /// What is held now.
    pub fn used(&self) -> DiskUse {
        self.ledger.used()
    }

    /// Books what is about to be written.
    ///
    /// # Errors
    /// There is no room; nothing is booked.
    pub fn grow(&self, bytes: u64, entries: u64) -> Result<(), DiskFull> {
        let mut entry = self.ledger.open(self.folder);
        let room = entry.room(bytes, entries);
        room.map_err(|full| self.told(full))?;
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
        let mut entry = self.ledger.open(self.folder);
        if let Some(Unlinked { id, links, bytes }) = remove()? {
            entry.book_removal(&Removed {
                id,
                links,
                size: bytes,
            });
        }
        Ok(())
    }

    /// Notes that the host has `file` open until what is returned is dropped:
    /// a guest that takes its name away gets its bytes back only then.
    ///
    /// # Errors
    /// It does not tell what it is.
    pub fn hold(&self, file: &Arc<File>) -> io::Result<HeldFile> {
        self.ledger.hold(file, self.folder).map(HeldFile)
    }

    /// Books the files that are open and have lost their names unseen, once
    /// another folder took the place of the one that they were in. What that
    /// holds is booked by now.
    pub fn book_lost(&self) {
        self.ledger.book_lost();
    }

    fn told(&self, full: Full) -> DiskFull {
        let folder = match full {
            Full::Sandbox => None,
            Full::Folder(folder) => self.ledger.guest(folder),
        };
        folder.map_or(DiskFull::Sandbox, |guest| DiskFull::Folder(guest.clone()))
    }
}
