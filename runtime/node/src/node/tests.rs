//! A node that runs nothing, for tests.

use std::path::Path;

use mote_api::{Limits, SandboxSpec};
use mote_host::{Compiler, HostConfig};

use super::*;
use crate::config::SandboxLimits;
use crate::outfit::{Outfit, Sent};
use crate::record::Beginning;

/// A node that runs nothing, on this folder.
pub(crate) fn config(state: &Path) -> NodeConfig {
    NodeConfig {
        state: state.join("state"),
        host: HostConfig {
            cache: state.join("cache"),
            scratch: state.join("scratch"),
            compiler: Compiler::new("/nowhere/mote", [""; 0]),
            programs: Default::default(),
            slots: 1,
        },
        limits: SandboxLimits {
            usual: Limits::default(),
            most: most_limits(),
        },
        folders: Vec::new(),
        sandboxes: 100,
        addresses: "127.79.0.0/28".parse().unwrap(),
        token: None,
        images: None,
    }
}

/// One of that kind.
pub(crate) fn open(state: &Path) -> Node {
    Node::open(config(state)).unwrap()
}

/// Makes a sandbox whose programs begin in this folder.
pub(crate) async fn make(node: &Node, id: &str, begin: &str) -> Result<Arc<Sandbox>, CreateError> {
    let spec = SandboxSpec {
        id: Some(id.parse().unwrap()),
        ..SandboxSpec::default()
    };
    let beginning = Beginning {
        outfit: Outfit {
            working_dir: Some(begin.parse().unwrap()),
            ..Outfit::default()
        },
        ..Beginning::default()
    };
    let (terms, caller) = (node.terms(spec)?, Caller::default());
    node.make(terms, beginning, &Sent::new(), None, &caller)
        .await?;
    Ok(node.find(&id.parse().unwrap()).unwrap())
}

#[tokio::test]
async fn a_sandbox_that_the_disk_keeps_is_gone_for_callers_until_it_can_be_deleted() {
    let state = tempfile::tempdir().unwrap();
    let node = open(state.path());
    let sandbox = make(&node, "a", "/workspace").await.unwrap();
    let address = sandbox.record().addresses.iter().next().unwrap();
    // Nothing can be moved there.
    let limbo = state.path().join("state/limbo");
    std::fs::remove_dir(&limbo).unwrap();
    for _ in 0..2 {
        let deleted = node.delete(&sandbox, Action::Delete, None).await;
        assert!(matches!(deleted, Err(LifeError::Store(_))));
        assert!(sandbox.told().is_none() && sandbox.admit().is_err());
        assert_eq!(node.find(&sandbox.id).unwrap().id, sandbox.id);
        assert_eq!(node.0.addresses.owner(address), Some(sandbox.id.clone()));
        let another = make(&node, "a", "/workspace").await;
        assert!(matches!(another, Err(CreateError::Exists(_))));
        assert_eq!(sandbox.due(Timestamp::now()), Some(Due::Expire));
    }
    std::fs::create_dir(&limbo).unwrap();
    node.delete(&sandbox, Action::Delete, None).await.unwrap();
    assert!(node.find(&sandbox.id).is_none());
    assert_eq!(node.0.addresses.owner(address), None);
    assert_eq!(sandbox.due(Timestamp::now()), None);
    let again = node.delete(&sandbox, Action::Delete, None).await;
    assert!(matches!(
        again,
        Err(LifeError::Refused(Unavailable::Gone(_)))
    ));
}
