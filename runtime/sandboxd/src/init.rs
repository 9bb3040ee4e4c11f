//! The first process of a container: it waits for every process that lost its
//! parent, which the kernel hands to it, and passes signals on. The daemon is
//! its child, so that neither takes the other's processes away.

use std::io;
use std::process::Command;

use anyhow::Context;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use tokio::signal::unix::{SignalKind, signal};

/// The exit status if a signal ended the daemon is this and the signal's
/// number, as of a shell.
const SIGNALLED: i32 = 128;

/// Whether this process is the first of its container.
pub fn is_first() -> bool {
    std::process::id() == 1
}

/// Runs the same program with the same arguments as a child until it ends;
/// answers its exit status.
///
/// # Errors
/// It cannot be started.
pub async fn run() -> anyhow::Result<i32> {
    let mut children = signal(SignalKind::child())?;
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let daemon = Command::new("/proc/self/exe")
        .args(std::env::args_os().skip(1))
        .spawn()
        .context("failed to start itself as a child")?;
    let daemon = i32::try_from(daemon.id()).ok().and_then(Pid::from_raw);
    let daemon = daemon.context("the child has no process number")?;
    loop {
        tokio::select! {
            _ = children.recv() => if let Some(status) = reap(daemon) {
                return Ok(status);
            },
            _ = term.recv() => pass_on(daemon, Signal::TERM)?,
            _ = int.recv() => pass_on(daemon, Signal::INT)?,
        }
    }
}

/// Waits for all that have ended; the daemon's exit status if it has.
fn reap(daemon: Pid) -> Option<i32> {
    let mut ended = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid == daemon {
            let signal = status.terminating_signal().map(|signal| SIGNALLED + signal);
            ended = status.exit_status().or(signal);
        }
    }
    ended
}

fn pass_on(daemon: Pid, signal: Signal) -> io::Result<()> {
    Ok(kill_process(daemon, signal)?)
}
