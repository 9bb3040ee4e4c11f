//! The other end of a way, for tests.

use tokio::sync::mpsc;

use super::{Ask, Link};
use crate::wasm::Fleet;

/// A node host that is asked, and does what the test says.
pub(in crate::wasm) struct Far(mpsc::Receiver<Ask>);

impl Far {
    /// One, and the way to it.
    pub(in crate::wasm) fn new() -> (Link, Self) {
        let (link, asked) = Link::new();
        (link, Self(asked))
    }

    /// How much it is asked for and has not done.
    pub(in crate::wasm) fn is_asked(&self) -> usize {
        self.0.len()
    }

    /// Takes away every session that it is to take away, until nobody asks.
    pub(in crate::wasm) async fn obey(mut self, fleet: &Fleet, node: &str) {
        while let Some(ask) = self.0.recv().await {
            if let Ask::Delete(uid, answer) = ask {
                fleet.gone(node, &uid);
                // Nobody may wait any more.
                let _ = answer.send(Ok(()));
            }
        }
    }
}
