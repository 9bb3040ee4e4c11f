//! The node hosts: who they are, what they hold, and the way to them.
//!
//! ```text
//! Node objects ──► labels, taints, cordon ┐
//! pods of hosts ─► where to connect ──────┼─► Member ─► NodeView ─► place
//! Watch of each ─► sessions, memory ──────┘      └────► Found    ─► sandbox
//! ```

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::Node;
use mote_rpc::v1::{NodeInfo, Session};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::classify::Wanted;
use super::link::Link;
use super::place::{self, NodeView};

/// The node hosts of a cluster.
#[derive(Default)]
pub struct Fleet {
    state: Mutex<State>,
    /// A host came or went.
    hosts: Notify,
    /// A host has told of all its sessions.
    listings: Notify,
}

/// Where a node host is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Host {
    /// Its address.
    pub address: String,
    /// The UID of its pod: another pod at the same address is called anew.
    pub pod: String,
}

#[derive(Default)]
struct State {
    members: BTreeMap<String, Member>,
    /// The node of each session, by UID.
    homes: HashMap<String, String>,
    /// Sandboxes that no node could take, by namespace and name.
    waiting: HashSet<(String, String)>,
}

/// A node that has, or had, a node host.
#[derive(Default)]
struct Member {
    /// What Kubernetes says of the node; `None` for one that it does not know.
    view: Option<NodeView>,
    /// Where the host is.
    host: Option<Host>,
    /// What ends the connection to it, where it is followed.
    stop: Option<CancellationToken>,
    /// The way to it, while it is heard.
    link: Option<Link>,
    /// What it last said of itself.
    info: NodeInfo,
    /// Its sessions by UID, as they were last told.
    sessions: HashMap<String, Arc<Session>>,
    /// What was told since the listing began that still runs.
    listing: Option<HashSet<String>>,
}

/// A session where it is.
#[derive(Clone, Debug)]
pub struct Found {
    /// The node.
    pub node: String,
    /// As it was last told.
    pub session: Arc<Session>,
    /// Whether its node host is heard.
    pub heard: bool,
}

/// A sandbox's namespace and name.
pub type Key = (String, String);

impl Fleet {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each critical section leaves it consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session of the sandbox with this UID.
    pub fn find(&self, uid: &str) -> Option<Found> {
        let state = self.state();
        let node = state.homes.get(uid)?;
        let member = state.members.get(node)?;
        Some(Found {
            node: node.clone(),
            session: member.sessions.get(uid)?.clone(),
            heard: member.link.is_some(),
        })
    }

    /// The way to a node host that is heard.
    pub fn link(&self, node: &str) -> Option<Link> {
        self.state().members.get(node)?.link.clone()
    }

    /// Whether Kubernetes knows the node, or a node host is there.
    pub fn knows(&self, node: &str) -> bool {
        let state = self.state();
        let member = state.members.get(node);
        member.is_some_and(|member| member.view.is_some() || member.host.is_some())
    }

    /// Chooses a node for a sandbox and counts what it will take there; a
    /// sandbox that no node can take is looked at again when nodes change.
    ///
    /// # Errors
    /// No node can take it, as a sentence.
    pub fn place(&self, wanted: &Wanted, key: &Key) -> Result<String, String> {
        let mut state = self.state();
        let views: Vec<NodeView> = state.members.values().filter_map(Member::weighed).collect();
        let chosen = place::place(wanted, &key.0, &views).map(|node| node.name.clone());
        match &chosen {
            Ok(node) => {
                state.waiting.remove(key);
                if let Some(member) = state.members.get_mut(node) {
                    // Until the node says so itself.
                    member.info.reserved_bytes += wanted.memory_bytes;
                    member.info.sessions += 1;
                }
            }
            Err(_) => {
                state.waiting.insert(key.clone());
            }
        }
        chosen
    }

    /// Notes that a sandbox waits for a node after all: it is looked at again
    /// when nodes change.
    pub fn waits(&self, key: Key) {
        self.state().waiting.insert(key);
    }

    /// Every session, with its node: for those who look for leftovers.
    pub fn sessions(&self) -> Vec<(String, Arc<Session>)> {
        let state = self.state();
        let members = state.members.iter();
        members
            .flat_map(|(node, member)| {
                let sessions = member.sessions.values();
                sessions.map(|session| (node.clone(), session.clone()))
            })
            .collect()
    }

    /// Takes over what Kubernetes says of a node; sandboxes to be looked at again.
    pub fn node_changed(&self, name: &str, node: Option<&Node>) -> Vec<Key> {
        let mut state = self.state();
        let member = state.members.entry(name.to_owned()).or_default();
        let view = node.map(facts);
        if member.view == view {
            return Vec::new();
        }
        member.view = view;
        let gone = member.view.is_none() && member.host.is_none();
        let mut keys = if gone { member.keys() } else { Vec::new() };
        if gone {
            state.forget(name);
        }
        keys.extend(state.waiting.iter().cloned());
        keys
    }

    /// Notes where a node's host is.
    pub fn host_changed(&self, name: &str, host: Option<Host>) {
        let mut state = self.state();
        let member = state.members.entry(name.to_owned()).or_default();
        if member.host == host {
            return;
        }
        member.host = host;
        if let Some(stop) = member.stop.take() {
            stop.cancel();
        }
        self.hosts.notify_one();
    }

    /// Completes when a host came or went since it was last asked.
    pub(super) async fn hosts_changed(&self) {
        self.hosts.notified().await;
    }

    /// Hosts that nobody follows, to be followed until their token is
    /// cancelled: node, address, token.
    pub(super) fn to_follow(&self) -> Vec<(String, String, CancellationToken)> {
        let mut state = self.state();
        let members = state.members.iter_mut();
        let new = members.filter_map(|(node, member)| {
            let host = member.host.as_ref().filter(|_| member.stop.is_none())?;
            let stop = CancellationToken::new();
            member.stop = Some(stop.clone());
            Some((node.clone(), host.address.clone(), stop))
        });
        new.collect()
    }

    /// Follows nobody any more.
    pub(super) fn leave(&self) {
        for member in self.state().members.values_mut() {
            if let Some(stop) = member.stop.take() {
                stop.cancel();
            }
        }
    }

    /// Completes when every host has told of its sessions.
    pub async fn settled(&self) {
        loop {
            let told = self.listings.notified();
            let waits = |member: &Member| member.host.is_some() && member.link.is_none();
            if !self.state().members.values().any(waits) {
                return;
            }
            told.await;
        }
    }

    /// A node host has begun to tell.
    pub(super) fn begin(&self, name: &str, info: NodeInfo) -> Vec<Key> {
        let mut state = self.state();
        let member = state.members.entry(name.to_owned()).or_default();
        member.info = info;
        if member.link.is_none() && member.listing.is_none() {
            member.listing = Some(HashSet::new());
        }
        state.waiting.iter().cloned().collect()
    }

    /// It has told of every session: what it did not tell of is gone.
    pub(super) fn listed(&self, name: &str, link: Link) -> Vec<Key> {
        let mut state = self.state();
        let Some(member) = state.members.get_mut(name) else {
            return Vec::new();
        };
        member.link = Some(link);
        let told = member.listing.take().unwrap_or_default();
        let gone: Vec<String> = member
            .sessions
            .keys()
            .filter(|uid| !told.contains(*uid))
            .cloned()
            .collect();
        let mut keys = member.keys();
        for uid in gone {
            keys.extend(state.remove(name, &uid));
        }
        keys.extend(state.waiting.iter().cloned());
        self.listings.notify_waiters();
        keys
    }

    /// A session is as it is now.
    pub(super) fn told(&self, name: &str, session: Session) -> Option<Key> {
        let mut state = self.state();
        let member = state.members.get_mut(name)?;
        if let Some(listing) = &mut member.listing {
            listing.insert(session.uid.clone());
        }
        let key = key_of(&session);
        let uid = session.uid.clone();
        let before = member
            .sessions
            .insert(uid.clone(), Arc::new(session.clone()));
        let changed = before.is_none_or(|before| *before != session);
        state.homes.insert(uid, name.to_owned());
        changed.then_some(key)
    }

    /// A session is no more.
    pub(super) fn gone(&self, name: &str, uid: &str) -> Option<Key> {
        self.state().remove(name, uid)
    }

    /// A node host is not heard any more; its sandboxes.
    pub(super) fn lost(&self, name: &str) -> Vec<Key> {
        let mut state = self.state();
        let Some(member) = state.members.get_mut(name) else {
            return Vec::new();
        };
        member.listing = None;
        if member.link.take().is_some() {
            member.keys()
        } else {
            Vec::new()
        }
    }
}

impl State {
    fn remove(&mut self, node: &str, uid: &str) -> Option<Key> {
        if self.homes.get(uid).is_some_and(|home| home == node) {
            self.homes.remove(uid);
        }
        let session = self.members.get_mut(node)?.sessions.remove(uid)?;
        Some(key_of(&session))
    }

    fn forget(&mut self, node: &str) {
        if let Some(member) = self.members.remove(node) {
            for uid in member.sessions.keys() {
                self.homes.remove(uid);
            }
        }
    }
}

impl Member {
    fn keys(&self) -> Vec<Key> {
        self.sessions
            .values()
            .map(|session| key_of(session))
            .collect()
    }

    /// As it is weighed; `None` where Kubernetes knows no such node or no host
    /// runs there.
    fn weighed(&self) -> Option<NodeView> {
        self.host.as_ref()?;
        let view = self.view.as_ref()?;
        let info = &self.info;
        Some(NodeView {
            heard: self.link.is_some(),
            memory_bytes: info.memory_bytes,
            reserved_bytes: info.reserved_bytes,
            places: info.max_sessions.saturating_sub(info.sessions),
            images: info.images.iter().cloned().collect(),
            tenants: info.tenants.iter().cloned().collect(),
            ..view.clone()
        })
    }
}

fn key_of(session: &Session) -> Key {
    (session.namespace.clone(), session.name.clone())
}

fn facts(node: &Node) -> NodeView {
    let spec = node.spec.clone().unwrap_or_default();
    NodeView {
        name: node.metadata.name.clone().unwrap_or_default(),
        labels: node.metadata.labels.clone().unwrap_or_default(),
        taints: spec.taints.unwrap_or_default(),
        cordoned: spec.unschedulable.unwrap_or_default(),
        ..NodeView::default()
    }
}

#[cfg(test)]
mod tests;
