//! `mote:sandbox/process`: a guest starts other programs of its sandbox.
//!
//! ```text
//! parent ── spawn ──► task: one Instance in the parent's Budget ──► status
//!    └─ child handle: dropped or killed ──► the task ends
//! ```

use async_trait::async_trait;
use mote_api::{Grants, GuestPath, Rejection};
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, Pollable, subscribe};

use crate::budget::Ceiling;
use crate::capability;
use crate::error::RunError;
use crate::instance::{Ended, Instance, State};
use crate::pipe::{PipeReader, PipeWriter, pipe};
use crate::scope::{Call, Scope};
use crate::stdio::{self, Metered, Stdio};
use crate::terminal::OnTerminal;
use bindings::mote::sandbox::process::{
    self as wit, Command, ExitStatus, Host, HostChild, Input, Output, SpawnError,
};

mod bindings {
    #![allow(missing_docs, clippy::all, reason = "generated")]
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package mote:host;
            world host { import mote:sandbox/process@0.1.0; }
        ",
        world: "mote:host/host",
        imports: {
            "mote:sandbox/process.spawn": async | trappable,
            default: trappable,
        },
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "mote:sandbox/process.child": crate::process::Child,
        },
        require_store_data_send: true,
    });
}

/// Status of a child that was killed: 128 + SIGTERM, as shells report it.
const KILLED: u8 = 143;

/// A child as its parent holds it. Dropping it ends the child.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Child {
    stdin: Option<PipeWriter>,
    stdout: Option<PipeReader>,
    stderr: Option<PipeReader>,
    status: watch::Receiver<Option<ExitStatus>>,
    kill: Option<oneshot::Sender<()>>,
    task: AbortHandle,
}

impl Drop for Child {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[async_trait]
impl Pollable for Child {
    async fn ready(&mut self) {
        // An error means that the task is gone, and so is the child.
        let _ = self.status.wait_for(Option::is_some).await;
    }
}

/// A guest's view of its children.
pub(crate) struct Children<'a> {
    scope: &'a Scope,
    stdio: &'a Stdio,
    table: &'a mut ResourceTable,
}

struct HasChildren;

impl HasData for HasChildren {
    type Data<'a> = Children<'a>;
}

/// Offers the interface to guests.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wit::add_to_linker::<State, HasChildren>(linker, |state| Children {
        scope: &state.scope,
        stdio: &state.stdio,
        table: &mut state.table,
    })
}

impl Host for Children<'_> {
    async fn spawn(
        &mut self,
        command: Command,
    ) -> wasmtime::Result<Result<Resource<Child>, SpawnError>> {
        match start(self.scope, self.stdio, command).await {
            Ok(child) => Ok(Ok(self.table.push(child)?)),
            Err(RunError::Rejected(rejection)) => Ok(Err(rejection.into())),
            Err(RunError::Host(error)) => Err(error.into()),
        }
    }
}

/// Starts a child of a program that holds `scope` and `stdio`.
async fn start(scope: &Scope, stdio: &Stdio, command: Command) -> Result<Child, RunError> {
    let on_terminal = OnTerminal {
        stdin: stdio.on_terminal.stdin && command.stdin == Input::Inherited,
        stdout: stdio.on_terminal.stdout && command.stdout == Output::Inherited,
        stderr: stdio.on_terminal.stderr && command.stderr == Output::Inherited,
    };
    let (stdin, stdin_end) = input(command.stdin, &stdio.stdin);
    let (stdout, stdout_end) = output(command.stdout, &stdio.stdout);
    let (stderr, stderr_end) = output(command.stderr, &stdio.stderr);
    let invalid = |error: &dyn std::fmt::Display| Rejection::Invalid(error.to_string());
    let cwd: GuestPath = command.cwd.parse().map_err(|e| invalid(&e))?;
    let grants = Grants::none()
        .with_env(command.env)
        .map_err(|e| invalid(&e))?;
    let env = grants
        .env()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let scope = child_scope(scope, command.preopens)?;
    let call = Call {
        argv: command.argv,
        env,
        cwd,
        stdio: Stdio {
            stdin,
            stdout,
            stderr,
            on_terminal,
        },
    };
    let (host, span, part) = (scope.host.clone(), scope.span, scope.part.clone());
    let instance = scope.launch(call).await?;
    let slot = host.slots().take_now(span, &part)?;

    let (report, status) = watch::channel(None);
    let (kill, killed) = oneshot::channel();
    let work = instance.run();
    let task = tokio::spawn(async move {
        let _slot = slot;
        let status = tokio::select! {
            biased;
            Ok(()) = killed => ExitStatus::Ended((KILLED, "killed".to_owned())),
            ended = work => status_of(ended),
        };
        report.send_replace(Some(status));
    });
    Ok(Child {
        stdin: stdin_end,
        stdout: stdout_end,
        stderr: stderr_end,
        status,
        kill: Some(kill),
        task: task.abort_handle(),
    })
}

/// What a child may hold: its parent's, or fewer directories.
fn child_scope(parent: &Scope, preopens: Option<Vec<String>>) -> Result<Scope, Rejection> {
    let mut scope = parent.clone();
    scope.depth += 1;
    let most = scope.budget.limits.depth;
    if scope.depth > most {
        scope.budget.note_hit(Ceiling::Depth);
        return Err(Rejection::Limit(format!(
            "programs started by programs nest at most {most} deep in this call (depth)"
        )));
    }
    if let Some(preopens) = preopens {
        let guests: Result<Vec<GuestPath>, _> = preopens.iter().map(|path| path.parse()).collect();
        let guests = guests.map_err(|error| Rejection::Invalid(error.to_string()))?;
        scope.dirs = capability::attenuate(&scope.dirs, &guests)
            .map_err(|error| Rejection::Invalid(error.to_string()))?;
    }
    Ok(scope)
}

impl HostChild for Children<'_> {
    fn take_stdin(
        &mut self,
        child: Resource<Child>,
    ) -> wasmtime::Result<Option<Resource<DynOutputStream>>> {
        let end = self.table.get_mut(&child)?.stdin.take();
        Ok(end
            .map(|end| self.table.push(Box::new(end) as DynOutputStream))
            .transpose()?)
    }

    fn take_stdout(
        &mut self,
        child: Resource<Child>,
    ) -> wasmtime::Result<Option<Resource<DynInputStream>>> {
        let end = self.table.get_mut(&child)?.stdout.take();
        Ok(end
            .map(|end| self.table.push(Box::new(end) as DynInputStream))
            .transpose()?)
    }

    fn take_stderr(
        &mut self,
        child: Resource<Child>,
    ) -> wasmtime::Result<Option<Resource<DynInputStream>>> {
        let end = self.table.get_mut(&child)?.stderr.take();
        Ok(end
            .map(|end| self.table.push(Box::new(end) as DynInputStream))
            .transpose()?)
    }

    fn subscribe(&mut self, child: Resource<Child>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, child)
    }

    fn status(&mut self, child: Resource<Child>) -> wasmtime::Result<Option<ExitStatus>> {
        let child = self.table.get(&child)?;
        let status = child.status.borrow().clone();
        let gone = || {
            child
                .task
                .is_finished()
                .then(|| ExitStatus::Ended((KILLED, "killed".to_owned())))
        };
        Ok(status.or_else(gone))
    }

    fn kill(&mut self, child: Resource<Child>) -> wasmtime::Result<()> {
        if let Some(kill) = self.table.get_mut(&child)?.kill.take() {
            // Fails if the child has ended.
            let _ = kill.send(());
        }
        Ok(())
    }

    fn drop(&mut self, child: Resource<Child>) -> wasmtime::Result<()> {
        self.table.delete(child)?;
        Ok(())
    }
}

fn input(kind: Input, parents: &stdio::Input) -> (stdio::Input, Option<PipeWriter>) {
    match kind {
        Input::Piped => {
            let (writer, reader) = pipe();
            (stdio::Input::Pipe(reader), Some(writer))
        }
        Input::Inherited => (parents.clone(), None),
        Input::Empty => (stdio::Input::Empty, None),
    }
}

fn output(kind: Output, parents: &Metered) -> (Metered, Option<PipeReader>) {
    match kind {
        Output::Piped => {
            let (writer, reader) = pipe();
            (
                parents.between_guests(stdio::Output::Pipe(writer)),
                Some(reader),
            )
        }
        Output::Inherited => (parents.clone(), None),
        Output::Discarded => (parents.between_guests(stdio::Output::Discard), None),
    }
}

fn status_of(ended: Result<Ended, RunError>) -> ExitStatus {
    let end = match ended {
        Ok(Ended::Exited(code)) => return ExitStatus::Exited(code),
        Ok(ended) => ended.alone(),
        Err(RunError::Rejected(rejection)) => {
            return ExitStatus::Ended((rejection.exit_code(), rejection.to_string()));
        }
        Err(RunError::Host(error)) => {
            tracing::error!(%error, "a child failed");
            return ExitStatus::Ended((Instance::FAULT_STATUS, "the host failed".to_owned()));
        }
    };
    ExitStatus::Ended((end.exit_code(), end.hint().unwrap_or_default()))
}

impl From<Rejection> for SpawnError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::NotFound { program } => Self::NotFound(program),
            Rejection::NotExecutable { reason, .. } => Self::NotExecutable(reason),
            denied @ Rejection::Denied { .. } => Self::NotExecutable(denied.to_string()),
            Rejection::Invalid(why) => Self::Invalid(why),
            Rejection::Limit(what) => Self::Limit(what),
        }
    }
}
