//! Sandboxes: a pod, volume claims and a service for each, and what is told of
//! them.
//!
//! ```text
//! alive ──► volume claims ──► pod ──► service ──► status
//!   │ its time is over
//!   ▼
//! expiring (said) ──► pod and service go ──► expired: the object goes or stays
//! ```

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use serde_json::json;

use crate::context::{Context, Guarded};
use crate::crd::{Sandbox, SandboxStatus};
use crate::driver::ReconcileError;
use crate::write::WriteError;

mod apply;
mod backing;
mod build;
mod malformed;
mod metadata;
pub mod metrics;
mod observe;
mod place;
mod refusal;
mod report;
mod service;
mod session;
mod slice;
mod tell;
mod trace;
mod validate;

#[cfg(test)]
mod fixtures;

use apply::{Hands, Plan};
use place::Life;
use refusal::{Refusal, Trouble};
use report::Findings;
use session::Tier;
pub use session::{is_session, marked, of_template};
use validate::Subject;

/// What events say that we were doing.
const ACTION: &str = "Reconciling";
/// Between looks at what was refused. Most of it is mended by a change that is
/// heard of; this is for the rest, such as a foreign pod that went away.
const REFUSED_RECHECK: Duration = Duration::from_secs(60);

/// One pass over a sandbox.
///
/// # Errors
/// What the API server says, where trying again may help.
pub async fn reconcile(
    object: Arc<Guarded<Sandbox>>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let now = Timestamp::now();
    let sandbox = match &object.0 {
        Ok(sandbox) => sandbox,
        Err(invalid) if invalid.metadata.deletion_timestamp.is_some() => {
            return malformed::release(&context, invalid).await;
        }
        Err(invalid) => {
            malformed::tell_malformed(&context, invalid, now).await?;
            return Ok(Action::await_change());
        }
    };
    let Some(subject) = Subject::of(sandbox) else {
        return Ok(Action::await_change());
    };
    let hands = Hands {
        context: &context,
        subject: &subject,
    };
    if sandbox.metadata.deletion_timestamp.is_some() {
        hands.needs_no_node();
        // What else a sandbox owns goes with it, by its owner references.
        return hands.release::<Sandbox>().await;
    }
    begin_trace(&hands).await?;
    match place::life(&subject, now) {
        Life::Alive(left) => live(&hands, left, now).await,
        Life::Expiring => {
            publish(&hands, &report::expiring(sandbox, now), now).await?;
            // The pass that acts begins when the cache has heard of it.
            Ok(Action::await_change())
        }
        Life::Expired => expire(&hands, now).await,
    }
}

async fn live(
    hands: &Hands<'_>,
    left: Option<Duration>,
    now: Timestamp,
) -> Result<Action, ReconcileError> {
    let context = hands.context;
    let view = observe::observe(context, hands.subject).await?;
    let chosen = session::tier(hands.subject, &view, context.wasm.as_ref());
    let tier = match &context.wasm {
        Some(wasm) => hands.kept(wasm, &view, chosen),
        None => chosen,
    };
    if !matches!(tier, Tier::Session(_)) || hands.subject.is_suspended() {
        hands.needs_no_node();
    }
    let subject = &Subject {
        server: tier.server(),
        ..hands.subject.clone()
    };
    let hands = &Hands { context, subject };
    let findings = match (&tier, &context.wasm) {
        (Tier::Session(wanted), Some(wasm)) => hands.host(wasm, &tier, wanted, &view).await?,
        (Tier::Kept(_), Some(wasm)) => {
            let wanted = session::as_it_is();
            hands.host(wasm, &tier, &wanted, &view).await?
        }
        (Tier::Refused(objections), _) => {
            hands.lead_nowhere().await?;
            Findings::refused(session::refusal(objections))
        }
        _ => by_pod(hands, &tier, &view).await?,
    };
    let status = report::status(subject, &findings, &context.settings.cluster_domain, now);
    publish(hands, &status, now).await?;
    let sooner = [left, findings.again].into_iter().flatten().min();
    next(findings.troubles, sooner)
}

async fn by_pod(
    hands: &Hands<'_>,
    tier: &Tier,
    view: &observe::View,
) -> Result<Findings, ReconcileError> {
    let Hands { context, subject } = hands;
    if let Some(wasm) = &context.wasm {
        // Its template says otherwise by now.
        if let Some(still) = hands.quit(wasm).await? {
            return Ok(still);
        }
        // Of a pod that is there, what was said when it was chosen stays.
        if view.owned.is_empty() || session::is_kept(subject.sandbox) {
            hands.mark(tier).await?;
        }
    }
    let plan = Plan {
        claims: subject.volume_claims(),
        placement: place::place(subject, view),
        service: service::decide(subject, view.service.as_ref()),
    };
    Ok(hands.apply(plan).await?)
}

async fn expire(hands: &Hands<'_>, now: Timestamp) -> Result<Action, ReconcileError> {
    hands.needs_no_node();
    let view = observe::observe(hands.context, hands.subject).await?;
    if let Some(wasm) = &hands.context.wasm {
        hands.lead_nowhere().await?;
        if !hands.end_session(wasm).await? {
            return Ok(Action::requeue(session::RECHECK));
        }
    }
    let object_went_too = hands.clean_up(&view).await?;
    if !object_went_too {
        publish(hands, &report::expired(hands.subject.sandbox, now), now).await?;
    }
    Ok(Action::await_change())
}

/// When to look again. What is to be tried again soon is an error, and waits
/// longer each time; what only a change can mend is not.
fn next(troubles: Vec<Trouble>, left: Option<Duration>) -> Result<Action, ReconcileError> {
    let mut wait = left;
    for trouble in troubles {
        match trouble {
            Trouble::Refused(Refusal::MultiplePods(_)) => {}
            Trouble::Write(error) if namespace_goes(&error) => {}
            _ if trouble.is_final() => {
                wait = Some(wait.map_or(REFUSED_RECHECK, |wait| wait.min(REFUSED_RECHECK)));
            }
            // Nobody says when what is missing is there.
            Trouble::Node(..) | Trouble::Missing(_) => return Err(trouble.into()),
            Trouble::Write(error) if !error.is_final() => return Err(error.into()),
            Trouble::Refused(_) | Trouble::Write(_) => {
                wait = Some(wait.map_or(REFUSED_RECHECK, |wait| wait.min(REFUSED_RECHECK)));
            }
        }
    }
    Ok(wait.map_or_else(Action::await_change, Action::requeue))
}

/// Nothing is made in a namespace that is being deleted, and the sandbox is
/// about to be deleted with it. The API server has one word for all it forbids.
fn namespace_goes(error: &WriteError) -> bool {
    matches!(error, WriteError::Rejected { code: 403, message, .. } if message.ends_with("because it is being terminated"))
}

/// Writes a status that is another than before, then tells of it.
async fn publish(
    hands: &Hands<'_>,
    after: &SandboxStatus,
    now: Timestamp,
) -> Result<(), WriteError> {
    let Hands { context, subject } = hands;
    let before = subject.sandbox.status.clone().unwrap_or_default();
    let Some(patch) = tell::patch(&before, after) else {
        return Ok(());
    };
    // Whatever is made a session later is marked as one by the same pass, or is
    // given its trace, and then is of another version.
    let unwritten = session::is_kept(subject.sandbox) && !context.settings.tracing;
    let first = subject.sandbox.status.is_none() && unwritten;
    let written = if first {
        context
            .put_first_status(subject.sandbox, &json!(after))
            .await
    } else {
        context
            .merge_patch_status(subject.namespace, subject.name, &patch)
            .await
    };
    match written {
        Ok(_) => {}
        // It was deleted meanwhile.
        Err(WriteError::NotFound(_)) => return Ok(()),
        Err(error) => return Err(error),
    }
    for tell::Told {
        warning,
        reason,
        note,
    } in tell::story(&before.conditions, &after.conditions)
    {
        let events = &context.events;
        if warning {
            events.warning(subject.sandbox, &reason, ACTION, note);
        } else {
            events.normal(subject.sandbox, &reason, ACTION, note);
        }
    }
    if let Some(took) = tell::first_ready(subject.sandbox, after, now) {
        context.metrics.sandboxes.first_ready(subject.sandbox, took);
    }
    Ok(())
}

async fn begin_trace(hands: &Hands<'_>) -> Result<(), WriteError> {
    let Hands { context, subject } = hands;
    let wanted = context.settings.tracing.then(|| trace::patch(subject));
    if let Some(patch) = wanted.flatten() {
        context
            .merge_patch::<Sandbox>(subject.namespace, subject.name, &patch)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(code: u16) -> Trouble {
        Trouble::Write(WriteError::Rejected {
            code,
            reason: String::new(),
            message: String::new(),
        })
    }

    #[test]
    fn what_time_may_mend_is_tried_again_soon() {
        // Such as a quota, or owner references to a kind that was defined a moment ago.
        assert!(next(vec![rejected(403)], None).is_err());
        assert!(
            next(
                vec![Trouble::Refused(Refusal::MultiplePods(2)), rejected(500)],
                None
            )
            .is_err()
        );
    }

    #[test]
    fn what_only_a_change_can_mend_is_not_stormed_at() {
        for trouble in [
            rejected(422),
            Trouble::Refused(Refusal::NamelessClaim { index: 0 }),
        ] {
            assert_eq!(
                next(vec![trouble], None).unwrap(),
                Action::requeue(REFUSED_RECHECK)
            );
        }
    }

    #[test]
    fn in_a_namespace_that_goes_nothing_is_tried_again() {
        let message = "pods \"s\" is forbidden: unable to create new content in namespace n because it is being terminated";
        let going = WriteError::Rejected {
            code: 403,
            reason: "Forbidden".to_owned(),
            message: message.to_owned(),
        };
        assert_eq!(
            next(vec![going.into()], None).unwrap(),
            Action::await_change()
        );
    }

    #[test]
    fn several_pods_are_looked_at_again_when_one_of_them_changes() {
        assert_eq!(
            next(vec![Trouble::Refused(Refusal::MultiplePods(2))], None).unwrap(),
            Action::await_change()
        );
    }

    #[test]
    fn a_sandbox_in_trouble_expires_in_time() {
        let left = Duration::from_secs(5);
        assert_eq!(
            next(vec![rejected(422)], Some(left)).unwrap(),
            Action::requeue(left)
        );
        assert_eq!(next(vec![], Some(left)).unwrap(), Action::requeue(left));
    }
}
