//! What must hold at any time, looked at while things happen: no address is
//! used twice, and nothing lives twice as long as every node is heard.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use mote_e2e::{Hosts, Story};
use tokio::task::JoinHandle;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use super::history::History;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(1);

/// Looks until it is ended.
pub(crate) struct Watch {
    stop: CancellationToken,
    differ: Arc<AtomicBool>,
    looking: JoinHandle<()>,
}

/// Begins to look at the node hosts of a story.
pub(crate) async fn begin(story: &Story, history: &History) -> Watch {
    let stop = CancellationToken::new();
    let differ = Arc::new(AtomicBool::new(false));
    let hosts = Hosts::open(&story.client).await;
    let looking = tokio::spawn(look(
        hosts,
        story.namespace.clone(),
        history.clone(),
        stop.clone(),
        differ.clone(),
    ));
    Watch {
        stop,
        differ,
        looking,
    }
}

impl Watch {
    /// From now on, nodes that do not hear of each other may have the same.
    pub(crate) fn nodes_may_differ(&self) {
        self.differ.store(true, Relaxed);
    }

    /// Ends it; what it found wrong ends the run.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        if let Err(error) = self.looking.await {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

async fn look(
    hosts: Hosts,
    namespace: String,
    history: History,
    stop: CancellationToken,
    differ: Arc<AtomicBool>,
) {
    let mut looks = interval(LOOK);
    let mut before = BTreeSet::new();
    loop {
        let told = async {
            looks.tick().await;
            hosts.sessions().await
        };
        let Some(told) = stop.run_until_cancelled(told).await else {
            return;
        };
        // A node host, or the API server, is away.
        let Ok(all) = told else {
            before.clear();
            continue;
        };
        let (mut addresses, mut homes) =
            (BTreeMap::new(), BTreeMap::<String, BTreeSet<String>>::new());
        for (node, session) in all.into_iter().filter(|(_, it)| it.namespace == namespace) {
            for address in session.addresses {
                if let Some(other) = addresses.insert(address.clone(), session.uid.clone()) {
                    let uid = &session.uid;
                    history.fail(&format!("{address} is of {other} and of {uid} at once"));
                }
            }
            homes.entry(session.uid).or_default().insert(node);
        }
        let twice = homes.into_iter().filter(|(_, nodes)| nodes.len() > 1);
        let twice: BTreeSet<String> = twice.map(|(uid, _)| uid).collect();
        // Nodes are asked one after the other: one that goes from the second to
        // the first is seen on both, once.
        if let Some(uid) = twice
            .intersection(&before)
            .next()
            .filter(|_| !differ.load(Relaxed))
        {
            history.fail(&format!("{uid} lives on two nodes that are both heard"));
        }
        before = twice;
    }
}
