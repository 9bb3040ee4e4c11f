//! The three standard streams of a guest.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::cli::{stderr, stdin, stdout};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, InputStream, OutputStream, Pollable, StreamError, StreamResult,
};

use crate::budget::Budget;
use crate::pipe::{PipeReader, PipeWriter};
use crate::terminal::OnTerminal;

/// Most bytes one write may bring: bounds what a guest makes the host copy.
const MAX_WRITE_BYTES: usize = 64 * 1024;

/// Where a guest's standard input comes from.
#[derive(Clone, Default)]
pub enum Input {
    /// Nowhere: it reads end-of-file.
    #[default]
    Empty,
    /// The caller, or another guest.
    Pipe(PipeReader),
}

/// Where a guest's output goes.
#[derive(Clone, Default)]
pub enum Output {
    /// Nowhere.
    #[default]
    Discard,
    /// Into memory, up to a ceiling.
    Capture(Capture),
    /// The caller, or another guest.
    Pipe(PipeWriter),
    /// The caller, in its own way.
    Sink(Arc<dyn Sink>),
}

/// Takes a guest's output in the caller's own way, in the order in which it
/// is written.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Bytes it takes now; `None` once it takes no more.
    fn room(&self) -> Option<usize>;
    /// Waits until there is room, or it takes no more.
    async fn ready(&self);
    /// Takes bytes, for which there was room when the guest asked: several
    /// guests may have been told of the same.
    fn push(&self, bytes: Bytes);
}

/// Output kept in memory. What comes after the ceiling is counted and
/// dropped, unless there is a file to take it.
#[derive(Clone)]
pub struct Capture(Arc<Captured>);

struct Captured {
    max_bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    spill: Option<Spill>,
}

/// Takes what a [`Capture`] cannot; `false` once it takes no more.
type Spill = Box<dyn FnMut(&[u8]) -> bool + Send>;

impl Capture {
    /// Keeps the first `max_bytes`.
    pub fn new(max_bytes: usize) -> Self {
        Self(Arc::new(Captured {
            max_bytes,
            kept: Mutex::default(),
        }))
    }

    /// The bytes kept so far.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.kept().bytes)
    }

    pub(crate) fn set_spill(&self, spill: impl FnMut(&[u8]) -> bool + Send + 'static) {
        self.kept().spill = Some(Box::new(spill));
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, bytes: &[u8]) {
        let mut kept = self.kept();
        let room = self.0.max_bytes.saturating_sub(kept.bytes.len());
        let (now, rest) = bytes.split_at(room.min(bytes.len()));
        kept.bytes.extend_from_slice(now);
        if let Some(spill) = kept.spill.as_mut()
            && !rest.is_empty()
            && !spill(rest)
        {
            kept.spill = None;
        }
    }
}

/// An output as one guest writes to it: bounded by the budget, counted.
#[derive(Clone)]
pub(crate) struct Metered {
    output: Output,
    budget: Arc<Budget>,
    written: Arc<AtomicU64>,
    /// Pipes between guests carry data, not output of the invocation.
    counts: bool,
}

impl Metered {
    /// Output of the invocation as a whole.
    pub(crate) fn new(output: Output, budget: &Arc<Budget>) -> Self {
        Self {
            output,
            budget: Arc::clone(budget),
            written: Arc::default(),
            counts: true,
        }
    }

    /// Output of the same invocation that stays between its guests.
    pub(crate) fn between_guests(&self, output: Output) -> Self {
        Self {
            counts: false,
            ..Self::new(output, &self.budget)
        }
    }

    /// What tells how much all who share this output have written.
    pub(crate) fn meter(&self) -> Meter {
        Meter(Arc::clone(&self.written))
    }
}

/// Counts what was written, without keeping the output open.
pub(crate) struct Meter(Arc<AtomicU64>);

impl Meter {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The output limit was passed; ends the guest.
#[derive(Debug, thiserror::Error)]
#[error("the output limit is reached")]
pub(crate) struct OutputExceeded;

#[async_trait]
impl Pollable for Metered {
    async fn ready(&mut self) {
        match &mut self.output {
            Output::Pipe(pipe) => pipe.ready().await,
            Output::Sink(sink) => sink.ready().await,
            Output::Discard | Output::Capture(_) => {}
        }
    }
}

#[async_trait]
impl OutputStream for Metered {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let count = bytes.len() as u64;
        if self.counts && !self.budget.take_output(count) {
            return Err(StreamError::Trap(OutputExceeded.into()));
        }
        match &mut self.output {
            Output::Discard => {}
            Output::Capture(capture) => capture.push(&bytes),
            Output::Pipe(pipe) => OutputStream::write(pipe, bytes)?,
            Output::Sink(sink) => match sink.room() {
                Some(_) => sink.push(bytes),
                None => return Err(StreamError::Closed),
            },
        }
        self.written.fetch_add(count, Relaxed);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        match &mut self.output {
            Output::Pipe(pipe) => pipe.check_write(),
            Output::Sink(sink) => match sink.room() {
                Some(room) => Ok(room.min(MAX_WRITE_BYTES)),
                None => Err(StreamError::Closed),
            },
            Output::Discard | Output::Capture(_) => Ok(MAX_WRITE_BYTES),
        }
    }
}

/// An input as one guest reads it.
struct Source(Input);

#[async_trait]
impl Pollable for Source {
    async fn ready(&mut self) {
        if let Input::Pipe(pipe) = &mut self.0 {
            pipe.ready().await;
        }
    }
}

#[async_trait]
impl InputStream for Source {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        match &mut self.0 {
            Input::Pipe(pipe) => InputStream::read(pipe, size),
            Input::Empty => Err(StreamError::Closed),
        }
    }
}

/// The standard streams of one instance.
#[derive(Clone)]
pub(crate) struct Stdio {
    pub(crate) stdin: Input,
    pub(crate) stdout: Metered,
    pub(crate) stderr: Metered,
    pub(crate) on_terminal: OnTerminal,
}

/// [`Stdio`] together with the table its streams live in.
pub(crate) struct StdioView<'a> {
    pub(crate) stdio: &'a Stdio,
    pub(crate) table: &'a mut ResourceTable,
}

/// Names [`StdioView`] to wasmtime's linker.
pub(crate) struct HasStdio;

impl HasData for HasStdio {
    type Data<'a> = StdioView<'a>;
}

impl stdin::Host for StdioView<'_> {
    fn get_stdin(&mut self) -> wasmtime::Result<Resource<DynInputStream>> {
        Ok(self
            .table
            .push(Box::new(Source(self.stdio.stdin.clone())) as DynInputStream)?)
    }
}

impl stdout::Host for StdioView<'_> {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        Ok(self
            .table
            .push(Box::new(self.stdio.stdout.clone()) as DynOutputStream)?)
    }
}

impl stderr::Host for StdioView<'_> {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        Ok(self
            .table
            .push(Box::new(self.stdio.stderr.clone()) as DynOutputStream)?)
    }
}
