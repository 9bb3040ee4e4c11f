//! What a sandbox's status says. Clients compare these words: they are the
//! API's as much as its fields are.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;

use super::backing::{Backing, Observed};
use super::refusal::{Refusal, Trouble};
use super::session;
use super::validate::{Server, Subject};
use crate::condition::{self, FINISHED, READY, Saying, Status};
use crate::crd::{Sandbox, SandboxStatus};
use crate::names::{annotation, label};

/// The type of the condition that says whether a sandbox stands still.
pub(super) const SUSPENDED: &str = "Suspended";
/// The type of the condition that repeats what the scheduler says of the pod.
pub(super) const POD_SCHEDULED: &str = "PodScheduled";

/// The words of the conditions.
pub(super) mod reason {
    /// Ready: it can be used.
    pub(in crate::sandbox) const DEPENDENCIES_READY: &str = "DependenciesReady";
    /// Ready: something is missing yet.
    pub(in crate::sandbox) const DEPENDENCIES_NOT_READY: &str = "DependenciesNotReady";
    /// Ready: several pods say they are this sandbox's.
    pub(in crate::sandbox) const MULTIPLE_PODS: &str = "MultiplePods";
    /// Ready: it shall stand still.
    pub(in crate::sandbox) const SANDBOX_SUSPENDED: &str = "SandboxSuspended";
    /// Ready: its time is over.
    pub(in crate::sandbox) const SANDBOX_EXPIRED: &str = "SandboxExpired";
    /// Ready: something could not be done.
    pub(in crate::sandbox) const RECONCILER_ERROR: &str = "ReconcilerError";
    /// Ready: the object cannot be understood.
    pub(in crate::sandbox) const INVALID_CONFIGURATION: &str = "InvalidConfiguration";
    /// Ready, Finished: what ran ended well.
    pub(in crate::sandbox) const POD_SUCCEEDED: &str = "PodSucceeded";
    /// Ready, Finished: what ran ended badly.
    pub(in crate::sandbox) const POD_FAILED: &str = "PodFailed";
    /// Suspended: it shall run.
    pub(in crate::sandbox) const NOT_SUSPENDED: &str = "NotSuspended";
    /// Suspended: its pod goes.
    pub(in crate::sandbox) const POD_TERMINATING: &str = "PodTerminating";
    /// Suspended: its pod is gone.
    pub(in crate::sandbox) const POD_TERMINATED: &str = "PodTerminated";
    /// Suspended: the pod of its name is another's.
    pub(in crate::sandbox) const POD_NOT_OWNED: &str = "PodNotOwned";
    /// Suspended: nobody knows of the pod.
    pub(in crate::sandbox) const POD_STATE_UNKNOWN: &str = "PodStateUnknown";
    /// PodScheduled: a node was found.
    pub(in crate::sandbox) const POD_SCHEDULED: &str = "PodScheduled";
    /// PodScheduled: nobody knows.
    pub(in crate::sandbox) const POD_SCHEDULING_UNKNOWN: &str = "PodSchedulingUnknown";
}

/// The longest message that a condition can have, in characters.
const MESSAGE_CHARS: usize = 32_768;
/// The longest reason that a condition can have, in characters.
const REASON_CHARS: usize = 1_024;

/// Whether the service is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ServiceFound {
    /// It is there, and ours.
    Here,
    /// There is none that counts.
    Absent,
    /// It was not looked at, or there is one that is not for us.
    Unknown,
}

/// What a pass found and did, from which all that is said follows.
#[derive(Debug)]
pub(super) struct Findings {
    /// What serves the sandbox.
    pub(super) observed: Observed,
    /// Whether there is a service.
    pub(super) service: ServiceFound,
    /// What went wrong.
    pub(super) troubles: Vec<Trouble>,
    /// When to look again, though nothing may have changed.
    pub(super) again: Option<Duration>,
    /// Whether it is certain, or decided, that no node has its session.
    pub(super) nowhere: bool,
}

impl Findings {
    /// Nothing was looked for but what serves it.
    pub(super) fn of(observed: Observed) -> Self {
        Self {
            observed,
            service: ServiceFound::Unknown,
            troubles: Vec::new(),
            again: None,
            nowhere: false,
        }
    }

    /// Nothing was looked for: it cannot be served as it is.
    pub(super) fn refused(refusal: Refusal) -> Self {
        Self {
            troubles: vec![refusal.into()],
            ..Self::of(Observed::Absent)
        }
    }
}

/// The status of a sandbox that is alive.
pub(super) fn status(
    subject: &Subject<'_>,
    findings: &Findings,
    cluster_domain: &str,
    now: Timestamp,
) -> SandboxStatus {
    let mut status = subject.sandbox.status.clone().unwrap_or_default();
    tell_backing(&mut status, subject, findings);
    tell_service(&mut status, subject, findings.service, cluster_domain);
    let said = [
        (SUSPENDED, Some(suspended(subject, &findings.observed))),
        (FINISHED, finished(&findings.observed)),
        (POD_SCHEDULED, scheduled(&findings.observed)),
        (READY, Some(ready(subject, findings))),
    ];
    for (type_, saying) in said {
        match saying {
            Some(saying) => say(&mut status.conditions, subject.sandbox, type_, saying, now),
            None => condition::remove(&mut status.conditions, type_),
        }
    }
    status
}

/// The status of a sandbox whose time is over, before anything is removed.
pub(super) fn expiring(sandbox: &Sandbox, now: Timestamp) -> SandboxStatus {
    let mut status = sandbox.status.clone().unwrap_or_default();
    let saying = no(reason::SANDBOX_EXPIRED, "Sandbox has expired");
    say(&mut status.conditions, sandbox, READY, saying, now);
    condition::remove(&mut status.conditions, POD_SCHEDULED);
    status
}

/// The status of a sandbox that has expired and of which only the object is
/// left. How it finished is still told.
pub(super) fn expired(sandbox: &Sandbox, now: Timestamp) -> SandboxStatus {
    SandboxStatus {
        conditions: expiring(sandbox, now).conditions,
        ..SandboxStatus::default()
    }
}

/// Whether a sandbox's status says that its time is over.
pub(super) fn is_marked_expired(sandbox: &Sandbox) -> bool {
    let ready = sandbox
        .status
        .as_ref()
        .and_then(|status| condition::find(&status.conditions, READY));
    ready.is_some_and(|ready| ready.reason == reason::SANDBOX_EXPIRED)
}

/// Sets a condition, within what the API server takes.
pub(super) fn say(
    conditions: &mut Vec<Condition>,
    sandbox: &Sandbox,
    type_: &str,
    mut saying: Saying,
    now: Timestamp,
) {
    saying.message = condition::one_line(&saying.message);
    if let Some((end, _)) = saying.message.char_indices().nth(MESSAGE_CHARS) {
        saying.message.truncate(end);
    }
    condition::set(
        conditions,
        type_,
        saying,
        sandbox.metadata.generation.unwrap_or_default(),
        now,
    );
}

fn yes(reason: &str, message: impl Into<String>) -> Saying {
    Saying::new(Status::True, reason, message)
}

fn no(reason: &str, message: impl Into<String>) -> Saying {
    Saying::new(Status::False, reason, message)
}

fn unknown(reason: &str, message: impl Into<String>) -> Saying {
    Saying::new(Status::Unknown, reason, message)
}

fn tell_backing(status: &mut SandboxStatus, subject: &Subject<'_>, findings: &Findings) {
    let observed = &findings.observed;
    let before = status.node_name.take();
    (status.pod_ips, status.node_name) = match observed {
        Observed::Here(backing) if backing.owned => (backing.ips.clone(), backing.node.clone()),
        Observed::Resting(node) => (Vec::new(), Some(node.clone())),
        // Slices may lead there still.
        Observed::Unknown if is_session(subject) => (std::mem::take(&mut status.pod_ips), None),
        Observed::Here(_) | Observed::Absent | Observed::Unknown => (Vec::new(), None),
    };
    if status.node_name.is_none() && may_be_where_it_was(subject, findings) {
        status.node_name = before;
    }
    if let Observed::Here(_) = observed {
        status.selector = Some(format!("{}={}", label::SANDBOX_NAME_HASH, subject.hash));
    }
}

/// Whether a session may be on the node it was on. The status is all that a
/// controller knows which has just begun, of a node that it does not hear: were
/// the name lost, the session would be made anew elsewhere, without its files.
fn may_be_where_it_was(subject: &Subject<'_>, findings: &Findings) -> bool {
    let refused = |trouble: &Trouble| matches!(trouble, Trouble::Refused(_));
    let looked_for = !findings.troubles.iter().any(refused);
    let gone = findings.nowhere || (findings.observed == Observed::Absent && looked_for);
    is_session(subject) && !gone
}

/// Whether what the status says is of a session, and not of the pod that was
/// there before it.
fn is_session(subject: &Subject<'_>) -> bool {
    subject.server == Server::Session && session::is_kept(subject.sandbox)
}

fn tell_service(
    status: &mut SandboxStatus,
    subject: &Subject<'_>,
    service: ServiceFound,
    domain: &str,
) {
    (status.service, status.service_fqdn) = match service {
        ServiceFound::Here => (
            Some(subject.name.to_owned()),
            Some(format!(
                "{}.{}.svc.{domain}",
                subject.name, subject.namespace
            )),
        ),
        ServiceFound::Absent => (None, None),
        ServiceFound::Unknown => return,
    };
}

fn suspended(subject: &Subject<'_>, observed: &Observed) -> Saying {
    if !subject.is_suspended() {
        return no(reason::NOT_SUSPENDED, "Sandbox is not suspended");
    }
    match observed {
        Observed::Unknown => unknown(
            reason::POD_STATE_UNKNOWN,
            "Pod state is unknown. Sandbox suspension cannot be confirmed",
        ),
        Observed::Absent | Observed::Resting(_) => yes(
            reason::POD_TERMINATED,
            "Pod has been terminated. Sandbox is suspended",
        ),
        Observed::Here(backing) if backing.owned => no(
            reason::POD_TERMINATING,
            "Pod is terminating. Sandbox is suspending",
        ),
        Observed::Here(_) => no(
            reason::POD_NOT_OWNED,
            "Refused to delete pod because it is not owned by this sandbox",
        ),
    }
}

/// How what ran has ended, if it has.
fn ending(backing: &Backing) -> Option<(&'static str, &'static str)> {
    match backing.phase.as_str() {
        "Succeeded" => Some((reason::POD_SUCCEEDED, "Pod completed successfully")),
        "Failed" => Some((reason::POD_FAILED, "Pod failed")),
        _ => None,
    }
}

fn finished(observed: &Observed) -> Option<Saying> {
    match observed {
        Observed::Here(backing) if backing.owned => {
            ending(backing).map(|(reason, message)| yes(reason, message))
        }
        Observed::Here(_) | Observed::Absent | Observed::Resting(_) | Observed::Unknown => None,
    }
}

fn scheduled(observed: &Observed) -> Option<Saying> {
    let backing = match observed {
        Observed::Here(backing) if backing.owned => backing,
        Observed::Here(_) | Observed::Absent | Observed::Resting(_) => return None,
        Observed::Unknown => {
            let message = "Pod state is unknown. Pod scheduling cannot be determined";
            return Some(unknown(reason::POD_SCHEDULING_UNKNOWN, message));
        }
    };
    let Some(said) = &backing.scheduled else {
        let message = "Pod has not reported a PodScheduled condition yet";
        return Some(unknown(reason::POD_SCHEDULING_UNKNOWN, message));
    };
    let status = match said.status.as_str() {
        "True" => Status::True,
        "False" => Status::False,
        _ => Status::Unknown,
    };
    // A pod's condition may lack what a sandbox's must have.
    let reason = match (is_reason(&said.reason), status) {
        (true, _) => said.reason.as_str(),
        (false, Status::True) => reason::POD_SCHEDULED,
        (false, Status::False | Status::Unknown) => reason::POD_SCHEDULING_UNKNOWN,
    };
    Some(Saying::new(status, reason, said.message.clone()))
}

/// Whether the API server takes this as the reason of a condition.
fn is_reason(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= REASON_CHARS
        && text
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic())
        && text.bytes().last().is_some_and(word)
        && text
            .bytes()
            .all(|byte| word(byte) || byte == b',' || byte == b':')
}

fn ready(subject: &Subject<'_>, findings: &Findings) -> Saying {
    if let Some(saying) = in_trouble(&findings.troubles) {
        return saying;
    }
    let backing = match &findings.observed {
        Observed::Here(backing) => Some(backing),
        Observed::Absent | Observed::Resting(_) | Observed::Unknown => None,
    };
    if subject.is_suspended() {
        let message = if backing.is_some() {
            "Sandbox is suspending"
        } else {
            "Sandbox is suspended"
        };
        return no(reason::SANDBOX_SUSPENDED, message);
    }
    if let Some((reason, message)) = backing.and_then(ending) {
        return no(reason, message);
    }
    let (serves, pod) = serving(backing);
    let (reachable, service) = reaching(subject, findings.service);
    let message = format!("{pod}{service}{}", chosen(subject));
    if serves && reachable {
        yes(reason::DEPENDENCIES_READY, message)
    } else {
        no(reason::DEPENDENCIES_NOT_READY, message)
    }
}

/// Why it is a pod, where a session was asked for if possible. Of other pods,
/// clients compare the words.
fn chosen(subject: &Subject<'_>) -> String {
    let annotations = subject.sandbox.metadata.annotations.as_ref();
    let reason = annotations.and_then(|all| all.get(annotation::TIER_REASON));
    match reason.filter(|_| subject.server != Server::Session) {
        Some(reason) => format!("; no wasm session: {reason}"),
        None => String::new(),
    }
}

/// Several pods are told of alone: the other troubles come from not deciding.
fn in_trouble(troubles: &[Trouble]) -> Option<Saying> {
    let several = troubles
        .iter()
        .find(|trouble| matches!(trouble, Trouble::Refused(Refusal::MultiplePods(_))));
    if let Some(several) = several {
        return Some(no(reason::MULTIPLE_PODS, several.to_string()));
    }
    let invalid = troubles
        .iter()
        .find(|trouble| matches!(trouble, Trouble::Refused(Refusal::NotWasm(_))));
    if let Some(invalid) = invalid {
        return Some(no(reason::INVALID_CONFIGURATION, invalid.to_string()));
    }
    let troubles: Vec<String> = troubles.iter().map(ToString::to_string).collect();
    (!troubles.is_empty()).then(|| {
        no(
            reason::RECONCILER_ERROR,
            format!("Error seen: {}", troubles.join("; ")),
        )
    })
}

fn serving(backing: Option<&Backing>) -> (bool, String) {
    let Some(backing) = backing else {
        return (false, "Pod does not exist".to_owned());
    };
    if backing.phase != "Running" {
        return (false, format!("Pod exists with phase: {}", backing.phase));
    }
    if let Some(note) = backing.note.as_ref().filter(|_| !backing.ready) {
        return (false, format!("Pod is Running but not Ready: {note}"));
    }
    let (serves, message) = match (backing.ready, backing.ips.is_empty()) {
        (false, _) => (false, "Pod is Running but not Ready"),
        (true, true) => (false, "Pod is Ready but has no podIPs yet"),
        (true, false) => (true, "Pod is Ready"),
    };
    (serves, message.to_owned())
}

fn reaching(subject: &Subject<'_>, service: ServiceFound) -> (bool, &'static str) {
    let here = service == ServiceFound::Here;
    match (subject.sandbox.spec.blueprint.service.unwrap_or(here), here) {
        (false, _) => (true, ""),
        (true, true) => (true, "; Service Exists"),
        (true, false) => (false, "; Service does not exist"),
    }
}

#[cfg(test)]
mod tests;
