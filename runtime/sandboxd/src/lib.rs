//! The sandbox protocols over processes of the operating system: for images
//! that are a sandbox already.
//!
//! ```text
//! serve ─► surfaces (gRPC, REST, python-runtime) ─► ProcessBackend ─► spawn ─► watch ─► events
//!                                                         └─ Programs: who runs, and their end at shutdown
//! ```

mod args;
mod backend;
pub mod init;
mod program;
mod programs;
mod serve;
mod spawn;
mod usage;
mod watch;

pub use args::{Args, Ports};
pub use backend::ProcessBackend;
pub use serve::{Listeners, serve};
