//! A call in a sandbox: admitted, launched, run, told of.
//!
//! ```text
//! Command ─ admit ─► Leave ─ gate ─► session │ transaction's ─ launch ─► run ─► Events
//!                      └─ or a StartError: no guest code has run
//! ```

mod streams;
mod transaction;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use mote_api::{End, Grants, GuestPath, Invocation, Limits, Outcome, Rejection, SandboxEventKind};
use mote_host::{Launched, RunError};
use mote_surface::{Command, Event, EventSender, Exit, Running, StartError, events};
use tokio::sync::{OwnedRwLockReadGuard, OwnedSemaphorePermit};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::backend::{Closed, GATE_WAIT, Spoken, reading, writing};
use crate::life::Request;
use crate::log::LogLine;
use crate::metrics::Surface;
use crate::observe::{About, Observed};
use crate::sandbox::{Leave, MAX_CALLS, Sandbox};
use streams::Reach;
use transaction::Transaction;

/// How long a transaction waits until it is alone. Calls that come meanwhile
/// wait too, so that it is not kept out for ever by short ones; where a long
/// one runs, it is better told at once.
const TRANSACTION_WAIT: Duration = Duration::from_secs(2);

/// How long a caller may take to hear how its program ended.
const TELL_TIME: Duration = Duration::from_secs(60);
/// What to do after a call that ended with its sandbox.
const ENDED_HINT: &str = "The sandbox was suspended or deleted, or came to its end, while the program ran; resume it, or create another.";

/// Starts a call.
pub(crate) async fn start(spoken: &Spoken, command: Command) -> Result<Running, StartError> {
    let sandbox = &spoken.sandbox;
    let admitted = sandbox.admit();
    let nothing = Grants::none();
    let observed = sandbox.shared.observer.call(About {
        surface: spoken.surface,
        sandbox: &sandbox.id,
        caller: &command.caller,
        argv: &command.argv,
        grants: admitted.as_ref().map_or(&nothing, |leave| &leave.grants),
        preopens: command.options.preopens.as_deref(),
    });
    let leave = match admitted {
        Ok(leave) => leave,
        Err(error) => {
            let error = StartError::from(error);
            observed.reject(&error);
            return Err(error);
        }
    };
    let span = observed.span().clone();
    match prepare(spoken, &command, leave).instrument(span).await {
        Ok(prepared) => Ok(go(spoken, command, prepared, observed)),
        Err(error) => {
            observed.reject(&error);
            Err(error)
        }
    }
}

/// What a call holds of its sandbox's gate.
enum Hold {
    /// Other calls may run beside it.
    Shared(#[expect(dead_code, reason = "held, not used")] OwnedRwLockReadGuard<()>),
    /// It is alone, and its files are a draft.
    Alone(Box<Transaction>),
    /// It outlives calls, and keeps transactions from starting.
    Resident(#[expect(dead_code, reason = "held, not used")] Resident),
}

/// Counts a program that outlives its call.
struct Resident(Arc<AtomicU64>);

impl Resident {
    fn new(count: &Arc<AtomicU64>) -> Self {
        count.fetch_add(1, Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A call that is ready to run.
struct Prepared {
    place: OwnedSemaphorePermit,
    launched: Launched,
    hold: Hold,
    sender: EventSender,
    running: Running,
    reach: Arc<Reach>,
    ending: CancellationToken,
}

async fn prepare(spoken: &Spoken, command: &Command, leave: Leave) -> Result<Prepared, StartError> {
    let sandbox = &spoken.sandbox;
    let limits = limits(&leave.limits, command)?;
    let wait = limits.deadline.min(GATE_WAIT);
    let invocation = invocation(command, &leave.folder, limits)?;
    let place = place(sandbox, wait).await?;
    let hold = hold(sandbox, command, wait).await?;
    let session = match &hold {
        Hold::Alone(transaction) => transaction.session(),
        Hold::Shared(_) | Hold::Resident(_) => sandbox.session().await?,
    };
    if !command.cwd.as_os_str().is_empty() {
        check_folder(&session, command)?;
    }
    let (sender, events) = events();
    let (streams, reach) = streams::connect(command, &sender);
    let launching = async {
        match (spoken.surface, command.lifetime) {
            (Surface::Command, _) => session.launch_lasting(&invocation, streams).await,
            (_, Some(_)) => session.launch_resident(&invocation, streams).await,
            (_, None) => session.launch(&invocation, streams).await,
        }
    };
    let launched = tokio::select! {
        biased;
        () = leave.ending.cancelled() => return Err(StartError::Unavailable(ended(sandbox))),
        launched = launching => launched.map_err(|error| refused(sandbox, error))?,
    };
    Ok(Prepared {
        place,
        launched,
        hold,
        sender,
        running: Running {
            events,
            control: Arc::clone(&reach) as _,
        },
        reach,
        ending: leave.ending,
    })
}

/// A place among the calls of a sandbox.
async fn place(sandbox: &Sandbox, wait: Duration) -> Result<OwnedSemaphorePermit, StartError> {
    let place = Arc::clone(&sandbox.places).acquire_owned();
    match tokio::time::timeout(wait, place).await {
        Ok(Ok(place)) => Ok(place),
        Ok(Err(_)) | Err(_) => Err(StartError::Busy(format!(
            "{MAX_CALLS} calls run in sandbox {}, which is the most at once; call again when some have ended",
            sandbox.id
        ))),
    }
}

fn ended(sandbox: &Sandbox) -> mote_surface::Unavailable {
    sandbox.would(Request::Call).err().unwrap_or_else(|| {
        mote_surface::Unavailable::NotNow(format!(
            "sandbox {} was suspended; call again",
            sandbox.id
        ))
    })
}

/// The ceilings of a call.
fn limits(held: &Limits, command: &Command) -> Result<Limits, StartError> {
    let mut held = held.clone();
    if let Some(lifetime) = command.lifetime {
        held.deadline = lifetime;
    }
    held.lowered(&command.options.limits)
        .map_err(StartError::Invalid)
}

fn invocation(
    command: &Command,
    begin: &GuestPath,
    limits: Limits,
) -> Result<Invocation, StartError> {
    let below = command.cwd.to_str().ok_or_else(|| {
        StartError::Invalid("the working directory's name is no UTF-8".to_owned())
    })?;
    // Whoever names none begins where the sandbox's programs do.
    let cwd = match below {
        "" => Ok(begin.clone()),
        below => GuestPath::workspace().join(below),
    };
    let cwd = cwd.map_err(|error| StartError::Invalid(error.to_string()))?;
    Ok(Invocation {
        argv: command.argv.clone(),
        env: command.env.clone(),
        cwd,
        preopens: command.options.preopens.clone(),
        limits: Some(limits),
    })
}

async fn hold(
    sandbox: &Arc<Sandbox>,
    command: &Command,
    wait: Duration,
) -> Result<Hold, StartError> {
    let closed = |Closed| {
        StartError::Busy(format!(
            "sandbox {} is taken by a transaction, or by the calls that one waits for; call again",
            sandbox.id
        ))
    };
    if !command.options.transaction {
        let gate = reading(&sandbox.gate, wait).await.map_err(closed)?;
        return Ok(match command.lifetime {
            None => Hold::Shared(gate),
            Some(_) => Hold::Resident(Resident::new(&sandbox.residents)),
        });
    }
    let gate = writing(&sandbox.gate, TRANSACTION_WAIT)
        .await
        .map_err(closed)?;
    if sandbox.residents.load(Relaxed) > 0 {
        return Err(StartError::Busy(format!(
            "a transaction needs sandbox {} for itself, and a context, or its own command, is alive in it; delete its contexts first",
            sandbox.id
        )));
    }
    let transaction = Transaction::begin(sandbox, gate).await?;
    Ok(Hold::Alone(Box::new(transaction)))
}

/// A working directory that is not there is a program that is not there: as
/// `chdir` says.
fn check_folder(session: &mote_host::Session, command: &Command) -> Result<(), StartError> {
    let root = session
        .folder(&GuestPath::workspace())
        .map_err(|_| StartError::Host)?;
    let root = cap_std::fs::Dir::from_std_file(root);
    let shown = command.cwd.display();
    match root.metadata(&command.cwd) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(StartError::NotFound(format!(
            "the working directory {shown} is no directory"
        ))),
        Err(_) => Err(StartError::NotFound(format!(
            "the working directory {shown} is not there; create it, or name another"
        ))),
    }
}

fn refused(sandbox: &Sandbox, error: RunError) -> StartError {
    let rejection = match error {
        RunError::Rejected(rejection) => rejection,
        RunError::Host(error) => {
            let error = with_causes(&error);
            tracing::error!(sandbox = %sandbox.id, error, "failed to start a program");
            return StartError::Host;
        }
    };
    let text = rejection.to_string();
    match rejection {
        Rejection::NotFound { .. } => StartError::NotFound(text),
        Rejection::NotExecutable { .. } | Rejection::Denied { .. } => StartError::Denied(text),
        Rejection::Invalid(_) => StartError::Invalid(text),
        Rejection::Limit(_) => StartError::Busy(text),
    }
}

/// An error and all that caused it, for the log.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// Sets a prepared call going.
fn go(spoken: &Spoken, command: Command, prepared: Prepared, mut observed: Observed) -> Running {
    let Prepared {
        place,
        launched,
        hold,
        sender,
        running,
        reach,
        ending,
    } = prepared;
    observed.started(Some(launched.digest()));
    let call = Call {
        sandbox: Arc::clone(&spoken.sandbox),
        log: LogLine::new(&command),
        sender,
        reach,
        ending,
    };
    let span = observed.span().clone();
    let guard = Counted::new(&spoken.sandbox, place);
    let work = call.run(launched, hold, observed, guard).instrument(span);
    Running {
        events: running.events.made_by(work),
        ..running
    }
}

/// Counts a call that runs, whatever becomes of it.
struct Counted {
    _place: OwnedSemaphorePermit,
    sandbox: Arc<Sandbox>,
    outcome: Option<Outcome>,
}

impl Counted {
    fn new(sandbox: &Arc<Sandbox>, place: OwnedSemaphorePermit) -> Self {
        sandbox.counters.began();
        Self {
            _place: place,
            sandbox: Arc::clone(sandbox),
            outcome: None,
        }
    }
}

impl Counted {
    /// It ended like this.
    fn end(mut self, outcome: &Outcome) {
        self.outcome = Some(outcome.clone());
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // The time first: who sees that nothing runs sees when it ended.
        self.sandbox.touch();
        self.sandbox.counters.ended(self.outcome.as_ref());
    }
}

/// A call that runs.
struct Call {
    sandbox: Arc<Sandbox>,
    log: LogLine,
    sender: EventSender,
    reach: Arc<Reach>,
    ending: CancellationToken,
}

impl Call {
    async fn run(self, launched: Launched, hold: Hold, observed: Observed, counted: Counted) {
        let ended = launched.run_until(self.stopped()).await;
        let mut outcome = match ended {
            Ok(outcome) => outcome,
            Err(error) => {
                let error = with_causes(&error);
                tracing::error!(sandbox = %self.sandbox.id, error, "a call failed");
                self.settle(hold, None).await;
                // The events break off, which surfaces tell as our fault.
                return observed.reject(&StartError::Host);
            }
        };
        if self.ending.is_cancelled() && outcome.end == End::Cancelled {
            outcome.end = End::Evicted;
            outcome.hint = Some(ENDED_HINT.to_owned());
        }
        self.settle(hold, Some(&mut outcome)).await;
        // Others may come in, whether or not this caller listens.
        counted.end(&outcome);
        self.sandbox
            .shared
            .feed
            .tell(&self.sandbox.id, SandboxEventKind::Called, None);
        self.sandbox.tell_files();
        observed.finish(&outcome);
        self.log.write(&self.sandbox.home.log(), &outcome);
        // Who takes nothing for so long has as good as gone.
        let _ = tokio::time::timeout(TELL_TIME, self.tell(&outcome)).await;
    }

    /// Completes when the program is to be ended.
    async fn stopped(&self) {
        tokio::select! {
            () = self.sender.closed() => {}
            () = self.ending.cancelled() => {}
            () = self.reach.signalled() => {}
        }
    }

    /// Lets others in, after the changes of a transaction are in their place
    /// or gone.
    async fn settle(&self, hold: Hold, outcome: Option<&mut Outcome>) {
        let Hold::Alone(transaction) = hold else {
            return;
        };
        let well = |outcome: &Outcome| outcome.end == End::Exited { code: 0 };
        let commit = outcome.as_deref().is_some_and(well);
        let told = transaction.end(commit).await;
        if let Some(outcome) = outcome {
            outcome.transaction = told;
        }
    }

    /// The last words: why it ended, where its status does not say, and how.
    async fn tell(&self, outcome: &Outcome) {
        let by_signal = matches!(outcome.end, End::Cancelled | End::Evicted);
        if let Some(hint) = outcome.hint.as_ref().filter(|_| !by_signal) {
            let line = format!("mote: {hint}\n");
            // Who has gone needs no hint.
            let _ = self.sender.send(self.reach.stderr(line.into())).await;
        }
        let exit = Exit {
            code: if by_signal {
                -1
            } else {
                i32::from(outcome.exit_code)
            },
            outcome: Box::new(outcome.clone()),
        };
        let _ = self.sender.send(Event::Exit(exit)).await;
    }
}
