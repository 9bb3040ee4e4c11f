//! A bounded byte pipe between two guests, or between a guest and its caller.
//!
//! One writer end and one reader end, each shared by its clones. The pipe is
//! closed for reading once it is empty and the last writer is gone, and broken
//! for writing once the last reader is gone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// Bytes by which a pipe may be overfilled: several guests may write to one,
/// and each was told of the same room.
const OVERSHOOT_BYTES: usize = 16 * PIPE_BYTES;

/// Bytes a pipe holds before its writer waits: what Linux gives a pipe.
pub const PIPE_BYTES: usize = 64 * 1024;

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    /// The lengths of the lines in a pipe of lines: one read gets at most the
    /// rest of the first. An empty one is read as end-of-file, once.
    lines: Option<VecDeque<usize>>,
    /// A reader has found the pipe empty since it was last written to.
    wanted: bool,
    writers_gone: bool,
    readers_gone: bool,
}

impl State {
    /// How much of its room is taken. An empty line takes room too.
    fn taken(&self) -> usize {
        self.bytes.len() + self.lines.as_ref().map_or(0, VecDeque::len)
    }

    fn is_empty(&self) -> bool {
        self.taken() == 0
    }

    /// Up to `size` of the bytes; `None` for an empty line.
    fn pull(&mut self, size: usize) -> Option<Vec<u8>> {
        let mut size = size.min(self.bytes.len());
        if let Some(lines) = &mut self.lines
            && let Some(line) = lines.front_mut()
        {
            let ends = *line == 0;
            size = size.min(*line);
            *line -= size;
            if *line == 0 {
                lines.pop_front();
            }
            if ends {
                return None;
            }
        }
        Some(self.bytes.drain(..size).collect())
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something to read, or end-of-file.
    readable: Notify,
    /// Room to write, a wish for more, or nobody to read.
    writable: Notify,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock is held leaves the bytes consistent: each
        // critical section is one queue operation.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct WriterEnd(Arc<Shared>);

impl Drop for WriterEnd {
    fn drop(&mut self) {
        self.0.state().writers_gone = true;
        self.0.readable.notify_waiters();
    }
}

struct ReaderEnd(Arc<Shared>);

impl Drop for ReaderEnd {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.readers_gone = true;
        // Nobody can read them any more; free the memory at once.
        state.bytes = VecDeque::new();
        drop(state);
        self.0.writable.notify_waiters();
    }
}

/// The end that bytes go into.
#[derive(Clone)]
pub struct PipeWriter(Arc<WriterEnd>);

/// The end that bytes come out of.
#[derive(Clone)]
pub struct PipeReader(Arc<ReaderEnd>);

/// A new pipe of [`PIPE_BYTES`].
pub fn pipe() -> (PipeWriter, PipeReader) {
    ends(State::default())
}

/// As [`pipe`], for what is typed at a terminal: each read gets at most what
/// one write brought, and the writer may bring an end-of-file that is not the
/// last. So the next program finds what the one before did not ask for.
pub fn line_pipe() -> (PipeWriter, PipeReader) {
    ends(State {
        lines: Some(VecDeque::new()),
        ..State::default()
    })
}

fn ends(state: State) -> (PipeWriter, PipeReader) {
    let shared = Arc::new(Shared {
        state: Mutex::new(state),
        ..Shared::default()
    });
    (
        PipeWriter(Arc::new(WriterEnd(Arc::clone(&shared)))),
        PipeReader(Arc::new(ReaderEnd(shared))),
    )
}

impl PipeWriter {
    /// Room for bytes now, or `None` if nobody reads any more.
    fn room(&self) -> Option<usize> {
        let state = self.0.0.state();
        (!state.readers_gone).then(|| PIPE_BYTES.saturating_sub(state.taken()))
    }

    /// Appends bytes for which there is room.
    fn push(&self, bytes: &[u8]) {
        let mut state = self.0.0.state();
        state.bytes.extend(bytes);
        if let Some(lines) = &mut state.lines {
            lines.push_back(bytes.len());
        }
        state.wanted = false;
        drop(state);
        self.0.0.readable.notify_waiters();
    }

    /// Waits until there is room, or nobody reads any more.
    async fn wait(&self) {
        loop {
            let notified = self.0.0.writable.notified();
            if self.room() != Some(0) {
                return;
            }
            notified.await;
        }
    }

    /// Writes all of `bytes`, waiting for room.
    ///
    /// # Errors
    /// `BrokenPipe` once nobody reads any more.
    pub async fn write_all(&self, mut bytes: &[u8]) -> std::io::Result<()> {
        while !bytes.is_empty() {
            self.wait().await;
            let room = self.room().ok_or(std::io::ErrorKind::BrokenPipe)?;
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.push(now);
            bytes = rest;
        }
        Ok(())
    }

    /// Ends the input of whoever reads next, as Ctrl-D does; more may follow.
    /// In a pipe that is none of lines it does nothing.
    ///
    /// # Errors
    /// `BrokenPipe` once nobody reads any more.
    pub async fn end_line(&self) -> std::io::Result<()> {
        self.wait().await;
        self.room().ok_or(std::io::ErrorKind::BrokenPipe)?;
        self.push(&[]);
        Ok(())
    }

    /// Waits until a reader has found the pipe empty since the last write: who
    /// takes the bytes from others can leave there what nobody asks for.
    ///
    /// # Errors
    /// `BrokenPipe` once nobody reads any more.
    pub async fn wanted(&self) -> std::io::Result<()> {
        loop {
            let notified = self.0.0.writable.notified();
            {
                let state = self.0.0.state();
                if state.readers_gone {
                    return Err(std::io::ErrorKind::BrokenPipe.into());
                }
                if state.wanted {
                    return Ok(());
                }
            }
            notified.await;
        }
    }

    /// Waits until nobody reads any more.
    pub async fn closed(&self) {
        loop {
            let notified = self.0.0.writable.notified();
            if self.room().is_none() {
                return;
            }
            notified.await;
        }
    }
}

impl PipeReader {
    /// Up to `size` bytes that are there now; `None` at end-of-file, empty
    /// where the writer has yet to write.
    fn pull(&self, size: usize) -> Option<Vec<u8>> {
        let mut state = self.0.0.state();
        if state.is_empty() && state.writers_gone {
            return None;
        }
        state.wanted |= state.is_empty();
        let bytes = state.pull(size);
        drop(state);
        self.0.0.writable.notify_waiters();
        bytes
    }

    /// Waits until there is something to read, or end-of-file.
    async fn wait(&self) {
        loop {
            let notified = self.0.0.readable.notified();
            {
                let mut state = self.0.0.state();
                if !state.is_empty() || state.writers_gone {
                    return;
                }
                state.wanted = true;
            }
            self.0.0.writable.notify_waiters();
            notified.await;
        }
    }

    /// The next bytes, at most [`PIPE_BYTES`]; `None` at end-of-file.
    pub async fn read(&self) -> Option<Vec<u8>> {
        self.wait().await;
        self.pull(PIPE_BYTES)
    }
}

#[async_trait]
impl Pollable for PipeReader {
    async fn ready(&mut self) {
        self.wait().await;
    }
}

#[async_trait]
impl InputStream for PipeReader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.pull(size.min(PIPE_BYTES))
            .map(Bytes::from)
            .ok_or(StreamError::Closed)
    }
}

#[async_trait]
impl Pollable for PipeWriter {
    async fn ready(&mut self) {
        self.wait().await;
    }
}

#[async_trait]
impl OutputStream for PipeWriter {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let taken = {
            let state = self.0.0.state();
            (!state.readers_gone).then_some(state.taken())
        };
        match taken {
            None => Err(StreamError::Closed),
            Some(taken) if taken + bytes.len() <= PIPE_BYTES + OVERSHOOT_BYTES => {
                self.push(&bytes);
                Ok(())
            }
            Some(_) => Err(StreamError::trap(
                "write of more bytes than check-write allowed",
            )),
        }
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.room().ok_or(StreamError::Closed)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn bytes_come_out_in_order_and_then_end_of_file() {
        let (writer, reader) = pipe();
        writer.write_all(b"ab").await.unwrap();
        writer.write_all(b"c").await.unwrap();
        drop(writer);
        assert_eq!(reader.read().await.as_deref(), Some(&b"abc"[..]));
        assert_eq!(reader.read().await, None);
    }

    #[tokio::test]
    async fn a_pipe_of_lines_gives_one_at_a_time_and_ends_more_than_once() {
        let (writer, mut reader) = line_pipe();
        writer.write_all(b"ab\n").await.unwrap();
        writer.write_all(b"c\n").await.unwrap();
        writer.end_line().await.unwrap();
        writer.write_all(b"d").await.unwrap();
        drop(writer);
        assert_eq!(InputStream::read(&mut reader, 2).unwrap(), "ab");
        for expected in [Some("\n"), Some("c\n"), None, Some("d"), None, None] {
            let expected = expected.map(|text| text.as_bytes().to_vec());
            assert_eq!(reader.read().await, expected);
        }
    }

    #[tokio::test]
    async fn ends_of_file_that_nobody_reads_take_room() {
        let (writer, _reader) = line_pipe();
        for _ in 0..PIPE_BYTES {
            writer.end_line().await.unwrap();
        }
        assert!(!done_at_once(writer.end_line()));
    }

    #[tokio::test]
    async fn a_full_pipe_makes_the_writer_wait_for_the_reader() {
        let (writer, reader) = pipe();
        let sent = tokio::spawn(async move { writer.write_all(&[7; 3 * PIPE_BYTES]).await });
        let mut got = 0;
        while let Some(bytes) = reader.read().await {
            assert!(bytes.len() <= PIPE_BYTES);
            got += bytes.len();
        }
        assert_eq!(got, 3 * PIPE_BYTES);
        sent.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_pipe_without_readers_is_broken() {
        let (writer, reader) = pipe();
        let second = reader.clone();
        drop(reader);
        writer.write_all(b"x").await.unwrap();
        drop(second);
        writer.closed().await;
        let error = writer.write_all(b"x").await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    }

    fn done_at_once(future: impl Future) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        pin!(future).poll(&mut context).is_ready()
    }

    #[tokio::test]
    async fn bytes_are_wanted_once_a_reader_finds_none() {
        let (writer, mut reader) = pipe();
        assert!(!done_at_once(writer.wanted()));
        assert!(!done_at_once(reader.ready()));
        writer.wanted().await.unwrap();

        writer.write_all(b"ab").await.unwrap();
        assert_eq!(InputStream::read(&mut reader, 2).unwrap(), "ab");
        assert!(!done_at_once(writer.wanted()), "nobody asked for more");
        assert_eq!(InputStream::read(&mut reader, 2).unwrap(), "");
        writer.wanted().await.unwrap();
    }

    #[tokio::test]
    async fn a_writer_that_waits_hears_of_a_wish_and_of_the_readers_end() {
        let (writer, reader) = pipe();
        let wish = tokio::join!(writer.wanted(), async {
            assert!(!done_at_once(reader.read()));
        });
        wish.0.unwrap();
        writer.write_all(b"x").await.unwrap();
        let end = tokio::join!(writer.wanted(), async { drop(reader) });
        assert_eq!(end.0.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn two_that_were_told_of_the_same_room_both_write() {
        let (mut one, reader) = pipe();
        let mut two = one.clone();
        let room = one.check_write().unwrap();
        assert_eq!(two.check_write().unwrap(), room);
        OutputStream::write(&mut one, Bytes::from(vec![0; room])).unwrap();
        OutputStream::write(&mut two, Bytes::from(vec![0; room])).unwrap();
        assert_eq!(one.check_write().unwrap(), 0);
        drop(reader);
    }

    #[test]
    fn a_guest_that_writes_past_check_write_is_trapped() {
        let (mut writer, _reader) = pipe();
        let room = writer.check_write().unwrap();
        let result = OutputStream::write(
            &mut writer,
            Bytes::from(vec![0; room + OVERSHOOT_BYTES + 1]),
        );
        assert!(matches!(result, Err(StreamError::Trap(_))));
    }
}
