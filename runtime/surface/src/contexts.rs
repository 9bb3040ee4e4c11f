//! Contexts: long-lived Python interpreters of a sandbox, each with a name.
//!
//! ```text
//! POST /v1/contexts/NAME/execute ─┐                ┌─ Table: live │ lost, told once
//! MOTE_CONTEXT=NAME python3 -c …  ─┴─► begin ─ job ─► task ─ line of JSON ─► driver.py
//!                                        ◄─ events ─┴──◄─ output, marked lines ─┘
//! ```
//!
//! What a call leaves in its namespace, the next call finds. A context ends
//! with its program, with a call that is ended, after its idle time, and with
//! the sandbox; the next call is refused and told why, so that no code runs
//! without the variables it counts on. The call after that starts anew.

mod call;
mod failure;
mod frames;
mod interpreter;
mod lost;
mod record;
mod rest;
mod table;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mote_api::{CallOptions, ContextName};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::backend::{
    Backend, Command, Control, NoTerminal, Running, Signal, StartError, TerminalSize,
};
use crate::caller::Caller;
use crate::events::events;
use call::{Answer, Call};
pub(crate) use frames::check as check_frames;
use interpreter::Job;
use record::Recorder;
pub use rest::routes;
pub(crate) use table::Contexts;
use table::{Seat, Wanted};

/// The program in which the calls of a context run.
const DRIVER: &str = include_str!("contexts/driver.py");
/// The variable that names a context, for callers that can set no header.
const CONTEXT_VARIABLE: &str = "MOTE_CONTEXT";
/// How long a context lives at most: as the longest call.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a call waits for its turn: past it, whoever waits is better told.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// The name of the time limit among [`mote_api::Limits`].
const DEADLINE: &str = "deadline";

/// Starts a command, in a context if it asks for one.
pub(crate) async fn start<B: Backend>(
    backend: &B,
    mut command: Command,
) -> Result<Running, StartError> {
    let Some(name) = named(&mut command)? else {
        return backend.start(command).await;
    };
    let asked = Asked::of(std::mem::take(&mut command.options), backend.deadline())?;
    let caller = std::mem::take(&mut command.caller);
    let call = call::of(command)?;
    Ok(begin(backend, &name, asked, call, caller).await?.running)
}

/// The context that a command asks for, in its options or its environment.
fn named(command: &mut Command) -> Result<Option<ContextName>, StartError> {
    let mut name = command.options.context.take();
    for (_, value) in command
        .env
        .extract_if(.., |(key, _)| key == CONTEXT_VARIABLE)
    {
        let parsed = value
            .parse()
            .map_err(|error| StartError::Invalid(format!("{CONTEXT_VARIABLE}: {error}")))?;
        name.get_or_insert(parsed);
    }
    Ok(name)
}

/// What is asked of a context for one call.
#[derive(Debug)]
struct Asked {
    wanted: Wanted,
    /// How long the call may take.
    limit: Duration,
}

impl Asked {
    /// Takes apart what belongs to the call and what to the context.
    fn of(options: CallOptions, most: Duration) -> Result<Self, StartError> {
        let CallOptions {
            preopens,
            mut limits,
            transaction,
            context: _,
        } = options;
        if preopens.is_some() || transaction {
            return Err(StartError::Invalid(
                "a context outlives the call, so a call in it has no preopens of its own and is no transaction; run it without a context".to_owned(),
            ));
        }
        let limit = match limits
            .remove(DEADLINE)
            .map(|limit| seconds(DEADLINE, &limit))
        {
            Some(limit) => limit?.min(most),
            None => most,
        };
        let wanted = Wanted { limits, idle: None };
        Ok(Self { wanted, limit })
    }
}

fn seconds(name: &str, value: &Value) -> Result<Duration, StartError> {
    let number = value.as_f64().filter(|number| *number > 0.0);
    let limit = number.and_then(|number| Duration::try_from_secs_f64(number).ok());
    limit.ok_or_else(|| {
        StartError::Invalid(format!(
            "{name} is {value}; it must be a number of seconds, more than 0"
        ))
    })
}

/// A call that has begun.
#[derive(Debug)]
struct Begun {
    running: Running,
    /// Comes before the exit, if the context lives on.
    answer: oneshot::Receiver<Answer>,
    /// The context is new.
    created: bool,
}

/// Begins a call, in a new context if there is none of that name.
async fn begin<B: Backend>(
    backend: &B,
    name: &ContextName,
    asked: Asked,
    call: Call,
    caller: Caller,
) -> Result<Begun, StartError> {
    let recorder = Recorder::new(backend.record(&call.command(), &caller));
    let begun = queue(backend, name, asked, call, caller, recorder.clone()).await;
    begun.inspect_err(|error| recorder.declined(error))
}

/// Waits for the call's turn.
async fn queue<B: Backend>(
    backend: &B,
    name: &ContextName,
    asked: Asked,
    call: Call,
    caller: Caller,
    recorder: Recorder,
) -> Result<Begun, StartError> {
    let contexts = &backend.state().contexts;
    let (seat, created) = seat(backend, name, asked.wanted, caller)?;
    let place = Arc::clone(&seat.places).try_acquire_owned().map_err(|_| {
        StartError::Busy(format!(
            "context {name} has too many calls waiting; try again later"
        ))
    })?;
    let turn = Arc::clone(&seat.turn).acquire_owned();
    let turn = tokio::time::timeout(MAX_WAIT, turn).await.map_err(|_| {
        StartError::Busy(format!(
            "context {name} was busy for {MAX_WAIT:?}; try again later, or use another context"
        ))
    })?;
    let turn = turn.map_err(|_| contexts.tell_lost(name))?;
    let (sender, events) = events();
    let (begun, has_begun) = oneshot::channel();
    let (answers, answer) = oneshot::channel();
    let cancel = CancellationToken::new();
    let control = Arc::new(CallControl(cancel.clone()));
    let job = Job {
        call,
        limit: asked.limit,
        begun,
        events: sender,
        answer: answers,
        cancel,
        recorder,
        turn,
        place,
    };
    let sent = seat.jobs.send(job).await;
    sent.map_err(|_| contexts.tell_lost(name))?;
    has_begun.await.map_err(|_| contexts.tell_lost(name))??;
    Ok(Begun {
        running: Running { events, control },
        answer,
        created,
    })
}

/// The context of that name, and whether it is new.
fn seat<B: Backend>(
    backend: &B,
    name: &ContextName,
    wanted: Wanted,
    caller: Caller,
) -> Result<(Seat, bool), StartError> {
    let limits = wanted.limits.clone();
    let contexts = &backend.state().contexts;
    contexts.seat(name, wanted, |new| {
        let backend = backend.clone();
        let command = interpreter_command(limits, caller);
        let (contexts, name) = (contexts.downgrade(), name.clone());
        tokio::spawn(interpreter::run(
            async move {
                let mut running = backend.start(command).await?;
                running.events.detach();
                Ok(running)
            },
            new.jobs,
            new.idle,
            new.stop,
            move |why| {
                if let Some(contexts) = contexts.upgrade() {
                    contexts.lose(&name, new.serial, why);
                }
            },
        ));
    })
}

fn interpreter_command(limits: serde_json::Map<String, Value>, caller: Caller) -> Command {
    Command {
        argv: ["python3", "-c", DRIVER].map(str::to_owned).to_vec(),
        env: Vec::new(),
        cwd: PathBuf::new(),
        terminal: None,
        stdin: true,
        lifetime: Some(LIFETIME),
        options: CallOptions {
            limits,
            ..CallOptions::default()
        },
        caller,
    }
}

/// Reaches a call in a context.
#[derive(Debug)]
struct CallControl(CancellationToken);

#[async_trait]
impl Control for CallControl {
    async fn write(&self, _bytes: Bytes) -> std::io::Result<()> {
        Err(std::io::Error::other("a call in a context has no input"))
    }

    async fn end_input(&self) -> std::io::Result<()> {
        Ok(())
    }

    fn signal(&self, _signal: Signal) -> std::io::Result<()> {
        self.0.cancel();
        Ok(())
    }

    fn resize(&self, _size: TerminalSize) -> Result<(), NoTerminal> {
        Err(NoTerminal)
    }
}
