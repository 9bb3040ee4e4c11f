//! The wasm tier of a sandbox: a session on a node in place of its pod.

use std::time::Duration;

use kube::runtime::controller::Action;
use mote_rpc::v1::{Phase, Resources, Session, SessionSpec};
use serde_json::{Map, Value, json};

use super::apply::{Hands, races_apart};
use super::backing::{Backing, Observed, Scheduled};
use super::observe::View;
use super::refusal::{Refusal, Trouble};
use super::report::{Findings, ServiceFound};
use super::service;
use super::validate::{Server, Subject};
use crate::condition;
use crate::context::{Caches, Context};
use crate::crd::Sandbox;
use crate::driver::ReconcileError;
use crate::names::annotation;
use crate::wasm::{Class, Objection, Police, Wanted, Wasm, classify, has_ended};
use crate::write::{Stored, WriteError};

use home::Whereabouts;
use settle::Settled;

mod equip;
mod home;
mod leave;
mod settle;

/// Keeps a sandbox until its session is gone from its node.
pub(super) const FINALIZER: &str = "mote.dev/session";
/// The tier of sandboxes that are sessions.
const WASM: &str = "wasm";
/// Most objections that are told, and the longest: who has more of them sees
/// the rest when these are mended.
const MAX_TOLD: usize = 32;
const MAX_TOLD_CHARS: usize = 512;
/// Between looks at a node host that is not heard. Its return is heard of;
/// this is for a node that goes for good.
pub(super) const RECHECK: Duration = Duration::from_secs(10);

/// What serves a sandbox.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tier {
    /// A pod; with the objections, where wasm was asked for if possible.
    Pod(Vec<Objection>),
    /// A session made from this.
    Session(Box<Wanted>),
    /// The session that it has, as it is: why it would be none, or no longer
    /// this one, the next time.
    Kept(String),
    /// Nothing: it must be a session, and these are in the way.
    Refused(Vec<Objection>),
}

impl Tier {
    /// By what a sandbox of this tier is served.
    pub(super) fn server(&self) -> Server {
        match self {
            Self::Pod(objections) if objections.is_empty() => Server::Pod,
            Self::Pod(_) => Server::ChosenPod,
            Self::Session(_) | Self::Kept(_) | Self::Refused(_) => Server::Session,
        }
    }
}

/// A sandbox that is to be created, marked with its tier already where it will
/// be a session: one write less than marking it later.
pub fn marked(mut sandbox: Sandbox, context: &Context) -> Sandbox {
    let blueprint = &sandbox.spec.blueprint;
    let class = blueprint.pod_template.spec.runtime_class_name.as_deref();
    let is_session = context.wasm.as_ref().is_some_and(|wasm| {
        let class = wasm.class(class);
        class != Class::Pod && classify(blueprint, class, &wasm.images()).is_ok()
    });
    if is_session {
        let metadata = &mut sandbox.metadata;
        let finalizers = metadata.finalizers.get_or_insert_default();
        finalizers.push(FINALIZER.to_owned());
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.insert(annotation::TIER.to_owned(), WASM.to_owned());
    }
    sandbox
}

/// Whether a sandbox is kept until its session is gone: whether it was made as
/// a session.
pub(super) fn is_kept(sandbox: &Sandbox) -> bool {
    let mut finalizers = sandbox.metadata.finalizers.iter().flatten();
    finalizers.any(|it| it == FINALIZER)
}

/// Whether a sandbox is marked as one that is a session.
pub fn is_session(sandbox: &Sandbox) -> bool {
    let annotations = sandbox.metadata.annotations.as_ref();
    annotations.is_some_and(|all| all.get(annotation::TIER).is_some_and(|it| it == WASM))
}

/// The template that a sandbox was made from, if it was.
fn template(sandbox: &Sandbox) -> Option<&String> {
    let annotations = sandbox.metadata.annotations.as_ref()?;
    annotations.get(annotation::SANDBOX_TEMPLATE_REF)
}

/// The policy that says who may call its session: its template's, if it has one.
fn policy(sandbox: &Sandbox, police: &Police) -> String {
    let namespace = sandbox.metadata.namespace.as_deref().unwrap_or_default();
    let template = template(sandbox);
    template.map_or_else(String::new, |it| police.policy_of(namespace, it))
}

/// The sandboxes that were made from a template.
pub fn of_template(caches: &Caches, namespace: &str, name: &str) -> Vec<String> {
    let sandboxes = caches.sandboxes.all();
    let made = sandboxes
        .iter()
        .filter_map(|sandbox| sandbox.0.as_ref().ok());
    let made = made.filter(|sandbox| {
        sandbox.metadata.namespace.as_deref() == Some(namespace)
            && template(sandbox).is_some_and(|it| it == name)
    });
    made.filter_map(|sandbox| sandbox.metadata.name.clone())
        .collect()
}

/// Chooses by the template. A pod that is there stays, as does a session
/// ([`Hands::kept`]): a template is for the next time.
pub(super) fn tier(subject: &Subject<'_>, view: &View, wasm: Option<&Wasm>) -> Tier {
    let Some(wasm) = wasm.filter(|_| view.owned.is_empty()) else {
        return Tier::Pod(Vec::new());
    };
    let blueprint = &subject.sandbox.spec.blueprint;
    let class = wasm.class(blueprint.pod_template.spec.runtime_class_name.as_deref());
    if class == Class::Pod {
        return Tier::Pod(Vec::new());
    }
    match (classify(blueprint, class, &wasm.images()), class) {
        (Ok(wanted), _) => Tier::Session(Box::new(wanted)),
        (Err(objections), Class::Auto) => Tier::Pod(objections),
        (Err(objections), Class::Wasm | Class::Pod) => Tier::Refused(objections),
    }
}

/// What a session is made from that is not made, but goes on as it is: node
/// hosts look at what it is made from when they make it, and make none of what
/// has no image.
pub(super) fn as_it_is() -> Wanted {
    Wanted {
        image: "-".to_owned(),
        ..Wanted::default()
    }
}

/// What stands in the way of a session, as a refusal.
pub(super) fn refusal(objections: &[Objection]) -> Refusal {
    Refusal::NotWasm(told(objections))
}

/// In one sentence, the first of them: it stands in a condition and, with
/// other annotations, in a quarter of a mebibyte.
fn told(objections: &[Objection]) -> String {
    let first = objections.iter().take(MAX_TOLD);
    let told = first.map(|it| it.to_string().chars().take(MAX_TOLD_CHARS).collect());
    let mut told: Vec<String> = told.collect();
    if let Some(more) = objections.len().checked_sub(MAX_TOLD).filter(|it| *it > 0) {
        told.push(format!("and {more} more"));
    }
    condition::one_line(&told.join("; "))
}

/// The patch that marks a sandbox as one of this tier, if it is not so yet.
pub(super) fn mark(subject: &Subject<'_>, tier: &Tier) -> Option<Value> {
    let metadata = &subject.sandbox.metadata;
    let annotations = metadata.annotations.clone().unwrap_or_default();
    let (name, reason) = match tier {
        Tier::Session(_) => (Some(WASM), None),
        Tier::Kept(why) => (Some(WASM), Some(why.clone())),
        Tier::Pod(objections) if !objections.is_empty() => (Some("pod"), Some(told(objections))),
        // Nobody asks for a choice any more.
        Tier::Pod(_) => (None, None),
        Tier::Refused(_) => return None,
    };
    // Whoever calls this for a pod knows that no session is left.
    let finalizer = name == Some(WASM);
    let mut finalizers = metadata.finalizers.clone().unwrap_or_default();
    let finalized = is_kept(subject.sandbox);
    let says = |key| annotations.get(key).map(String::as_str);
    let said = says(annotation::TIER) == name && says(annotation::TIER_REASON) == reason.as_deref();
    if said && finalized == finalizer {
        return None;
    }
    let mut patch = Map::from_iter([(
        "annotations".to_owned(),
        json!({ annotation::TIER: name, annotation::TIER_REASON: reason }),
    )]);
    if finalizer != finalized {
        if finalizer {
            finalizers.push(FINALIZER.to_owned());
        } else {
            finalizers.retain(|it| it != FINALIZER);
        }
        patch.insert("finalizers".to_owned(), json!(finalizers));
        // A list is replaced as a whole.
        patch.insert(
            "resourceVersion".to_owned(),
            json!(metadata.resource_version),
        );
    }
    Some(json!({ "metadata": patch }))
}

/// The session as it is to be, but for what other objects say.
fn spec(subject: &Subject<'_>, wanted: &Wanted, policy: String) -> SessionSpec {
    SessionSpec {
        uid: subject.uid.to_owned(),
        generation: subject.sandbox.metadata.generation.unwrap_or_default(),
        namespace: subject.namespace.to_owned(),
        name: subject.name.to_owned(),
        suspended: subject.is_suspended(),
        image: wanted.image.clone(),
        resources: Some(Resources {
            memory_bytes: wanted.memory_bytes,
            cpu_millis: wanted.cpu_millis,
            disk_bytes: wanted.disk_bytes,
        }),
        policy,
        active_deadline_seconds: wanted.active_deadline_seconds,
        ..SessionSpec::default()
    }
}

/// Whether a session is what it is to be, without asking its node.
fn is_settled(session: &Session, spec: &SessionSpec) -> bool {
    let phase = if spec.suspended {
        Phase::Suspended
    } else {
        Phase::Running
    };
    let as_wanted = session.phase() == phase || (has_ended(session) && !spec.suspended);
    let policed = session.policy == spec.policy;
    session.generation == spec.generation && as_wanted && policed
}

/// A session as what serves the sandbox, in the words of pods: clients compare them.
fn backing(node: &str, session: &Session, heard: bool) -> Backing {
    Backing {
        owned: true,
        phase: match session.phase() {
            Phase::Succeeded => "Succeeded",
            Phase::Failed => "Failed",
            _ => "Running",
        }
        .to_owned(),
        ready: heard && session.phase() == Phase::Running,
        ips: session.addresses.clone(),
        node: Some(node.to_owned()),
        scheduled: Some(Scheduled {
            status: "True".to_owned(),
            ..Scheduled::default()
        }),
        note: None,
    }
}

fn observed(node: &str, session: &Session) -> Observed {
    match session.phase() {
        Phase::Suspended => Observed::Resting(node.to_owned()),
        Phase::Running | Phase::Barred | Phase::Succeeded | Phase::Failed | Phase::Unspecified => {
            Observed::Here(backing(node, session, true))
        }
    }
}

/// It has a place, and is not there yet: as a pod whose image is being pulled.
/// The node has nothing that would be lost with it.
fn waiting() -> Observed {
    Observed::Here(Backing {
        phase: "Pending".to_owned(),
        node: None,
        ..backing("", &Session::default(), false)
    })
}

/// No node can take it: as a pod that waits for one.
fn unschedulable(message: String) -> Observed {
    Observed::Here(Backing {
        owned: true,
        phase: "Pending".to_owned(),
        scheduled: Some(Scheduled {
            status: "False".to_owned(),
            reason: "Unschedulable".to_owned(),
            message,
        }),
        ..Backing::default()
    })
}

impl Hands<'_> {
    /// Serves a sandbox that is alive by a session.
    ///
    /// # Errors
    /// Where the cache was behind: the pass is worth nothing and comes again.
    pub(super) async fn host(
        &self,
        wasm: &Wasm,
        tier: &Tier,
        wanted: &Wanted,
        view: &View,
    ) -> Result<Findings, WriteError> {
        let step = service::decide(self.subject, view.service.as_ref());
        let settling = self.settle_session(wasm, tier, wanted);
        let (settled, served) = tokio::join!(settling, self.serve(step));
        let Settled {
            mut observed,
            trouble,
            again,
            nowhere,
        } = settled;
        let mut troubles: Vec<Trouble> = trouble.into_iter().collect();
        let mut service = served.unwrap_or_else(|trouble| {
            troubles.push(trouble);
            ServiceFound::Unknown
        });
        if let Err(trouble) = self.lead(service, &observed).await {
            troubles.push(trouble);
            // What may lead there still is looked for again: by the status, it
            // does.
            if service != ServiceFound::Here || !matches!(observed, Observed::Here(_)) {
                (observed, service) = (Observed::Unknown, ServiceFound::Unknown);
            }
        }
        let troubles = races_apart(troubles)?;
        Ok(Findings {
            observed,
            service,
            troubles,
            again,
            nowhere,
        })
    }

    /// The tier that a sandbox has while it has a session that goes on as it is.
    pub(super) fn kept(&self, wasm: &Wasm, view: &View, chosen: Tier) -> Tier {
        let why = match &chosen {
            Tier::Session(_) | Tier::Kept(_) => return chosen,
            _ if !view.owned.is_empty() => return chosen,
            // What it has to leave its node for, a pod may have elsewhere.
            Tier::Pod(_) if matches!(self.whereabouts(wasm), Whereabouts::Leaving(..)) => {
                return chosen;
            }
            Tier::Pod(objections) if objections.is_empty() => {
                "its template asks for a pod the next time".to_owned()
            }
            Tier::Pod(objections) => format!("the next time a pod: {}", told(objections)),
            Tier::Refused(objections) => format!("the next time refused: {}", told(objections)),
        };
        match self.stay(wasm) {
            Some(_) => Tier::Kept(why),
            None => chosen,
        }
    }

    /// Marks the sandbox as one of its tier.
    pub(super) async fn mark(&self, tier: &Tier) -> Result<(), WriteError> {
        let Self { context, subject } = self;
        if let Some(patch) = mark(subject, tier) {
            context
                .merge_patch::<Sandbox>(subject.namespace, subject.name, &patch)
                .await?;
        }
        Ok(())
    }

    /// Lets a sandbox go that is being deleted, once its session is gone. It is
    /// read as a `K`.
    pub(super) async fn release<K: Stored>(&self) -> Result<Action, ReconcileError> {
        let Self { context, subject } = self;
        let metadata = &subject.sandbox.metadata;
        if !is_kept(subject.sandbox) {
            return Ok(Action::await_change());
        }
        // Without the tier there is nobody to ask, and no way to serve it either.
        if let Some(wasm) = &context.wasm
            && !self.end_session(wasm).await?
        {
            return Ok(Action::requeue(RECHECK));
        }
        let mut finalizers = metadata.finalizers.clone().unwrap_or_default();
        finalizers.retain(|it| it != FINALIZER);
        let patch = json!({ "metadata": {
            "finalizers": finalizers,
            "resourceVersion": metadata.resource_version,
        } });
        match context
            .merge_patch::<K>(subject.namespace, subject.name, &patch)
            .await
        {
            Ok(_) | Err(WriteError::NotFound(_)) => Ok(Action::await_change()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests;
