//! `mote exec`: one call in a sandbox of a server.

mod config;

use std::future::pending;
use std::io;
use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use mote_api::{Change, ChangeKind, Outcome, Transaction};
use mote_client::process::{Call, CallError, Reach};
use mote_client::screen::{self, Raw};
use mote_host::PipeReader;
use mote_surface::proto::start_response::Event;
use mote_surface::proto::{Pty, Signal};
use tokio::signal::unix::SignalKind;
use tokio::time::{Instant, timeout_at};
use tonic::{Code, Status};

use crate::client::api::{Api, ApiError};
use crate::client::args::{ExecArgs, TextForm};
use crate::client::call::connect;
use crate::client::exec::config::Config;
use crate::failure::Failure;
use crate::stop::{self, Cause, Stop};
use crate::streams::{self, CAPTURE_BYTES};
use crate::{json, report, run};

/// How long a program may take to end once we passed on a signal: as long as
/// sandboxd gives what it started.
const GRACE: Duration = Duration::from_secs(2);
/// What process.v1 says of a program that a signal ended.
const BY_SIGNAL: i32 = -1;
/// 128 + SIGTERM: where nothing more is known of what ended it.
const EXIT_BY_SIGNAL: u8 = 143;

/// Runs a command in a sandbox; gives its exit status.
pub(crate) fn exec(args: ExecArgs) -> Result<u8, Failure> {
    let config = Config::try_from(args).map_err(Failure::Usage)?;
    let runtime = stop::runtime()?;
    let stop = Stop::default();
    let result = runtime.block_on(stop.bound(invoke(&config, &stop)));
    // A thread may still wait for our stdin; nothing has to wait for it.
    runtime.shutdown_background();
    result
}

async fn invoke(config: &Config, stop: &Stop) -> Result<u8, Failure> {
    let mut request = config.request.clone();
    if config.terminal {
        let (cols, rows) = screen::dimensions();
        request.pty = Some(Pty {
            cols: cols.into(),
            rows: rows.into(),
        });
    }
    let processes = connect(&config.server, &config.id).await?;
    let call = match processes.start(request, &config.options, None).await {
        Ok(call) => call,
        Err(error) => return Err(not_started(config, error).await),
    };
    // After the last message that is not the program's.
    let raw = config.terminal.then(Raw::enter).transpose();
    let raw = raw.context("failed to set up the terminal")?;
    if config.terminal {
        tokio::spawn(call.reach.clone().follow_terminal());
    }
    let stdin = config.stdin.then(streams::read_stdin).transpose()?;
    tokio::spawn(feed(stdin, call.reach.clone()));
    match config.form {
        TextForm::Text => passed_through(config, call, stop, raw).await,
        TextForm::Json => captured(call, stop).await,
    }
}

/// Passes on our stdin, or that there is none. What the program does not take
/// is not its caller's business.
async fn feed(stdin: Option<PipeReader>, mut reach: Reach) {
    if let Some(stdin) = stdin {
        while let Some(bytes) = stdin.read().await {
            if reach.write(bytes).await.is_err() {
                return;
            }
        }
    }
    let _ = reach.end_input().await;
}

async fn passed_through(
    config: &Config,
    call: Call,
    stop: &Stop,
    raw: Option<Raw>,
) -> Result<u8, Failure> {
    let ([stdout, stderr], pumps) = streams::outputs(stop)?;
    let ended = to_its_end(call, stop, async |stream, bytes| match stream {
        Stream::Out => stdout.write_all(&bytes).await,
        Stream::Err => stderr.write_all(&bytes).await,
    })
    .await;
    drop((stdout, stderr));
    stop.last_output(false, pumps.drained()).await;
    drop(raw);
    let ended = ended?;
    if let Some(failure @ (Failure::BrokenPipe | Failure::Host(_))) = stop.failure() {
        return Err(failure);
    }
    let Some(outcome) = &ended.outcome else {
        return stop.failure().map_or_else(|| Ok(ended.code()), Err);
    };
    // The server wrote its hint to the program's stderr.
    let mut words: Vec<_> = outcome.transaction.iter().flat_map(changes).collect();
    words.extend(config.usage.then(|| report::usage(outcome)));
    stop.last_output(false, run::say_all(words)).await;
    run::exit_code(outcome, stop)
}

async fn captured(call: Call, stop: &Stop) -> Result<u8, Failure> {
    let kept = [const { Vec::new() }; 2].map(std::cell::RefCell::new);
    let ended = to_its_end(call, stop, async |stream, bytes: Bytes| {
        let [out, err] = &kept;
        let mut kept = match stream {
            Stream::Out => out.borrow_mut(),
            Stream::Err => err.borrow_mut(),
        };
        let room = CAPTURE_BYTES.saturating_sub(kept.len());
        kept.extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
        Ok(())
    })
    .await?;
    let Some(outcome) = ended.outcome else {
        return Err(stop.failure().unwrap_or_else(|| {
            Failure::Host(anyhow!(
                "the server did not say what became of the program; leave -o json out to see its output"
            ))
        }));
    };
    report::print_json(&json::outcome(
        &outcome,
        kept.map(|kept| kept.into_inner()),
    )?)?;
    run::exit_code(&outcome, stop)
}

/// One of the two streams of output.
#[derive(Clone, Copy)]
enum Stream {
    Out,
    Err,
}

/// What is known of a program that ended.
struct Ended {
    status: Option<i32>,
    outcome: Option<Outcome>,
}

impl Ended {
    /// The exit status a shell would report, without an outcome.
    fn code(&self) -> u8 {
        match self.status {
            None | Some(BY_SIGNAL) => EXIT_BY_SIGNAL,
            // As the system does, which keeps the lowest byte.
            Some(code) => code.to_le_bytes()[0],
        }
    }
}

/// Takes all output until the program ends. Once the end is asked for, the
/// program is asked to end, and ended if it does not.
async fn to_its_end(
    mut call: Call,
    stop: &Stop,
    mut write: impl AsyncFnMut(Stream, Bytes) -> io::Result<()>,
) -> Result<Ended, Failure> {
    let reach = call.reach.clone();
    let output = async {
        let mut status = None;
        while let Some(event) = call.next().await? {
            let written = match event {
                Event::Stdout(bytes) => write(Stream::Out, bytes).await,
                Event::Stderr(bytes) => write(Stream::Err, bytes).await,
                Event::Exit(exit) => {
                    status = Some(exit.exit_code);
                    Ok(())
                }
                Event::Init(_) => Ok(()),
            };
            if written.is_err() {
                // `stop` knows why; the program has nobody to write to.
                break;
            }
        }
        let outcome = call.outcome().await;
        Ok(Ended { status, outcome })
    };
    tokio::select! {
        biased;
        ended = output => ended.map_err(broke_off),
        () = patience(reach, stop) => Ok(Ended { status: None, outcome: None }),
    }
}

/// Passes on the signal that asks for the end, and waits as long as the
/// program may take to obey.
async fn patience(mut reach: Reach, stop: &Stop) {
    stop.asked().await;
    let Some(signal) = asked_by(stop) else { return };
    let end = Instant::now() + GRACE;
    let _ = timeout_at(end, reach.signal(signal)).await;
    let _ = timeout_at(end, pending::<()>()).await;
}

/// The signal that asks the program to end; none if nobody takes its output.
fn asked_by(stop: &Stop) -> Option<Signal> {
    match stop.cause()? {
        Cause::Signal(number) if i32::from(*number) == SignalKind::interrupt().as_raw_value() => {
            Some(Signal::Sigint)
        }
        Cause::Signal(_) => Some(Signal::Sigterm),
        Cause::Output(_) => None,
    }
}

fn broke_off(error: CallError) -> Failure {
    let why = match error {
        CallError::Lost(why) => why,
        CallError::Refused(status) => status.message().to_owned(),
    };
    Failure::Host(anyhow!(
        "the call broke off, and the program was ended: {why}; look at the server's log"
    ))
}

/// Why nothing ran. The protocol has one status for a sandbox that is not
/// there and for a program that is not, so the server is asked which it is.
async fn not_started(config: &Config, error: CallError) -> Failure {
    let status = match error {
        CallError::Lost(why) => return Failure::Host(anyhow!(why)),
        CallError::Refused(status) => status,
    };
    let why = status.message().to_owned();
    match status.code() {
        Code::NotFound => match sandbox_is_there(config).await {
            Ok(()) => Failure::Declined(why, 127),
            Err(failure) => failure,
        },
        Code::PermissionDenied => Failure::Declined(why, 126),
        _ => Failure::Refused(vec![refused(config, &status)]),
    }
}

fn refused(config: &Config, status: &Status) -> String {
    let advice = match status.code() {
        Code::Unauthenticated => "; name the file that the token is in with --token-file",
        _ => "",
    };
    let why = status.message();
    format!("failed to run in {}: {why}{advice}", config.id)
}

async fn sandbox_is_there(config: &Config) -> Result<(), Failure> {
    let api = Api::new(config.server.clone())?;
    let found = api.sandbox(&config.id).await.map(drop);
    found.map_err(|error: ApiError| error.during(&format!("run in {}", config.id)))
}

/// What a transaction did, a line each.
fn changes(transaction: &Transaction) -> Vec<String> {
    let mark = |kind| match kind {
        ChangeKind::Added => 'A',
        ChangeKind::Changed => 'M',
        ChangeKind::Removed => 'D',
    };
    let line = |Change { path, kind }: &Change| format!("{} {path}", mark(*kind));
    let mut lines: Vec<_> = transaction.changes.iter().map(line).collect();
    if transaction.truncated {
        lines.push("… and more, which are not listed".to_owned());
    }
    lines.push(match transaction.committed {
        true => "the changes were kept".to_owned(),
        false => "the changes were undone".to_owned(),
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_marked_as_in_version_control() {
        let change = |path: &str, kind| Change {
            path: path.to_owned(),
            kind,
        };
        let transaction = Transaction {
            committed: false,
            changes: vec![
                change("a", ChangeKind::Added),
                change("b", ChangeKind::Changed),
                change("c", ChangeKind::Removed),
            ],
            truncated: true,
        };
        assert_eq!(
            changes(&transaction),
            [
                "A a",
                "M b",
                "D c",
                "… and more, which are not listed",
                "the changes were undone"
            ]
        );
    }

    #[test]
    fn an_exit_status_is_that_of_a_shell() {
        let code = |status| {
            let outcome = None;
            Ended { status, outcome }.code()
        };
        assert_eq!([code(Some(3)), code(Some(-1)), code(None)], [3, 143, 143]);
    }
}
