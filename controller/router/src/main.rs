//! The router's process; what it does is in the library.

use std::process::ExitCode;

use clap::Parser;
use mote_router::options::Options;
use mote_router::process::run;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mote-router: {error:#}");
            ExitCode::FAILURE
        }
    }
}
