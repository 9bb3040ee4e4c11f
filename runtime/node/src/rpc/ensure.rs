//! Makes sessions what they are asked to be, and takes them away.

use std::path::Path;
use std::sync::Arc;

use mote_rpc::v1;
use mote_rpc::v1::ensure_result::Result as Answer;
use mote_rpc::v1::refusal::Reason;
use mote_surface::{Caller, Unavailable};
use tonic::Status;

use super::plan::{Plan, plan};
use super::room::NoRoom;
use super::wanted::{Wanted, parse_uid};
use super::{Rpc, image, session};
use crate::audit::Action;
use crate::node::{CreateError, SpecError};
use crate::policy::Book;
use crate::record::{Beginning, Latest};
use crate::sandbox::{self, LifeError, Sandbox};
use crate::store::StoreError;

/// Letters of a UID that an answer repeats: of one that is none, there may be
/// millions.
const MAX_TOLD_UID: usize = 64;

/// A session is not what it was asked to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) reason: Reason,
    pub(super) message: String,
}

impl Refused {
    pub(super) fn new(reason: Reason, message: String) -> Self {
        Self { reason, message }
    }

    fn of(self, uid: String) -> v1::Refusal {
        v1::Refusal {
            uid,
            reason: self.reason.into(),
            message: self.message,
        }
    }
}

impl Rpc {
    /// Makes each of them what it is asked to be; answers in their order. What
    /// was begun is done to its end even if whoever asked has gone.
    pub(super) async fn ensure_all(
        &self,
        specs: Vec<v1::SessionSpec>,
        caller: &Caller,
    ) -> Vec<v1::EnsureResult> {
        let begin = |spec: v1::SessionSpec| {
            let (rpc, caller, uid) = (self.clone(), caller.clone(), spec.uid.clone());
            let done = tokio::spawn(async move { rpc.ensure(spec, &caller).await });
            (uid, done)
        };
        let mut results = Vec::with_capacity(specs.len());
        for (uid, done) in specs.into_iter().map(begin).collect::<Vec<_>>() {
            let result = match done.await.unwrap_or_else(|_| Err(interrupted())) {
                Ok(session) => Answer::Session(session),
                Err(refused) => Answer::Refusal(refused.of(clipped(uid))),
            };
            results.push(v1::EnsureResult {
                result: Some(result),
            });
        }
        results
    }

    async fn ensure(&self, spec: v1::SessionSpec, caller: &Caller) -> Result<v1::Session, Refused> {
        let wanted = Wanted::parse(spec)?;
        if self.0.node.0.addresses.are_shared() {
            wanted.check_callable_by_name()?;
        }
        let _work = self.0.work.acquire().await;
        let _turn = self.turn(&wanted.id).await;
        let sandbox = match self.0.node.find(&wanted.id) {
            None => self.make(wanted, caller).await?,
            Some(sandbox) => {
                self.change(&sandbox, wanted, caller).await?;
                sandbox
            }
        };
        session::told(&sandbox).ok_or_else(interrupted)
    }

    async fn make(&self, wanted: Wanted, caller: &Caller) -> Result<Arc<Sandbox>, Refused> {
        let node = &self.0.node;
        let mut terms = node.terms(wanted.spec()).map_err(CreateError::from)?;
        // Held until the sandbox does.
        let pulled = image::of(node, &wanted)?;
        let Wanted {
            id,
            object,
            suspended,
            image,
            outfit,
            duty,
            sent,
            ..
        } = wanted;
        terms.image = image;
        let memory = if suspended {
            0
        } else {
            terms.limits.memory.as_u64()
        };
        let tenant = object.namespace.clone();
        self.settle(|room| room.give(&id, tenant, memory))?;
        let beginning = Beginning {
            object: Some(object),
            suspended,
            pulled: pulled.as_ref().map(|image| image.digest),
            outfit,
            duty,
        };
        let begun = node.make(terms, beginning, &sent, None, caller).await;
        let made = begun.map_err(Refused::from);
        let found = made.and_then(|_| node.find(&id).ok_or_else(interrupted));
        found.inspect_err(|_| self.settle(|room| room.take_away(&id)))
    }

    async fn change(
        &self,
        sandbox: &Arc<Sandbox>,
        wanted: Wanted,
        caller: &Caller,
    ) -> Result<(), Refused> {
        let record = sandbox.record();
        let id = &wanted.id;
        let Some(held) = &record.object else {
            return Err(Refused::new(
                Reason::Immutable,
                format!("sandbox {id} is there and was made for no object; delete it by hand"),
            ));
        };
        let plan = plan(&record, held, &wanted)?;
        let tenant = || held.namespace.clone();
        let memory = record.limits.memory.as_u64();
        let action = match plan {
            Plan::Keep => return Ok(()),
            Plan::Follow => None,
            Plan::Suspend => Some(Action::Suspend),
            Plan::Resume => {
                check_env(&wanted)?;
                self.settle(|room| room.give(id, tenant(), memory))?;
                Some(Action::Resume)
            }
        };
        let renewed = record.outfit().renewed(&wanted.outfit);
        let mut sent = wanted.sent;
        sent.retain(|name, _| renewed.iter().any(|(renewed, _)| renewed == name));
        let resumed = plan == Plan::Resume;
        let latest = Latest {
            generation: wanted.object.generation,
            policy: wanted.object.policy,
            renewed,
            env: (resumed && record.env != wanted.env).then_some(wanted.env),
            duty: resumed.then_some(wanted.duty),
        };
        let followed = sandbox.follow(latest, sent, wanted.suspended).await;
        let kept = session::reserved(sandbox);
        self.settle(|room| room.put(id, tenant(), kept));
        followed?;
        if let Some(action) = action {
            self.0.node.audit(id, action, None, Some(caller));
        }
        Ok(())
    }

    /// Takes sessions away; gives those that are still there, and why.
    pub(super) async fn delete_all(&self, uids: Vec<String>, caller: &Caller) -> Vec<v1::Refusal> {
        let begin = |uid: String| {
            let (rpc, caller, told) = (self.clone(), caller.clone(), uid.clone());
            let done = tokio::spawn(async move { rpc.delete(&told, &caller).await });
            (uid, done)
        };
        let mut refusals = Vec::new();
        for (uid, done) in uids.into_iter().map(begin).collect::<Vec<_>>() {
            if let Err(refused) = done.await.unwrap_or_else(|_| Err(interrupted())) {
                refusals.push(refused.of(clipped(uid)));
            }
        }
        refusals
    }

    /// Puts these policies in the place of all that are there.
    pub(super) async fn replace_policies(&self, book: Book) -> Result<(), Status> {
        let rpc = self.clone();
        // Done to its end even if whoever asked has gone.
        let replaced = tokio::spawn(async move {
            let _policing = rpc.0.policing.lock().await;
            let (node, policies) = (rpc.0.node.clone(), book.len());
            let replace = move || node.0.policies.replace(book);
            let replaced = tokio::task::spawn_blocking(replace).await;
            replaced.map_err(|_| interrupted())??;
            tracing::debug!(policies, "who may call sessions is as it was sent");
            Ok::<_, Refused>(())
        });
        let replaced = replaced.await.unwrap_or_else(|_| Err(interrupted()));
        replaced.map_err(|refused| Status::unavailable(refused.message))
    }

    async fn delete(&self, uid: &str, caller: &Caller) -> Result<(), Refused> {
        let Ok(id) = parse_uid(uid) else {
            // None such can be there.
            return Ok(());
        };
        let _work = self.0.work.acquire().await;
        let _turn = self.turn(&id).await;
        let found = self.0.node.find(&id);
        let session = |sandbox: &Arc<Sandbox>| sandbox.record().object.is_some();
        let Some(sandbox) = found.filter(session) else {
            self.give_up_if_gone(&id);
            return Ok(());
        };
        let node = &self.0.node;
        let deleted = node.delete(&sandbox, Action::Delete, Some(caller)).await;
        self.give_up_if_gone(&id);
        match deleted {
            Ok(()) => Ok(()),
            Err(LifeError::Refused(Unavailable::Gone(_))) => match node.find(&id) {
                None => Ok(()),
                // Whoever else deletes it has not come to the end of it.
                Some(_) => Err(interrupted()),
            },
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether programs can have the environment; of a session that is new, this
/// is looked at with the rest of its terms.
fn check_env(wanted: &Wanted) -> Result<(), Refused> {
    let none = Path::new("");
    let granted = sandbox::grants(&[], &wanted.env, none, none);
    granted.map(drop).map_err(|error| {
        let message = format!("the environment of {}: {error}", wanted.id);
        Refused::new(Reason::Invalid, message)
    })
}

fn clipped(uid: String) -> String {
    uid.chars().take(MAX_TOLD_UID).collect()
}

/// The work ended without a word, or was overtaken.
fn interrupted() -> Refused {
    Refused::new(
        Reason::Failed,
        "the node did not come to the end of it; ask again".to_owned(),
    )
}

impl From<NoRoom> for Refused {
    fn from(error: NoRoom) -> Self {
        Self::new(Reason::NoRoom, error.to_string())
    }
}

impl From<CreateError> for Refused {
    fn from(error: CreateError) -> Self {
        let reason = match &error {
            CreateError::Spec(SpecError::Image(_)) => Reason::ImageUnknown,
            CreateError::Spec(_) => Reason::Invalid,
            CreateError::Full(_) => Reason::NoRoom,
            CreateError::Store(error) => return error.into(),
            CreateError::Exists(_)
            | CreateError::Source(_)
            | CreateError::Busy(_)
            | CreateError::Uncopyable(..) => Reason::Failed,
        };
        Self::new(reason, error.to_string())
    }
}

impl From<LifeError> for Refused {
    fn from(error: LifeError) -> Self {
        match error {
            LifeError::Store(error) => (&error).into(),
            LifeError::Refused(error) => Self::new(Reason::Failed, error.to_string()),
        }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        (&error).into()
    }
}

impl From<&StoreError> for Refused {
    fn from(error: &StoreError) -> Self {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        tracing::error!(%error, cause, "the state folder failed");
        Self::new(
            Reason::Failed,
            "the node failed to keep the change on its disk; its log says why".to_owned(),
        )
    }
}
