//! The client verbs: what a person asks of a `mote serve`.
//!
//! ```text
//! VerbArgs (as typed) ── checked ──► request ── Api (HTTP) or call (gRPC) ──► server
//!                          └─ all mistakes at once            answer ──► table, JSON, files, streams
//! ```

mod api;
mod args;
mod call;
mod copy;
mod create;
mod events;
mod exec;
mod listing;
mod logs;
mod parse;
mod place;
mod request;
mod sandboxes;
mod server;
mod table;
mod top;

pub(crate) use args::Verb;

use crate::failure::Failure;

/// Does what was asked; gives the exit status.
pub(crate) fn run(verb: Verb) -> Result<u8, Failure> {
    match verb {
        Verb::Create(args) => create::create(*args),
        Verb::Exec(args) => exec::exec(*args),
        Verb::Cp(args) => copy::copy(args),
        Verb::Ls(args) => listing::list(args),
        Verb::Ps(args) => sandboxes::list(args),
        Verb::Logs(args) => logs::logs(args),
        Verb::Fork(args) => create::fork(args),
        Verb::Suspend(args) => sandboxes::suspend(args),
        Verb::Resume(args) => sandboxes::resume(args),
        Verb::Rm(args) => sandboxes::remove(args),
        Verb::Top(args) => top::top(args),
    }
}
