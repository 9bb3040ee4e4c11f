//! A sandbox's live counterpart: its directories, opened once, its limits and
//! the account of its disk.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mote_api::{
    Access, ByteSize, Digest, End, Grants, GuestPath, Invocation, Limits, Outcome, Preopen,
    Rejection, StreamUsage, Usage,
};
use tempfile::TempDir;

use crate::budget::Budget;
use crate::capability;
use crate::error::{HostError, OpenError, RunError};
use crate::files::{Disk, Ledger, OpenDir};
use crate::guard;
use crate::host::Host;
use crate::instance::Instance;
use crate::scope::{Call, Scope};
use crate::slots::{Part, Slot, Span};
use crate::spill::{self, Spilled};
use crate::stdio::{Input, Meter, Metered, Output, Stdio};
use crate::terminal::{OnTerminal, Terminal};
use crate::turns::Share;

/// The deadline of a program that has none: longer than any host runs, and
/// short enough for every clock to count to.
const NO_DEADLINE: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Where a call's standard streams lead.
#[derive(Clone, Default)]
pub struct Streams {
    /// Standard input.
    pub stdin: Input,
    /// Standard output.
    pub stdout: Output,
    /// Standard error.
    pub stderr: Output,
    /// The terminal that all three lead to, if they do.
    pub terminal: Option<Terminal>,
}

/// A program besides the built-in ones: a component on this host's disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramFile {
    /// Where it is. Only this user may be able to write it.
    pub path: PathBuf,
    /// What it has to be.
    pub digest: Digest,
}

/// A sandbox on this host. Calls in it may run side by side; each has its own
/// limits, and all share its files.
pub struct Session {
    host: Host,
    grants: Arc<Grants>,
    limits: Limits,
    dirs: Arc<[OpenDir]>,
    ledger: Arc<Ledger>,
    programs: Arc<BTreeMap<String, ProgramFile>>,
    share: Share,
    part: Part,
    /// Holds the private folders; they go with the session.
    _scratch: Option<TempDir>,
}

impl Session {
    pub(crate) fn open(
        host: Host,
        grants: Grants,
        limits: Limits,
        disk: &Disk,
    ) -> Result<Self, OpenError> {
        limits.check()?;
        let preopens: Vec<&Preopen> = grants.preopens().collect();
        preopens
            .iter()
            .try_for_each(|preopen| host.guard().check(preopen))?;
        let aliased = guard::check_overlap(&preopens)?;
        let mut dirs = grants
            .preopens()
            .map(capability::open)
            .collect::<Result<Vec<_>, _>>()?;
        let private: Vec<GuestPath> = [GuestPath::workspace(), GuestPath::tmp()]
            .into_iter()
            .filter(|guest| grants.preopen(guest).is_none())
            .collect();
        let scratch = if private.is_empty() {
            None
        } else {
            Some(private_folder(&host)?)
        };
        if let Some(scratch) = &scratch {
            for guest in private {
                dirs.push(make_private(scratch, guest)?);
            }
        }
        let ledger = disk.ledger(aliased);
        if ledger.has_folders() {
            guard::check_counted(&preopens, |guest| ledger.folder(guest))?;
        }
        let dirs = dirs.into_iter().map(|dir| {
            let folder = ledger.folder(&dir.guest);
            dir.within(folder)
        });
        Ok(Self {
            host,
            grants: Arc::new(grants),
            limits,
            dirs: dirs.collect(),
            ledger,
            programs: Arc::default(),
            share: Share::default(),
            part: Part::default(),
            _scratch: scratch,
        })
    }

    /// The same with one more program, found by this name.
    #[must_use]
    pub fn with_program(mut self, name: impl Into<String>, program: ProgramFile) -> Self {
        Arc::make_mut(&mut self.programs).insert(name.into(), program);
        self
    }

    /// The same with this share of the processors: all sessions of one sandbox
    /// have one.
    #[must_use]
    pub fn with_share(self, share: Share) -> Self {
        Self { share, ..self }
    }

    /// The same with this part of the host's slots: all sessions of one sandbox
    /// have one.
    #[must_use]
    pub fn with_part(self, part: Part) -> Self {
        Self { part, ..self }
    }

    /// Runs a program to its end.
    ///
    /// # Errors
    /// The call is declined before any guest code has run, or we fail.
    pub async fn run(
        &self,
        invocation: &Invocation,
        streams: Streams,
    ) -> Result<Outcome, RunError> {
        self.run_until(invocation, streams, std::future::pending())
            .await
    }

    /// As [`Session::run`], and ends the program when `cancel` completes.
    /// Dropping the future ends it too.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn run_until(
        &self,
        invocation: &Invocation,
        streams: Streams,
        cancel: impl Future<Output = ()>,
    ) -> Result<Outcome, RunError> {
        let limits = self.limits_of(invocation)?;
        let (account, scope, call) = self.admit(invocation, streams, limits)?;
        let mut cancel = std::pin::pin!(cancel);
        let started = tokio::select! {
            biased;
            () = &mut cancel => None,
            started = self.start(&account.budget, scope, call) => Some(started?),
        };
        let Some((slot, instance)) = started else {
            return Ok(account.close(End::Cancelled));
        };
        let launched = Launched {
            account,
            instance,
            _slot: slot,
        };
        launched.run_until(cancel).await
    }

    /// Makes a program ready to run, and says so before it does.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn launch(
        &self,
        invocation: &Invocation,
        streams: Streams,
    ) -> Result<Launched, RunError> {
        let limits = self.limits_of(invocation)?;
        self.launch_for(Span::Call, invocation, streams, limits)
            .await
    }

    /// As [`Session::launch`], for a program that is no call and lives as long
    /// as it likes: its memory, files and processes at once are bounded, its
    /// time is not, nor what it writes or starts in all that time. It waits for
    /// its slot for seconds only, and leaves half of all slots to calls.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn launch_lasting(
        &self,
        invocation: &Invocation,
        streams: Streams,
    ) -> Result<Launched, RunError> {
        let limits = Limits {
            deadline: NO_DEADLINE,
            output: ByteSize::bytes(u64::MAX),
            spawns: u32::MAX,
            ..self.limits_of(invocation)?
        };
        self.launch_for(Span::Lasting, invocation, streams, limits)
            .await
    }

    /// As [`Session::launch`], for a program that outlives the call which
    /// starts it: all its limits hold, and it takes its slot as one that lasts
    /// does.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn launch_resident(
        &self,
        invocation: &Invocation,
        streams: Streams,
    ) -> Result<Launched, RunError> {
        let limits = self.limits_of(invocation)?;
        self.launch_for(Span::Lasting, invocation, streams, limits)
            .await
    }

    async fn launch_for(
        &self,
        span: Span,
        invocation: &Invocation,
        streams: Streams,
        limits: Limits,
    ) -> Result<Launched, RunError> {
        let (account, mut scope, call) = self.admit(invocation, streams, limits)?;
        scope.span = span;
        let (slot, instance) = self.start(&account.budget, scope, call).await?;
        Ok(Launched {
            account,
            instance,
            _slot: slot,
        })
    }

    /// A handle on the folder granted at just this guest path, for the host's
    /// own use.
    ///
    /// # Errors
    /// There is none, or the system has no handle left.
    pub fn folder(&self, guest: &GuestPath) -> std::io::Result<std::fs::File> {
        let dir = self.dirs.iter().find(|dir| dir.guest == *guest);
        let dir = dir.ok_or(std::io::ErrorKind::NotFound)?;
        dir.handle().try_clone()
    }

    /// What its folders hold, for others who write there.
    pub fn disk(&self) -> Disk {
        Disk::of(&self.ledger)
    }

    /// The ceilings of a call.
    fn limits_of(&self, invocation: &Invocation) -> Result<Limits, Rejection> {
        let limits = invocation
            .limits
            .as_ref()
            .map_or_else(|| self.limits.clone(), |l| self.limits.min(l));
        let checked = limits.check();
        checked.map_err(|error| Rejection::Invalid(error.to_string()))?;
        Ok(limits)
    }

    fn admit(
        &self,
        invocation: &Invocation,
        streams: Streams,
        limits: Limits,
    ) -> Result<(Account, Scope, Call), RunError> {
        let started = Instant::now();
        let budget = Budget::new(limits);
        let terminal = streams.terminal.clone();
        let on_terminal = OnTerminal::all(terminal.is_some());
        let scope = self.scope(invocation, &budget, terminal.clone())?;
        let spilled = spill::attach(&streams, &scope);
        let stdio = Stdio {
            stdin: streams.stdin,
            stdout: Metered::new(streams.stdout, &budget),
            stderr: Metered::new(streams.stderr, &budget),
            on_terminal,
        };
        let account = Account {
            started,
            stdout: stdio.stdout.meter(),
            stderr: stdio.stderr.meter(),
            spilled,
            terminal,
            budget,
        };
        Ok((account, scope, self.call(invocation, stdio)?))
    }

    async fn start(
        &self,
        budget: &Budget,
        scope: Scope,
        call: Call,
    ) -> Result<(Slot, Instance), RunError> {
        let deadline = budget.limits.deadline;
        let slot = self
            .host
            .slots()
            .take(scope.span, &scope.part, deadline)
            .await?;
        Ok((slot, scope.launch(call).await?))
    }

    fn scope(
        &self,
        invocation: &Invocation,
        budget: &Arc<Budget>,
        terminal: Option<Terminal>,
    ) -> Result<Scope, Rejection> {
        let dirs = match &invocation.preopens {
            None => Arc::clone(&self.dirs),
            Some(guests) => capability::attenuate(&self.dirs, guests)
                .map_err(|error| Rejection::Invalid(error.to_string()))?,
        };
        Ok(Scope {
            host: self.host.clone(),
            grants: Arc::clone(&self.grants),
            dirs,
            ledger: Arc::clone(&self.ledger),
            programs: Arc::clone(&self.programs),
            budget: Arc::clone(budget),
            terminal,
            share: self.share.clone(),
            part: self.part.clone(),
            span: Span::Call,
            depth: 0,
        })
    }

    fn call(&self, invocation: &Invocation, stdio: Stdio) -> Result<Call, Rejection> {
        let mut env: BTreeMap<String, String> = self
            .grants
            .env()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        env.extend(invocation.env.iter().cloned());
        Grants::none()
            .with_env(env.clone())
            .map_err(|error| Rejection::Invalid(error.to_string()))?;
        Ok(Call {
            argv: invocation.argv.clone(),
            env,
            cwd: invocation.cwd.clone(),
            stdio,
        })
    }
}

/// A program that is ready to run.
pub struct Launched {
    account: Account,
    instance: Instance,
    _slot: Slot,
}

impl Launched {
    /// The component that runs.
    pub fn digest(&self) -> Digest {
        self.instance.digest()
    }

    /// Runs it to its end, or until `cancel` completes. Dropping the future
    /// ends it too.
    ///
    /// # Errors
    /// We fail.
    pub async fn run_until(self, cancel: impl Future<Output = ()>) -> Result<Outcome, RunError> {
        let Self {
            account,
            instance,
            _slot,
        } = self;
        let budget = &account.budget;
        let cancelled = async {
            let terminal = account.terminal.as_ref();
            tokio::select! {
                () = cancel => {}
                Some(()) = interrupted(terminal) => {}
            }
            budget.close();
        };
        let expired = async {
            budget.expired().await;
            budget.close();
        };
        let end = tokio::select! {
            biased;
            () = cancelled => End::Cancelled,
            () = expired => End::Deadline,
            ended = instance.run() => ended?.of_invocation(budget),
        };
        // The program is gone; its children go as soon as they give way.
        budget.all_ended().await;
        Ok(account.close(end))
    }
}

/// What an invocation is called to account for at its end.
struct Account {
    budget: Arc<Budget>,
    started: Instant,
    stdout: Meter,
    stderr: Meter,
    spilled: Spilled,
    terminal: Option<Terminal>,
}

impl Account {
    fn close(self, end: End) -> Outcome {
        let Self {
            budget,
            started,
            stdout,
            stderr,
            spilled,
            terminal: _,
        } = self;
        Outcome {
            exit_code: end.exit_code(),
            hint: hint(&end, &budget),
            end,
            usage: usage(&budget, started),
            stdout: StreamUsage {
                bytes: stdout.bytes(),
                spilled_to: spilled.stdout.path(),
            },
            stderr: StreamUsage {
                bytes: stderr.bytes(),
                spilled_to: spilled.stderr.path(),
            },
            denied: budget.denied(),
            limits_hit: budget.hits(),
            transaction: None,
        }
    }
}

/// Waits for a Ctrl-C that no program takes; at once `None` without a terminal.
async fn interrupted(terminal: Option<&Terminal>) -> Option<()> {
    terminal?.ended().await;
    Some(())
}

/// What to do next, where the end is not an ordinary one.
fn hint(end: &End, budget: &Budget) -> Option<String> {
    match (end, budget.full_folder()) {
        (End::Quota { .. }, Some(folder)) => Some(format!(
            "A write failed because the size limit of {folder} is reached; delete files there, write elsewhere, or give it a larger size limit."
        )),
        _ => end.hint(),
    }
}

fn usage(budget: &Budget, started: Instant) -> Usage {
    Usage {
        // As the deadline is counted.
        wall: started.elapsed().saturating_sub(budget.stood()),
        cpu: budget.cpu(),
        peak_memory_bytes: budget.peak_memory(),
        read_bytes: budget.read_bytes(),
        written_bytes: budget.written_bytes(),
        file_calls: budget.file_calls(),
        spawned: budget.spawned(),
    }
}

fn private_folder(host: &Host) -> Result<TempDir, HostError> {
    tempfile::Builder::new()
        .prefix("session-")
        .tempdir_in(host.scratch())
        .map_err(HostError::file("create a folder in", host.scratch()))
}

fn make_private(scratch: &TempDir, guest: GuestPath) -> Result<OpenDir, OpenError> {
    let host = scratch.path().join(guest.as_str().trim_start_matches('/'));
    std::fs::create_dir(&host).map_err(HostError::file("create", &host))?;
    capability::open(&Preopen {
        guest,
        host,
        access: Access::ReadWrite,
    })
}
