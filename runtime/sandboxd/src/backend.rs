//! Processes of the operating system as what a sandbox's surfaces stand on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use mote_api::{CallOptions, Limits};
use mote_surface::{
    Backend, Command, Files, Running, StartError, State, Unavailable, Unlimited, events,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::programs::Programs;
use crate::spawn::{ending, spawn};
use crate::watch::Watch;

/// The variable with the time a command may take, in seconds, and the time
/// without it: both those of the python-runtime image.
const DEADLINE_VARIABLE: &str = "SANDBOX_EXEC_TIMEOUT_SECONDS";
const DEFAULT_DEADLINE: Duration = Duration::from_secs(300);
/// The name of the one limit that a process can be given.
const DEADLINE_LIMIT: &str = "deadline";

/// One directory, and the processes started in it. Clones are handles on the
/// same.
#[derive(Clone)]
pub struct ProcessBackend(Arc<Inner>);

struct Inner {
    root: PathBuf,
    files: Files,
    state: State,
    metadata: BTreeMap<String, String>,
    deadline: Duration,
    chunk: usize,
    programs: Arc<Programs>,
}

impl ProcessBackend {
    /// A backend in the directory `root`, which is made if it is missing.
    /// Output arrives in pieces of at most `chunk` bytes; variables whose
    /// names begin with `prefix` are public.
    ///
    /// # Errors
    /// The directory cannot be made or opened, or the environment's time
    /// limit is none.
    pub fn open(root: &Path, chunk: usize, prefix: &str) -> anyhow::Result<Self> {
        let told = || format!("root directory {}", root.display());
        std::fs::create_dir_all(root).with_context(told)?;
        let root = root.canonicalize().with_context(told)?;
        let dir = Dir::open_ambient_dir(&root, ambient_authority()).with_context(told)?;
        let name = root
            .to_str()
            .context("the root directory's path is no UTF-8")?;
        let files = Files::new(Arc::new(dir), name, Arc::new(Unlimited));
        // What a daemon that was killed has left unfinished.
        if let Err(error) = files.sweep_temporary() {
            tracing::warn!(%error, "failed to remove unfinished files");
        }
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Ok(Self(Arc::new(Inner {
            files,
            root,
            state: State::default(),
            metadata: mote_surface::metadata(variables, prefix),
            deadline: default_deadline()?,
            chunk,
            programs: Arc::default(),
        })))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0.root
    }

    /// From now on nothing is started, and health is refused.
    pub(crate) fn close(&self) {
        self.0.programs.close();
    }

    /// Ends all programs, gently at first.
    pub(crate) async fn end_programs(&self) {
        self.0.programs.end().await;
    }
}

impl Backend for ProcessBackend {
    async fn start(&self, command: Command) -> Result<Running, StartError> {
        let limit = limit(&command.options, command.lifetime)?;
        // Before the process starts, so that its end is not missed.
        let children = signal(SignalKind::child()).map_err(|error| {
            tracing::error!(%error, "failed to listen for the end of processes");
            StartError::Host
        })?;
        let spawned = spawn(&command, &self.0.root)?;
        let program = Arc::new(spawned.program);
        // Dropped, and so ended, if the daemon ends just now.
        let place = self
            .0
            .programs
            .add(Arc::clone(&program))
            .ok_or_else(ending)?;
        let (sender, events) = events();
        let watch = Watch {
            pid: spawned.pid,
            child: spawned.child,
            program: Arc::clone(&program),
            output: spawned.output,
            sender,
            limit,
            chunk: self.0.chunk,
            children,
            place,
        };
        tokio::spawn(watch.run());
        Ok(Running {
            events,
            control: program,
        })
    }

    async fn files(&self) -> Result<Files, Unavailable> {
        Ok(self.0.files.clone())
    }

    fn state(&self) -> &State {
        &self.0.state
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        self.0.metadata.clone()
    }

    fn health(&self) -> Result<(), Unavailable> {
        match self.0.programs.closing() {
            true => Err(ending()),
            false => Ok(()),
        }
    }

    fn deadline(&self) -> Duration {
        self.0.deadline
    }
}

/// The time that a program may take. All else that a caller may ask for needs
/// a sandbox of WebAssembly.
fn limit(options: &CallOptions, lifetime: Option<Duration>) -> Result<Duration, StartError> {
    let only_wasm = |what: &str| {
        let text = format!("{what}: only a wasm sandbox can do that, and this one runs processes");
        Err(StartError::Invalid(text))
    };
    if options.preopens.is_some() {
        return only_wasm("preopens");
    }
    if options.transaction {
        return only_wasm("transaction");
    }
    if let Some(name) = options.limits.keys().find(|name| *name != DEADLINE_LIMIT) {
        return only_wasm(&format!("limits.{name}"));
    }
    let lifetime = lifetime.unwrap_or(Duration::MAX);
    if options.limits.is_empty() {
        return Ok(lifetime);
    }
    let unlimited = Limits {
        deadline: Duration::MAX,
        ..Limits::default()
    };
    let lowered = unlimited.lowered(&options.limits);
    Ok(lowered.map_err(StartError::Invalid)?.deadline.min(lifetime))
}

fn default_deadline() -> anyhow::Result<Duration> {
    let Ok(seconds) = std::env::var(DEADLINE_VARIABLE) else {
        return Ok(DEFAULT_DEADLINE);
    };
    let deadline = seconds.parse().ok();
    deadline
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .with_context(|| format!("{DEADLINE_VARIABLE} is {seconds:?}; give a number of seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(json: &str, lifetime: Option<u64>) -> Result<Duration, StartError> {
        let options = serde_json::from_str(json).unwrap();
        limit(&options, lifetime.map(Duration::from_secs))
    }

    #[test]
    fn the_shorter_of_deadline_and_lifetime_holds() {
        let two = r#"{"limits": {"deadline": 2}}"#;
        for (json, lifetime, expected) in [
            ("{}", None, Duration::MAX),
            ("{}", Some(5), Duration::from_secs(5)),
            (two, None, Duration::from_secs(2)),
            (two, Some(5), Duration::from_secs(2)),
            (two, Some(1), Duration::from_secs(1)),
        ] {
            assert_eq!(limited(json, lifetime).unwrap(), expected, "{json}");
        }
    }

    #[test]
    fn what_only_wasm_can_do_is_refused_by_name() {
        for (json, name) in [
            (r#"{"preopens": []}"#, "preopens"),
            (r#"{"transaction": true}"#, "transaction"),
            (r#"{"limits": {"memory": "1Mi"}}"#, "limits.memory"),
        ] {
            let Err(StartError::Invalid(text)) = limited(json, None) else {
                panic!("{json} was not refused");
            };
            assert!(text.starts_with(name), "{text}");
        }
        assert!(limited(r#"{"limits": {"deadline": -1}}"#, None).is_err());
    }
}
