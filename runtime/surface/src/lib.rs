//! The protocols a sandbox speaks, over whatever runs behind them.
//!
//! ```text
//! gRPC  process.v1  ─► process ─┐
//! REST  /v1/files … ─► rest    ─┼─► Backend ─► a wasm session │ processes of an operating system
//! HTTP  /execute …  ─► runtime ─┘      └─ Files: one directory handle, one account of its size
//! ```
//!
//! Each protocol is a service whose requests carry their sandbox: whoever
//! listens puts a [`Backend`] and a [`Caller`] into the request's extensions.

#![forbid(unsafe_code)]

mod backend;
mod body;
mod call;
mod caller;
pub mod contexts;
mod events;
mod files;
#[doc(hidden)]
pub mod fuzzing;
pub mod listen;
mod metadata;
mod multipart;
mod output;
mod patience;
pub mod process;
pub mod proto;
pub mod rest;
pub mod runtime;
mod state;
pub mod tally;
#[cfg(test)]
mod testing;
mod unread;

pub use backend::{
    Backend, Command, Control, Doings, LOG_PIECE_BYTES, Log, LogSpan, Moment, NoTerminal, Record,
    Running, Signal, StartError, TerminalSize, Unavailable,
};
pub use body::{BodyError, read_body};
pub use caller::{CALL_HEADER, Caller, OUTCOME_HEADER, TraceParent, TraceParentError};
pub use events::{CallerGone, EVENT_BYTES, Event, EventSender, Events, Exit, events};
pub use files::{
    ARCHIVE_ENTRIES, EntryExtension, FileError, Files, Found, Full, Gone, Held, LIST_ENTRIES,
    Listed, Opened, PATH_BYTES, PathError, Quota, Unlimited, Upload,
};
pub use metadata::metadata;
pub use state::State;
