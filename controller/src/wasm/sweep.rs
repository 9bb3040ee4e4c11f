//! Sessions that no sandbox has any more, or that it has twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use mote_rpc::v1::Session;

use super::Wasm;
use crate::cache::Cache;
use crate::context::Guarded;
use crate::crd::Sandbox;

/// Takes away what is left over: of a sandbox that is gone, and of one that
/// was moved while its node was not heard. What cannot be taken away now is
/// left for the next time.
pub(super) async fn sweep(wasm: &Wasm, sandboxes: &Cache<Guarded<Sandbox>>) {
    for (node, session) in leftovers(wasm.fleet.sessions(), sandboxes) {
        let Some(link) = wasm.fleet.link(&node) else {
            continue;
        };
        let (namespace, name, uid) = (&session.namespace, &session.name, &session.uid);
        match link.delete(uid).await {
            Ok(()) => tracing::info!(
                node,
                namespace,
                name,
                uid,
                "a session that no sandbox has is taken away"
            ),
            Err(error) => {
                tracing::warn!(node, namespace, name, uid, %error, "a session that no sandbox has stays for now")
            }
        }
    }
}

/// The sessions to take away, each with its node.
fn leftovers(
    sessions: Vec<(String, Arc<Session>)>,
    sandboxes: &Cache<Guarded<Sandbox>>,
) -> Vec<(String, Arc<Session>)> {
    let mut homes = BTreeMap::<String, usize>::new();
    for (_, session) in &sessions {
        *homes.entry(session.uid.clone()).or_default() += 1;
    }
    let is_left = |node: &String, session: &Session| {
        let Some(sandbox) = sandboxes.get(&session.namespace, &session.name) else {
            return true;
        };
        let Ok(sandbox) = &sandbox.0 else {
            // What cannot be read is not touched.
            return false;
        };
        if sandbox.metadata.uid.as_deref() != Some(&session.uid) {
            return true;
        }
        let here = sandbox
            .status
            .as_ref()
            .and_then(|status| status.node_name.as_ref());
        let twice = homes.get(&session.uid).is_some_and(|homes| *homes > 1);
        twice && here.is_some_and(|here| here != node)
    };
    let left = sessions
        .into_iter()
        .filter(|(node, session)| is_left(node, session));
    left.collect()
}
