//! Runs a session's command: again and again, or once.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use mote_api::CallOptions;
use mote_surface::{Caller, Command as Call, EVENT_BYTES, Event, Events, StartError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::log::Log;
use super::{Command, Ended};
use crate::backend::Spoken;
use crate::call;
use crate::metrics::Surface;
use crate::sandbox::{SESSION_DEADLINE, Sandbox};

/// Statuses of what does not run, as shells have them.
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// What became of one start.
enum Run {
    /// It ended, or can never start.
    Over(Ended),
    /// It is not its own fault that it did not come to its end.
    Failed(String),
}

/// Runs `command` until it has come to its end, or `ending` says that it has.
pub(crate) async fn run(
    sandbox: Arc<Sandbox>,
    command: Command,
    log: Arc<Log>,
    ending: CancellationToken,
) {
    // The one before, of a session that was suspended, may have to give way.
    let _alone = sandbox.alone().await;
    let mut backoff = Backoff::default();
    while !ending.is_cancelled() {
        let began = Instant::now();
        let run = once(&sandbox, &command, &log, &ending).await;
        if ending.is_cancelled() {
            return;
        }
        let (again, code, told) = match &run {
            Run::Over(ended) => (
                command.restart.follows(ended),
                ended.code(),
                ended.to_string(),
            ),
            Run::Failed(why) => (true, None, format!("its command did not run: {why}")),
        };
        if let (Run::Over(ended), false) = (run, again) {
            sandbox.come_to_end(ended, &ending).await;
            return;
        }
        let wait = backoff.after(began.elapsed());
        sandbox.note_run(code, waits(&told, wait), &ending);
        // Over before its time only where its session goes first.
        let _ = tokio::time::timeout(wait, ending.cancelled()).await;
    }
}

fn waits(told: &str, wait: Duration) -> String {
    if wait.is_zero() {
        format!("{told}; it was started again")
    } else {
        format!("{told}; it starts again after {} s", wait.as_secs())
    }
}

/// Runs it once.
async fn once(
    sandbox: &Arc<Sandbox>,
    command: &Command,
    log: &Arc<Log>,
    ending: &CancellationToken,
) -> Run {
    let spoken = Spoken::new(Arc::clone(sandbox), Surface::Command);
    let mut events = match call::start(&spoken, as_call(command)).await {
        Ok(running) => running.events,
        Err(error) => return declined(error, log).await,
    };
    sandbox.note_start(ending);
    // It runs while its log is written, until the channel is full.
    events.detach();
    loop {
        let (wrote, end) = heard(&mut events).await;
        log.write(wrote).await;
        if let Some(run) = end {
            return run;
        }
    }
}

/// What it wrote since it was last heard, at once, and how it ended if it has.
async fn heard(events: &mut Events) -> (Vec<u8>, Option<Run>) {
    let mut wrote = Vec::new();
    let end = poll_fn(|context| {
        while wrote.len() < EVENT_BYTES {
            match events.poll_recv(context) {
                Poll::Ready(Some(Event::Stdout(bytes) | Event::Stderr(bytes))) => {
                    wrote.extend_from_slice(&bytes);
                }
                Poll::Ready(Some(Event::Exit(exit))) => {
                    return Poll::Ready(Some(Run::Over(Ended::Exited {
                        code: exit.outcome.exit_code,
                        hint: exit.outcome.hint,
                    })));
                }
                Poll::Ready(None) => {
                    return Poll::Ready(Some(Run::Failed(StartError::Host.to_string())));
                }
                Poll::Pending if wrote.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(None)
    })
    .await;
    (wrote, end)
}

fn as_call(command: &Command) -> Call {
    Call {
        argv: command.argv.clone(),
        env: Vec::new(),
        cwd: Default::default(),
        terminal: None,
        stdin: false,
        lifetime: Some(SESSION_DEADLINE),
        options: CallOptions::default(),
        caller: Caller {
            who: String::new(),
            trace: None,
        },
    }
}

async fn declined(error: StartError, log: &Arc<Log>) -> Run {
    let code = match &error {
        StartError::NotFound(_) => NOT_FOUND,
        StartError::Denied(_) | StartError::Invalid(_) => NOT_EXECUTABLE,
        StartError::Busy(_)
        | StartError::Lost(_)
        | StartError::Unavailable(_)
        | StartError::Host => return Run::Failed(error.to_string()),
    };
    let why = error.to_string();
    log.write(format!("mote: {why}\n").into_bytes()).await;
    Run::Over(Ended::Declined { code, why })
}
