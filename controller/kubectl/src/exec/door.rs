//! A program of a sandbox that speaks process.v1.

use std::future::pending;

use mote_api::CallOptions;
use mote_client::process::{Call, CallError, Reach};
use mote_client::screen::{self, Raw};
use mote_surface::proto::start_response::Event;
use mote_surface::proto::{ProcessConfig, Pty, Signal, StartRequest};
use tokio::io::{Stderr, Stdout};
use tokio::signal::unix::SignalKind;
use tokio::time::{Instant, timeout_at};
use tonic::{Code, Status};

use super::stdin::Stdin;
use super::{EXIT_TIME, GRACE, Program};
use crate::door::Door;
use crate::failure::Failure;
use crate::print::write;
use crate::signals::Signals;

/// What process.v1 says of a program that a signal ended.
const BY_SIGNAL: i32 = -1;
/// 128 + SIGTERM: where nothing more is known of what ended it.
const EXIT_BY_SIGNAL: u8 = 143;

/// Runs it to its end; gives its exit status.
pub(super) async fn run(
    door: &Door,
    program: &Program,
    signals: &mut Signals,
) -> Result<u8, Failure> {
    let call = tokio::select! {
        call = start(door, program) => call?,
        number = signals.next() => return Err(Failure::Signal(number)),
    };
    // After the last message that is not the program's.
    let raw = program.terminal.then(Raw::enter).transpose();
    let raw =
        raw.map_err(|error| Failure::Lost(format!("failed to set up the terminal: {error}")))?;
    if program.terminal {
        tokio::spawn(call.reach.clone().follow_terminal());
    }
    tokio::spawn(feed(program.stdin, call.reach.clone()));
    let reach = call.reach.clone();
    let ends = program.time.map(|time| Instant::now() + time);
    let ended = tokio::select! {
        biased;
        ended = to_its_end(door, call, ends) => ended,
        number = ended_by_signal(reach, signals) => Err(Failure::Signal(number)),
    };
    drop(raw);
    ended
}

async fn start(door: &Door, program: &Program) -> Result<Call, Failure> {
    let pty = program.terminal.then(|| {
        let (cols, rows) = screen::dimensions();
        Pty {
            cols: cols.into(),
            rows: rows.into(),
        }
    });
    let config = ProcessConfig {
        command: program.argv.clone(),
        env_vars: program.env.iter().cloned().collect(),
        cwd: program.workdir.clone(),
    };
    let request = StartRequest {
        config: Some(config),
        pty,
    };
    // The sandbox ends it in time and says so; a daemon that does not know the
    // option does it by the call's own deadline, a little later.
    let mut options = CallOptions::default();
    if let Some(time) = program.time {
        let seconds = time.as_secs_f64().into();
        options.limits.insert("deadline".to_owned(), seconds);
    }
    let deadline = program.time.map(|time| time + GRACE);
    let started = door.processes().await?.start(request, &options, deadline);
    started.await.map_err(|error| match error {
        CallError::Lost(why) => door.lost(&why),
        CallError::Refused(status) => not_started(door, &status),
    })
}

/// Why nothing ran: the program's fault, or the way's.
fn not_started(door: &Door, status: &Status) -> Failure {
    let why = status.message();
    match status.code() {
        Code::NotFound => Failure::Declined(why.to_owned(), 127),
        Code::PermissionDenied => Failure::Declined(why.to_owned(), 126),
        Code::DeadlineExceeded => time_is_up(),
        Code::Unauthenticated => Failure::Refused(format!(
            "{why}; name a file with the router's token with --router-token-file"
        )),
        // Tonic's own word for a connection that breaks.
        Code::Unknown | Code::Cancelled => door.lost(why),
        Code::Unavailable => Failure::Lost(format!("failed to start the program: {why}")),
        _ => Failure::Refused(format!("failed to start the program: {why}")),
    }
}

fn time_is_up() -> Failure {
    Failure::Declined(
        "the time was up, and the program was ended".to_owned(),
        EXIT_TIME,
    )
}

/// Passes on our stdin, or that there is none. What the program does not take
/// is not its caller's business.
async fn feed(has_stdin: bool, mut reach: Reach) {
    if has_stdin {
        let mut stdin = Stdin::new();
        while let Some(bytes) = stdin.next().await {
            if reach.write(bytes).await.is_err() {
                return;
            }
        }
    }
    let _ = reach.end_input().await;
}

/// Takes all output until the program ends, for which it has until `ends`.
async fn to_its_end(door: &Door, mut call: Call, ends: Option<Instant>) -> Result<u8, Failure> {
    let mut out: Stdout = tokio::io::stdout();
    let mut err: Stderr = tokio::io::stderr();
    let mut code = None;
    loop {
        match call.next().await {
            Ok(Some(Event::Stdout(bytes))) => write(&mut out, &bytes).await?,
            Ok(Some(Event::Stderr(bytes))) => write(&mut err, &bytes).await?,
            Ok(Some(Event::Exit(exit))) => code = Some(exit.exit_code),
            Ok(Some(Event::Init(_))) => {}
            Ok(None) => break,
            Err(error) => return Err(broke_off(door, error)),
        }
    }
    exit_status(code, ends.is_some_and(|ends| Instant::now() >= ends))
}

/// What the end of a program is to a shell. A daemon of the operating system
/// ends by a signal what has no time left, and says no more.
fn exit_status(code: Option<i32>, is_late: bool) -> Result<u8, Failure> {
    match code {
        None | Some(BY_SIGNAL) if is_late => Err(time_is_up()),
        None | Some(BY_SIGNAL) => Ok(EXIT_BY_SIGNAL),
        // As the system does, which keeps the lowest byte.
        Some(code) => Ok(code.to_le_bytes()[0]),
    }
}

fn broke_off(door: &Door, error: CallError) -> Failure {
    match error {
        CallError::Refused(status) if status.code() == Code::DeadlineExceeded => time_is_up(),
        CallError::Refused(status) => door.lost(&format!(
            "{}; the program was ended",
            status.message().trim_end_matches('.')
        )),
        CallError::Lost(why) => door.lost(&why),
    }
}

/// Passes on the signal that asks for the end, and waits as long as the
/// program may take to obey; a second one ends the wait.
async fn ended_by_signal(mut reach: Reach, signals: &mut Signals) -> u8 {
    let number = signals.next().await;
    let passed = match i32::from(number) == SignalKind::interrupt().as_raw_value() {
        true => Signal::Sigint,
        false => Signal::Sigterm,
    };
    let end = Instant::now() + GRACE;
    let _ = timeout_at(end, reach.signal(passed)).await;
    let patience = timeout_at(end, pending::<()>());
    tokio::select! {
        _ = patience => {}
        _ = signals.next() => {}
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_ended_late_had_no_time_left() {
        let late = exit_status(Some(BY_SIGNAL), true);
        assert!(matches!(late, Err(Failure::Declined(_, EXIT_TIME))));
        for (code, is_late, status) in [
            (Some(BY_SIGNAL), false, EXIT_BY_SIGNAL),
            (Some(3), true, 3),
            (Some(256 + 7), false, 7),
            (None, false, EXIT_BY_SIGNAL),
        ] {
            assert_eq!(exit_status(code, is_late).ok(), Some(status));
        }
    }
}
