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
use super::place;
use member::Member;

mod member;

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
    waiting: HashSet<Key>,
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

/// A place on a node that is kept for a sandbox.
pub struct Reserved<'a> {
    fleet: &'a Fleet,
    node: String,
    uid: String,
}

impl Reserved<'_> {
    /// The node.
    pub fn node(&self) -> &str {
        &self.node
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if let Some(member) = self.fleet.state().members.get_mut(&self.node) {
            member.release(&self.uid);
        }
    }
}

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
            session: member.session(uid)?.clone(),
            heard: member.link().is_some(),
        })
    }

    /// The way to a node host that is heard.
    pub fn link(&self, node: &str) -> Option<Link> {
        self.state().members.get(node)?.link().cloned()
    }

    /// Whether Kubernetes knows the node, or a node host is there.
    pub fn knows(&self, node: &str) -> bool {
        let state = self.state();
        state.members.get(node).is_some_and(Member::is_there)
    }

    /// Chooses a node for a sandbox and keeps what it will take there until the
    /// node tells of the session, or the answer is dropped; a sandbox that no
    /// node can take is looked at again when nodes change.
    ///
    /// # Errors
    /// No node can take it, as a sentence.
    pub fn place(&self, wanted: &Wanted, key: &Key, uid: &str) -> Result<Reserved<'_>, String> {
        let mut state = self.state();
        let views = state.members.values().filter_map(Member::weighed);
        let chosen = place::place(wanted, &key.0, views).map(|node| node.name.clone());
        match chosen {
            Ok(node) => {
                state.waiting.remove(key);
                if let Some(member) = state.members.get_mut(&node) {
                    member.reserve(uid, wanted.memory_bytes);
                }
                Ok(Reserved {
                    fleet: self,
                    node,
                    uid: uid.to_owned(),
                })
            }
            Err(why) => {
                state.waiting.insert(key.clone());
                Err(why)
            }
        }
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
                let sessions = member.sessions();
                sessions.map(|session| (node.clone(), session.clone()))
            })
            .collect()
    }

    /// Takes over what Kubernetes says of a node; sandboxes to be looked at again.
    pub fn node_changed(&self, name: &str, node: Option<&Node>) -> Vec<Key> {
        let mut state = self.state();
        let member = state.members.entry(name.to_owned()).or_default();
        if !member.look(node) {
            return Vec::new();
        }
        let gone = !member.is_there();
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
            let waits = |member: &Member| member.host.is_some() && member.link().is_none();
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
        member.inform(info);
        state.waiting.iter().cloned().collect()
    }

    /// It has told of every session: what it did not tell of is gone.
    pub(super) fn listed(&self, name: &str, link: Link) -> Vec<Key> {
        let mut state = self.state();
        let Some(member) = state.members.get_mut(name) else {
            return Vec::new();
        };
        let gone = member.hear(link);
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
        let (key, uid) = (key_of(&session), session.uid.clone());
        let changed = member.put(session);
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
        if member.lose() {
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
        let session = self.members.get_mut(node)?.take(uid)?;
        Some(key_of(&session))
    }

    fn forget(&mut self, node: &str) {
        if let Some(member) = self.members.remove(node) {
            for session in member.sessions() {
                self.homes.remove(&session.uid);
            }
        }
    }
}

fn key_of(session: &Session) -> Key {
    (session.namespace.clone(), session.name.clone())
}

#[cfg(test)]
mod tests;
