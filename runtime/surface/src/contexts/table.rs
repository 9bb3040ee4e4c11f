//! The contexts of a sandbox by name: live ones, and lost ones of which the
//! next caller has not been told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use mote_api::ContextName;
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::interpreter::Job;
use super::lost::Lost;
use crate::backend::StartError;

/// Most contexts of a sandbox: each keeps the memory of an interpreter.
const MAX_CONTEXTS: usize = 8;
/// Most lost contexts that are remembered; the oldest go first.
const MAX_LOST: usize = 4 * MAX_CONTEXTS;
/// Most calls of a context that run or wait.
const MAX_CALLS: usize = 16;
/// How long a context waits for a call, unless told otherwise: a person who
/// thinks comes back within ten minutes.
pub(super) const DEFAULT_IDLE: Duration = Duration::from_secs(10 * 60);

/// What a context is to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Wanted {
    /// Ceilings, by the names of [`mote_api::Limits`]; none is as it comes.
    pub(super) limits: Map<String, Value>,
    /// How long it waits for a call; `None` is as it comes.
    pub(super) idle: Option<Duration>,
}

impl Wanted {
    /// Whether a context that is like `self` will do for `other`.
    fn does_for(&self, other: &Self) -> bool {
        let idle = |wanted: &Self| wanted.idle.unwrap_or(DEFAULT_IDLE);
        (other.limits.is_empty() || other.limits == self.limits)
            && (other.idle.is_none() || idle(other) == idle(self))
    }
}

/// What a caller needs of a live context.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) jobs: mpsc::Sender<Job>,
    pub(super) turn: Arc<Semaphore>,
    pub(super) places: Arc<Semaphore>,
}

/// What a context's task needs.
#[derive(Debug)]
pub(super) struct New {
    pub(super) jobs: mpsc::Receiver<Job>,
    pub(super) idle: Duration,
    pub(super) stop: CancellationToken,
    pub(super) serial: u64,
}

#[derive(Debug)]
struct Live {
    /// Tells it from an earlier one of the same name.
    serial: u64,
    wanted: Wanted,
    seat: Seat,
    _stop: DropGuard,
}

impl Drop for Live {
    fn drop(&mut self) {
        // Whoever waits for a turn is told.
        self.seat.turn.close();
    }
}

/// A live context, as it is listed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Listed {
    pub(super) name: ContextName,
    pub(super) limits: Map<String, Value>,
    pub(super) idle: Duration,
    pub(super) busy: bool,
}

#[derive(Debug, Default)]
struct Table {
    live: BTreeMap<ContextName, Live>,
    lost: VecDeque<(ContextName, String)>,
    serial: u64,
}

impl Table {
    fn remember(&mut self, name: ContextName, why: &Lost) {
        if self.lost.len() == MAX_LOST {
            self.lost.pop_front();
        }
        self.lost.push_back((name, why.to_string()));
    }

    fn forget(&mut self, name: &ContextName) -> Option<String> {
        let at = self.lost.iter().position(|(lost, _)| lost == name)?;
        self.lost.remove(at).map(|(_, why)| why)
    }
}

/// The contexts of a sandbox. Dropping them ends them.
#[derive(Debug, Default)]
pub(crate) struct Contexts(Arc<Mutex<Table>>);

/// Does not keep contexts from being dropped.
pub(super) struct WeakContexts(Weak<Mutex<Table>>);

impl WeakContexts {
    pub(super) fn upgrade(&self) -> Option<Contexts> {
        self.0.upgrade().map(Contexts)
    }
}

impl Contexts {
    /// Ends every context; the next call of each is told.
    pub(crate) fn end_all(&self) {
        let mut table = self.table();
        for (name, _) in std::mem::take(&mut table.live) {
            table.remember(name, &Lost::Stopped);
        }
    }

    pub(super) fn downgrade(&self) -> WeakContexts {
        WeakContexts(Arc::downgrade(&self.0))
    }

    /// The live context of that name, or a new one, which `spawn` brings to
    /// life; and whether it is new.
    pub(super) fn seat(
        &self,
        name: &ContextName,
        wanted: Wanted,
        spawn: impl FnOnce(New),
    ) -> Result<(Seat, bool), StartError> {
        let mut table = self.table();
        if let Some(why) = table.forget(name) {
            return Err(lost(name, &why));
        }
        if let Some(live) = table.live.get(name) {
            return match live.wanted.does_for(&wanted) {
                true => Ok((live.seat.clone(), false)),
                false => Err(StartError::Invalid(format!(
                    "context {name} has other limits; delete it first, or name none"
                ))),
            };
        }
        if table.live.len() == MAX_CONTEXTS {
            return Err(StartError::Busy(format!(
                "the sandbox has {MAX_CONTEXTS} contexts already; delete one first"
            )));
        }
        table.serial += 1;
        let (live, new) = Live::new(table.serial, wanted);
        let seat = live.seat.clone();
        table.live.insert(name.clone(), live);
        spawn(new);
        Ok((seat, true))
    }

    /// A context has ended by itself; without a reason it never began.
    pub(super) fn lose(&self, name: &ContextName, serial: u64, why: Option<&Lost>) {
        let mut table = self.table();
        if table
            .live
            .get(name)
            .is_none_or(|live| live.serial != serial)
        {
            return;
        }
        table.live.remove(name);
        if let Some(why) = why {
            table.remember(name.clone(), why);
        }
    }

    /// Tells a caller that the context ended while the call waited.
    pub(super) fn tell_lost(&self, name: &ContextName) -> StartError {
        let why = self.table().forget(name);
        lost(name, why.as_deref().unwrap_or("another caller ended it"))
    }

    /// Ends a context, or forgets that it was lost; whether there was one.
    pub(super) fn remove(&self, name: &ContextName) -> bool {
        let mut table = self.table();
        let was_lost = table.forget(name).is_some();
        table.live.remove(name).is_some() || was_lost
    }

    /// Forgets that a context was lost.
    pub(super) fn forget(&self, name: &ContextName) {
        self.table().forget(name);
    }

    /// The live contexts in the order of their names.
    pub(super) fn list(&self) -> Vec<Listed> {
        let table = self.table();
        let listed = |(name, live): (&ContextName, &Live)| Listed {
            name: name.clone(),
            limits: live.wanted.limits.clone(),
            idle: live.wanted.idle.unwrap_or(DEFAULT_IDLE),
            busy: live.seat.turn.available_permits() == 0,
        };
        table.live.iter().map(listed).collect()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing in here can fail half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    fn new(serial: u64, wanted: Wanted) -> (Self, New) {
        let (jobs, waiting) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let new = New {
            jobs: waiting,
            idle: wanted.idle.unwrap_or(DEFAULT_IDLE),
            stop: stop.clone(),
            serial,
        };
        let live = Self {
            serial,
            wanted,
            seat: Seat {
                jobs,
                turn: Arc::new(Semaphore::new(1)),
                places: Arc::new(Semaphore::new(MAX_CALLS)),
            },
            _stop: stop.drop_guard(),
        };
        (live, new)
    }
}

fn lost(name: &ContextName, why: &str) -> StartError {
    StartError::Lost(format!(
        "context {name} was lost: {why}; its variables are gone, and the next call starts anew"
    ))
}
