//! A file that the host itself writes into a sandbox's folder.

use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{Mode, OFlags};
use wasmtime_wasi::filesystem::File;
use wasmtime_wasi::{FsPerms, OpenMode};

use super::OpenDir;
use super::folder::Folder;
use super::ledger::{Held, Ledger};
use super::stream::{self, Books, Position, no_space};
use crate::budget::Budget;

/// Takes output for which the caller has no room, as a file of the sandbox's
/// own: it counts against the sandbox's disk.
pub(crate) struct Overflow {
    file: File,
    ledger: Arc<Ledger>,
    folder: Option<Folder>,
    budget: Arc<Budget>,
    /// A guest may take its name away, and its bytes stay.
    _held: Held,
}

impl Overflow {
    /// Creates a file for this stream's output directly in `dir`; returns its
    /// name too.
    ///
    /// # Errors
    /// There is no room, or the file system refuses.
    pub(crate) fn create(
        dir: &OpenDir,
        stream: &str,
        ledger: &Arc<Ledger>,
        budget: &Arc<Budget>,
    ) -> io::Result<(String, Self)> {
        let mut account = ledger.open(dir.folder);
        account.room(0, 1).map_err(|_| no_space())?;
        let nanos = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos();
        let name = format!(".mote-{stream}-{nanos:x}");
        // A new file of a name without slashes: there is no link to follow,
        // whatever the guest has put into the folder.
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(dir.handle(), name.as_str(), flags, Mode::RUSR | Mode::WUSR)?;
        account.book_entry();
        drop(account);
        let file = File::new(file.into(), FsPerms::ReadWrite, OpenMode::WRITE, true);
        let held = ledger.hold(&file.file, dir.folder)?;
        Ok((
            name,
            Self {
                file,
                ledger: Arc::clone(ledger),
                folder: dir.folder,
                budget: Arc::clone(budget),
                _held: held,
            },
        ))
    }

    /// Writes at the end.
    ///
    /// # Errors
    /// There is no room, or the file system refuses.
    pub(crate) fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let books = Books {
            ledger: &self.ledger,
            folder: self.folder,
            budget: &self.budget,
        };
        stream::write(&self.file, &Position::End, bytes, books).map(drop)
    }
}
