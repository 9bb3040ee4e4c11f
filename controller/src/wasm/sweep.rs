//! Sessions that no sandbox has any more, or that it has twice; and whose
//! sessions are where, as sandboxes say.
//!
//! Leftovers are taken away beside all else that the leader does: a node host that
//! does not answer holds up neither another's sweep nor anything else.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use mote_rpc::v1::Session;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Fleet;
use super::link::{ASKS, Link, LinkError};
use crate::cache::Cache;
use crate::context::Guarded;
use crate::crd::Sandbox;

/// How often leftovers are looked for: they cost a node little, and the look
/// costs nothing but memory reads.
const EVERY: Duration = Duration::from_secs(10);
/// The least time between two looks, whatever node hosts tell: each goes
/// through all sessions.
const APART: Duration = Duration::from_secs(1);
/// Sessions of one node that are taken away at once: the rest of what may be
/// asked of it is for its sandboxes.
const AT_ONCE: usize = ASKS / 2;

/// Nodes whose leftovers are being taken away, each by one task. The tasks end
/// with this.
#[derive(Default)]
struct Sweeps {
    tasks: JoinSet<()>,
    nodes: HashMap<String, AbortHandle>,
}

/// Takes away what is left over, until `shutdown`: of a sandbox that is gone,
/// and of one that was moved while its node was not heard. What cannot be taken
/// away now is left for the next time.
pub(super) async fn sweep(
    fleet: Arc<Fleet>,
    sandboxes: Cache<Guarded<Sandbox>>,
    shutdown: CancellationToken,
) {
    let mut sweeps = Sweeps::default();
    let sweeping = async {
        let mut times = interval(EVERY);
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // It ticks at once first, and there is nothing to do then.
        times.tick().await;
        loop {
            tokio::select! {
                () = fleet.strayed() => {}
                _ = times.tick() => {}
            }
            let Look { left, tenants } = look(&fleet, &sandboxes);
            fleet.lodge(tenants);
            sweeps.begin(&fleet, left);
            // A pass that ran when its sandbox went may have noted that it waits.
            fleet.wait_only(|(namespace, name)| sandboxes.get(namespace, name).is_some());
            sleep_until(Instant::now() + APART).await;
        }
    };
    // Whatever still runs then ends with the tasks.
    shutdown.run_until_cancelled(sweeping).await;
}

impl Sweeps {
    /// Takes these away, but on nodes where that is being done already.
    fn begin(&mut self, fleet: &Fleet, left: BTreeMap<String, Vec<Arc<Session>>>) {
        while self.tasks.try_join_next().is_some() {}
        self.nodes.retain(|_, task| !task.is_finished());
        for (node, sessions) in left {
            let Some(link) = fleet.link(&node) else {
                continue;
            };
            if let Entry::Vacant(free) = self.nodes.entry(node) {
                let node = free.key().clone();
                let clearing = async move { clear(&node, &link, &sessions).await };
                free.insert(self.tasks.spawn(clearing));
            }
        }
    }
}

/// Takes sessions away from one node, for as long as its host answers.
async fn clear(node: &str, link: &Link, sessions: &[Arc<Session>]) {
    for some in sessions.chunks(AT_ONCE) {
        let asks = some.iter().map(|session| link.delete(&session.uid));
        let done = join_all(asks).await;
        for (session, _) in some.iter().zip(&done).filter(|(_, done)| done.is_ok()) {
            let (namespace, name, uid) = (&session.namespace, &session.name, &session.uid);
            tracing::info!(
                node,
                namespace,
                name,
                uid,
                "a session that no sandbox has is taken away"
            );
        }
        let mut failures = done.iter().filter_map(|done| done.as_ref().err());
        // One line for all: a host that was taken over may tell of many.
        if let Some(error) = failures.next() {
            let stay = failures.count() + 1;
            tracing::warn!(node, stay, %error, "sessions that no sandbox has stay for now");
        }
        if done.iter().any(is_unanswered) {
            return;
        }
    }
}

fn is_unanswered(done: &Result<(), LinkError>) -> bool {
    matches!(done, Err(LinkError::Busy | LinkError::Unheard(_)))
}

/// What a look at all sessions has found.
#[derive(Default)]
struct Look {
    /// The sessions to take away, by node.
    left: BTreeMap<String, Vec<Arc<Session>>>,
    /// The namespaces of those that are known to be at home, by node.
    tenants: BTreeMap<String, BTreeSet<String>>,
}

/// What becomes of a session.
enum Lot {
    /// Its sandbox is known to have it there.
    Home,
    /// No sandbox has it there.
    Left,
    /// It stays, and counts for nothing.
    Stays,
}

fn look(fleet: &Fleet, sandboxes: &Cache<Guarded<Sandbox>>) -> Look {
    let sessions = fleet.sessions();
    let mut holders = HashMap::<&str, usize>::with_capacity(sessions.len());
    for (_, session) in &sessions {
        *holders.entry(&session.uid).or_default() += 1;
    }
    let mut look = Look::default();
    for (node, session) in &sessions {
        let alone = holders.get(session.uid.as_str()) == Some(&1);
        match lot(fleet, sandboxes, (node, session), alone) {
            Lot::Home => {
                let tenants = look.tenants.entry(node.clone()).or_default();
                tenants.insert(session.namespace.clone());
            }
            Lot::Left => {
                let left = look.left.entry(node.clone()).or_default();
                left.push(session.clone());
            }
            Lot::Stays => {}
        }
    }
    look
}

/// What becomes of a session on this node, which is `alone` where no other node
/// has it.
fn lot(
    fleet: &Fleet,
    sandboxes: &Cache<Guarded<Sandbox>>,
    (node, session): (&str, &Session),
    alone: bool,
) -> Lot {
    let Some(sandbox) = sandboxes.get(&session.namespace, &session.name) else {
        return Lot::Left;
    };
    let Ok(sandbox) = &sandbox.0 else {
        // What cannot be read is not touched.
        return Lot::Stays;
    };
    if sandbox.metadata.uid.as_deref() != Some(&session.uid) {
        return Lot::Left;
    }
    let status = sandbox.status.as_ref();
    let said = status.and_then(|status| status.node_name.as_deref());
    let is_elsewhere = || {
        let home = fleet.home(&session.uid, said);
        home.is_some_and(|home| home != node)
    };
    if !alone && is_elsewhere() {
        Lot::Left
    } else if fleet.lives(node, &session.uid, said) {
        Lot::Home
    } else {
        Lot::Stays
    }
}

#[cfg(test)]
mod tests;
