//! How sandboxes come into being: new, or with the files of another.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use jiff::Timestamp;
use mote_api::{Sandbox as Told, SandboxEventKind, SandboxId, SandboxSpec};
use mote_surface::{Caller, Unavailable};

use super::{FORK_WAIT, Node, SpecError, admission, interrupted};
use crate::addresses::Own;
use crate::audit::Action;
use crate::backend::writing;
use crate::feed::Change;
use crate::life::Request;
use crate::outfit::Sent;
use crate::record::{Beginning, Record, Terms};
use crate::sandbox::{LifeError, Sandbox};
use crate::store::{Home, StoreError};

/// A sandbox was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CreateError {
    /// What was asked for makes no sense or is not allowed here.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// There is one of that name.
    #[error("there is a sandbox {0} already; delete it, or take another name")]
    Exists(SandboxId),
    /// No room.
    #[error("{0}")]
    Full(String),
    /// The source of a fork cannot be used.
    #[error(transparent)]
    Source(#[from] LifeError),
    /// Something changes the files of the source of a fork.
    #[error(
        "sandbox {0} is busy: its files change while a call runs; try again when its calls have ended"
    )]
    Busy(SandboxId),
    /// The files of the source of a fork cannot be copied, as they are.
    #[error("the files of sandbox {0} cannot be copied: {1}")]
    Uncopyable(SandboxId, String),
    /// It could not be kept on disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Node {
    /// Makes a sandbox. As all that changes what there is, it is done to its end
    /// even if whoever asked has gone.
    ///
    /// # Errors
    /// It is not as it can be here, there is one, or the disk fails.
    pub(crate) async fn create(
        &self,
        spec: SandboxSpec,
        caller: &Caller,
    ) -> Result<Told, CreateError> {
        let (node, caller) = (self.clone(), caller.clone());
        let make = async move {
            let terms = node.terms(spec)?;
            let beginning = Beginning::default();
            node.make(terms, beginning, &Sent::new(), None, &caller)
                .await
        };
        tokio::spawn(make).await.map_err(|_| interrupted())?
    }

    /// Makes a sandbox with the files of another.
    ///
    /// # Errors
    /// As [`Node::create`]; or the other cannot be copied.
    pub(crate) async fn fork(
        &self,
        from: &Arc<Sandbox>,
        spec: SandboxSpec,
        caller: &Caller,
    ) -> Result<Told, CreateError> {
        from.would(Request::Fork).map_err(LifeError::Refused)?;
        let spec = admission::inherit(spec, &from.record());
        let gate = writing(&from.gate, FORK_WAIT).await;
        let gate = gate.map_err(|_| CreateError::Busy(from.id.clone()))?;
        if from.residents.load(Relaxed) > 0 {
            return Err(CreateError::Busy(from.id.clone()));
        }
        let (node, from, caller) = (self.clone(), Arc::clone(from), caller.clone());
        let make = async move {
            let terms = node.terms(spec)?;
            let (beginning, sent) = (Beginning::default(), Sent::new());
            let made = node.make(terms, beginning, &sent, Some(&from), &caller);
            let made = made.await;
            drop(gate);
            made
        };
        tokio::spawn(make).await.map_err(|_| interrupted())?
    }

    /// The terms on which a sandbox may be made here.
    ///
    /// # Errors
    /// It is not as it can be here.
    pub(crate) fn terms(&self, spec: SandboxSpec) -> Result<Terms, SpecError> {
        self.0.admission.check(spec)
    }

    /// Makes a sandbox on these terms, with the files that were sent for its
    /// volumes. Unlike [`Node::create`], it is given up half way if whoever
    /// asked has gone.
    ///
    /// # Errors
    /// There is one, there is no room, or the disk fails.
    pub(crate) async fn make(
        &self,
        terms: Terms,
        beginning: Beginning,
        sent: &Sent,
        from: Option<&Arc<Sandbox>>,
        caller: &Caller,
    ) -> Result<Told, CreateError> {
        let id = terms.id.clone();
        let reserved = self.reserve(&id)?;
        let record = Record::new(terms, beginning, reserved.addresses, Timestamp::now());
        let told = self.place(record, from, sent, reserved).await?;
        let action = if from.is_some() {
            Action::Fork
        } else {
            Action::Create
        };
        self.audit(&id, action, from.map(|from| from.id.as_str()), Some(caller));
        self.0
            .shared
            .feed
            .tell(&id, SandboxEventKind::Created, None);
        self.0.shared.feed.changed(Change::Session(id));
        Ok(told)
    }

    /// Room, and the name, for a sandbox that is being made.
    fn reserve(&self, id: &SandboxId) -> Result<Reserved, CreateError> {
        let most = self.0.config.sandboxes;
        let mut sandboxes = self.sandboxes();
        if sandboxes.there.contains_key(id) || sandboxes.making.contains(id) {
            return Err(CreateError::Exists(id.clone()));
        }
        if sandboxes.there.len() + sandboxes.making.len() >= most {
            return Err(CreateError::Full(format!(
                "{most} sandboxes are there, which is the most here; delete some"
            )));
        }
        let addresses = self.0.addresses.give(id).map_err(CreateError::Full)?;
        sandboxes.making.insert(id.clone());
        Ok(Reserved {
            node: self.clone(),
            id: id.clone(),
            addresses,
            kept: false,
        })
    }

    /// Puts a sandbox on disk and among the others.
    async fn place(
        &self,
        record: Record,
        from: Option<&Arc<Sandbox>>,
        sent: &Sent,
        reserved: Reserved,
    ) -> Result<Told, CreateError> {
        let shared = Arc::clone(&self.0.shared);
        let source: Option<Home> = from.map(|from| from.home.clone());
        let (kept, sent) = (record.clone(), sent.clone());
        let create = move || shared.store.create(&kept, source.as_ref(), &sent);
        let home = tokio::task::spawn_blocking(create)
            .await
            .map_err(|_| interrupted())?
            .map_err(|error| match error {
                StoreError::Copy(source) => {
                    let from = from.map_or_else(|| record.id.clone(), |from| from.id.clone());
                    CreateError::Uncopyable(from, source.to_string())
                }
                error => error.into(),
            })?;
        let sandbox = Arc::new(Sandbox::new(Arc::clone(&self.0.shared), home, record, None));
        // Once it is among the others, it may be deleted at once.
        let told = sandbox.told();
        reserved.keep(&sandbox);
        sandbox.begin();
        told.ok_or_else(|| LifeError::Refused(Unavailable::Gone(sandbox.id.to_string())).into())
    }
}

/// A name, and addresses, for a sandbox that is being made; given back when
/// dropped, unless it was made.
struct Reserved {
    node: Node,
    id: SandboxId,
    addresses: Own,
    kept: bool,
}

impl Reserved {
    fn keep(mut self, sandbox: &Arc<Sandbox>) {
        self.kept = true;
        let mut sandboxes = self.node.sandboxes();
        sandboxes.making.remove(&self.id);
        sandboxes.names.add(sandbox);
        sandboxes.there.insert(self.id.clone(), Arc::clone(sandbox));
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        self.node.sandboxes().making.remove(&self.id);
        self.node.0.addresses.free(self.addresses, &self.id);
    }
}
