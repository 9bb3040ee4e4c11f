//! The account of what a sandbox's writable folders hold.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mote_api::Limits;
use wasmtime_wasi::FsPerms;

use super::disk::DiskUse;
use crate::file_id::{FileId, file_id};

/// How much a sandbox's writable folders have grown, against its disk limits.
///
/// Sizes are apparent ones: a sparse file counts as if it were full, since
/// nothing would stop the guest from filling it later.
///
/// Every operation that reads a size and then changes it holds the lock in
/// between; two children racing on one file could otherwise be credited twice
/// for what was freed once.
pub(crate) struct Ledger {
    max_bytes: i128,
    max_entries: i128,
    aliased: AtomicBool,
    account: Mutex<Account>,
}

#[derive(Default)]
pub(super) struct Account {
    /// Signed: a guest may delete files of a granted folder that were there
    /// before it came.
    bytes: i128,
    entries: i128,
    held: HashMap<FileId, Hold>,
}

/// A file that some instance has open.
#[derive(Default)]
struct Hold {
    handles: u32,
    /// It has no name any more; its bytes are free once the last handle goes.
    nameless: bool,
}

/// There is no room for what was asked.
pub(super) struct Full;

impl Ledger {
    /// A ledger for folders that hold so much.
    pub(crate) fn new(limits: &Limits, held: DiskUse) -> Arc<Self> {
        Arc::new(Self {
            max_bytes: limits.disk.as_u64().into(),
            max_entries: limits.disk_entries.into(),
            aliased: AtomicBool::new(false),
            account: Mutex::new(Account {
                bytes: held.bytes.into(),
                entries: held.entries.into(),
                held: HashMap::new(),
            }),
        })
    }

    /// A file that is open to be read may be deleted by another of its names.
    pub(super) fn note_aliased(&self) {
        self.aliased.store(true, Relaxed);
    }

    /// Sets what the folders hold.
    pub(super) fn set(&self, held: DiskUse) {
        let mut account = self.account();
        account.bytes = held.bytes.into();
        account.entries = held.entries.into();
    }

    /// What the folders hold now; less than nothing counts as nothing.
    pub(super) fn used(&self) -> DiskUse {
        let Account { bytes, entries, .. } = *self.account();
        let clamped = |sum: i128| u64::try_from(sum.max(0)).unwrap_or(u64::MAX);
        DiskUse {
            bytes: clamped(bytes),
            entries: clamped(entries),
        }
    }

    /// Whether a file opened with these rights has to be held.
    pub(super) fn cares(&self, perms: FsPerms) -> bool {
        perms == FsPerms::ReadWrite || self.aliased.load(Relaxed)
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        // A panic while the lock is held leaves sums that are at worst too
        // high, which denies and does not grant.
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account, locked for one operation on files.
    pub(super) fn open(&self) -> Entry<'_> {
        Entry {
            ledger: self,
            account: self.account(),
        }
    }

    /// Notes that `file` is open until the returned value is dropped.
    pub(super) fn hold(self: &Arc<Self>, file: &Arc<File>) -> std::io::Result<Held> {
        let meta = file.metadata()?;
        let id = file_id(&meta);
        let mut account = self.account();
        let hold = account.held.entry(id).or_default();
        hold.handles += 1;
        // Deleted between its opening and now.
        hold.nameless |= meta.nlink() == 0;
        drop(account);
        Ok(Held {
            ledger: Arc::clone(self),
            file: Arc::clone(file),
            id,
        })
    }
}

/// One operation's hold of the account.
pub(super) struct Entry<'a> {
    ledger: &'a Ledger,
    account: MutexGuard<'a, Account>,
}

impl Entry<'_> {
    /// Whether `bytes` and `entries` more fit; nothing is booked yet.
    pub(super) fn room(&self, bytes: u64, entries: u64) -> Result<(), Full> {
        let fits = |used: i128, more: u64, max: i128| more == 0 || used + i128::from(more) <= max;
        let Account {
            bytes: used_bytes,
            entries: used_entries,
            ..
        } = *self.account;
        let fits = fits(used_bytes, bytes, self.ledger.max_bytes)
            && fits(used_entries, entries, self.ledger.max_entries);
        fits.then_some(()).ok_or(Full)
    }

    /// Books a file's or folder's change of size.
    pub(super) fn book_bytes(&mut self, before: u64, after: u64) {
        self.account.bytes += i128::from(after) - i128::from(before);
    }

    /// Books names that came.
    pub(super) fn book_entry(&mut self) {
        self.account.entries += 1;
    }

    /// Books that a name went, and the bytes with it if it was the last.
    pub(super) fn book_removal(&mut self, removed: &Removed) {
        self.account.entries -= 1;
        if removed.links > 1 {
            return;
        }
        match self.account.held.get_mut(&removed.id) {
            Some(hold) => hold.nameless = true,
            None => self.account.bytes -= i128::from(removed.size),
        }
    }
}

/// What a name stood for before it went.
pub(super) struct Removed {
    pub(super) id: FileId,
    pub(super) links: u64,
    pub(super) size: u64,
}

/// A file that is open; see [`Ledger::hold`].
pub(super) struct Held {
    ledger: Arc<Ledger>,
    file: Arc<File>,
    id: FileId,
}

impl Held {
    /// The same file held once more, as by a stream over it.
    pub(super) fn again(&self) -> Self {
        if let Some(hold) = self.ledger.account().held.get_mut(&self.id) {
            hold.handles += 1;
        }
        Self {
            ledger: Arc::clone(&self.ledger),
            file: Arc::clone(&self.file),
            id: self.id,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut account = self.ledger.account();
        let Some(hold) = account.held.get_mut(&self.id) else {
            return;
        };
        hold.handles -= 1;
        if hold.handles > 0 {
            return;
        }
        let nameless = hold.nameless;
        account.held.remove(&self.id);
        if nameless {
            // A file without a size to tell stays booked: denies, not grants.
            account.bytes -= i128::from(self.file.metadata().map_or(0, |meta| meta.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mote_api::ByteSize;

    fn ledger(bytes: u64, entries: u64) -> Arc<Ledger> {
        let limits = Limits {
            disk: ByteSize::bytes(bytes),
            disk_entries: entries,
            ..Limits::default()
        };
        Ledger::new(&limits, DiskUse::default())
    }

    fn booked(ledger: &Ledger) -> (i128, i128) {
        let account = ledger.account();
        (account.bytes, account.entries)
    }

    #[test]
    fn at_the_limit_there_is_room_and_one_over_there_is_none() {
        let ledger = ledger(10, 1);
        let mut entry = ledger.open();
        assert!(entry.room(10, 1).is_ok());
        assert!(entry.room(11, 0).is_err() && entry.room(0, 2).is_err());
        entry.book_bytes(0, 10);
        entry.book_entry();
        assert!(entry.room(0, 0).is_ok());
        assert!(entry.room(1, 0).is_err() && entry.room(0, 1).is_err());
    }

    #[test]
    fn a_deleted_file_is_free_only_when_nobody_holds_it() {
        let ledger = ledger(100, 10);
        let file = tempfile::tempfile().unwrap();
        file.set_len(60).unwrap();
        let file = Arc::new(file);
        let meta = file.metadata().unwrap();
        let mut entry = ledger.open();
        entry.book_entry();
        entry.book_bytes(0, 60);
        drop(entry);

        let held = ledger.hold(&file).unwrap();
        let again = held.again();
        ledger.open().book_removal(&Removed {
            id: file_id(&meta),
            links: 1,
            size: 60,
        });
        assert_eq!(booked(&ledger), (60, 0));
        drop(held);
        assert_eq!(booked(&ledger), (60, 0));
        drop(again);
        assert_eq!(booked(&ledger), (0, 0));
    }

    #[test]
    fn a_second_name_keeps_the_bytes() {
        let ledger = ledger(100, 10);
        let mut entry = ledger.open();
        entry.book_bytes(0, 5);
        entry.book_entry();
        entry.book_entry();
        entry.book_removal(&Removed {
            id: (1, 1),
            links: 2,
            size: 5,
        });
        drop(entry);
        assert_eq!(booked(&ledger), (5, 1));
    }
}
