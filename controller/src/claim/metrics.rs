//! What is counted of claims: how they came to a sandbox, and how long it took.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::build::Launch;
use crate::condition::{READY, is_true};
use crate::crd::{Sandbox, SandboxClaim};
use crate::names::{annotation, created_by, label};

/// In milliseconds. From 100 on those of the reference, so that dashboards
/// keep working; below, because a warm claim takes some ten.
const BUCKETS: [f64; 23] = [
    1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 50.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 1250.0, 1500.0,
    2000.0, 2500.0, 5000.0, 10000.0, 30000.0, 60000.0, 120_000.0, 240_000.0,
];
/// The template of a sandbox that does not say.
const UNKNOWN_TEMPLATE: &str = "__unknown__";
/// Who asked, where nobody says.
const UNKNOWN_CREATOR: &str = "unknown";

/// What is counted of claims.
#[derive(Clone, Debug)]
pub struct ClaimMetrics {
    since_webhook: Family<LatencyLabels, Histogram>,
    since_observed: Family<LatencyLabels, Histogram>,
    since_requested: Family<LatencyLabels, Histogram>,
    sandboxes: Family<CreationLabels, Counter>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct LatencyLabels {
    launch_type: &'static str,
    sandbox_template: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct CreationLabels {
    namespace: String,
    sandbox_template: String,
    launch_type: &'static str,
    warmpool_name: String,
    pod_condition: &'static str,
    created_by: &'static str,
}

impl ClaimMetrics {
    /// Makes them known to the registry.
    pub fn register(registry: &mut Registry) -> Self {
        let latency =
            || Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        let metrics = Self {
            since_webhook: latency(),
            since_observed: latency(),
            since_requested: latency(),
            sandboxes: Family::default(),
        };
        for (name, help, family) in [
            (
                "agent_sandbox_claim_startup_latency_ms",
                "From when a webhook first saw a claim until it was first ready",
                &metrics.since_webhook,
            ),
            (
                "agent_sandbox_claim_controller_startup_latency_ms",
                "From when the controller first saw a claim until it was first ready",
                &metrics.since_observed,
            ),
            (
                "agent_sandbox_client_claim_startup_latency_ms",
                "From when a client first asked for a claim until it was first ready",
                &metrics.since_requested,
            ),
        ] {
            registry.register(name, help, family.clone());
        }
        registry.register(
            "agent_sandbox_claim_creation",
            "Sandboxes that claims have adopted or made",
            metrics.sandboxes.clone(),
        );
        metrics
    }

    /// Counts a sandbox that a claim has just adopted or made.
    pub(super) fn provided(&self, claim: &SandboxClaim, sandbox: &Sandbox, launch: Launch) {
        let status = sandbox.status.as_ref();
        let ready = status.is_some_and(|status| is_true(&status.conditions, READY));
        let creator = claim.labels().get(label::CREATED_BY).map(String::as_str);
        let labels = CreationLabels {
            namespace: claim.namespace().unwrap_or_default(),
            sandbox_template: template_of(sandbox),
            launch_type: launch.as_str(),
            warmpool_name: claim.spec.warm_pool_ref.name.clone(),
            pod_condition: if ready { "ready" } else { "not_ready" },
            created_by: created_by(creator).unwrap_or(UNKNOWN_CREATOR),
        };
        self.sandboxes.get_or_create(&labels).inc();
    }

    /// Counts how long a claim took that is ready for the first time.
    pub(super) fn ready(
        &self,
        claim: &SandboxClaim,
        sandbox: &Sandbox,
        seen: Timestamp,
        now: Timestamp,
    ) {
        let labels = LatencyLabels {
            launch_type: super::build::launch(sandbox, claim).as_str(),
            sandbox_template: template_of(sandbox),
        };
        let told = |key: &str| claim.annotations().get(key)?.parse::<Timestamp>().ok();
        let observed = told(annotation::CONTROLLER_FIRST_OBSERVED_AT).unwrap_or(seen);
        for (family, since) in [
            (
                &self.since_webhook,
                told(annotation::WEBHOOK_FIRST_OBSERVED_AT),
            ),
            (&self.since_observed, Some(observed)),
            (
                &self.since_requested,
                told(annotation::CLIENT_FIRST_REQUESTED_AT),
            ),
        ] {
            if let Some(took) = since.and_then(|since| milliseconds(since, now)) {
                family.get_or_create(&labels).observe(took);
            }
        }
    }
}

fn template_of(sandbox: &Sandbox) -> String {
    let template = sandbox.annotations().get(annotation::SANDBOX_TEMPLATE_REF);
    template.map_or(UNKNOWN_TEMPLATE, String::as_str).to_owned()
}

/// Clocks differ: what began in the future is not counted.
fn milliseconds(since: Timestamp, now: Timestamp) -> Option<f64> {
    let took = now.duration_since(since);
    (!took.is_negative()).then(|| took.as_secs_f64() * 1000.0)
}

/// What is to be noted of a claim that has become ready, or is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Milestone {
    /// It is not ready, or that it was is noted.
    None,
    /// It is ready for the first time: count it and note when.
    First,
    /// It was counted, at this time; only the note is missing.
    Counted(Timestamp),
    /// It was ready before this process knew it: someone may have counted it.
    Unknown,
}

/// What is to be noted, by the claim as it was before its status was written,
/// whether it is ready now, and when this process counted it.
pub(super) fn milestone(
    before: &SandboxClaim,
    ready: bool,
    counted: Option<Timestamp>,
) -> Milestone {
    if !ready
        || before
            .annotations()
            .contains_key(annotation::CLAIM_FIRST_READY_AT)
    {
        return Milestone::None;
    }
    if let Some(at) = counted {
        return Milestone::Counted(at);
    }
    let status = before.status.as_ref();
    match status.is_some_and(|status| is_true(&status.conditions, READY)) {
        true => Milestone::Unknown,
        false => Milestone::First,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::fixtures::{at, claim, pool, ready, warm};
    use crate::crd::SandboxClaimStatus;

    fn was(status: &str) -> SandboxClaim {
        let mut claim = claim("c");
        claim.status = Some(SandboxClaimStatus {
            conditions: vec![ready(status, "R", "m")],
            sandbox: None,
        });
        claim
    }

    fn text(registry: &Registry) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
        text
    }

    #[test]
    fn a_claim_is_counted_when_it_is_first_ready() {
        assert_eq!(milestone(&claim("c"), true, None), Milestone::First);
        assert_eq!(milestone(&was("False"), true, None), Milestone::First);
        assert_eq!(milestone(&was("False"), false, None), Milestone::None);
    }

    #[test]
    fn a_claim_that_is_ready_again_is_not_counted_again() {
        let mut noted = was("False");
        let annotations = noted.annotations_mut();
        annotations.insert(
            annotation::CLAIM_FIRST_READY_AT.to_owned(),
            "unknown".to_owned(),
        );
        assert_eq!(milestone(&noted, true, None), Milestone::None);
        assert_eq!(
            milestone(&was("False"), true, Some(at(3))),
            Milestone::Counted(at(3))
        );
    }

    #[test]
    fn a_claim_that_was_ready_before_is_noted_and_not_counted() {
        assert_eq!(milestone(&was("True"), true, None), Milestone::Unknown);
    }

    #[test]
    fn latencies_are_counted_from_what_is_known() {
        let mut registry = Registry::default();
        let metrics = ClaimMetrics::register(&mut registry);
        let mut claim = claim("c");
        let mut note = |key: &str, text: &str| {
            claim
                .annotations_mut()
                .insert(key.to_owned(), text.to_owned());
        };
        note(annotation::CLIENT_FIRST_REQUESTED_AT, &at(99).to_string());
        note(annotation::WEBHOOK_FIRST_OBSERVED_AT, "yesterday");
        metrics.ready(&claim, &warm("s", &pool("p", "t")), at(1), at(3));
        let text = text(&registry);
        let count = |name: &str| {
            text.contains(&format!(
                "{name}_count{{launch_type=\"warm\",sandbox_template=\"t\"}} 1"
            ))
        };
        assert!(
            count("agent_sandbox_claim_controller_startup_latency_ms"),
            "{text}"
        );
        assert!(
            !count("agent_sandbox_client_claim_startup_latency_ms"),
            "in the future"
        );
        assert!(!count("agent_sandbox_claim_startup_latency_ms"), "no time");
        assert!(
            text.contains("latency_ms_sum{launch_type=\"warm\",sandbox_template=\"t\"} 2000.0")
        );
    }

    #[test]
    fn what_a_client_says_of_itself_makes_no_new_series() {
        let mut registry = Registry::default();
        let metrics = ClaimMetrics::register(&mut registry);
        let sandbox = warm("s", &pool("p", "t"));
        for creator in ["me", "you"] {
            let mut claim = claim("c");
            claim
                .labels_mut()
                .insert(label::CREATED_BY.to_owned(), creator.to_owned());
            metrics.provided(&claim, &sandbox, Launch::Warm);
        }
        let text = text(&registry);
        let line = "agent_sandbox_claim_creation_total{namespace=\"ns\",sandbox_template=\"t\",launch_type=\"warm\",warmpool_name=\"p\",pod_condition=\"ready\",created_by=\"unknown\"} 2";
        assert!(text.contains(line), "{text}");
    }
}
