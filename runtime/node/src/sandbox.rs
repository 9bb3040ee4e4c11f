//! A sandbox on this node: its record, its place in life, its session while
//! it is called.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use jiff::Timestamp;
use mote_api::{
    Access, Activity, Clock, Grant, GrantError, Grants, GuestPath, Limits, Outcome, Preopen,
    Random, Sandbox as Told, SandboxEventKind, SandboxId, SandboxState,
};
use mote_host::{Disk, DiskUse, Host, Session};
use mote_surface::{Files, StartError, State, Unavailable, Unlimited};
use tokio::sync::{RwLock, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::feed::Feed;
use crate::life::{Phase, Refusal, Request};
use crate::node::SpecError;
use crate::observe::Observer;
use crate::record::Record;
use crate::store::{Home, Store, StoreError};
use crate::tree;

/// The deadline of sessions, which stay open between calls; each call has its
/// own below it. As long as any call may have.
const SESSION_DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// Calls that run in one sandbox at once; more wait. A node has room for a
/// thousand, of which no sandbox is to have all.
pub(crate) const MAX_CALLS: usize = 64;

/// What all sandboxes of a node share.
pub(crate) struct Shared {
    pub(crate) host: Host,
    pub(crate) store: Store,
    pub(crate) observer: Observer,
    pub(crate) feed: Feed,
    /// The node goes down: who follows it is let go.
    pub(crate) stopping: CancellationToken,
}

/// A sandbox on this node.
pub(crate) struct Sandbox {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: SandboxId,
    pub(crate) home: Home,
    /// It holds what this node may not give any more.
    barred: Option<SpecError>,
    life: Mutex<Life>,
    /// Open while it is called; closed when it rests.
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
    /// Calls and files hold it for reading, a transaction for writing.
    pub(crate) gate: Arc<RwLock<()>>,
    /// Room for calls.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) surface: State,
    pub(crate) counters: Counters,
    /// Programs that outlive the call that started them.
    pub(crate) residents: Arc<AtomicU64>,
}

struct Life {
    record: Record,
    phase: Phase,
    last_active: Timestamp,
    /// Ends all that runs in it.
    ending: CancellationToken,
    /// The account of its folders, from their first use on: sessions come and
    /// go, and uploads may outlast them.
    disk: Option<Disk>,
}

impl Life {
    /// Whether it takes calls and nobody has made one for its idle timeout.
    /// A call is counted only once it runs; one that is still admitted has
    /// just set the time of the last.
    fn is_quiet(&self, now: Timestamp, counters: &Counters) -> bool {
        let quiet = now.duration_since(self.last_active).as_secs();
        let idle = self.record.idle_timeout_seconds;
        let rests = idle.is_some_and(|idle| u64::try_from(quiet).is_ok_and(|quiet| quiet >= idle));
        self.phase == Phase::Ready && rests && counters.running.load(Relaxed) == 0
    }
}

/// What it has done since the node started.
#[derive(Default)]
pub(crate) struct Counters {
    running: AtomicU64,
    calls: AtomicU64,
    failed: AtomicU64,
    cpu_us: AtomicU64,
    peak_memory: AtomicU64,
}

impl Counters {
    pub(crate) fn began(&self) {
        self.running.fetch_add(1, Relaxed);
    }

    pub(crate) fn ended(&self, outcome: Option<&Outcome>) {
        self.running.fetch_sub(1, Relaxed);
        self.calls.fetch_add(1, Relaxed);
        if outcome.is_none_or(|outcome| outcome.exit_code != 0) {
            self.failed.fetch_add(1, Relaxed);
        }
        if let Some(Outcome { usage, .. }) = outcome {
            let cpu = u64::try_from(usage.cpu.as_micros()).unwrap_or(u64::MAX);
            self.cpu_us.fetch_add(cpu, Relaxed);
            self.peak_memory.fetch_max(usage.peak_memory_bytes, Relaxed);
        }
    }

    fn told(&self) -> Activity {
        Activity {
            running: self.running.load(Relaxed),
            calls: self.calls.load(Relaxed),
            failed: self.failed.load(Relaxed),
            cpu_us: self.cpu_us.load(Relaxed),
            peak_memory_bytes: self.peak_memory.load(Relaxed),
            disk_bytes: 0,
        }
    }
}

/// A call's leave to be made.
pub(crate) struct Leave {
    /// What the sandbox's calls may use.
    pub(crate) limits: Limits,
    /// What it holds.
    pub(crate) grants: Grants,
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
        let phase = if record.suspended {
            Phase::Suspended
        } else {
            Phase::Ready
        };
        Self {
            shared,
            id: record.id.clone(),
            home,
            barred,
            life: Mutex::new(Life {
                record,
                phase,
                last_active: Timestamp::now(),
                ending: CancellationToken::new(),
                disk: None,
            }),
            session: tokio::sync::Mutex::default(),
            gate: Arc::default(),
            places: Arc::new(Semaphore::new(MAX_CALLS)),
            surface: State::default(),
            counters: Counters::default(),
            residents: Arc::default(),
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
            // Like a suspended one, it takes no calls.
            state: match (&self.barred, life.phase.told()?) {
                (Some(_), _) => SandboxState::Suspended,
                (None, state) => state,
            },
            image: record.image,
            grants: record.grants,
            limits: record.limits,
            env: record.env,
            labels: record.labels,
            idle_timeout_seconds: record.idle_timeout_seconds,
            created_at: record.created_at.to_string(),
            last_active_at: life.last_active.to_string(),
            expires_at: record.expires_at.map(|at| at.to_string()),
            address: record.address,
            activity: Activity {
                disk_bytes: life.disk.as_ref().map_or(0, |disk| disk.used().bytes),
                ..self.counters.told()
            },
        })
    }

    pub(crate) fn record(&self) -> Record {
        self.life().record.clone()
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
        let (workspace, tmp) = (self.home.workspace(), self.home.tmp());
        let grants = grants(&life.record, &workspace, &tmp).map_err(|error| {
            // It was checked when the record was made.
            Unavailable::NotNow(format!("sandbox {} cannot be opened: {error}", self.id))
        })?;
        Ok(Leave {
            limits: life.record.limits.clone(),
            grants,
            ending: life.ending.clone(),
        })
    }

    /// Whether it would admit a call.
    pub(crate) fn health(&self) -> Result<(), Unavailable> {
        let phase = self.phase();
        self.after(phase, Request::Call).map(drop)
    }

    fn after(&self, phase: Phase, request: Request) -> Result<Phase, Unavailable> {
        if let (Request::Call | Request::Fork, Some(reason)) = (request, &self.barred) {
            return Err(Unavailable::NotNow(reason.to_string()));
        }
        phase.after(request).map_err(|refusal| match refusal {
            Refusal::Gone => Unavailable::Gone(self.id.to_string()),
            Refusal::Suspended => Unavailable::NotNow(format!(
                "sandbox {} is suspended; resume it and call again",
                self.id
            )),
        })
    }

    /// Its session, opened if need be.
    pub(crate) async fn session(self: &Arc<Self>) -> Result<Arc<Session>, StartError> {
        let mut open = self.session.lock().await;
        if self.phase() == Phase::Gone {
            return Err(Unavailable::Gone(self.id.to_string()).into());
        }
        if let Some(session) = &*open {
            return Ok(Arc::clone(session));
        }
        let this = Arc::clone(self);
        let opened = tokio::task::spawn_blocking(move || this.open()).await;
        let session = opened.map_err(|_| StartError::Host)??;
        *open = Some(Arc::clone(&session));
        Ok(session)
    }

    fn open(&self) -> Result<Arc<Session>, StartError> {
        let session = self.open_at(&self.home.workspace(), &self.record())?;
        Ok(Arc::new(session))
    }

    /// The account of its folders. Whoever asks first waits for the counting;
    /// that is the one who opens the session, under its lock.
    fn disk(&self) -> Disk {
        if let Some(disk) = &self.life().disk {
            return disk.clone();
        }
        self.sweep();
        let counted = Disk::new(&self.limits(), self.count());
        self.life().disk.get_or_insert(counted).clone()
    }

    /// Counts its folders anew. Nobody may write meanwhile.
    pub(crate) fn recount(&self) {
        self.disk().set(self.count());
    }

    /// Takes away what a host that was killed left of uploads.
    fn sweep(&self) {
        let workspace = self.home.workspace();
        let swept = Dir::open_ambient_dir(&workspace, ambient_authority())
            .map_err(|error| error.to_string())
            .and_then(|root| {
                let guest = GuestPath::workspace();
                let files = Files::new(Arc::new(root), guest.as_str(), Arc::new(Unlimited));
                files.sweep_temporary().map_err(|error| error.to_string())
            });
        if let Err(error) = swept {
            tracing::warn!(sandbox = %self.id, error, "failed to sweep unfinished uploads");
        }
    }

    /// What its folders hold. A tree that cannot be counted counts as full:
    /// that denies, and does not grant.
    fn count(&self) -> DiskUse {
        let full = DiskUse {
            bytes: u64::MAX,
            entries: u64::MAX,
        };
        let folders = [self.home.workspace(), self.home.tmp()];
        folders.iter().fold(DiskUse::default(), |sum, folder| {
            let held = tree::count(folder).unwrap_or_else(|error| {
                tracing::warn!(sandbox = %self.id, %error, "failed to count files; the sandbox counts as full");
                full
            });
            DiskUse {
                bytes: sum.bytes.saturating_add(held.bytes),
                entries: sum.entries.saturating_add(held.entries),
            }
        })
    }

    /// A session over `workspace` in the place of its own.
    pub(crate) fn open_at(&self, workspace: &Path, record: &Record) -> Result<Session, StartError> {
        let grants = grants(record, workspace, &self.home.tmp())
            .map_err(|error| StartError::Invalid(error.to_string()))?;
        let limits = Limits {
            deadline: SESSION_DEADLINE,
            ..record.limits.clone()
        };
        let opened = self.shared.host.session_on(grants, limits, &self.disk());
        opened.map_err(|error| {
            tracing::error!(sandbox = %self.id, error = %error, "failed to open a session");
            match error {
                mote_host::OpenError::Host(_) => StartError::Host,
                error => StartError::Invalid(error.to_string()),
            }
        })
    }

    /// Closes its session; running calls keep theirs.
    pub(crate) async fn close(&self) {
        *self.session.lock().await = None;
    }

    /// Suspends it: what runs in it ends.
    pub(crate) async fn suspend(&self) -> Result<(), LifeError> {
        self.turn(Request::Suspend, SandboxEventKind::Suspended)?;
        self.surface.end_all();
        self.close().await;
        Ok(())
    }

    /// Takes calls again.
    pub(crate) fn resume(&self) -> Result<(), LifeError> {
        self.turn(Request::Resume, SandboxEventKind::Resumed)
    }

    /// Marks it gone, and ends what runs in it.
    pub(crate) async fn go(&self) -> Result<(), LifeError> {
        self.turn(Request::Delete, SandboxEventKind::Deleted)?;
        self.surface.end_all();
        self.close().await;
        Ok(())
    }

    /// Ends what runs in it, as its node goes down.
    pub(crate) async fn stop(&self) {
        self.life().ending.cancel();
        self.surface.end_all();
        self.close().await;
    }

    /// Moves on in life; what is to outlive the node is on disk before it is
    /// true here.
    fn turn(&self, request: Request, kind: SandboxEventKind) -> Result<(), LifeError> {
        let mut life = self.life();
        let before = life.phase;
        let phase = self.after(before, request)?;
        let suspended = phase == Phase::Suspended;
        if suspended != life.record.suspended && phase != Phase::Gone {
            let mut record = life.record.clone();
            record.suspended = suspended;
            self.home.keep(&record)?;
            life.record = record;
        }
        life.phase = phase;
        life.last_active = Timestamp::now();
        if matches!(phase, Phase::Suspended | Phase::Gone) {
            std::mem::take(&mut life.ending).cancel();
        }
        drop(life);
        if before != phase {
            self.shared.feed.tell(&self.id, kind, None);
        }
        Ok(())
    }

    /// What its age says should become of it.
    pub(crate) fn due(&self, now: Timestamp) -> Option<Due> {
        let life = self.life();
        if life.phase == Phase::Gone {
            return None;
        }
        if life.record.expires_at.is_some_and(|at| at <= now) {
            return Some(Due::Expire);
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
        self.counters.running.load(Relaxed) > 0
    }
}

/// What a sandbox's age says should become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Its time to live is over.
    Expire,
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

/// What a sandbox holds: its own folders, the time and random bytes unless
/// its record says otherwise, and what its record grants.
///
/// # Errors
/// A grant is malformed, or is of a guest path that is taken.
pub(crate) fn grants(record: &Record, workspace: &Path, tmp: &Path) -> Result<Grants, GrantError> {
    let own = |guest, host: &Path| {
        Grant::Preopen(Preopen {
            guest,
            host: host.to_owned(),
            access: Access::ReadWrite,
        })
    };
    let usual = [
        own(GuestPath::workspace(), workspace),
        own(GuestPath::tmp(), tmp),
        Grant::Clock(Clock::Real),
        Grant::Random(Random::Real),
    ];
    let all = usual.into_iter().chain(record.grants.iter().cloned());
    let env = record.env.iter();
    Grants::of(all)?.with_env(env.map(|(name, value)| (name.clone(), value.clone())))
}
