//! Runs untrusted WebAssembly: the host library of Mote.
//!
//! ```text
//! bytes ─► Compiler (a process of its own) ─► code cache ─► Component
//!                                                             │
//! Grants + Limits ─► Session ── Invocation ─► Instance: one Store, one run
//!                      │                        │  └─ spawn: children in the same Budget
//!                      └─ directories, Ledger   └─► Outcome { End, Usage }, or a Rejection
//! ```
//!
//! Everything is handed in: the library opens no listener, resolves no name
//! and reads no environment variable. What a guest does is data (an
//! [`mote_api::Outcome`]); what we decline is a [`mote_api::Rejection`]; only
//! what we fail at is a [`HostError`].

mod adapt;
mod budget;
mod cache;
mod capability;
mod commands;
mod compiler;
mod component;
mod cpu;
mod engine;
mod error;
mod file_id;
mod files;
mod guard;
mod host;
mod instance;
mod limiter;
mod link;
mod network;
mod pipe;
mod process;
mod program;
mod scope;
mod session;
mod slots;
mod spill;
mod stdio;
mod terminal;
mod turns;

pub use compiler::{Compiler, MAX_SOURCE_BYTES, compile_stdin};
pub use component::Component;
pub use error::{HostError, OpenError, PrepareError, RunError};
pub use files::{Disk, DiskFull, DiskUse, FolderLimit, HeldFile, Unlinked};
pub use host::{Host, HostConfig, Places};
pub use pipe::{PIPE_BYTES, PipeReader, PipeWriter, line_pipe, pipe};
pub use session::{Launched, ProgramFile, Session, Streams};
pub use slots::Part;
pub use stdio::{Capture, Input, Output, Sink};
pub use terminal::Terminal;
pub use turns::Share;
