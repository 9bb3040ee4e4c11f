//! Compiled components: loaded once, shared by all instances.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use mote_api::{Digest, Grants, Manifest, Rejection};
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::{Component as CompiledComponent, Linker};
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::budget::Budget;
use crate::cache::{Cache, Code};
use crate::compiler::{Compiler, digest_of};
use crate::error::{HostError, PrepareError};
use crate::instance::State;
use crate::link;

/// Components kept loaded. A loaded one costs address space and bookkeeping;
/// one that was put out is mapped again in well under a millisecond.
const MAX_LOADED: usize = 256;

/// Compilations at once: each may take 4 GiB and all cores; a second one lets
/// the small ones pass a large one.
const COMPILATIONS: usize = 2;

/// A compiled component: immutable, shared by its clones, known by its digest.
#[derive(Clone)]
pub struct Component(Arc<Loaded>);

struct Loaded {
    manifest: Manifest,
    /// Ready to be instantiated, or why it cannot be: what it imports is not
    /// offered, or it is no command.
    command: Result<CommandPre<State>, String>,
}

impl Component {
    /// What it can ask for.
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    /// Whether a sandbox with these grants could run it as `program`.
    ///
    /// # Errors
    /// It is no command, or needs a capability that is not granted.
    pub fn check(&self, program: &str, grants: &Grants) -> Result<(), Rejection> {
        self.admit(program, grants).map(drop)
    }

    /// What is instantiated to run it as `program` with `grants`.
    ///
    /// # Errors
    /// It is no command, or needs a capability that is not granted.
    pub(crate) fn admit(
        &self,
        program: &str,
        grants: &Grants,
    ) -> Result<&CommandPre<State>, Rejection> {
        let lacking = self.manifest().imports.iter().find_map(|import| {
            let capability = mote_api::Capability::of_import(import);
            (!grants.admits(capability)).then_some((capability, import))
        });
        if let Some((capability, import)) = lacking {
            return Err(Rejection::Denied {
                program: program.to_owned(),
                capability,
                import: import.clone(),
                how: capability.describe().1,
            });
        }
        self.0
            .command
            .as_ref()
            .map_err(|reason| Rejection::NotExecutable {
                program: program.to_owned(),
                reason: reason.clone(),
            })
    }
}

/// Where components come from: memory, the code cache, or the compiler.
pub(crate) struct Components {
    engine: Engine,
    linker: Linker<State>,
    cache: Cache,
    compiler: Compiler,
    /// Whose turn it is to compile.
    turns: Semaphore,
    loaded: Mutex<Shelf>,
    /// One lock a digest that is being made ready, so that it is compiled once
    /// although many ask.
    making: Mutex<HashMap<Digest, Weak<tokio::sync::Mutex<()>>>>,
}

/// The loaded components, oldest first.
#[derive(Default)]
struct Shelf {
    components: HashMap<Digest, Component>,
    order: VecDeque<Digest>,
}

impl Shelf {
    fn put(&mut self, component: &Component) {
        let digest = component.manifest().digest;
        if self.components.insert(digest, component.clone()).is_some() {
            return;
        }
        self.order.push_back(digest);
        if self.order.len() > MAX_LOADED
            && let Some(oldest) = self.order.pop_front()
        {
            self.components.remove(&oldest);
        }
    }

    fn remove(&mut self, digest: &Digest) {
        if self.components.remove(digest).is_some() {
            self.order.retain(|other| other != digest);
        }
    }
}

impl Components {
    pub(crate) fn new(engine: Engine, cache: Cache, compiler: Compiler) -> Result<Self, HostError> {
        let linker = link::linker(&engine).map_err(HostError::Engine)?;
        Ok(Self {
            engine,
            linker,
            cache,
            compiler,
            turns: Semaphore::new(COMPILATIONS),
            loaded: Mutex::default(),
            making: Mutex::default(),
        })
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The component of `digest`, if it need not be compiled.
    pub(crate) fn find(&self, digest: &Digest) -> Option<Component> {
        if let Some(component) = self.shelf().components.get(digest) {
            return Some(component.clone());
        }
        let loaded = self.load(self.cache.find(digest)?);
        loaded
            .inspect_err(|error| tracing::debug!(%error, "compiled again"))
            .ok()
    }

    /// The component of these bytes, for the invocation of `budget` if there
    /// is one: its clock stands while they are compiled.
    ///
    /// # Errors
    /// The compiler refuses them, or the invocation has had too many compiled,
    /// or we fail.
    pub(crate) async fn prepare(
        &self,
        source: &[u8],
        name: &str,
        budget: Option<&Arc<Budget>>,
    ) -> Result<Component, PrepareError> {
        let digest = digest_of(source);
        if let Some(component) = self.find(&digest) {
            return Ok(component);
        }
        let take = |budget: &Arc<Budget>| budget.take_compilation();
        let _paused = budget
            .map(take)
            .transpose()
            .map_err(PrepareError::Refused)?;
        let lock = self.lock_of(digest);
        let _made = lock.lock().await;
        if let Some(component) = self.find(&digest) {
            return Ok(component);
        }
        let _turn = self.turns.acquire().await;
        tracing::info!(target: "mote", program = name, bytes = source.len(), "compiling");
        let manifest = self.compiler.compile(source).await?;
        if manifest.digest != digest {
            let answer = format!("it compiled {} instead of {digest}", manifest.digest);
            return Err(HostError::CompilerAnswer(answer).into());
        }
        let missing =
            || HostError::CompilerAnswer(format!("it left no code of {digest} in the cache"));
        let code = self.cache.find(&digest).ok_or_else(missing)?;
        // Fresh code that does not load is the component's own doing.
        let refused = |error| self.shelve(manifest, Err(format!("it cannot be loaded: {error:#}")));
        Ok(self.load(code).unwrap_or_else(refused))
    }

    /// Takes code out of memory and of the cache.
    pub(crate) fn forget(&self, digest: &Digest) -> Result<(), HostError> {
        self.shelf().remove(digest);
        self.cache.remove(digest)
    }

    fn lock_of(&self, digest: Digest) -> Arc<tokio::sync::Mutex<()>> {
        let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = making.get(&digest).and_then(Weak::upgrade) {
            return lock;
        }
        making.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::default();
        making.insert(digest, Arc::downgrade(&lock));
        lock
    }

    /// Loads code and links it.
    ///
    /// # Errors
    /// The engine does not take it: it was compiled for another processor or
    /// by a build with other settings, or needs more than the pool has.
    fn load(&self, code: Code) -> wasmtime::Result<Component> {
        let Code { manifest, path } = code;
        #[allow(
            unsafe_code,
            reason = "native code from our own compiler, checked by digest"
        )]
        // SAFETY: the file was written by our compiler into a folder that only
        // this user can write, and `Cache::find` has checked its BLAKE3
        // against the one recorded there, now or when it last changed. No
        // other bytes get here.
        let code = unsafe { CompiledComponent::deserialize_file(&self.engine, &path)? };
        let command = self
            .linker
            .instantiate_pre(&code)
            .and_then(CommandPre::new)
            .map_err(|error| format!("{error:#}"));
        Ok(self.shelve(manifest, command))
    }

    fn shelve(&self, manifest: Manifest, command: Result<CommandPre<State>, String>) -> Component {
        let component = Component(Arc::new(Loaded { manifest, command }));
        self.shelf().put(&component);
        component
    }

    fn shelf(&self) -> std::sync::MutexGuard<'_, Shelf> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
