//! What a program and its children share, and how a program is started in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use mote_api::{Grants, GuestPath, Rejection};

use crate::budget::Budget;
use crate::capability;
use crate::error::RunError;
use crate::files::{Files, Ledger, OpenDir};
use crate::host::Host;
use crate::instance::{Instance, State};
use crate::limiter::Limiter;
use crate::program::{self, Program};
use crate::session::ProgramFile;
use crate::slots::{Part, Span};
use crate::stdio::Stdio;
use crate::terminal::Terminal;
use crate::turns::Share;

/// Longest argument list in bytes: Linux's default ceiling for the arguments
/// and environment of one process is 2 MiB.
const MAX_ARGV_BYTES: usize = 2 << 20;

/// What a program may hold and use; a child's is the same or less.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) host: Host,
    pub(crate) grants: Arc<Grants>,
    pub(crate) dirs: Arc<[OpenDir]>,
    pub(crate) ledger: Arc<Ledger>,
    /// Those that this sandbox has besides the built-in ones.
    pub(crate) programs: Arc<BTreeMap<String, ProgramFile>>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) terminal: Option<Terminal>,
    /// Of the processors.
    pub(crate) share: Share,
    /// Of the slots.
    pub(crate) part: Part,
    /// How long it takes its slot.
    pub(crate) span: Span,
    /// How many parents it has.
    pub(crate) depth: u32,
}

/// One program to start.
pub(crate) struct Call {
    pub(crate) argv: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) cwd: GuestPath,
    pub(crate) stdio: Stdio,
}

impl Scope {
    /// Makes the program of `call` ready to run.
    ///
    /// # Errors
    /// It is declined: unknown, not executable, not granted what it needs,
    /// malformed, or over a ceiling. Or we fail.
    pub(crate) async fn launch(self, call: Call) -> Result<Instance, RunError> {
        let Call {
            argv,
            env,
            cwd,
            stdio,
        } = call;
        check(&argv)?;
        let folder = program::open_folder(&self.dirs, &cwd)?;
        let Program {
            component,
            argv,
            asks_for_cwd,
        } = program::resolve(&self, argv, &cwd).await?;
        let name = argv.first().map_or("", String::as_str);
        let command = component.admit(name, &self.grants)?;
        let process = self.budget.take_process().map_err(Rejection::Limit)?;
        let state = State {
            table: wasmtime_wasi::ResourceTable::new(),
            wasi: capability::context(&self.grants, &argv, &env, &cwd),
            files: Files::new(
                Arc::clone(&self.dirs),
                folder.filter(|_| !asks_for_cwd),
                Arc::clone(&self.ledger),
                Arc::clone(&self.budget),
            ),
            stdio,
            limiter: Limiter::new(Arc::clone(&self.budget)),
            scope: self,
        };
        Ok(Instance::new(
            component.manifest().digest,
            command,
            state,
            process,
        ))
    }
}

fn check(argv: &[String]) -> Result<(), Rejection> {
    let bytes: usize = argv.iter().map(|word| word.len() + 1).sum();
    if argv.first().is_none_or(String::is_empty) {
        return Err(Rejection::Invalid(
            "there is no program to run: the argument list is empty".to_owned(),
        ));
    }
    if argv.iter().any(|word| word.contains('\0')) {
        return Err(Rejection::Invalid(
            "an argument holds a NUL character".to_owned(),
        ));
    }
    if bytes > MAX_ARGV_BYTES {
        let text = format!(
            "the arguments take {bytes} bytes; the most is {MAX_ARGV_BYTES}; pass data on stdin or in a file"
        );
        return Err(Rejection::Limit(text));
    }
    Ok(())
}
