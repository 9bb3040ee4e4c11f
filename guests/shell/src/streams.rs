//! Byte streams of WASI, awaited through the reactor.

use std::sync::Arc;

use crate::bindings::wasi::io::poll::Pollable;
use crate::bindings::wasi::io::streams::{InputStream, OutputStream, StreamError};
use crate::reactor;

/// Bytes asked for at once: what a pipe holds.
const CHUNK_BYTES: u64 = 64 * 1024;

/// A stream to read, and how to wait for it: the wait must go first.
pub struct Input {
    pollable: Arc<Pollable>,
    stream: InputStream,
}

impl Input {
    /// Wraps a stream.
    pub fn new(stream: InputStream) -> Self {
        Self {
            pollable: Arc::new(stream.subscribe()),
            stream,
        }
    }

    /// The next bytes; none at the end.
    pub async fn read(&self) -> std::io::Result<Vec<u8>> {
        loop {
            match self.stream.read(CHUNK_BYTES) {
                Ok(bytes) if bytes.is_empty() => reactor::ready(&self.pollable).await,
                Ok(bytes) => return Ok(bytes),
                Err(StreamError::Closed) => return Ok(Vec::new()),
                Err(error) => return Err(failure(&error)),
            }
        }
    }
}

/// A stream to write, and how to wait for it: the wait must go first.
pub struct Output {
    pollable: Arc<Pollable>,
    stream: OutputStream,
}

impl Output {
    /// Wraps a stream.
    pub fn new(stream: OutputStream) -> Self {
        Self {
            pollable: Arc::new(stream.subscribe()),
            stream,
        }
    }

    /// Waits until it takes bytes; says how many.
    ///
    /// # Errors
    /// `BrokenPipe` once nobody reads any more.
    pub async fn room(&self) -> std::io::Result<usize> {
        loop {
            match self.stream.check_write() {
                Ok(0) => reactor::ready(&self.pollable).await,
                Ok(room) => return Ok(usize::try_from(room).unwrap_or(usize::MAX)),
                Err(error) => return Err(failure(&error)),
            }
        }
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// `BrokenPipe` once nobody reads any more.
    pub async fn write_all(&self, mut bytes: &[u8]) -> std::io::Result<()> {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(self.room().await?.min(bytes.len()));
            self.stream.write(now).map_err(|error| failure(&error))?;
            bytes = rest;
        }
        Ok(())
    }

    /// Waits until all that was written has arrived.
    ///
    /// # Errors
    /// `BrokenPipe` if nobody reads any more.
    pub fn flush(&self) -> std::io::Result<()> {
        self.stream
            .blocking_flush()
            .map_err(|error| failure(&error))
    }
}

fn failure(error: &StreamError) -> std::io::Error {
    match error {
        StreamError::Closed => std::io::ErrorKind::BrokenPipe.into(),
        StreamError::LastOperationFailed(error) => std::io::Error::other(error.to_debug_string()),
    }
}
