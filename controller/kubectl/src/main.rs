//! `kubectl mote`: what a sandbox is used by, whether it is a wasm session or
//! a pod: the words of the command `mote`, the flags of `kubectl`.
//!
//! ```text
//! Args ─► Cluster ── find ─► Sandbox { tier, state, pod }
//!                                │ way
//!            ┌───────────────────┼───────────────────────┐
//!            ▼ a session         ▼ a pod with sandboxd   ▼ any other pod
//!      router's pod           the pod itself          Kubernetes' own
//!      by port-forward        by port-forward         exec and logs
//!            └── Door: process.v1, /v1/files ──┘
//! ```

#![forbid(unsafe_code)]

mod args;
mod cluster;
mod complete;
mod container;
mod copy;
mod door;
mod exec;
mod failure;
mod find;
mod list;
mod logs;
mod objects;
mod print;
mod ps;
mod rest;
mod router;
mod signals;
mod top;
mod tunnel;
mod way;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Verb};
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::signals::Signals;

fn main() -> ExitCode {
    if complete::is_asked() {
        return complete::answer();
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return failure::report_usage(&error),
    };
    match run(args) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => failure.report(),
    }
}

fn run(args: Args) -> Result<u8, Failure> {
    let runtime = cluster::runtime()?;
    let result = runtime.block_on(dispatch(args));
    // A thread may still wait for our stdin; nothing has to wait for it.
    runtime.shutdown_background();
    result
}

async fn dispatch(Args { cluster, verb }: Args) -> Result<u8, Failure> {
    // It passes signals on instead of ending by them.
    if let Verb::Exec(args) = verb {
        return exec::exec(args, &cluster).await;
    }
    let mut signals = Signals::listen()?;
    let work = async {
        let cluster = Cluster::connect(&cluster).await?;
        match verb {
            Verb::Exec(_) => Ok(()),
            Verb::Cp(args) => copy::copy(&args, &cluster).await,
            Verb::Logs(args) => logs::logs(&args, &cluster).await,
            Verb::Ls(args) => list::list(&args, &cluster).await,
            Verb::Ps(args) => ps::ps(&args, &cluster).await,
            Verb::Top(args) => top::top(&args, &cluster).await,
        }
    };
    tokio::select! {
        done = work => done.map(|()| 0),
        number = signals.next() => Err(Failure::Signal(number)),
    }
}
