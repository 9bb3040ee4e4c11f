//! What a controller asks of this node: `mote.node.v1` over mutual TLS.
//!
//! ```text
//! connection ─ identity: whose certificate ─► service ─► wanted: checked ─► plan ─► ensure ─► Node
//!                                                └─ watch ◄─ Feed: what has changed
//! ```
//!
//! A sandbox that is made here is the session of a Kubernetes object, whose
//! UID is its name.

mod books;
mod connection;
mod ensure;
mod identity;
mod image;
mod page;
mod plan;
mod police;
mod room;
mod service;
mod session;
mod wanted;
mod watch;

use std::collections::hash_map::DefaultHasher;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mote_api::{ByteSize, SandboxId};
use mote_rpc::v1;
use mote_surface::listen::{self, ListenLimits, Stay};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use identity::{Identity, IdentityError, IdentityFiles};

use crate::feed::Change;
use crate::metrics;
use crate::node::Node;
use room::Room;

/// Sessions that are made or changed at once, of all requests. Each waits
/// for the disk several times; more at once would not be done earlier.
const WORK_AT_ONCE: usize = 32;
/// Turns in which the sessions of equal hash are taken: enough that two which
/// are worked on at once seldom wait for each other.
const TURNS: usize = 256;
/// Watches at once: each controller has one, and one that broke may still be
/// there until its connection is given up.
const MAX_WATCHES: usize = 16;
/// Time for requests to end once the node goes down; watches end at once.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Connections at once to the page of metrics: scrapers, whoever they are. Each
/// has an eighth of them, and none for longer than a page takes.
const MAX_PAGE_CONNECTIONS: usize = 32;
/// Connections at once of the kubelet, which makes one for each probe.
const MAX_PROBE_CONNECTIONS: usize = 32;

/// What a node tells its controller of itself.
#[derive(Clone, Debug)]
pub struct RpcConfig {
    /// The name of the Kubernetes node.
    pub name: String,
    /// Memory it has to give to sessions.
    pub memory: ByteSize,
    /// How many times over it gives that: the memory of a session is a ceiling
    /// of its calls, and takes nothing while none runs.
    pub overcommit: u32,
}

/// A node host as its controller meets it.
#[derive(Clone)]
pub struct Rpc(Arc<Inner>);

struct Inner {
    node: Node,
    name: String,
    room: Mutex<Room>,
    work: Semaphore,
    turns: Vec<tokio::sync::Mutex<()>>,
    /// Held while policies are replaced: those that came last are to stay.
    policing: tokio::sync::Mutex<()>,
    watches: Arc<Semaphore>,
    draining: CancellationToken,
}

impl Rpc {
    /// A node host that serves the sessions of `node`.
    pub fn new(node: Node, config: RpcConfig) -> Self {
        let RpcConfig {
            name,
            memory,
            overcommit,
        } = config;
        node.0.shared.feed.open_changes();
        let mut room = Room::new(memory.as_u64().saturating_mul(overcommit.into()));
        for sandbox in node.all() {
            match session::tenant(&sandbox) {
                Some(tenant) => room.put(&sandbox.id, tenant, session::reserved(&sandbox)),
                None => {
                    tracing::warn!(sandbox = %sandbox.id, "not a session of a Kubernetes object; no controller hears of it");
                }
            }
        }
        let turns = std::iter::repeat_with(tokio::sync::Mutex::default);
        Self(Arc::new(Inner {
            node,
            name,
            room: Mutex::new(room),
            work: Semaphore::new(WORK_AT_ONCE),
            turns: turns.take(TURNS).collect(),
            policing: tokio::sync::Mutex::default(),
            watches: Arc::new(Semaphore::new(MAX_WATCHES)),
            draining: CancellationToken::new(),
        }))
    }

    /// Serves controllers that show who they are, until `shutdown` completes.
    pub async fn serve(
        self,
        listener: TcpListener,
        identity: Identity,
        shutdown: impl Future<Output = ()>,
    ) {
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let books = tokio::spawn(self.clone().keep_books());
        let mut serving = pin!(service::serve(self, listener, identity, stopped));
        tokio::select! {
            () = &mut serving => return books.abort(),
            () = shutdown => stop.cancel(),
        }
        books.abort();
        if tokio::time::timeout(LAST_WORDS, serving).await.is_err() {
            tracing::warn!("requests of controllers were given up, for they did not end in time");
        }
    }

    /// Serves `/metrics`, `/healthz` and `/readyz` without TLS, until
    /// `shutdown` completes. Whoever reaches the node may ask for them, so that
    /// no connection is kept for a second request.
    pub async fn serve_page(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let limits = ListenLimits {
            connections: MAX_PAGE_CONNECTIONS,
            ..ListenLimits::default()
        };
        let opened = |_| Some((Stay::on_trial(), ()));
        listen::serve_those(listener, page::router(self), limits, opened, shutdown).await;
    }

    /// Serves `/healthz` and `/readyz` for the kubelet, where nobody else comes:
    /// a host that strangers keep from answering would be restarted.
    pub async fn serve_probes(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let limits = ListenLimits {
            connections: MAX_PROBE_CONNECTIONS,
            ..ListenLimits::default()
        };
        listen::serve(listener, page::probes(self), limits, || (), shutdown).await;
    }

    /// Makes and resumes no sessions any more, and lets those go who watch or
    /// follow: the node goes down.
    pub fn drain(&self) {
        self.0.draining.cancel();
        self.0.node.0.shared.stopping.cancel();
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        // Each critical section is one operation of the ledger.
        self.0.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes who was given what, and tells those who watch.
    fn settle<T>(&self, change: impl FnOnce(&mut Room) -> T) -> T {
        let settled = change(&mut self.room());
        self.0.node.0.shared.feed.changed(Change::Node);
        settled
    }

    /// The turn of a session: who holds it is the only one who makes, changes
    /// or deletes the session.
    async fn turn(&self, id: &SandboxId) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let turn = hasher.finish() as usize % TURNS;
        // There are as many.
        Some(self.0.turns.get(turn)?.lock().await)
    }

    /// What is given of the node's memory.
    fn shares(&self) -> metrics::Room {
        let room = self.room();
        metrics::Room {
            capacity: room.capacity(),
            reserved: room.reserved(),
        }
    }

    /// What the node tells of itself.
    fn info(&self) -> v1::NodeInfo {
        let config = &self.0.node.0.config;
        let addresses = self.0.node.0.addresses.count();
        let most = addresses.map_or(config.sandboxes, |count| count.min(config.sandboxes));
        let room = self.room();
        v1::NodeInfo {
            name: self.0.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            prefixes: config.addresses.prefixes(),
            shared_addresses: config.addresses.shared(),
            memory_bytes: room.capacity(),
            reserved_bytes: room.reserved(),
            max_sessions: u32::try_from(most).unwrap_or(u32::MAX),
            sessions: u32::try_from(room.sessions()).unwrap_or(u32::MAX),
            images: self.0.node.compiled_images(),
            pulls: self.0.node.pulls(),
            tenants: room.tenants(),
        }
    }
}

#[cfg(test)]
mod tests;
