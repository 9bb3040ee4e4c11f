//! The account of what a sandbox's writable folders hold.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mote_api::{GuestPath, Limits};
use tokio::sync::Semaphore;
use wasmtime_wasi::FsPerms;

use super::disk::DiskUse;
use super::folder::{Folder, FolderLimit};
use super::sync::SYNCS_OF_SANDBOX;
use crate::budget::Budget;
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
    /// Those with a ceiling of their own.
    folders: Box<[FolderLimit]>,
    aliased: AtomicBool,
    account: Mutex<Account>,
    /// Room for what is brought to the disk.
    syncs: Arc<Semaphore>,
}

#[derive(Default)]
pub(super) struct Account {
    /// Signed: a guest may delete files of a granted folder that were there
    /// before it came.
    bytes: i128,
    entries: i128,
    /// Bytes of each of [`Ledger::folders`], which are among all.
    folders: Vec<i128>,
    held: HashMap<FileId, Hold>,
}

impl Account {
    fn add(&mut self, folder: Option<Folder>, bytes: i128) {
        self.bytes += bytes;
        if let Some(Folder(at)) = folder
            && let Some(held) = self.folders.get_mut(at)
        {
            *held += bytes;
        }
    }

    /// Books what is open and has lost its name unseen.
    fn book_lost(&mut self) {
        let lost = self.held.values_mut();
        let lost: Vec<_> = lost
            .filter_map(|it| Some((it.folder, it.lost()?)))
            .collect();
        for (folder, bytes) in lost {
            self.add(folder, bytes.into());
        }
    }
}

/// A file that somebody has open.
struct Hold {
    file: Arc<File>,
    folder: Option<Folder>,
    handles: u32,
    /// It has no name any more; its bytes, which are booked, are free once the
    /// last handle goes.
    nameless: bool,
}

impl Hold {
    /// The size of a file without a name that nobody has booked as such.
    fn lost(&mut self) -> Option<u64> {
        // One that tells nothing was open when its name was there.
        let meta = self.file.metadata().ok()?;
        if self.nameless || meta.nlink() > 0 {
            return None;
        }
        self.nameless = true;
        Some(meta.len())
    }
}

/// There is no room for what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// In all of the sandbox's folders.
    Sandbox,
    /// In this one.
    Folder(Folder),
}

impl Ledger {
    /// A ledger for folders that hold so much; for some of them, ceilings of
    /// their own.
    pub(crate) fn new(limits: &Limits, held: DiskUse, folders: Vec<FolderLimit>) -> Arc<Self> {
        Arc::new(Self {
            max_bytes: limits.disk.as_u64().into(),
            max_entries: limits.disk_entries.into(),
            aliased: AtomicBool::new(false),
            account: Mutex::new(Account {
                bytes: held.bytes.into(),
                entries: held.entries.into(),
                folders: folders.iter().map(|folder| folder.held.into()).collect(),
                held: HashMap::new(),
            }),
            folders: folders.into(),
            syncs: Arc::new(Semaphore::new(SYNCS_OF_SANDBOX)),
        })
    }

    /// Room for what the sandbox brings to the disk.
    pub(super) fn syncs(&self) -> &Arc<Semaphore> {
        &self.syncs
    }

    /// Whether any folder has a ceiling of its own.
    pub(crate) fn has_folders(&self) -> bool {
        !self.folders.is_empty()
    }

    /// The folder with a ceiling of its own that is granted at this path, or of
    /// which a part is.
    pub(crate) fn folder(&self, guest: &GuestPath) -> Option<Folder> {
        let at = self.folders.iter().position(|it| it.guests.contains(guest));
        at.map(Folder)
    }

    /// Where guests see it.
    pub(super) fn guest(&self, Folder(at): Folder) -> Option<&GuestPath> {
        self.folders.get(at)?.guests.first()
    }

    /// Notes what was refused for lack of room.
    pub(super) fn note(&self, full: Full, budget: &Budget) {
        match full {
            Full::Sandbox => budget.note_disk_refused(),
            Full::Folder(folder) => budget.note_folder_refused(self.guest(folder)),
        }
    }

    /// A file that is open to be read may be deleted by another of its names.
    pub(super) fn note_aliased(&self) {
        self.aliased.store(true, Relaxed);
    }

    /// Sets what the folders hold, and each of those with a ceiling of their
    /// own.
    pub(super) fn set(&self, held: DiskUse, folders: &[u64]) {
        let mut account = self.account();
        account.bytes = held.bytes.into();
        account.entries = held.entries.into();
        for (held, counted) in account.folders.iter_mut().zip(folders) {
            *held = (*counted).into();
        }
        // No name led the count to these.
        account.held.values_mut().for_each(|it| it.nameless = false);
        account.book_lost();
    }

    /// Books the files that are open and have lost their names to what books
    /// nothing, as where a folder took the place of another.
    pub(super) fn book_lost(&self) {
        self.account().book_lost();
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

    /// The bytes that one of the folders with a ceiling of its own holds now.
    #[cfg(test)]
    pub(super) fn used_in(&self, Folder(at): Folder) -> u64 {
        let held = self.account().folders.get(at).copied();
        u64::try_from(held.unwrap_or_default()).unwrap_or_default()
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

    /// The account, locked for one operation on files, of `folder` if that has
    /// a ceiling of its own.
    pub(super) fn open(&self, folder: Option<Folder>) -> Entry<'_> {
        Entry {
            ledger: self,
            folder,
            account: self.account(),
        }
    }

    /// Notes that `file`, of `folder`, is open until the returned value is
    /// dropped.
    pub(super) fn hold(
        self: &Arc<Self>,
        file: &Arc<File>,
        folder: Option<Folder>,
    ) -> std::io::Result<Held> {
        let mut account = self.account();
        let id = file_id(&file.metadata()?);
        let hold = account.held.entry(id).or_insert_with(|| Hold {
            file: Arc::clone(file),
            folder,
            handles: 0,
            nameless: false,
        });
        hold.handles += 1;
        // Deleted between its opening and now, when nobody held it: its bytes
        // were freed too early.
        if let Some(bytes) = hold.lost() {
            account.add(folder, bytes.into());
        }
        drop(account);
        Ok(Held {
            ledger: Arc::clone(self),
            id,
        })
    }
}

/// One operation's hold of the account.
pub(super) struct Entry<'a> {
    ledger: &'a Ledger,
    folder: Option<Folder>,
    account: MutexGuard<'a, Account>,
}

impl Entry<'_> {
    /// Whether `bytes` and `entries` more fit; nothing is booked yet.
    pub(super) fn room(&self, bytes: u64, entries: u64) -> Result<(), Full> {
        let fits = |used: i128, more: u64, max: i128| more == 0 || used + i128::from(more) <= max;
        let Account {
            bytes: used_bytes,
            entries: used_entries,
            folders,
            ..
        } = &*self.account;
        if !fits(*used_bytes, bytes, self.ledger.max_bytes)
            || !fits(*used_entries, entries, self.ledger.max_entries)
        {
            return Err(Full::Sandbox);
        }
        if let Some(Folder(at)) = self.folder
            && let (Some(used), Some(limit)) = (folders.get(at), self.ledger.folders.get(at))
            && !fits(*used, bytes, limit.max.as_u64().into())
        {
            return Err(Full::Folder(Folder(at)));
        }
        Ok(())
    }

    /// Books a file's or folder's change of size.
    pub(super) fn book_bytes(&mut self, before: u64, after: u64) {
        let more = i128::from(after) - i128::from(before);
        self.account.add(self.folder, more);
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
            None => self.account.add(self.folder, -i128::from(removed.size)),
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
        let Some(hold) = account.held.remove(&self.id) else {
            return;
        };
        if hold.nameless {
            // A file without a size to tell stays booked: denies, not grants.
            let size = hold.file.metadata().map_or(0, |meta| meta.len());
            account.add(hold.folder, -i128::from(size));
        }
        // The system takes its time to free a large file.
        drop(account);
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
        Ledger::new(&limits, DiskUse::default(), Vec::new())
    }

    fn booked(ledger: &Ledger) -> (i128, i128) {
        let account = ledger.account();
        (account.bytes, account.entries)
    }

    #[test]
    fn at_the_limit_there_is_room_and_one_over_there_is_none() {
        let ledger = ledger(10, 1);
        let mut entry = ledger.open(None);
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
        let named = tempfile::NamedTempFile::new().unwrap();
        named.as_file().set_len(60).unwrap();
        let file = Arc::new(named.reopen().unwrap());
        let meta = file.metadata().unwrap();
        let mut entry = ledger.open(None);
        entry.book_entry();
        entry.book_bytes(0, 60);
        drop(entry);

        let held = ledger.hold(&file, None).unwrap();
        let again = held.again();
        ledger.open(None).book_removal(&Removed {
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

    /// A file of 60 bytes that has lost its name already.
    fn nameless() -> Arc<File> {
        let file = tempfile::tempfile().unwrap();
        file.set_len(60).unwrap();
        Arc::new(file)
    }

    #[test]
    fn a_file_deleted_before_it_was_held_is_freed_once() {
        let ledger = ledger(100, 10);
        // What there was of it is freed by now.
        let held = ledger.hold(&nameless(), None).unwrap();
        assert_eq!(booked(&ledger), (60, 0));
        let other = held.again();
        drop(held);
        assert_eq!(booked(&ledger), (60, 0));
        drop(other);
        assert_eq!(booked(&ledger), (0, 0));
    }

    #[test]
    fn what_is_open_without_a_name_is_counted_anew_with_the_rest() {
        let ledger = ledger(100, 10);
        let held = ledger.hold(&nameless(), None).unwrap();
        let counted = DiskUse {
            bytes: 7,
            entries: 1,
        };
        for _ in 0..2 {
            ledger.set(counted, &[]);
            assert_eq!(booked(&ledger), (67, 1));
        }
        drop(held);
        assert_eq!(booked(&ledger), (7, 1));
    }

    #[test]
    fn a_name_that_goes_unseen_keeps_the_bytes_of_an_open_file() {
        let ledger = ledger(100, 10);
        let named = tempfile::NamedTempFile::new().unwrap();
        named.as_file().set_len(60).unwrap();
        let file = Arc::new(named.reopen().unwrap());
        let held = ledger.hold(&file, None).unwrap();
        ledger.book_lost();
        assert_eq!(booked(&ledger), (0, 0));
        drop(named);
        for _ in 0..2 {
            ledger.book_lost();
            assert_eq!(booked(&ledger), (60, 0));
        }
        drop(held);
        assert_eq!(booked(&ledger), (0, 0));
    }

    #[test]
    fn a_second_name_keeps_the_bytes() {
        let ledger = ledger(100, 10);
        let mut entry = ledger.open(None);
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
