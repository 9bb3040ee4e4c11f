use kube::core::DeserializeGuard;
use kube::runtime::watcher::Event;
use prometheus_client::encoding::text::encode;

use super::*;
use crate::sandbox::fixtures::{map, owned_sandbox, ready_pod, sandbox, subject};
use crate::sandbox::{backing, report};

fn counted(sandbox: &Sandbox) -> CensusLabels {
    let counts = count([sandbox].into_iter());
    assert_eq!(counts.values().copied().collect::<Vec<_>>(), [1]);
    counts.into_keys().next().unwrap()
}

#[test]
fn a_sandbox_of_nobody_is_cold_and_unknown() {
    let labels = counted(&sandbox());
    assert_eq!(
        (
            labels.namespace.as_str(),
            labels.ready_condition,
            labels.expired
        ),
        ("default", "false", "false")
    );
    assert_eq!(
        (labels.launch_type, labels.owned_by, labels.created_by),
        ("cold", "None", "unknown")
    );
    assert_eq!(labels.sandbox_template, "unknown");
}

#[test]
fn a_warm_sandbox_of_a_claim_is_counted_as_such() {
    let mut sandbox = owned_sandbox(
        "SandboxClaim",
        &[
            (label::LAUNCH_TYPE, "warm"),
            (label::CREATED_BY, "python-client"),
        ],
    );
    sandbox.metadata.annotations = Some(map(&[(annotation::SANDBOX_TEMPLATE_REF, "python")]));
    let findings = report::Findings {
        observed: backing::Observed::Here(backing::Backing::of_pod(
            &subject(&sandbox),
            &ready_pod(),
        )),
        service: report::ServiceFound::Absent,
        troubles: Vec::new(),
        again: None,
        nowhere: false,
    };
    sandbox.status = Some(report::status(
        &subject(&sandbox),
        &findings,
        "cluster.local",
        crate::sandbox::fixtures::at(1),
    ));
    let labels = counted(&sandbox);
    assert_eq!(
        (labels.ready_condition, labels.launch_type, labels.owned_by),
        ("true", "warm", "SandboxClaim")
    );
    assert_eq!(
        (labels.created_by, labels.sandbox_template.as_str()),
        ("python-client", "python")
    );
}

#[test]
fn an_expired_sandbox_is_counted_as_such() {
    let mut sandbox = sandbox();
    sandbox.status = Some(report::expiring(&sandbox, crate::sandbox::fixtures::at(1)));
    assert_eq!(counted(&sandbox).expired, "true");
}

#[test]
fn what_users_write_does_not_become_a_label_of_a_metric() {
    let mut sandbox = owned_sandbox(
        "SandboxElse",
        &[(label::LAUNCH_TYPE, "hot"), (label::CREATED_BY, "x\"} 1")],
    );
    let labels = counted(&sandbox);
    assert_eq!(
        (labels.launch_type, labels.owned_by, labels.created_by),
        ("cold", "None", "unknown")
    );
    sandbox.metadata.owner_references.as_mut().unwrap()[0].api_version = "v1".to_owned();
    assert_eq!(counted(&sandbox).owned_by, "None");
}

#[tokio::test]
async fn the_census_and_the_latency_are_scraped_by_their_names() {
    let mut registry = Registry::default();
    let metrics = SandboxMetrics::register(&mut registry);
    metrics.first_ready(&sandbox(), Duration::from_millis(60));
    let (cache, filler) = Cache::new(None);
    let events = [Ok(Event::Apply(DeserializeGuard(Ok(sandbox()))))];
    filler
        .fill(futures_util::stream::iter(events), |_| {})
        .await;
    Census::register(&mut registry, cache);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    let latency = "agent_sandbox_creation_latency_ms_bucket{le=\"100.0\",namespace=\"default\",launch_type=\"cold\",sandbox_template=\"__unknown__\"} 1";
    let census = "agent_sandboxes{namespace=\"default\",ready_condition=\"false\",expired=\"false\",launch_type=\"cold\",sandbox_template=\"unknown\",owned_by=\"None\",created_by=\"unknown\"} 1";
    for line in [latency, census] {
        assert!(
            text.lines().any(|other| other == line),
            "{line} is not in\n{text}"
        );
    }
}
