//! Memory of sessions that come to their end by themselves is given back.

use mote_api::SandboxId;
use tokio::sync::broadcast::error::RecvError;

use super::{Rpc, session};
use crate::feed::Change;

impl Rpc {
    /// Sees to it for as long as it is polled.
    pub(super) async fn keep_books(self) {
        let feed = &self.0.node.0.shared.feed;
        let Some(mut changes) = feed.changes() else {
            return;
        };
        // Those that ended before anybody listened.
        self.give_all_back().await;
        loop {
            match changes.recv().await {
                Ok(Change::Session(id)) => self.give_back(&id).await,
                Ok(Change::Node) => {}
                Err(RecvError::Lagged(_)) => self.give_all_back().await,
                Err(RecvError::Closed) => return,
            }
        }
    }

    async fn give_all_back(&self) {
        for sandbox in self.0.node.all() {
            self.give_back(&sandbox.id).await;
        }
    }

    /// Gives back all that a session holds which is gone. Nobody makes it
    /// meanwhile: it is the caller's turn.
    pub(super) fn give_up_if_gone(&self, id: &SandboxId) {
        if self.0.node.find(id).is_none() {
            self.settle(|room| room.take_away(id));
        }
    }

    async fn give_back(&self, id: &SandboxId) {
        let ended = || {
            let found = self.0.node.find(id);
            found.filter(|it| it.look(|record| record.ended().is_some()) == Some(true))
        };
        if self.0.node.find(id).is_none() {
            let _turn = self.turn(id).await;
            return self.give_up_if_gone(id);
        }
        if ended().is_none() {
            return;
        }
        let _turn = self.turn(id).await;
        // Nobody resumes or deletes it now.
        if let Some(sandbox) = ended()
            && let Some(tenant) = session::tenant(&sandbox)
        {
            let kept = session::reserved(&sandbox);
            self.settle(|room| room.put(id, tenant, kept));
        }
    }
}
