//! What serves a sandbox, as far as its status tells: no matter by what it is served.

use k8s_openapi::api::core::v1::Pod;

use super::refusal::{Ownership, ownership};
use super::validate::Subject;

/// What was found where a sandbox should be served.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Observed {
    /// Nothing, for certain.
    Absent,
    /// Nothing that serves; on this node it stands still, with its files.
    Resting(String),
    /// Nobody knows: it could not be looked for, or there was no deciding.
    Unknown,
    /// This.
    Here(Backing),
}

/// What serves a sandbox, or has its name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Backing {
    /// Whether the sandbox controls it. Of what it does not control, nothing
    /// is told.
    pub(super) owned: bool,
    /// How far it is in its life.
    pub(super) phase: String,
    /// Whether it says that it can serve.
    pub(super) ready: bool,
    /// Its addresses.
    pub(super) ips: Vec<String>,
    /// The node it is on.
    pub(super) node: Option<String>,
    /// What the scheduler says of it; `None` before the scheduler's first word.
    pub(super) scheduled: Option<Scheduled>,
    /// Why it is not ready, where that can be said.
    pub(super) note: Option<String>,
}

/// What the scheduler says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Scheduled {
    /// `True`, `False` or `Unknown`.
    pub(super) status: String,
    /// One word, or none.
    pub(super) reason: String,
    /// A sentence, or none.
    pub(super) message: String,
}

impl Backing {
    /// A pod as what serves the sandbox. One that is going away serves nobody
    /// new, whatever its conditions still say.
    pub(super) fn of_pod(subject: &Subject<'_>, pod: &Pod) -> Self {
        let status = pod.status.as_ref();
        let conditions = || {
            status
                .into_iter()
                .flat_map(|status| status.conditions.iter().flatten())
        };
        let find = |type_: &str| conditions().find(|condition| condition.type_ == type_);
        let leaving = pod.metadata.deletion_timestamp.is_some();
        let phase = status
            .and_then(|status| status.phase.clone())
            .unwrap_or_default();
        // The addresses of one that has ended may be another's by now.
        let over = matches!(phase.as_str(), "Succeeded" | "Failed");
        let ips = status
            .filter(|_| !over)
            .into_iter()
            .flat_map(|status| status.pod_ips.iter().flatten());
        Self {
            owned: ownership(&pod.metadata, subject) == Ownership::Ours,
            phase,
            ready: !leaving && find("Ready").is_some_and(|condition| condition.status == "True"),
            ips: ips
                .map(|ip| ip.ip.clone())
                .filter(|ip| !ip.is_empty())
                .collect(),
            node: pod
                .spec
                .as_ref()
                .and_then(|spec| spec.node_name.clone())
                .filter(|node| !node.is_empty()),
            scheduled: find("PodScheduled").map(|condition| Scheduled {
                status: condition.status.clone(),
                reason: condition.reason.clone().unwrap_or_default(),
                message: condition.message.clone().unwrap_or_default(),
            }),
            note: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::fixtures::{
        own_pod, owned_by, pod, ready_pod, sandbox, subject, terminating,
    };

    #[test]
    fn a_pod_tells_its_addresses_node_and_readiness() {
        let told = Backing::of_pod(&subject(&sandbox()), &ready_pod());
        assert!(told.owned && told.ready);
        assert_eq!(
            (told.phase.as_str(), told.ips.as_slice()),
            ("Running", &["10.0.0.7".to_owned()][..])
        );
        assert_eq!(told.node.as_deref(), Some("node-a"));
        assert_eq!(told.scheduled.unwrap().status, "True");
    }

    #[test]
    fn a_pod_that_has_ended_has_no_address_that_may_be_anothers_by_now() {
        for phase in ["Succeeded", "Failed"] {
            let mut ended = ready_pod();
            let status = ended.status.get_or_insert_default();
            status.phase = Some(phase.to_owned());
            assert!(!status.pod_ips.as_ref().unwrap().is_empty());
            let told = Backing::of_pod(&subject(&sandbox()), &ended);
            assert!(told.ips.is_empty());
        }
    }

    #[test]
    fn a_pod_that_is_going_away_is_not_ready() {
        assert!(!Backing::of_pod(&subject(&sandbox()), &terminating(ready_pod())).ready);
    }

    #[test]
    fn a_pod_of_another_is_not_owned() {
        let other = pod("box", owned_by("another-uid"), "Running");
        assert!(!Backing::of_pod(&subject(&sandbox()), &other).owned);
        assert_eq!(
            Backing::of_pod(&subject(&sandbox()), &own_pod("Pending")).scheduled,
            None
        );
    }
}
