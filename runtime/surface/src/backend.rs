//! The seam between the protocols and what runs behind them: a wasm session,
//! or processes of an operating system.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use mote_api::{Activity, CallOptions, Outcome};
use serde::Serialize;

use crate::caller::Caller;
use crate::events::Events;
use crate::files::Files;
use crate::state::State;

/// What a sandbox's surfaces stand on. Clones are handles on one sandbox.
pub trait Backend: Clone + Send + Sync + 'static {
    /// Starts a program. Dropping what is returned ends the program and all
    /// it started.
    fn start(&self, command: Command) -> impl Future<Output = Result<Running, StartError>> + Send;

    /// The sandbox's files.
    fn files(&self) -> impl Future<Output = Result<Files, Unavailable>> + Send;

    /// What its surfaces remember between requests.
    fn state(&self) -> &State;

    /// What `/v1/metadata` tells of the environment, already filtered.
    fn metadata(&self) -> BTreeMap<String, String>;

    /// What the sandbox has done since its host started. By itself, nobody
    /// counts.
    fn doings(&self) -> Option<Doings> {
        None
    }

    /// Whether the sandbox answers at all.
    ///
    /// # Errors
    /// Why not, and what to do.
    fn health(&self) -> Result<(), Unavailable>;

    /// The most time a program may take if the caller names none.
    fn deadline(&self) -> Duration;

    /// What the sandbox's own command wrote. By itself, it has none.
    fn log(&self) -> Option<Arc<dyn Log>> {
        None
    }

    /// Notes that a call in a context begins, which is `argv` in an
    /// interpreter that runs already. By itself, nobody keeps a record.
    fn record(&self, argv: &[String], caller: &Caller) -> Option<Box<dyn Record>> {
        let _ = (argv, caller);
        None
    }
}

/// What a sandbox has done, as it tells of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Doings {
    /// When it was last called, or created or resumed: RFC 3339.
    pub last_active_at: String,
    /// What was counted.
    pub activity: Activity,
}

/// Most bytes of a log that are read at once.
pub const LOG_PIECE_BYTES: usize = 64 * 1024;

/// What a sandbox's own command wrote, as far as it is kept. Places in it are
/// counted in bytes.
#[async_trait]
pub trait Log: std::fmt::Debug + Send + Sync {
    /// From where, and up to where, it is kept.
    ///
    /// # Errors
    /// It cannot be read.
    async fn span(&self) -> io::Result<LogSpan>;
    /// What is kept from `from` on, and its place: a later one if that is no
    /// longer kept. At most [`LOG_PIECE_BYTES`], and none at the end.
    ///
    /// # Errors
    /// It cannot be read.
    async fn piece(&self, from: u64) -> io::Result<(u64, Bytes)>;
    /// Where the first line begins that was written at `time` or later; the end
    /// if there is none.
    ///
    /// # Errors
    /// It cannot be read.
    async fn since(&self, time: Timestamp) -> io::Result<u64>;
    /// When the lines that begin in `from..to` were written, in order: each holds
    /// up to the next, and the first for what is before it too.
    ///
    /// # Errors
    /// It cannot be read.
    async fn moments(&self, from: u64, to: u64) -> io::Result<Vec<Moment>>;
    /// Waits until there is more than `beyond`; `false` if there will be none.
    async fn grown(&self, beyond: u64) -> bool;
}

/// From this place of a log on, lines were begun at this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The place of the first.
    pub place: u64,
    /// When it was written.
    pub time: Timestamp,
}

/// What is kept of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSpan {
    /// The place of the first byte.
    pub start: u64,
    /// The place after the last one.
    pub end: u64,
}

/// A call in a context, to whoever keeps a record of calls. Dropped without a
/// word, it was cancelled.
pub trait Record: std::fmt::Debug + Send {
    /// It did not run.
    fn declined(self: Box<Self>, error: &StartError);
    /// It ended.
    fn ended(self: Box<Self>, outcome: &Outcome);
}

/// A program to start, checked by the surface as far as it can.
#[derive(Clone, Debug)]
pub struct Command {
    /// The program and its arguments; not empty.
    pub argv: Vec<String>,
    /// Variables on top of the sandbox's own; later ones win.
    pub env: Vec<(String, String)>,
    /// Working directory below the root of [`Backend::files`], with no link
    /// left in it; empty is the root.
    pub cwd: PathBuf,
    /// A terminal of this size instead of three streams.
    pub terminal: Option<TerminalSize>,
    /// Whether there will be input; without, it reads end-of-file.
    pub stdin: bool,
    /// It may live so long, and not only as long as one call: the interpreter
    /// of a context.
    pub lifetime: Option<Duration>,
    /// What the caller gives up, or asks for, for this call.
    pub options: CallOptions,
    /// Who asks, for audit and traces.
    pub caller: Caller,
}

/// Characters across and down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// Characters in a line.
    pub cols: u16,
    /// Lines.
    pub rows: u16,
}

/// A program that was started.
#[derive(Debug)]
pub struct Running {
    /// Its output in order of arrival, then `Event::Exit`, then nothing.
    /// Dropping this end of the channel ends the program.
    pub events: Events,
    /// Reaches it while it runs; harmless afterwards.
    pub control: std::sync::Arc<dyn Control>,
}

/// Reaches a running program.
#[async_trait]
pub trait Control: std::fmt::Debug + Send + Sync {
    /// Writes all of `bytes` to its standard input, waiting until it reads.
    ///
    /// # Errors
    /// It does not read any more, or has no input.
    async fn write(&self, bytes: Bytes) -> io::Result<()>;
    /// Gives it end-of-file. No effect the second time.
    async fn end_input(&self) -> io::Result<()>;
    /// Sends a signal to it and all it started. No effect once it ended.
    ///
    /// # Errors
    /// The system refuses.
    fn signal(&self, signal: Signal) -> io::Result<()>;
    /// Changes its terminal's size.
    ///
    /// # Errors
    /// It has no terminal, or has ended.
    fn resize(&self, size: TerminalSize) -> Result<(), NoTerminal>;
}

/// A signal that callers may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// As Ctrl-C.
    Int,
    /// End now.
    Kill,
    /// Please end.
    Term,
}

/// A terminal was to be resized where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the process has no terminal, or has ended")]
pub struct NoTerminal;

/// A program was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no such program, or working directory.
    #[error("{0}")]
    NotFound(String),
    /// It is there and may not be run.
    #[error("{0}")]
    Denied(String),
    /// The request makes no sense, or asks for what this kind of sandbox
    /// cannot do.
    #[error("{0}")]
    Invalid(String),
    /// No room now; the same request may succeed later.
    #[error("{0}")]
    Busy(String),
    /// The context that the call was for has ended since its last call, which
    /// is told once.
    #[error("{0}")]
    Lost(String),
    /// The sandbox is suspended or gone.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// Our own fault: logged, and opaque outside.
    #[error("the sandbox host failed; its log says why")]
    Host,
}

/// A sandbox cannot be used as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// There is no sandbox of this name, or no longer.
    #[error("there is no sandbox {0}")]
    Gone(String),
    /// It, or its host, does not take calls now; the text says what to do.
    #[error("{0}")]
    NotNow(String),
}
