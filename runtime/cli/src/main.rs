//! `mote`: runs tool code in a sandbox that holds only what it was given.
//!
//! ```text
//! Args (as typed) ── config ──► Config (checked) ── run ──► Outcome ── report ──► stderr, exit status
//!                      └─ all mistakes at once
//! ```

mod args;
mod client;
mod compile;
mod config;
mod daemon;
mod failure;
mod grants;
mod inspect;
mod json;
mod log;
mod node;
mod paths;
mod report;
mod run;
mod serve;
mod stop;
mod streams;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};
use crate::failure::Failure;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return failure::report_usage(&error),
    };
    match dispatch(args) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => failure.report(),
    }
}

fn dispatch(Args { places, command }: Args) -> Result<u8, Failure> {
    match command {
        Command::Run(args) => run::run(*args, &places),
        Command::Inspect(args) => inspect::inspect(&args, &places),
        Command::Compile(args) => compile::compile(&args, &places),
        Command::Serve(args) => serve::serve(*args, &places),
        Command::Node(args) => node::node(*args, &places),
        Command::NodeFolder(args) => node::give_folder(&args),
        Command::Client(verb) => client::run(verb),
        Command::Completions { shell } => args::completions(shell),
        Command::CompileStdin { cache, memory } => compile::compile_stdin(&cache, memory),
    }
}
