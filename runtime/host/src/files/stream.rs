//! Streams over files. Reads and writes end at once: see [`super::Files`].

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use wasmtime_wasi::filesystem::File;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::folder::Folder;
use super::ledger::{Held, Ledger};
use crate::budget::Budget;

/// Most bytes moved by one call: bounds the buffer a guest makes the host
/// allocate, and is what wasmtime-wasi uses.
pub(super) const MAX_CALL_BYTES: usize = 64 * 1024;

/// Reads from a position on.
pub(super) struct Reader {
    pub(super) file: File,
    pub(super) position: u64,
    pub(super) budget: Arc<Budget>,
    /// Keeps a deleted file's bytes booked while this stream lives.
    pub(super) _held: Option<Held>,
}

#[async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {}
}

#[async_trait]
impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        let mut buffer = vec![0; size.min(MAX_CALL_BYTES)];
        let count = retry(|| self.file.file.read_at(&mut buffer, self.position))
            .map_err(|error| StreamError::LastOperationFailed(error.into()))?;
        if count == 0 {
            return Err(StreamError::Closed);
        }
        buffer.truncate(count);
        self.position += count as u64;
        self.budget.add_read(count as u64);
        Ok(buffer.into())
    }
}

/// Where the next write goes.
pub(super) enum Position {
    At(u64),
    End,
}

/// What a write counts in.
#[derive(Clone, Copy)]
pub(super) struct Books<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) folder: Option<Folder>,
    pub(super) budget: &'a Budget,
}

/// Writes, as far as the ledger has room.
pub(super) struct Writer {
    pub(super) file: File,
    pub(super) position: Position,
    pub(super) ledger: Arc<Ledger>,
    pub(super) folder: Option<Folder>,
    pub(super) budget: Arc<Budget>,
    /// As in [`Reader`].
    pub(super) _held: Option<Held>,
}

#[async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let books = Books {
            ledger: &self.ledger,
            folder: self.folder,
            budget: &self.budget,
        };
        let end = write(&self.file, &self.position, &bytes, books)
            .map_err(|error| StreamError::LastOperationFailed(error.into()))?;
        if let Position::At(position) = &mut self.position {
            *position = end;
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_CALL_BYTES)
    }
}

/// Writes all of `bytes` and returns the offset after them.
///
/// # Errors
/// "No space left on device", before anything is written, where the ledger
/// has no room; else as the operating system says.
pub(super) fn write(
    file: &File,
    position: &Position,
    bytes: &[u8],
    books: Books<'_>,
) -> io::Result<u64> {
    let Books {
        ledger,
        folder,
        budget,
    } = books;
    let mut account = ledger.open(folder);
    let before = file.file.metadata()?.len();
    let start = match position {
        Position::At(position) => *position,
        Position::End => before,
    };
    let end = start
        .checked_add(bytes.len() as u64)
        .ok_or(io::ErrorKind::FileTooLarge)?;
    if let Err(full) = account.room(end.saturating_sub(before), 0) {
        ledger.note(full, budget);
        return Err(no_space());
    }
    let written = write_all_at(&file.file, bytes, start);
    account.book_bytes(before, file.file.metadata()?.len().max(before));
    budget.add_written(written.as_ref().map_or(0, |()| bytes.len() as u64));
    written.map(|()| end)
}

/// As [`FileExt::write_all_at`], but a file system that takes nothing is an
/// error that guests know.
fn write_all_at(file: &std::fs::File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = retry(|| file.write_at(bytes, offset))?;
        if count == 0 {
            return Err(no_space());
        }
        bytes = bytes.get(count..).unwrap_or_default();
        offset += count as u64;
    }
    Ok(())
}

pub(super) fn no_space() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error())
}

/// Repeats what a signal interrupted.
fn retry<T>(mut operation: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
