//! The node hosts: who they are, what they hold, and the way to them.
//!
//! ```text
//! Node objects ──► labels, taints, cordon ┐
//! pods of hosts ─► where to connect ──────┼─► Member ─► NodeView ─► place
//! Watch of each ─► sessions, memory ──────┘      └────► Found    ─► sandbox
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Node, Toleration};
use mote_rpc::v1::Session;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::classify::Wanted;
use super::link::Link;
use super::place;
use super::version::Kinship;
use member::Member;

pub(super) use bounds::{cut, short};
pub use fate::Fate;
pub use hear::has_ended;

mod apart;
mod bounds;
mod census;
mod fate;
mod hear;
mod member;

/// The node hosts of a cluster.
#[derive(Default)]
pub struct Fleet {
    state: Mutex<State>,
    /// A host came or went.
    hosts: Notify,
    /// A host has told of all its sessions.
    listings: Notify,
    /// A host has told of a session that is at home elsewhere.
    strays: Notify,
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
    homes: HashMap<String, Home>,
    /// Since when node hosts are called.
    began: Option<Instant>,
    /// Sandboxes that no node could take, by namespace and name.
    waiting: HashSet<Key>,
}

/// Where a session is at home. One that another node has besides is left over.
struct Home {
    node: String,
    /// Whether it was sent there by us, which counts for more than what others
    /// remember.
    sent: bool,
}

/// A session where it is, or where it must be.
#[derive(Clone, Debug)]
pub struct Found {
    /// The node.
    pub node: String,
    /// As it was last told; `None` on a node that was not heard yet.
    pub session: Option<Arc<Session>>,
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

    /// The session of the sandbox with this UID, which was on the node `said`
    /// when that was last written down.
    pub fn find(&self, uid: &str, said: Option<&str>) -> Option<Found> {
        let state = self.state();
        let node = state.home(uid, said)?;
        let member = state.members.get(node)?;
        Some(Found {
            node: node.to_owned(),
            session: member.session(uid).cloned(),
            heard: member.link().is_some(),
        })
    }

    /// What becomes of a session on this node, which has files or may have some.
    pub fn fate(
        &self,
        node: &str,
        files: bool,
        tolerations: &[Toleration],
        grace: Duration,
    ) -> Fate {
        let state = self.state();
        match state.members.get(node) {
            Some(member) => {
                let standing = member.standing(node, state.began);
                fate::fate(standing, files, tolerations, grace)
            }
            None => Fate::Moves(format!("node {node} is gone")),
        }
    }

    /// Whether people are to be told of a session that should not be on this
    /// node: `false` once they were.
    pub fn warn(&self, node: &str, uid: &str) -> bool {
        let mut state = self.state();
        let member = state.members.get_mut(node);
        member.is_some_and(|member| member.warn(uid))
    }

    /// The way to a node host that is heard.
    pub fn link(&self, node: &str) -> Option<Link> {
        self.state().members.get(node)?.link().cloned()
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
                    member.reserve(uid, &key.0, wanted.memory_bytes);
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

    /// Notes that a sandbox waits for no node: it goes, or rests, or is served
    /// otherwise.
    pub fn waits_no_more(&self, key: &Key) {
        self.state().waiting.remove(key);
    }

    /// Whether we know that a session is at home on this node, where it was told
    /// of: we sent it there, or that was written down.
    pub(super) fn lives(&self, node: &str, uid: &str, said: Option<&str>) -> bool {
        let state = self.state();
        let sent = state.homes.get(uid).filter(|home| home.sent);
        sent.map_or(said, |home| Some(&home.node)) == Some(node)
    }

    /// Notes which namespaces have sessions on each node: on a node that is
    /// left out, none.
    pub(super) fn lodge(&self, mut tenants: BTreeMap<String, BTreeSet<String>>) {
        for (node, member) in &mut self.state().members {
            member.lodge(tenants.remove(node).unwrap_or_default());
        }
    }

    /// Notes that no others wait for a node than those that are there.
    pub(super) fn wait_only(&self, is_there: impl Fn(&Key) -> bool) {
        self.state().waiting.retain(is_there);
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

    /// Where a session is at home, which was on the node `said` when that was
    /// last written down.
    pub(super) fn home(&self, uid: &str, said: Option<&str>) -> Option<String> {
        self.state().home(uid, said).map(str::to_owned)
    }

    /// Completes when a session was told of that is at home elsewhere.
    pub(super) async fn strayed(&self) {
        self.strays.notified().await;
    }

    /// Takes over what Kubernetes says of a node; sandboxes to be looked at again.
    pub fn node_changed(&self, name: &str, node: Option<&Node>) -> Vec<Key> {
        let mut state = self.state();
        let member = state.members.entry(name.to_owned()).or_default();
        if !member.look(node) {
            return Vec::new();
        }
        let gone = !member.is_there();
        let mut keys = member.keys();
        if gone {
            state.forget(name);
        }
        keys.extend(state.waiting.iter().cloned());
        keys
    }

    /// Notes where a node's host is. What was wrong with the one before is not
    /// wrong with another: then the node's sandboxes are looked at again.
    pub fn host_changed(&self, name: &str, host: Option<Host>) -> Vec<Key> {
        let mut state = self.state();
        let member = state.members.entry(name.to_owned()).or_default();
        if member.host == host {
            return Vec::new();
        }
        member.host = host;
        if let Some(stop) = member.stop.take() {
            stop.cancel();
        }
        self.hosts.notify_one();
        if member.host.is_some() && member.pardon() {
            return member.keys();
        }
        Vec::new()
    }

    /// What stands between us and a node host is not what it was refused for.
    /// Its sandboxes, if it was.
    pub(super) fn pardon(&self, name: &str) -> Vec<Key> {
        let mut state = self.state();
        let member = state.members.get_mut(name);
        let pardoned = member
            .filter(|member| member.host.is_some())
            .and_then(|member| {
                let keys = member.keys();
                member.pardon().then_some(keys)
            });
        pardoned.unwrap_or_default()
    }

    /// A node's host is not there and does not start: why. Its sandboxes, and
    /// those that wait for a node, if that is new.
    pub(super) fn does_not_start(&self, name: &str, why: &str) -> Vec<Key> {
        let keys = self.state().refuse(name, why, None);
        if keys.is_some() {
            tracing::warn!(node = name, why, "a node has no host");
        }
        keys.unwrap_or_default()
    }

    /// A node has no pod for a host any more: what was wrong with it is over.
    pub(super) fn has_no_pod(&self, name: &str) {
        if let Some(member) = self.state().members.get_mut(name) {
            member.pardon();
        }
    }

    /// Completes when a host came or went since it was last asked.
    pub(super) async fn hosts_changed(&self) {
        self.hosts.notified().await;
    }

    /// Hosts that nobody follows, to be followed until their token is
    /// cancelled: node, address, token.
    pub(super) fn to_follow(&self) -> Vec<(String, String, CancellationToken)> {
        let mut state = self.state();
        state.began.get_or_insert_with(Instant::now);
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
        let mut state = self.state();
        state.began = None;
        // Another sends them from now on.
        state.homes.values_mut().for_each(|home| home.sent = false);
        for member in state.members.values_mut() {
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

    /// How it stands with each node host.
    fn census(&self) -> Vec<census::Labels> {
        let state = self.state();
        let members = state.members.values();
        let hosts = members.filter(|member| member.host.is_some());
        hosts.map(Member::labels).collect()
    }

    /// Whether a node host is not listened to.
    pub(super) fn is_refused(&self, name: &str) -> bool {
        let state = self.state();
        let member = state.members.get(name);
        member.is_some_and(|member| member.labels().state == "refused")
    }
}

impl State {
    /// Where a session is at home: where we sent it; else where it was when
    /// that was written down, if it can be there; else where it was told of.
    fn home<'a>(&'a self, uid: &str, said: Option<&'a str>) -> Option<&'a str> {
        let home = self.homes.get(uid);
        if let Some(home) = home.filter(|home| home.sent) {
            return Some(&home.node);
        }
        let can_be = |node: &&str| {
            let member = self.members.get(*node);
            member.is_some_and(|it| it.link().is_none() || it.session(uid).is_some())
        };
        let told = home.map(|home| home.node.as_str());
        said.filter(can_be).or(told)
    }

    /// Notes why the host of a node is not listened to; whom it concerns, if
    /// that is new.
    fn refuse(&mut self, name: &str, why: &str, kinship: Option<Kinship>) -> Option<Vec<Key>> {
        let member = self.members.entry(name.to_owned()).or_default();
        if !member.refuse(why, kinship) {
            return None;
        }
        let mut keys = member.keys();
        keys.extend(self.waiting.iter().cloned());
        Some(keys)
    }

    /// Notes that a node has a session; whether it is at home there alone.
    fn settle(&mut self, node: &str, uid: String, sent: bool) -> bool {
        let has = |home: &Home| {
            let member = self.members.get(&home.node);
            member.is_some_and(|it| it.session(&uid).is_some())
        };
        let home = self.homes.get(&uid).filter(|home| has(home));
        let elsewhere = home.is_some_and(|home| home.node != node);
        let sent = sent || (!elsewhere && home.is_some_and(|home| home.sent));
        if sent || !elsewhere {
            let node = node.to_owned();
            self.homes.insert(uid, Home { node, sent });
        }
        !elsewhere
    }

    fn remove(&mut self, node: &str, uid: &str) -> Option<Key> {
        if self.homes.get(uid).is_some_and(|home| home.node == node) {
            self.homes.remove(uid);
        }
        let session = self.members.get_mut(node)?.take(uid)?;
        Some(key_of(&session))
    }

    fn forget(&mut self, node: &str) {
        self.members.remove(node);
        self.homes.retain(|_, home| home.node != node);
    }
}

fn key_of(session: &Session) -> Key {
    (session.namespace.clone(), session.name.clone())
}

#[cfg(test)]
mod tests;
