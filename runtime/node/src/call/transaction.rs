//! A call whose changes of files are kept as a whole or not at all: it runs
//! over a copy of the workspace, which takes the workspace's place if it ends
//! well.

use std::io;
use std::sync::Arc;

use mote_api::Transaction as Told;
use mote_host::Session;
use mote_surface::StartError;

use crate::life::Phase;
use crate::sandbox::Sandbox;
use crate::store::Draft;
use crate::tree::{self, Clock};

/// A copy of the workspace, and a session over it.
pub(super) struct Transaction {
    draft: Draft,
    session: Arc<Session>,
    copied: Clock,
}

impl Transaction {
    /// Copies the workspace. Whoever calls this holds the sandbox's gate for
    /// writing.
    pub(super) async fn begin(sandbox: &Arc<Sandbox>) -> Result<Self, StartError> {
        let sandbox = Arc::clone(sandbox);
        let begun = tokio::task::spawn_blocking(move || {
            let draft = sandbox.shared.store.draft(&sandbox.id, &sandbox.home);
            let draft = draft.map_err(|error| failed(&sandbox, &error))?;
            let session = sandbox.open_at(draft.path())?;
            let copied = Clock::now(sandbox.shared.store.root());
            Ok(Self {
                draft,
                session: Arc::new(session),
                copied: copied.map_err(|error| failed(&sandbox, &error))?,
            })
        });
        begun.await.map_err(|_| StartError::Host)?
    }

    pub(super) fn session(&self) -> Arc<Session> {
        Arc::clone(&self.session)
    }

    /// Puts the changes in place, or forgets them, and says what they were;
    /// `None` if that failed, and then they are forgotten too.
    pub(super) async fn end(self: Box<Self>, sandbox: &Arc<Sandbox>, commit: bool) -> Option<Told> {
        let owner = Arc::clone(sandbox);
        let ended = tokio::task::spawn_blocking(move || {
            let told = self.close(&owner, commit);
            let there = owner.phase() != Phase::Gone;
            if there && !matches!(&told, Ok(told) if told.committed) {
                // The account is that of the draft, which is gone; what was
                // written elsewhere is not.
                owner.recount();
            }
            told
        });
        // The session is that of the folder that was there before.
        let told = ended.await;
        sandbox.close().await;
        match told {
            Ok(Ok(told)) => Some(told),
            // Its files went with it.
            Ok(Err(_)) if sandbox.phase() == Phase::Gone => None,
            Ok(Err(error)) => {
                tracing::error!(sandbox = %sandbox.id, %error, "failed to end a transaction");
                None
            }
            Err(_) => None,
        }
    }

    fn close(&self, sandbox: &Sandbox, commit: bool) -> io::Result<Told> {
        let old = sandbox.home.workspace();
        let (changes, truncated) = tree::changes(&old, self.draft.path(), self.copied)?;
        if commit {
            self.draft
                .exchange(&sandbox.home)
                .map_err(io::Error::other)?;
        }
        Ok(Told {
            committed: commit,
            changes,
            truncated,
        })
    }
}

/// Most trees that cannot be copied are too deep: the caller is told.
fn failed(sandbox: &Sandbox, error: &dyn std::error::Error) -> StartError {
    let cause = error.source().map(|cause| format!(": {cause}"));
    tracing::warn!(sandbox = %sandbox.id, error = %error, cause, "failed to begin a transaction");
    StartError::Busy(format!(
        "the workspace of sandbox {} cannot be copied{}; call without a transaction",
        sandbox.id,
        cause.unwrap_or_default()
    ))
}
