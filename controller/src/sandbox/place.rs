//! Decides what becomes of a sandbox. The only step that knows that a pod
//! serves it.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;

use super::observe::View;
use super::refusal::{Ownership, Refusal, ownership};
use super::report::is_marked_expired;
use super::validate::Subject;

/// The shortest wait for an expiry: clocks differ, and a sandbox that was made
/// to live for moments is not worth a pass for each of them.
const SHORTEST_WAIT: Duration = Duration::from_secs(2);

/// Where a sandbox is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Life {
    /// It has time left: so much, or without end.
    Alive(Option<Duration>),
    /// Its time is over and its status does not say so yet. First it is said,
    /// so that whoever watches learns why the pod goes.
    Expiring,
    /// Its time is over and its status says so.
    Expired,
}

/// Where it is now.
pub(super) fn life(subject: &Subject<'_>, now: Timestamp) -> Life {
    let Some(end) = &subject.sandbox.spec.shutdown_time else {
        return Life::Alive(None);
    };
    // What lies in the past cannot be a duration: that is the test.
    match Duration::try_from(end.0.duration_since(now)) {
        Ok(left) if !left.is_zero() => Life::Alive(Some(left.max(SHORTEST_WAIT))),
        _ if is_marked_expired(subject.sandbox) => Life::Expired,
        _ => Life::Expiring,
    }
}

/// What to do about the pod.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placement {
    /// Whether the annotation that names a pod is wrong and goes.
    pub(super) forget_pod_name: bool,
    /// The rest.
    pub(super) step: Step,
}

/// What to do about the pod.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// There is none: make it.
    Create,
    /// It is ours: let its metadata follow the template.
    Keep(Arc<Pod>),
    /// It was given to us: become its controller.
    Adopt(Arc<Pod>),
    /// It is ours and shall not run.
    Delete(Arc<Pod>),
    /// It is there, and nothing is to be done: it goes away already, or it is not ours.
    Leave(Arc<Pod>),
    /// There is none, and none is wanted.
    Nothing,
    /// There is one, and not for us; or there are too many.
    Refuse(Refusal),
}

impl Step {
    fn and_keep_name(self) -> Placement {
        Placement {
            forget_pod_name: false,
            step: self,
        }
    }
}

/// Decides about the pod of a sandbox that is alive. What a pod's controller
/// says is believed before what an annotation says.
pub(super) fn place(subject: &Subject<'_>, view: &View) -> Placement {
    let here = match view.owned.as_slice() {
        [_, _, ..] => return Step::Refuse(Refusal::MultiplePods(view.owned.len())).and_keep_name(),
        [one] => Some(one),
        [] => view.tracked.as_ref(),
    };
    let Some(pod) = here else {
        let step = if subject.is_suspended() {
            Step::Nothing
        } else {
            Step::Create
        };
        return Placement {
            forget_pod_name: subject.has_pod_annotation(),
            step,
        };
    };
    let mut placement = found(subject, pod);
    if pod.metadata.name.as_deref() != Some(subject.pod_name()) {
        placement.forget_pod_name = subject.has_pod_annotation();
    }
    placement
}

/// Decides about a pod that is there, the only one that can be the sandbox's.
pub(super) fn found(subject: &Subject<'_>, pod: &Arc<Pod>) -> Placement {
    let whose = ownership(&pod.metadata, subject);
    if subject.is_suspended() {
        return stop(subject, pod, &whose);
    }
    let name = || pod.metadata.name.clone().unwrap_or_default();
    match whose {
        Ownership::Ours => Step::Keep(pod.clone()).and_keep_name(),
        Ownership::Offered => Step::Adopt(pod.clone()).and_keep_name(),
        Ownership::Nobodys => Step::Refuse(Refusal::NotAdoptable {
            kind: "Pod",
            name: name(),
        })
        .and_keep_name(),
        Ownership::Foreign(owner) => Placement {
            forget_pod_name: subject.has_pod_annotation(),
            step: Step::Refuse(Refusal::Foreign {
                kind: "Pod",
                name: name(),
                owner,
            }),
        },
    }
}

fn stop(subject: &Subject<'_>, pod: &Arc<Pod>, whose: &Ownership) -> Placement {
    match (whose, pod.metadata.deletion_timestamp.is_some()) {
        (Ownership::Ours, false) => Step::Delete(pod.clone()).and_keep_name(),
        (Ownership::Ours, true) => Step::Leave(pod.clone()).and_keep_name(),
        (Ownership::Offered | Ownership::Nobodys | Ownership::Foreign(_), _) => Placement {
            forget_pod_name: subject.has_pod_annotation(),
            step: Step::Leave(pod.clone()),
        },
    }
}

#[cfg(test)]
mod tests;
