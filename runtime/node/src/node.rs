//! The sandboxes of a node: made, found, kept and taken away.

mod admission;
mod making;
mod names;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use mote_api::SandboxId;
use mote_host::{Host, HostError};
use mote_surface::{Caller, Unavailable};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

pub use admission::most as most_limits;
pub(crate) use admission::{IMAGES, SpecError};
pub(crate) use making::CreateError;

use crate::addresses::Addresses;
use crate::audit::{Action, Audit, AuditError, Entry, Rotation, SandboxAction};
use crate::config::NodeConfig;
use crate::feed::{Change, Feed};
use crate::images::Images;
use crate::life::Phase;
use crate::metrics::{Metrics, Snapshot, resident_bytes};
use crate::observe::Observer;
use crate::policy::Policies;
use crate::record::Record;
use crate::sandbox::{Due, LifeError, Sandbox, Shared, seats_of_tenants};
use crate::store::{Home, Store, StoreError};
use admission::Admission;
use names::Names;

/// How often it is looked who rests and whose time is over: what `ttl` and
/// idle timeouts can be late by.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Seconds after which a sandbox that nobody calls gives its open folders
/// back. The next call opens them again, in less than a millisecond.
const SESSION_IDLE_SECONDS: i64 = 60;
/// How long a fork waits until nobody changes the files it copies. Calls that
/// come meanwhile wait too.
const FORK_WAIT: Duration = Duration::from_secs(2);

/// A node host.
#[derive(Clone)]
pub struct Node(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) config: NodeConfig,
    admission: Admission,
    sandboxes: Mutex<Sandboxes>,
    pub(crate) addresses: Addresses,
    pub(crate) policies: Policies,
    /// Whether the programs of sandboxes are compiled.
    compiled: AtomicBool,
}

#[derive(Default)]
struct Sandboxes {
    there: HashMap<SandboxId, Arc<Sandbox>>,
    names: Names,
    /// Names of those that are being made.
    making: HashSet<SandboxId>,
}

/// A node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Its state folder cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine does not work here.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The audit log cannot be written.
    #[error("failed to open the audit log: {0}")]
    Audit(String),
    /// The images that were pulled cannot be used.
    #[error("{0}")]
    Images(String),
}

impl From<AuditError> for NodeError {
    fn from(error: AuditError) -> Self {
        Self::Audit(error.to_string())
    }
}

impl Node {
    /// Opens a node on its state folder; the sandboxes that are kept there
    /// are there again.
    ///
    /// # Errors
    /// The folder, the engine or the audit log cannot be used.
    pub fn open(config: NodeConfig) -> Result<Self, NodeError> {
        let store = Store::open(&config.state)?;
        let metrics = Metrics::new();
        let audit = Audit::open(&config.state, Rotation::default(), metrics.clone())?;
        let (kept, unusable) = store.load()?;
        for error in unusable {
            tracing::error!(%error, "a sandbox is left out");
        }
        let host = Host::open(config.host.clone())?;
        let feed = Arc::new(Feed::default());
        let shared = Arc::new(Shared {
            images: images(&config, &host, &feed, &store)?,
            host,
            store,
            observer: Observer { metrics, audit },
            feed,
            seats: seats_of_tenants(),
            stopping: CancellationToken::new(),
        });
        let addresses = Addresses::new(config.addresses);
        let admission = Admission::new(&config);
        let kept = readdress(kept, &addresses);
        let sandboxes = kept.into_iter().map(|(home, mut record)| {
            let barred = admission.recheck(&mut record).err();
            let barred = barred.or_else(|| lacks_image(&shared, &record));
            if let Some(reason) = &barred {
                tracing::warn!(sandbox = %record.id, %reason, "a sandbox takes no calls");
            }
            let sandbox = Sandbox::new(Arc::clone(&shared), home, record, barred);
            (sandbox.id.clone(), Arc::new(sandbox))
        });
        let there: HashMap<_, _> = sandboxes.collect();
        Ok(Self(Arc::new(Inner {
            sandboxes: Mutex::new(Sandboxes {
                names: Names::of(there.values()),
                there,
                making: HashSet::new(),
            }),
            admission,
            addresses,
            policies: Policies::open(shared.store.root()),
            compiled: AtomicBool::new(false),
            shared,
            config,
        })))
    }

    /// The sandbox of this name.
    pub(crate) fn find(&self, id: &SandboxId) -> Option<Arc<Sandbox>> {
        self.sandboxes().there.get(id).cloned()
    }

    /// The session of this name, as hosts of requests have it: of those that
    /// had it one after the other, the last that was made.
    pub(crate) fn find_named(&self, name: &str) -> Option<Arc<Sandbox>> {
        let sandboxes = self.sandboxes();
        sandboxes.there.get(sandboxes.names.latest(name)?).cloned()
    }

    fn sandboxes(&self) -> MutexGuard<'_, Sandboxes> {
        // Each critical section leaves the two consistent.
        let sandboxes = self.0.sandboxes.lock();
        sandboxes.unwrap_or_else(PoisonError::into_inner)
    }

    /// All sandboxes, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<Sandbox>> {
        self.sandboxes().there.values().cloned().collect()
    }

    /// Deletes a sandbox and its files; what runs in it ends.
    ///
    /// # Errors
    /// It is gone already, or the disk fails.
    pub(crate) async fn delete(
        &self,
        sandbox: &Arc<Sandbox>,
        action: Action,
        caller: Option<&Caller>,
    ) -> Result<(), LifeError> {
        let (node, sandbox, caller) = (self.clone(), Arc::clone(sandbox), caller.cloned());
        let take = async move { node.take_away(&sandbox, action, caller.as_ref()).await };
        tokio::spawn(take).await.map_err(|_| interrupted())?
    }

    /// Suspends a sandbox; what runs in it ends.
    ///
    /// # Errors
    /// It is gone, or the disk fails.
    pub(crate) async fn suspend(&self, sandbox: &Arc<Sandbox>) -> Result<(), LifeError> {
        let sandbox = Arc::clone(sandbox);
        let suspend = async move { sandbox.suspend().await };
        tokio::spawn(suspend).await.map_err(|_| interrupted())?
    }

    async fn take_away(
        &self,
        sandbox: &Arc<Sandbox>,
        action: Action,
        caller: Option<&Caller>,
    ) -> Result<(), LifeError> {
        match sandbox.go().await {
            // It is gone for callers, and its folder is still in its place.
            Err(LifeError::Refused(Unavailable::Gone(_))) if sandbox.stuck.swap(false, Relaxed) => {
            }
            gone => {
                gone?;
                self.audit(&sandbox.id, action, None, caller);
            }
        }
        let removed = self.0.shared.store.remove(&sandbox.id, &sandbox.home);
        // It keeps its name and its addresses: it is a sandbox again if the
        // node starts anew before this is tried again.
        let limbo = removed.inspect_err(|_| sandbox.stuck.store(true, Relaxed))?;
        {
            let mut sandboxes = self.sandboxes();
            sandboxes.there.remove(&sandbox.id);
            sandboxes.names.remove(sandbox);
        }
        let addresses = sandbox.record().addresses;
        self.0.addresses.free(addresses, &sandbox.id);
        let gone = Change::Session(sandbox.id.clone());
        self.0.shared.feed.changed(gone);
        // Many files take long to go; nobody has to wait for it.
        tokio::task::spawn_blocking(move || drop(limbo));
        Ok(())
    }

    pub(crate) fn audit(
        &self,
        id: &SandboxId,
        action: Action,
        from: Option<&str>,
        caller: Option<&Caller>,
    ) {
        let entry = SandboxAction {
            who: caller.map_or("", |caller| caller.who.as_str()),
            sandbox: id.as_str(),
            action,
            from,
            outcome: "done",
            trace: caller.and_then(|caller| caller.trace),
        };
        self.0.shared.observer.audit.write(&Entry::Sandbox(entry));
    }

    /// Ends all that runs, as the node goes down. Sandboxes stay as they are.
    pub async fn stop(&self) {
        self.0.shared.stopping.cancel();
        for sandbox in self.all() {
            sandbox.stop().await;
        }
    }

    /// Writes what the audit log has not written yet: the last thing that a
    /// host does.
    pub async fn flush(&self) {
        self.0.shared.observer.audit.flush().await;
    }

    /// What is there now, for the metrics.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let places = self.0.shared.host.places();
        let mut snapshot = Snapshot {
            instances: (places.total - places.free.min(places.total)).into(),
            slots: places.total.into(),
            resident_bytes: resident_bytes(),
            ..Snapshot::default()
        };
        for sandbox in self.all() {
            sandbox.count_into(&mut snapshot);
        }
        snapshot
    }

    /// Compiles the programs of sandboxes, where that was not done before: the
    /// first call would wait for it.
    pub async fn make_ready(&self) {
        match self.0.shared.host.prepare_built_in().await {
            Ok(()) => {
                self.0.compiled.store(true, Relaxed);
                self.0.shared.feed.changed(Change::Node);
            }
            Err(error) => {
                tracing::error!(%error, "failed to compile the programs of sandboxes");
            }
        }
        if let Some(images) = &self.0.shared.images {
            images.make_ready().await;
            self.0.shared.feed.changed(Change::Node);
        }
        // Those of sandboxes from before.
        for sandbox in self.all() {
            sandbox.begin();
        }
    }

    /// Whether the built-in programs are compiled.
    pub(crate) fn is_ready(&self) -> bool {
        self.0.compiled.load(Relaxed)
    }

    /// The images whose programs are compiled.
    pub(crate) fn compiled_images(&self) -> Vec<String> {
        let built_in = IMAGES.iter().filter(|_| self.is_ready());
        let built_in = built_in.map(ToString::to_string);
        let pulled = self.0.shared.images.as_ref().map(Images::compiled);
        built_in.chain(pulled.into_iter().flatten()).collect()
    }

    /// Pulls of images that have ended.
    pub(crate) fn pulls(&self) -> u64 {
        let images = self.0.shared.images.as_ref();
        images.map_or(0, Images::pulls)
    }

    /// Sees to it that sandboxes rest and go when it is time, for as long as
    /// it is polled.
    pub async fn keep_time(&self) {
        let mut ticks = tokio::time::interval(SWEEP_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let now = Timestamp::now();
            for sandbox in self.all() {
                self.attend(&sandbox, now).await;
            }
        }
    }

    async fn attend(&self, sandbox: &Arc<Sandbox>, now: Timestamp) {
        match sandbox.due(now) {
            Some(Due::Expire) => {
                if let Err(error) = self.delete(sandbox, Action::Expire, None).await {
                    tracing::warn!(sandbox = %sandbox.id, %error, "failed to delete what has expired");
                }
            }
            Some(Due::End) => sandbox.end_if_overdue(now).await,
            Some(Due::Rest) => sandbox.rest().await,
            None if sandbox.is_busy() => sandbox.tell_files(),
            None => {
                let quiet = sandbox.quiet_seconds(now) >= SESSION_IDLE_SECONDS;
                if quiet && sandbox.phase() != Phase::Gone {
                    sandbox.close().await;
                }
            }
        }
    }
}

/// The images that this node pulls, if it pulls any.
fn images(
    config: &NodeConfig,
    host: &Host,
    feed: &Arc<Feed>,
    store: &Store,
) -> Result<Option<Images>, NodeError> {
    let open = |images| Images::open(images, store.root(), host.clone(), Arc::clone(feed));
    let opened = config.images.clone().map(open).transpose();
    opened.map_err(|error| NodeError::Images(error.to_string()))
}

/// Why a sandbox takes no calls: the image that it was made of is gone.
fn lacks_image(shared: &Shared, record: &Record) -> Option<SpecError> {
    let digest = record.pulled?;
    let here = shared
        .images
        .as_ref()
        .and_then(|images| images.get(&digest));
    here.is_none().then(|| {
        SpecError::Forbidden(format!(
            "the image {} ({digest}) is no longer on this node; make the sandbox anew",
            record.image
        ))
    })
}

/// Sandboxes from before keep their addresses; in place of one that is not
/// given now they get another.
fn readdress(mut kept: Vec<(Home, Record)>, addresses: &Addresses) -> Vec<(Home, Record)> {
    for (_, record) in &mut kept {
        record.addresses = addresses.take(record.addresses, &record.id);
    }
    for (home, record) in &mut kept {
        if let Err(error) = complete(home, record, addresses) {
            tracing::warn!(sandbox = %record.id, error, "a sandbox from before lacks an address");
        }
    }
    kept
}

/// Gives a sandbox the addresses that it lacks, which it has after the next
/// restart too.
fn complete(home: &Home, record: &mut Record, addresses: &Addresses) -> Result<(), String> {
    let all = addresses.complete(record.addresses, &record.id)?;
    if all == record.addresses {
        return Ok(());
    }
    record.addresses = all;
    home.keep(record).map_err(|error| error.to_string())
}

/// The work was given up as the node goes down.
pub(crate) fn interrupted() -> StoreError {
    StoreError::File {
        action: "finish what was begun with",
        path: "a sandbox".into(),
        source: std::io::ErrorKind::Interrupted.into(),
    }
}
