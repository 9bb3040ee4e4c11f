//! Sessions that no sandbox has any more, or that it has twice.

use std::collections::HashMap;
use std::sync::Arc;

use mote_rpc::v1::Session;

use super::{Fleet, Wasm};
use crate::cache::Cache;
use crate::context::Guarded;
use crate::crd::Sandbox;

/// Takes away what is left over: of a sandbox that is gone, and of one that
/// was moved while its node was not heard. What cannot be taken away now is
/// left for the next time.
pub(super) async fn sweep(wasm: &Wasm, sandboxes: &Cache<Guarded<Sandbox>>) {
    for (node, session) in leftovers(&wasm.fleet, sandboxes) {
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
fn leftovers(fleet: &Fleet, sandboxes: &Cache<Guarded<Sandbox>>) -> Vec<(String, Arc<Session>)> {
    let sessions = fleet.sessions();
    let mut holders = HashMap::<&str, usize>::with_capacity(sessions.len());
    for (_, session) in &sessions {
        *holders.entry(&session.uid).or_default() += 1;
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
        if holders.get(session.uid.as_str()) == Some(&1) {
            return false;
        }
        let status = sandbox.status.as_ref();
        let said = status.and_then(|status| status.node_name.as_deref());
        let home = fleet.home(&session.uid, said);
        home.is_some_and(|home| home != *node)
    };
    let left = sessions
        .iter()
        .filter(|(node, session)| is_left(node, session));
    left.cloned().collect()
}
