use kube::Resource;
use kube::core::DeserializeGuard;
use serde_json::{Value, json};

use super::*;

const DEFINITIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/crds");

fn sandbox(spec: Value) -> Value {
    json!({
        "apiVersion": "agents.x-k8s.io/v1beta1",
        "kind": "Sandbox",
        "metadata": { "name": "s", "namespace": "n", "uid": "u", "resourceVersion": "1" },
        "spec": spec,
    })
}

fn pod(spec: Value) -> Value {
    sandbox(json!({ "podTemplate": { "spec": spec } }))
}

fn read(object: Value) -> Sandbox {
    serde_json::from_value(object).expect("a sandbox that can be read")
}

#[test]
fn definitions_in_deploy_are_those_of_the_types() {
    for (name, text) in generate().expect("definitions") {
        let there = std::fs::read_to_string(format!("{DEFINITIONS}/{name}")).unwrap_or_default();
        assert!(
            there == text,
            "{name} is out of date; run: target/release/mote-controller crds deploy/crds"
        );
    }
}

#[test]
fn definitions_have_a_whole_schema_and_nothing_that_makes_it_unstructural() {
    for (name, text) in generate().expect("definitions") {
        let words = ["allOf", "anyOf", "oneOf", "$ref", "nullable", "description"];
        assert_eq!(
            words
                .iter()
                .find(|word| text.contains(&format!(" {word}:"))),
            None,
            "{name}"
        );
    }
}

#[test]
fn quantities_that_are_numbers_are_read_as_text() {
    let read = read(pod(json!({
        "overhead": { "cpu": 1 },
        "containers": [{
            "name": "c",
            "resources": { "limits": { "cpu": 1, "memory": "64Mi" }, "requests": { "cpu": 0.5 } },
            "env": [{ "name": "L", "valueFrom": {
                "resourceFieldRef": { "resource": "limits.cpu", "divisor": 1 },
            } }],
        }],
        "volumes": [
            { "name": "t", "emptyDir": { "sizeLimit": 1000 } },
            { "name": "e", "ephemeral": { "volumeClaimTemplate": { "spec": {
                "resources": { "requests": { "storage": 5 } },
            } } } },
        ],
    })));
    let back = serde_json::to_value(&read.spec.blueprint.pod_template.spec).expect("JSON");
    for (pointer, text) in [
        ("/overhead/cpu", "1"),
        ("/containers/0/resources/limits/cpu", "1"),
        ("/containers/0/resources/limits/memory", "64Mi"),
        ("/containers/0/resources/requests/cpu", "0.5"),
        (
            "/containers/0/env/0/valueFrom/resourceFieldRef/divisor",
            "1",
        ),
        ("/volumes/0/emptyDir/sizeLimit", "1000"),
        (
            "/volumes/1/ephemeral/volumeClaimTemplate/spec/resources/requests/storage",
            "5",
        ),
    ] {
        assert_eq!(back.pointer(pointer), Some(&json!(text)), "{pointer}");
    }
}

#[test]
fn ports_that_are_numbers_or_names_stay_what_they_are() {
    let probes = json!({ "containers": [
        { "name": "a", "readinessProbe": { "httpGet": { "port": 80 } } },
        { "name": "b", "readinessProbe": { "httpGet": { "port": "web" } } },
    ] });
    let back = read(pod(probes.clone())).spec.blueprint.pod_template.spec;
    assert_eq!(serde_json::to_value(back).expect("JSON"), probes);
}

#[test]
fn storage_that_is_a_number_is_read_in_sandboxes_and_claims() {
    let volumes = json!([{ "metadata": { "name": "d" }, "spec": {
        "resources": { "requests": { "storage": 1 } },
    } }]);
    let of_sandbox = read(sandbox(json!({
        "podTemplate": { "spec": { "containers": [] } },
        "volumeClaimTemplates": volumes,
    })));
    let of_claim: SandboxClaimSpec = serde_json::from_value(json!({
        "warmPoolRef": { "name": "p" },
        "volumeClaimTemplates": volumes,
    }))
    .expect("a claim");
    assert_eq!(
        of_claim.volume_claim_templates,
        of_sandbox.spec.blueprint.volume_claim_templates
    );
    let back = serde_json::to_value(&of_claim.volume_claim_templates).expect("JSON");
    assert_eq!(
        back.pointer("/0/spec/resources/requests/storage"),
        Some(&json!("1"))
    );
}

#[test]
fn null_is_as_if_nothing_were_there() {
    let with = read(sandbox(json!({
        "shutdownPolicy": null, "operatingMode": null, "shutdownTime": null, "service": null,
        "volumeClaimTemplates": null,
        "podTemplate": {
            "metadata": { "labels": null, "annotations": null },
            "spec": { "nodeSelector": null, "containers": [
                { "name": "c", "command": null, "resources": { "limits": { "cpu": null } } },
            ] },
        },
    })));
    let without = read(pod(json!({ "containers": [
        { "name": "c", "resources": { "limits": {} } },
    ] })));
    assert_eq!(with.spec, without.spec);
    assert_eq!(with.spec.operating_mode, OperatingMode::Running);
    assert_eq!(with.spec.shutdown_policy, ShutdownPolicy::Retain);
}

#[test]
fn what_a_pool_does_not_say_is_the_default() {
    for replicas in [json!({}), json!({ "replicas": null })] {
        let mut spec = replicas;
        spec["sandboxTemplateRef"] = json!({ "name": "t" });
        let pool: SandboxWarmPoolSpec = serde_json::from_value(spec).expect("a pool");
        assert_eq!(pool.replicas, 1);
        assert_eq!(
            pool.update_strategy_type(),
            PoolUpdateStrategyType::OnReplenish
        );
    }
}

#[test]
fn a_malformed_object_is_told_by_name_and_ends_no_list() {
    for spec in [
        json!({}),
        json!("no object"),
        json!({ "podTemplate": {} }),
        json!({ "podTemplate": { "spec": { "containers": "none" } } }),
        json!({ "podTemplate": { "spec": { "containers": [{ "ports": [{ "containerPort": 1e99 }] }] } } }),
        json!({ "podTemplate": { "spec": { "containers": [] } }, "operatingMode": "Sleeping" }),
        json!({ "podTemplate": { "spec": { "containers": [] } }, "shutdownTime": "soon" }),
    ] {
        let list = json!([sandbox(spec.clone()), pod(json!({ "containers": [] }))]);
        let guards: Vec<DeserializeGuard<Sandbox>> =
            serde_json::from_str(&list.to_string()).expect("a list");
        assert!(guards[1].0.is_ok());
        let invalid = guards[0].0.as_ref().expect_err(&spec.to_string());
        assert_eq!(invalid.metadata.name.as_deref(), Some("s"));
        assert_eq!(guards[0].meta().namespace.as_deref(), Some("n"));
    }
}

#[test]
fn statuses_are_written_under_the_names_of_the_api() {
    let status = SandboxStatus {
        service: Some("s".to_owned()),
        service_fqdn: Some("s.n.svc".to_owned()),
        pod_ips: vec!["10.0.0.1".to_owned()],
        node_name: Some("node".to_owned()),
        ..SandboxStatus::default()
    };
    assert_eq!(
        serde_json::to_value(status).expect("JSON"),
        json!({ "service": "s", "serviceFQDN": "s.n.svc", "podIPs": ["10.0.0.1"], "nodeName": "node" })
    );
    // A column shows nought only if it is there.
    assert_eq!(
        serde_json::to_value(SandboxWarmPoolStatus::default()).expect("JSON"),
        json!({ "replicas": 0, "readyReplicas": 0 })
    );
}
