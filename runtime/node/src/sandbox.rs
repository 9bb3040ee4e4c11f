//! A sandbox on this node: its record, its place in life, its session while
//! it is called.

mod counters;
mod duty;
mod folders;
mod seats;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use mote_api::{
    Activity, Grants, GuestPath, Limits, Sandbox as Told, SandboxEventKind, SandboxId, SandboxState,
};
use mote_host::{Disk, Host, Part, Session, Share};
use mote_surface::tally::Tally;
use mote_surface::{Doings, State, Unavailable};
use tokio::sync::{RwLock, Semaphore};
use tokio_util::sync::CancellationToken;

use counters::Counters;
use duty::Standing;
pub(crate) use folders::grants;
use seats::MAX_CONNECTIONS;
pub(crate) use seats::{Seat, of_tenants as seats_of_tenants};

use crate::duty::log::Log;
use crate::feed::{Change, Feed};
use crate::images::{Image, Images};
use crate::life::{Phase, Refusal, Request};
use crate::metrics::Snapshot;
use crate::node::{SpecError, interrupted};
use crate::observe::Observer;
use crate::outfit::Sent;
use crate::record::{Latest, Record};
use crate::store::{Home, Store, StoreError};

/// The deadline of sessions, which stay open between calls; each call has its
/// own below it. As long as any call may have.
pub(crate) const SESSION_DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// Calls that run in one sandbox at once; more wait. How many programs they
/// may be, with what they start, is its [`Part`].
pub(crate) const MAX_CALLS: usize = 60;

/// What all sandboxes of a node share.
pub(crate) struct Shared {
    pub(crate) host: Host,
    pub(crate) store: Store,
    pub(crate) observer: Observer,
    pub(crate) feed: Arc<Feed>,
    /// Room for connections, of each tenant.
    pub(crate) seats: Tally<String>,
    /// Those that are pulled, where any are.
    pub(crate) images: Option<Images>,
    /// The node goes down: who follows it is let go.
    pub(crate) stopping: CancellationToken,
}

/// A sandbox on this node.
pub(crate) struct Sandbox {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: SandboxId,
    pub(crate) home: Home,
    /// The image that was pulled for it, which stays here for as long.
    image: Option<Arc<Image>>,
    /// It holds what this node may not give any more.
    barred: Option<SpecError>,
    /// Of the node's processors; all its sessions have it.
    share: Share,
    /// Of the node's slots, for the programs of all its calls.
    part: Part,
    life: Mutex<Life>,
    /// Held while its record changes on disk, when `life` is not: calls do not
    /// wait for the disk.
    keeping: Mutex<()>,
    /// It is gone, and the disk would not let its folder go.
    pub(crate) stuck: AtomicBool,
    /// Open while it is called; closed when it rests.
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
    /// Calls and files hold it for reading, a transaction for writing.
    pub(crate) gate: Arc<RwLock<()>>,
    /// Room for calls.
    pub(crate) places: Arc<Semaphore>,
    /// Room for connections.
    seats: Arc<Semaphore>,
    pub(crate) surface: State,
    pub(crate) counters: Counters,
    /// Programs that outlive the call that started them.
    pub(crate) residents: Arc<AtomicU64>,
    /// What its command writes; there from its first line, or reader, on.
    log: OnceLock<Arc<Log>>,
    /// Held while its command runs.
    command_turn: Arc<tokio::sync::Mutex<()>>,
    /// Whether its folders held anything when that was last told.
    told_files: AtomicBool,
    /// It was deleted: connections to its own address are of no use any more,
    /// which another may have soon.
    pub(crate) gone: CancellationToken,
}

struct Life {
    record: Record,
    phase: Phase,
    last_active: Timestamp,
    /// Ends all that runs in it.
    ending: CancellationToken,
    /// What its record grants, from the first call on until the record changes.
    grants: Option<Arc<Grants>>,
    /// The account of its folders, from their first use on: sessions come and
    /// go, and uploads may outlast them.
    disk: Option<Disk>,
    /// How far its command has come.
    standing: Standing,
}

impl Life {
    /// What its folders hold, as far as that was counted.
    fn disk_bytes(&self) -> u64 {
        self.disk.as_ref().map_or(0, |disk| disk.used().bytes)
    }

    /// Whether it takes calls and nobody has made one for its idle timeout.
    /// A call is counted only once it runs; one that is still admitted has
    /// just set the time of the last.
    fn is_quiet(&self, now: Timestamp, counters: &Counters) -> bool {
        let quiet = now.duration_since(self.last_active).as_secs();
        let idle = self.record.idle_timeout_seconds;
        let rests = idle.is_some_and(|idle| u64::try_from(quiet).is_ok_and(|quiet| quiet >= idle));
        self.phase == Phase::Ready && rests && !counters.are_running()
    }
}

/// A call's leave to be made.
pub(crate) struct Leave {
    /// What the sandbox's calls may use.
    pub(crate) limits: Limits,
    /// What it holds.
    pub(crate) grants: Arc<Grants>,
    /// Where its programs begin.
    pub(crate) folder: GuestPath,
    /// Completes when the sandbox is suspended or deleted.
    pub(crate) ending: CancellationToken,
}

impl Sandbox {
    /// A sandbox of this record; one that is `barred` takes no calls, for the
    /// reason given.
    pub(crate) fn new(
        shared: Arc<Shared>,
        home: Home,
        record: Record,
        barred: Option<SpecError>,
    ) -> Self {
        let phase = match record.ended() {
            _ if record.suspended => Phase::Suspended,
            Some(_) => Phase::Ended,
            None => Phase::Ready,
        };
        let pulled = record.pulled.as_ref();
        let image = pulled.and_then(|digest| shared.images.as_ref()?.get(digest));
        let asked = record.object.as_ref().map(|object| object.asked.cpu_millis);
        Self {
            part: shared.host.part(),
            shared,
            image,
            share: Share::of_millis(asked.unwrap_or_default()),
            id: record.id.clone(),
            home,
            barred,
            life: Mutex::new(Life {
                record,
                phase,
                last_active: Timestamp::now(),
                ending: CancellationToken::new(),
                grants: None,
                disk: None,
                standing: Standing::default(),
            }),
            keeping: Mutex::default(),
            stuck: AtomicBool::default(),
            session: tokio::sync::Mutex::default(),
            gate: Arc::default(),
            places: Arc::new(Semaphore::new(MAX_CALLS)),
            seats: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            surface: State::default(),
            counters: Counters::default(),
            residents: Arc::default(),
            log: OnceLock::new(),
            command_turn: Arc::default(),
            told_files: AtomicBool::default(),
            gone: CancellationToken::new(),
        }
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        // Each critical section leaves the fields consistent.
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As it is now; `None` once it is gone.
    pub(crate) fn told(&self) -> Option<Told> {
        let life = self.life();
        let record = life.record.clone();
        Some(Told {
            id: record.id,
            state: self.state(life.phase)?,
            image: record.image,
            grants: record.grants,
            limits: record.limits,
            env: record.env,
            labels: record.labels,
            idle_timeout_seconds: record.idle_timeout_seconds,
            created_at: record.created_at.to_string(),
            last_active_at: life.last_active.to_string(),
            expires_at: record.expires_at.map(|at| at.to_string()),
            address: record.addresses.iter().next(),
            activity: self.activity(&life),
        })
    }

    /// What it has done since the node started.
    pub(crate) fn doings(&self) -> Doings {
        let life = self.life();
        Doings {
            last_active_at: life.last_active.to_string(),
            activity: self.activity(&life),
        }
    }

    fn activity(&self, life: &Life) -> Activity {
        Activity {
            disk_bytes: life.disk_bytes(),
            ..self.counters.told()
        }
    }

    fn state(&self, phase: Phase) -> Option<SandboxState> {
        let state = phase.told()?;
        // Like a suspended one, a barred one takes no calls.
        Some(match self.barred {
            Some(_) => SandboxState::Suspended,
            None => state,
        })
    }

    /// Adds it to what the metrics tell of the node.
    pub(crate) fn count_into(&self, snapshot: &mut Snapshot) {
        let life = self.life();
        if let Some(state) = self.state(life.phase) {
            snapshot.sandbox(state);
            snapshot.disk_bytes += life.disk_bytes();
            snapshot.contexts += self.residents.load(Relaxed);
        }
    }

    pub(crate) fn record(&self) -> Record {
        self.life().record.clone()
    }

    /// Looks at its record; `None` once it is gone.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Record) -> T) -> Option<T> {
        let life = self.life();
        (life.phase != Phase::Gone).then(|| look(&life.record))
    }

    /// Why it takes no calls whatever is asked of it, if that is so.
    pub(crate) fn barred(&self) -> Option<String> {
        self.barred.as_ref().map(ToString::to_string)
    }

    pub(crate) fn limits(&self) -> Limits {
        self.life().record.limits.clone()
    }

    pub(crate) fn phase(&self) -> Phase {
        self.life().phase
    }

    /// Admits a call, which wakes the sandbox if it rests.
    ///
    /// # Errors
    /// It is suspended or gone.
    pub(crate) fn admit(&self) -> Result<Leave, Unavailable> {
        let mut life = self.life();
        life.phase = self.after(life.phase, Request::Call)?;
        life.last_active = Timestamp::now();
        Ok(Leave {
            limits: life.record.limits.clone(),
            grants: self.grants(&mut life)?,
            folder: life.record.outfit().folder(),
            ending: life.ending.clone(),
        })
    }

    /// What it holds; made up once, for every call tells of it.
    fn grants(&self, life: &mut Life) -> Result<Arc<Grants>, Unavailable> {
        if let Some(grants) = &life.grants {
            return Ok(Arc::clone(grants));
        }
        let grants = self.granted(&life.record, &self.home.workspace());
        let grants = grants.map_err(|error| {
            // It was checked when the record was made.
            Unavailable::NotNow(format!("sandbox {} cannot be opened: {error}", self.id))
        })?;
        Ok(Arc::clone(life.grants.insert(Arc::new(grants))))
    }

    /// Whether it would do what is asked.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub(crate) fn would(&self, request: Request) -> Result<(), Unavailable> {
        self.after(self.phase(), request).map(drop)
    }

    fn after(&self, phase: Phase, request: Request) -> Result<Phase, Unavailable> {
        if let (Request::Call, Some(reason)) = (request, &self.barred) {
            return Err(Unavailable::NotNow(reason.to_string()));
        }
        phase.after(request).map_err(|refusal| match refusal {
            Refusal::Gone => Unavailable::Gone(self.id.to_string()),
            Refusal::Suspended => Unavailable::NotNow(format!(
                "sandbox {} is suspended; resume it and call again",
                self.id
            )),
            Refusal::Ended => Unavailable::NotNow(format!(
                "sandbox {} is at its end: its command has ended, or its time is over; its log says more, and another sandbox can be made",
                self.id
            )),
        })
    }

    /// Whoever holds this is the only one who changes its record.
    fn keeping(&self) -> MutexGuard<'_, ()> {
        self.keeping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Suspends it: what runs in it ends.
    pub(crate) async fn suspend(self: &Arc<Self>) -> Result<(), LifeError> {
        let turned = self.turned(Request::Suspend, SandboxEventKind::Suspended);
        turned.await?;
        self.end().await;
        Ok(())
    }

    /// Takes calls again.
    pub(crate) async fn resume(self: &Arc<Self>) -> Result<(), LifeError> {
        let turned = self.turned(Request::Resume, SandboxEventKind::Resumed);
        turned.await
    }

    /// Is, or is not, suspended, and what else its object has it be; with the
    /// files that were `sent` for its volumes. One at a time.
    pub(crate) async fn follow(
        self: &Arc<Self>,
        latest: Latest,
        sent: Sent,
        suspended: bool,
    ) -> Result<(), LifeError> {
        let (request, kind) = if suspended {
            (Request::Suspend, SandboxEventKind::Suspended)
        } else {
            (Request::Resume, SandboxEventKind::Resumed)
        };
        let this = Arc::clone(self);
        let other = !sent.is_empty() || latest.env.is_some();
        let turn = move || {
            this.would(request)?;
            this.home.publish(&sent)?;
            this.turn(request, kind, Some(latest))
        };
        let turned = tokio::task::spawn_blocking(turn).await;
        turned.map_err(|_| interrupted())??;
        if suspended {
            self.end().await;
        } else if other {
            // A folder of a volume that is mounted, or the environment, is
            // another now.
            self.close().await;
        }
        self.begin();
        Ok(())
    }

    /// Marks it gone, and ends what runs in it.
    pub(crate) async fn go(self: &Arc<Self>) -> Result<(), LifeError> {
        let turned = self.turned(Request::Delete, SandboxEventKind::Deleted);
        turned.await?;
        self.gone.cancel();
        self.end().await;
        Ok(())
    }

    async fn end(&self) {
        self.surface.end_all();
        self.surface.end_uploads();
        self.close().await;
    }

    /// Ends what runs in it, as its node goes down.
    pub(crate) async fn stop(&self) {
        self.life().ending.cancel();
        if let Some(log) = self.log.get() {
            log.grows(false);
        }
        self.surface.end_all();
        self.close().await;
    }

    /// Moves on in life, where nobody waits for the disk.
    async fn turned(
        self: &Arc<Self>,
        request: Request,
        kind: SandboxEventKind,
    ) -> Result<(), LifeError> {
        let this = Arc::clone(self);
        let turned = tokio::task::spawn_blocking(move || this.turn(request, kind, None)).await;
        turned.map_err(|_| interrupted())?
    }

    /// Moves on in life, to the latest of its object where there is one;
    /// what is to outlive the node is on disk before it is true here. Blocks on
    /// the disk.
    fn turn(
        &self,
        request: Request,
        kind: SandboxEventKind,
        latest: Option<Latest>,
    ) -> Result<(), LifeError> {
        // Meanwhile it wakes or rests at most, from where it goes on likewise.
        let _keeping = self.keeping();
        let (before, kept) = {
            let life = self.life();
            (life.phase, life.record.clone())
        };
        let phase = self.after(before, request)?;
        let mut record = kept.clone();
        record.suspended = phase == Phase::Suspended;
        if let Some(latest) = latest {
            record.follow(latest);
        }
        if before == Phase::Suspended && phase == Phase::Ready {
            record.begin(Timestamp::now());
        }
        let changed = record != kept && phase != Phase::Gone;
        if changed {
            self.home.keep(&record)?;
        }
        let mut life = self.life();
        if changed {
            life.record = record;
            life.grants = None;
        }
        life.phase = phase;
        life.last_active = Timestamp::now();
        if matches!(phase, Phase::Suspended | Phase::Gone) {
            self.let_go(&mut life);
        }
        drop(life);
        if before != phase {
            self.shared.feed.tell(&self.id, kind, None);
        }
        if changed {
            self.shared.feed.changed(Change::Session(self.id.clone()));
        }
        Ok(())
    }

    /// What its age says should become of it.
    pub(crate) fn due(&self, now: Timestamp) -> Option<Due> {
        let life = self.life();
        if life.phase == Phase::Gone {
            return self.stuck.load(Relaxed).then_some(Due::Expire);
        }
        if life.record.expires_at.is_some_and(|at| at <= now) {
            return Some(Due::Expire);
        }
        if life.overdue(now).is_some() {
            return Some(Due::End);
        }
        life.is_quiet(now, &self.counters).then_some(Due::Rest)
    }

    /// Notes that it was used until now.
    pub(crate) fn touch(&self) {
        self.life().last_active = Timestamp::now();
    }

    /// Rests, unless it was called just now. Nothing runs in it then.
    pub(crate) async fn rest(&self) {
        {
            let mut life = self.life();
            let quiet = life.is_quiet(Timestamp::now(), &self.counters);
            match life.phase.after(Request::Rest) {
                Ok(phase) if quiet => life.phase = phase,
                _ => return,
            }
        }
        self.close().await;
        self.shared
            .feed
            .tell(&self.id, SandboxEventKind::Idled, None);
    }

    /// Seconds since it was last called.
    pub(crate) fn quiet_seconds(&self, now: Timestamp) -> i64 {
        now.duration_since(self.life().last_active).as_secs()
    }

    /// Whether something runs in it.
    pub(crate) fn is_busy(&self) -> bool {
        self.counters.are_running()
    }
}

/// What a sandbox's age says should become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Its time to live is over, or it is stuck.
    Expire,
    /// It has been there for as long as it may.
    End,
    /// Nobody has called it for its idle timeout.
    Rest,
}

/// A sandbox did not move on in its life.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LifeError {
    /// It cannot be done where it is.
    #[error(transparent)]
    Refused(#[from] Unavailable),
    /// It could not be kept on disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests;
