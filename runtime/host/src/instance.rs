//! One Store and one instantiation, for one run, then gone.

use std::sync::Arc;

use mote_api::{Digest, End, Rejection};
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi::{I32Exit, ResourceTable, ResourceTableError, WasiCtx, WasiCtxView, WasiView};

use crate::budget::{Budget, Process};
use crate::cpu::CpuTimed;
use crate::error::{HostError, RunError};
use crate::files::{Files, FilesView};
use crate::limiter::Limiter;
use crate::network::NoNetwork;
use crate::scope::Scope;
use crate::stdio::{OutputExceeded, Stdio, StdioView};
use crate::turns::Stint;

/// Most bytes a guest may hand to the host in one call: above any argument
/// list or write that works elsewhere, far below what would hurt.
const HOSTCALL_BYTES: usize = 16 << 20;
/// Epoch ticks between two interruptions of a guest.
const TICKS_PER_SLICE: u64 = 1;
/// Statuses with which a program ends that was refused memory: that of an
/// interpreter's uncaught error, and what a shell makes of a child's end.
const OUT_OF_MEMORY: [u8; 2] = [1, 137];
/// Longest text about a trap that is handed on, in characters.
const MAX_TRAP_TEXT: usize = 200;

/// The host's side of one Store.
pub(crate) struct State {
    pub(crate) table: ResourceTable,
    pub(crate) wasi: WasiCtx,
    pub(crate) files: Files,
    pub(crate) stdio: Stdio,
    pub(crate) limiter: Limiter,
    /// What children can be given.
    pub(crate) scope: Scope,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl State {
    pub(crate) fn stdio(&mut self) -> StdioView<'_> {
        StdioView {
            stdio: &self.stdio,
            table: &mut self.table,
        }
    }

    pub(crate) fn files(&mut self) -> FilesView<'_> {
        self.files.view(&mut self.table)
    }

    pub(crate) fn network(&mut self) -> NoNetwork<'_> {
        NoNetwork {
            budget: &self.scope.budget,
            table: &mut self.table,
        }
    }
}

/// How one instance ended, of whatever invocation it is part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Exited(u8),
    Trapped(String),
    Output,
    Handles,
}

impl Ended {
    /// The same as the end of an invocation, given what it was refused.
    pub(crate) fn of_invocation(self, budget: &Budget) -> End {
        match self {
            Self::Exited(0) => End::Exited { code: 0 },
            Self::Output => End::Output,
            Self::Handles => End::Handles,
            Self::Trapped(_) if budget.memory_refused() => End::Memory,
            Self::Exited(code) if budget.memory_refused() && OUT_OF_MEMORY.contains(&code) => {
                End::Memory
            }
            Self::Exited(code) if budget.disk_refused() => End::Quota { code },
            Self::Exited(code) => End::Exited { code },
            Self::Trapped(trap) => End::Trapped { trap },
        }
    }

    /// The same as the end of a program on its own; for a child that did not
    /// exit by itself.
    pub(crate) fn alone(self) -> End {
        match self {
            Self::Exited(code) => End::Exited { code },
            Self::Trapped(trap) => End::Trapped { trap },
            Self::Output => End::Output,
            Self::Handles => End::Handles,
        }
    }

    fn by(error: &wasmtime::Error) -> Self {
        if let Some(exit) = error.downcast_ref::<I32Exit>() {
            // As a kernel keeps it: the low byte.
            return Self::Exited(exit.0.to_le_bytes()[0]);
        }
        if error.is::<OutputExceeded>() {
            return Self::Output;
        }
        if matches!(
            error.downcast_ref::<ResourceTableError>(),
            Some(ResourceTableError::Full)
        ) || is_handle_limit(error)
        {
            return Self::Handles;
        }
        let text = match error.downcast_ref::<Trap>() {
            Some(trap) => trap.to_string(),
            None => error.root_cause().to_string(),
        };
        Self::Trapped(text.chars().take(MAX_TRAP_TEXT).collect())
    }
}

/// wasmtime gives its own ceiling on handles no type, only this text
/// (`handle_table.rs` of 48.0.8); a guest has no way to say it.
fn is_handle_limit(error: &wasmtime::Error) -> bool {
    error
        .root_cause()
        .to_string()
        .contains("store handle limit exceeded")
}

/// A component about to run.
pub(crate) struct Instance {
    digest: Digest,
    store: Store<State>,
    command: CommandPre<State>,
    stint: Arc<Stint>,
    /// Its place; free again once the Store is gone.
    _process: Process,
}

impl Instance {
    /// Status of a child that failed through a fault of ours: `EX_SOFTWARE` of
    /// sysexits.
    pub(crate) const FAULT_STATUS: u8 = 70;

    pub(crate) fn new(
        digest: Digest,
        command: &CommandPre<State>,
        mut state: State,
        process: Process,
    ) -> Self {
        let handles = state.scope.budget.limits.handles as usize;
        state.table.set_max_capacity(handles);
        let scope = &state.scope;
        let stint = Stint::new(scope.share.clone(), Arc::clone(scope.host.turns()));
        let turns = Arc::clone(&stint);
        let mut store = Store::new(command.engine(), state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(HOSTCALL_BYTES);
        store.set_max_component_handles(handles);
        // Before instantiation, which already runs guest code. At each tick
        // the guest gives way: to its deadline, to its caller's cancelling
        // and to other guests whose turn it is.
        store.set_epoch_deadline(TICKS_PER_SLICE);
        store.epoch_deadline_callback(move |context| {
            let budget = Arc::clone(&context.data().scope.budget);
            let turns = Arc::clone(&turns);
            let give_way = async move {
                turns.give_way().await;
                // While the clock stands, so does the guest.
                budget.running().await;
            };
            Ok(UpdateDeadline::YieldCustom(
                TICKS_PER_SLICE,
                Box::pin(give_way),
            ))
        });
        Self {
            digest,
            store,
            command: command.clone(),
            stint,
            _process: process,
        }
    }

    /// The component that it is one of.
    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// Runs the component to its end. Dropping the future ends it at the next
    /// tick.
    ///
    /// # Errors
    /// There is no room for it; no guest code has run.
    pub(crate) fn run(self) -> CpuTimed<impl Future<Output = Result<Ended, RunError>>> {
        let budget = Arc::clone(&self.store.data().scope.budget);
        let stint = Arc::clone(&self.stint);
        CpuTimed::new(self.live_out(), budget, stint)
    }

    async fn live_out(mut self) -> Result<Ended, RunError> {
        match self.call().await {
            Ok(Ok(())) => Ok(Ended::Exited(0)),
            Ok(Err(())) => Ok(Ended::Exited(1)),
            Err(error) if error.is::<PoolConcurrencyLimitError>() => {
                let text =
                    "the host has no room for another instance of this size; run it again later";
                Err(Rejection::Limit(text.to_owned()).into())
            }
            // A host call failed through no fault of the guest.
            Err(error) => match error.downcast::<HostError>() {
                Ok(error) => Err(error.into()),
                Err(error) => Ok(Ended::by(&error)),
            },
        }
    }

    async fn call(&mut self) -> wasmtime::Result<Result<(), ()>> {
        let instance = self.command.instantiate_async(&mut self.store).await?;
        instance.wasi_cli_run().call_run(&mut self.store).await
    }
}
