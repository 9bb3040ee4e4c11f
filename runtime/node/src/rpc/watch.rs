//! What is there, and from then on every change.
//!
//! ```text
//! Begin ── the node ─► List ── each session ─► Follow ── Listed, then each change ─► Over
//! ```
//!
//! Who watches is told how a session is, not what happened to it: of two
//! changes it may hear only the last state, twice.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use mote_api::SandboxId;
use mote_rpc::v1::watch_event::Event;
use mote_rpc::v1::{Listed, NodeInfo, WatchEvent};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use super::{MAX_WATCHES, Rpc, session};
use crate::feed::Change;
use crate::sandbox::Sandbox;

/// How soon after it the node is told of again: each session that comes or
/// goes changes it, and the names of all tenants are in it.
const NODE_EVERY: Duration = Duration::from_secs(1);

/// A stream of what is there and what changes.
pub(super) type Watched = Pin<Box<dyn Stream<Item = Result<WatchEvent, Status>> + Send>>;

struct Watcher {
    rpc: Rpc,
    changes: Receiver<Change>,
    stage: Stage,
    node: Node,
    _place: OwnedSemaphorePermit,
}

enum Stage {
    Begin,
    List(std::vec::IntoIter<Arc<Sandbox>>),
    Follow,
    Over,
}

/// The node as it was last told of.
struct Node {
    told: NodeInfo,
    /// Before this it is not told of again.
    next: Instant,
    changed: bool,
}

impl Rpc {
    /// Watches from now on.
    ///
    /// # Errors
    /// Too many do, or the node goes down.
    pub(super) fn watch(&self) -> Result<Watched, Status> {
        if self.0.draining.is_cancelled() {
            return Err(going_down());
        }
        let place = Arc::clone(&self.0.watches).try_acquire_owned();
        let place = place.map_err(|_| {
            Status::resource_exhausted(format!(
                "{MAX_WATCHES} watch this node, which is the most; end one"
            ))
        })?;
        let feed = &self.0.node.0.shared.feed;
        let Some(changes) = feed.changes() else {
            return Err(Status::internal("this node tells of no changes"));
        };
        let watcher = Watcher {
            changes,
            stage: Stage::Begin,
            node: Node {
                told: NodeInfo::default(),
                next: Instant::now(),
                changed: false,
            },
            rpc: self.clone(),
            _place: place,
        };
        Ok(Box::pin(stream::unfold(watcher, |mut watcher| async {
            let next = watcher.next().await?;
            let next = next.map(|event| WatchEvent { event: Some(event) });
            Some((next, watcher))
        })))
    }
}

impl Watcher {
    async fn next(&mut self) -> Option<Result<Event, Status>> {
        match &mut self.stage {
            Stage::Begin => {
                // Changes are heard of already: none falls between the two.
                let all = self.rpc.0.node.all();
                self.stage = Stage::List(all.into_iter());
                self.node.told = self.rpc.info();
                self.node.next = Instant::now() + NODE_EVERY;
                Some(Ok(Event::Node(self.node.told.clone())))
            }
            Stage::List(sandboxes) => {
                let next = sandboxes.find_map(|sandbox| session::told(&sandbox));
                if next.is_none() {
                    self.stage = Stage::Follow;
                }
                Some(Ok(next.map_or(Event::Listed(Listed {}), Event::Session)))
            }
            Stage::Follow => {
                let next = self.follow().await;
                if next.is_err() {
                    self.stage = Stage::Over;
                }
                Some(next)
            }
            Stage::Over => None,
        }
    }

    /// The next that is worth telling.
    async fn follow(&mut self) -> Result<Event, Status> {
        loop {
            let change = tokio::select! {
                biased;
                () = self.rpc.0.draining.cancelled() => return Err(going_down()),
                () = sleep_until(self.node.next), if self.node.changed => {
                    match self.look() {
                        Some(event) => return Ok(event),
                        None => continue,
                    }
                }
                change = self.changes.recv() => change,
            };
            match change {
                Ok(Change::Node) => self.node.changed = true,
                Ok(Change::Session(id)) => {
                    if let Some(event) = self.at(&id) {
                        return Ok(event);
                    }
                }
                Err(RecvError::Lagged(missed)) => {
                    return Err(Status::aborted(format!(
                        "{missed} changes came faster than they were read; watch again"
                    )));
                }
                Err(RecvError::Closed) => return Err(going_down()),
            }
        }
    }

    /// The node, if it is otherwise than it was told.
    fn look(&mut self) -> Option<Event> {
        self.node.changed = false;
        let now = self.rpc.info();
        if now == self.node.told {
            return None;
        }
        self.node.told = now.clone();
        self.node.next = Instant::now() + NODE_EVERY;
        Some(Event::Node(now))
    }

    /// How a session is now. One that goes is told of once it is gone.
    fn at(&self, id: &SandboxId) -> Option<Event> {
        match self.rpc.0.node.find(id) {
            Some(sandbox) => session::told(&sandbox).map(Event::Session),
            None => Some(Event::Deleted(id.to_string())),
        }
    }
}

/// What who asks or watches is told once the node drains.
pub(super) fn going_down() -> Status {
    Status::unavailable("this node host goes down; ask again when it is back")
}
