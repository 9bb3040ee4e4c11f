//! A call whose changes of files are kept as a whole or not at all: it runs
//! over a copy of the workspace, which takes the workspace's place if it ends
//! well.

use std::io;
use std::sync::Arc;

use mote_api::Transaction as Told;
use mote_host::Session;
use mote_surface::StartError;
use tokio::runtime::Handle;
use tokio::sync::OwnedRwLockWriteGuard;

use crate::life::Phase;
use crate::sandbox::Sandbox;
use crate::store::Draft;
use crate::tree::{self, Clock};

/// A session over a copy of the workspace. Dropped before its end, the copy is
/// forgotten, where nobody waits for the disk.
pub(super) struct Transaction {
    session: Arc<Session>,
    copied: Clock,
    /// There until it ends.
    copy: Option<Copy>,
}

/// A copy of the workspace. Whoever drops it blocks on the disk.
struct Copy {
    sandbox: Arc<Sandbox>,
    /// There until it is removed, or what it took the place of.
    draft: Option<Draft>,
    committed: bool,
    /// Nobody else comes in before it is gone.
    gate: Option<OwnedRwLockWriteGuard<()>>,
}

impl Transaction {
    /// Copies the workspace of a sandbox whose `gate` this is. A caller who
    /// goes meanwhile leaves the gate closed until the copy is gone.
    pub(super) async fn begin(
        sandbox: &Arc<Sandbox>,
        gate: OwnedRwLockWriteGuard<()>,
    ) -> Result<Self, StartError> {
        let sandbox = Arc::clone(sandbox);
        let begun = tokio::task::spawn_blocking(move || Self::begin_now(sandbox, gate));
        begun.await.map_err(|_| StartError::Host)?
    }

    fn begin_now(
        sandbox: Arc<Sandbox>,
        gate: OwnedRwLockWriteGuard<()>,
    ) -> Result<Self, StartError> {
        let draft = sandbox.shared.store.draft(&sandbox.id, &sandbox.home);
        let draft = draft.map_err(|error| failed(&sandbox, &error))?;
        let path = draft.path().to_owned();
        let copy = Copy {
            sandbox,
            draft: Some(draft),
            committed: false,
            gate: Some(gate),
        };
        let sandbox = &copy.sandbox;
        let session = sandbox.open_at(&path)?;
        let copied = Clock::now(sandbox.shared.store.root());
        Ok(Self {
            session: Arc::new(session),
            copied: copied.map_err(|error| failed(sandbox, &error))?,
            copy: Some(copy),
        })
    }

    pub(super) fn session(&self) -> Arc<Session> {
        Arc::clone(&self.session)
    }

    /// Puts the changes in place, or forgets them, and says what they were;
    /// `None` if that failed, and then they are forgotten too.
    pub(super) async fn end(mut self: Box<Self>, commit: bool) -> Option<Told> {
        let (mut copy, copied) = (self.copy.take()?, self.copied);
        let sandbox = Arc::clone(&copy.sandbox);
        let ended = tokio::task::spawn_blocking(move || {
            let told = copy.close(copied, commit);
            (told, copy.gate.take())
        });
        let ended = ended.await;
        // The session is that of the folder that was there before; others come
        // in, as the gate opens, when it is closed.
        sandbox.close().await;
        match ended {
            Ok((Ok(told), _gate)) => Some(told),
            // Its files went with it.
            Ok((Err(_), _gate)) if sandbox.phase() == Phase::Gone => None,
            Ok((Err(error), _gate)) => {
                tracing::error!(sandbox = %sandbox.id, %error, "failed to end a transaction");
                None
            }
            Err(_) => None,
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(copy) = self.copy.take() else {
            return;
        };
        // Without a runtime, the node goes down.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn_blocking(move || drop(copy));
        }
    }
}

impl Copy {
    fn close(&mut self, copied: Clock, commit: bool) -> io::Result<Told> {
        let draft = self.draft.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let home = &self.sandbox.home;
        let (changes, truncated) = tree::changes(&home.workspace(), draft.path(), copied)?;
        if commit {
            draft.exchange(home).map_err(io::Error::other)?;
            self.committed = true;
        }
        Ok(Told {
            committed: commit,
            changes,
            truncated,
        })
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        drop(self.draft.take());
        if self.sandbox.phase() == Phase::Gone {
            return;
        }
        if self.committed {
            // The account is that of the copy, beside which files of the
            // folder that is gone may be open.
            self.sandbox.book_lost();
        } else {
            // The account is that of the copy, which is gone; what was written
            // elsewhere is not.
            self.sandbox.recount();
        }
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc;
    use std::task::{Context, Waker};

    use super::*;
    use crate::node::tests::{make, open};

    fn copies(state: &Path) -> usize {
        std::fs::read_dir(state.join("state/limbo"))
            .unwrap()
            .count()
    }

    /// Runs `work` where one thread at a time waits for the disk.
    fn with_one_thread_for_the_disk<F: Future<Output = ()>>(work: F) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.max_blocking_threads(1).enable_all();
        runtime.build().unwrap().block_on(work);
    }

    /// Keeps the thread that waits for the disk from its work until dropped.
    fn busy() -> mpsc::Sender<()> {
        let (release, taken) = mpsc::channel();
        tokio::task::spawn_blocking(move || taken.recv());
        release
    }

    /// A sandbox without files, whose programs begin in a folder that is made
    /// with each session.
    async fn sandbox(state: &Path) -> Arc<Sandbox> {
        let sandbox = make(&open(state), "a", "/workspace/begin").await.unwrap();
        sandbox.session().await.unwrap();
        std::fs::remove_dir(sandbox.home.workspace().join("begin")).unwrap();
        sandbox.recount();
        sandbox
    }

    #[test]
    fn one_that_is_given_up_leaves_nothing_and_keeps_no_thread_of_others() {
        let state = tempfile::tempdir().unwrap();
        with_one_thread_for_the_disk(async {
            let sandbox = sandbox(state.path()).await;
            let gate = Arc::clone(&sandbox.gate).write_owned().await;
            let begun = Transaction::begin(&sandbox, gate).await.unwrap();
            // The folder in which its program would begin is booked.
            assert!(sandbox.has_files());
            let release = busy();
            drop(begun);
            assert_eq!(copies(state.path()), 1);
            assert!(sandbox.gate.try_read().is_err());
            drop(release);
            drop(sandbox.gate.read().await);
            assert_eq!(copies(state.path()), 0);
            assert!(!sandbox.has_files());
        });
    }

    #[test]
    fn nobody_comes_in_while_one_is_made_whose_caller_has_gone() {
        let state = tempfile::tempdir().unwrap();
        with_one_thread_for_the_disk(async {
            let sandbox = sandbox(state.path()).await;
            let gate = Arc::clone(&sandbox.gate).write_owned().await;
            let release = busy();
            let mut begun = Box::pin(Transaction::begin(&sandbox, gate));
            let mut context = Context::from_waker(Waker::noop());
            assert!(begun.as_mut().poll(&mut context).is_pending());
            drop(begun);
            assert!(sandbox.gate.try_read().is_err());
            drop(release);
            drop(sandbox.gate.read().await);
            assert_eq!(copies(state.path()), 0);
            assert!(!sandbox.has_files());
        });
    }

    #[tokio::test]
    async fn what_was_open_when_it_was_replaced_counts_until_it_is_closed() {
        let state = tempfile::tempdir().unwrap();
        let sandbox = sandbox(state.path()).await;
        let path = sandbox.home.workspace().join("f");
        std::fs::write(&path, "12345").unwrap();
        sandbox.recount();
        let session = sandbox.session().await.unwrap();
        let file = Arc::new(std::fs::File::open(&path).unwrap());
        let held = session.disk().hold(&file).unwrap();
        let gate = Arc::clone(&sandbox.gate).write_owned().await;
        let begun = Transaction::begin(&sandbox, gate).await.unwrap();
        assert!(Box::new(begun).end(true).await.unwrap().committed);
        let bytes = || sandbox.doings().activity.disk_bytes;
        assert_eq!(bytes(), 10);
        drop(held);
        assert_eq!(bytes(), 5);
    }
}
