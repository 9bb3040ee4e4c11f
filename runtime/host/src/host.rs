//! What all sessions of a process share: the engine, the components and the
//! number of instances alive at once.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use mote_api::{Digest, Grants, Limits};

use crate::budget::Budget;
use crate::cache::Cache;
use crate::commands::Commands;
use crate::compiler::{Compiler, MAX_SOURCE_BYTES};
use crate::component::{Component, Components};
use crate::engine::running_engine;
use crate::error::{HostError, OpenError, PrepareError};
use crate::files::{Disk, DiskUse};
use crate::guard::Guard;
use crate::program;
use crate::session::Session;
use crate::slots::{Part, Slots};
use crate::turns::Turns;

/// What a host needs to know.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// The folder of compiled code. Only this user may be able to write it.
    pub cache: PathBuf,
    /// The folder in which sessions get their private folders.
    pub scratch: PathBuf,
    /// How components are compiled.
    pub compiler: Compiler,
    /// The built-in programs: name and component file. `sh`, `python3`, `js`.
    pub programs: BTreeMap<String, PathBuf>,
    /// Instances alive at once, over all sessions. Programs that last take half
    /// of them at most, so that it takes two for one to run.
    pub slots: u32,
}

/// How many instances a host has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// Alive at once.
    pub total: u32,
    /// Of these, free now.
    pub free: u32,
}

/// Runs sessions; a cheap handle on what they share.
#[derive(Clone)]
pub struct Host(Arc<Shared>);

struct Shared {
    components: Components,
    programs: BTreeMap<String, BuiltIn>,
    commands: Commands,
    slots: Slots,
    turns: Arc<Turns>,
    scratch: PathBuf,
    guard: Guard,
}

/// A built-in program, made ready when it is first used.
struct BuiltIn {
    path: PathBuf,
    component: OnceLock<Component>,
}

impl Host {
    /// Sets up the engine and the code cache; no component is loaded yet.
    ///
    /// # Errors
    /// The folders cannot be made, or wasmtime cannot run here.
    pub fn open(config: HostConfig) -> Result<Self, HostError> {
        let HostConfig {
            cache,
            scratch,
            compiler,
            programs,
            slots,
        } = config;
        let engine = running_engine(slots)?;
        std::fs::create_dir_all(&scratch).map_err(HostError::file("create", &scratch))?;
        let shell = programs.get("sh");
        let commands = shell.map(|shell| Commands::beside(shell)).transpose()?;
        let built_in = |(name, path)| {
            (
                name,
                BuiltIn {
                    path,
                    component: OnceLock::new(),
                },
            )
        };
        Ok(Self(Arc::new(Shared {
            components: Components::new(engine, Cache::open(&cache)?, compiler)?,
            programs: programs.into_iter().map(built_in).collect(),
            commands: commands.unwrap_or_default(),
            slots: Slots::new(slots),
            turns: Arc::default(),
            scratch,
            guard: Guard::new(&cache)?,
        })))
    }

    /// A sandbox that holds just these grants, within these limits.
    ///
    /// # Errors
    /// A granted directory cannot be opened, or a limit is not possible.
    pub fn session(&self, grants: Grants, limits: Limits) -> Result<Session, OpenError> {
        let disk = Disk::new(&limits, DiskUse::default(), Vec::new());
        self.session_on(grants, limits, &disk)
    }

    /// As [`Host::session`], with an account of its folders that others share:
    /// sessions of one sandbox, one after the other or side by side. The
    /// account's ceilings hold, not those of `limits`.
    ///
    /// # Errors
    /// As [`Host::session`].
    pub fn session_on(
        &self,
        grants: Grants,
        limits: Limits,
        disk: &Disk,
    ) -> Result<Session, OpenError> {
        Session::open(self.clone(), grants, limits, disk)
    }

    /// Instances that may be alive at once, and places that are free.
    pub fn places(&self) -> Places {
        self.0.slots.places()
    }

    /// What a sandbox that is new may take of the places.
    pub fn part(&self) -> Part {
        self.0.slots.part()
    }

    /// Makes a component ready to run: compiles it, unless it was before.
    ///
    /// # Errors
    /// The compiler refuses the bytes, or we fail.
    pub async fn prepare(&self, source: &[u8]) -> Result<Component, PrepareError> {
        self.0.components.prepare(source, "component", None).await
    }

    /// As [`Host::prepare`], for the bytes of a file.
    ///
    /// # Errors
    /// As [`Host::prepare`]; or the file cannot be read.
    pub async fn prepare_file(&self, path: &Path) -> Result<Component, PrepareError> {
        self.prepare_at(path, None).await
    }

    /// Makes the built-in programs ready to run, so that no call has to wait
    /// for it.
    ///
    /// # Errors
    /// As [`Host::prepare_file`].
    pub async fn prepare_built_in(&self) -> Result<(), PrepareError> {
        for BuiltIn { path, component } in self.0.programs.values() {
            if component.get().is_none() {
                let prepared = self.prepare_at(path, None).await?;
                component.get_or_init(|| prepared);
            }
        }
        Ok(())
    }

    pub(crate) async fn prepare_at(
        &self,
        path: &Path,
        budget: Option<&Arc<Budget>>,
    ) -> Result<Component, PrepareError> {
        let file = File::open(path).map_err(HostError::file("open", path))?;
        let name = path
            .file_stem()
            .unwrap_or(path.as_os_str())
            .to_string_lossy();
        self.prepare_opened(file, &name, budget, true).await
    }

    /// As [`Host::prepare`], for an open file that `name` tells of. With
    /// `keep`, other processes will know it again too: not for files of
    /// guests, who could fill the cache with names.
    pub(crate) async fn prepare_opened(
        &self,
        file: File,
        name: &str,
        budget: Option<&Arc<Budget>>,
        keep: bool,
    ) -> Result<Component, PrepareError> {
        let failed = |action| HostError::file(action, name);
        let components = &self.0.components;
        let meta = file.metadata().map_err(failed("inspect"))?;
        if let Some(component) = self.known(&meta) {
            return Ok(component);
        }
        let limit = MAX_SOURCE_BYTES.as_u64();
        let mut source = Vec::new();
        file.take(limit + 1)
            .read_to_end(&mut source)
            .map_err(failed("read"))?;
        if source.len() as u64 > limit {
            return Err(PrepareError::Refused(format!(
                "it is larger than {MAX_SOURCE_BYTES}"
            )));
        }
        let component = components.prepare(&source, name, budget).await?;
        components
            .cache()
            .stamp(&meta, component.manifest().digest, keep);
        Ok(component)
    }

    /// The component of a file that is as it was when it was last read.
    pub(crate) fn known(&self, meta: &Metadata) -> Option<Component> {
        let components = &self.0.components;
        components
            .cache()
            .stamped(meta)
            .and_then(|digest| components.find(&digest))
    }

    /// The built-in program of this name, if there is one.
    pub(crate) async fn built_in(
        &self,
        name: &str,
        budget: &Arc<Budget>,
    ) -> Result<Option<Component>, PrepareError> {
        let Some(BuiltIn { path, component }) = self.0.programs.get(name) else {
            return Ok(None);
        };
        if let Some(component) = component.get() {
            return Ok(Some(component.clone()));
        }
        let prepared = self.prepare_at(path, Some(budget)).await?;
        Ok(Some(component.get_or_init(|| prepared).clone()))
    }

    /// Whether every sandbox has a program of this name: a built-in one, or a
    /// command of the shell.
    pub fn has_program(&self, name: &str) -> bool {
        self.0.programs.contains_key(program::unaliased(name)) || self.is_command(name)
    }

    /// Takes compiled code away. Who runs it goes on; whoever comes next
    /// compiles again.
    ///
    /// # Errors
    /// The folder of compiled code cannot be written.
    pub fn forget(&self, digest: &Digest) -> Result<(), HostError> {
        self.0.components.forget(digest)
    }

    /// Whether the shell has a command of this name that is a program
    /// elsewhere.
    pub(crate) fn is_command(&self, name: &str) -> bool {
        self.0.commands.has(name)
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.0.guard
    }

    pub(crate) fn slots(&self) -> &Slots {
        &self.0.slots
    }

    pub(crate) fn turns(&self) -> &Arc<Turns> {
        &self.0.turns
    }

    pub(crate) fn scratch(&self) -> &Path {
        &self.0.scratch
    }
}
