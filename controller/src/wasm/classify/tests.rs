use serde_json::{Value, json};

use super::*;
use crate::crd::PodTemplate;

/// A blueprint whose only container has the programs of every node, changed by
/// what is merged into the pod and into the container.
fn blueprint(pod: Value, container: Value) -> SandboxBlueprint {
    let mut spec = json!({ "containers": [{ "name": "c", "image": "mote.dev/base" }] });
    merge(&mut spec["containers"][0], container);
    merge(&mut spec, pod);
    SandboxBlueprint {
        pod_template: PodTemplate {
            spec: serde_json::from_value(spec).unwrap(),
            ..PodTemplate::default()
        },
        ..SandboxBlueprint::default()
    }
}

fn merge(into: &mut Value, from: Value) {
    if let (Some(into), Value::Object(from)) = (into.as_object_mut(), from) {
        into.extend(from);
    }
}

fn told(blueprint: &SandboxBlueprint) -> Vec<String> {
    match classify(blueprint, &Images::default()) {
        Ok(_) => Vec::new(),
        Err(objections) => objections
            .iter()
            .map(|objection| objection.field.clone())
            .collect(),
    }
}

#[test]
fn the_upstream_runtime_template_is_honoured_as_it_stands() {
    let blueprint = blueprint(
        json!({ "restartPolicy": "OnFailure", "automountServiceAccountToken": false,
            "dnsPolicy": "None", "dnsConfig": { "nameservers": ["8.8.8.8"] },
            "securityContext": { "runAsNonRoot": true, "runAsUser": 1000 } }),
        json!({ "image": "registry.k8s.io/agent-sandbox/python-runtime-sandbox:v0.1.0",
            "ports": [{ "containerPort": 8888 }],
            "readinessProbe": { "httpGet": { "path": "/", "port": 8888 } },
            "resources": { "requests": { "cpu": "250m", "memory": "512Mi", "ephemeral-storage": "512Mi" } },
            "securityContext": { "capabilities": { "drop": ["ALL"] }, "allowPrivilegeEscalation": false } }),
    );
    let wanted = classify(&blueprint, &Images::default()).unwrap();
    assert_eq!(
        (
            wanted.image.as_str(),
            wanted.cpu_millis,
            wanted.memory_bytes,
            wanted.disk_bytes
        ),
        ("mote.dev/base", 250, 512 << 20, 512 << 20)
    );
}

#[test]
fn every_field_of_a_pod_that_would_be_lost_is_named() {
    for (field, pod) in [
        (
            "activeDeadlineSeconds",
            json!({ "activeDeadlineSeconds": 5 }),
        ),
        ("affinity", json!({ "affinity": { "nodeAffinity": {} } })),
        (
            "automountServiceAccountToken",
            json!({ "automountServiceAccountToken": true }),
        ),
        ("containers", json!({ "containers": [] })),
        (
            "ephemeralContainers",
            json!({ "ephemeralContainers": [{ "name": "e" }] }),
        ),
        ("hostIPC", json!({ "hostIPC": true })),
        ("hostNetwork", json!({ "hostNetwork": true })),
        ("hostPID", json!({ "hostPID": true })),
        ("hostnameOverride", json!({ "hostnameOverride": "h" })),
        (
            "initContainers",
            json!({ "initContainers": [{ "name": "i" }] }),
        ),
        ("os", json!({ "os": { "name": "windows" } })),
        (
            "readinessGates",
            json!({ "readinessGates": [{ "conditionType": "x" }] }),
        ),
        (
            "resourceClaims",
            json!({ "resourceClaims": [{ "name": "gpu" }] }),
        ),
        (
            "resources",
            json!({ "resources": { "limits": { "memory": "1Gi" } } }),
        ),
        (
            "schedulingGates",
            json!({ "schedulingGates": [{ "name": "g" }] }),
        ),
        (
            "securityContext.sysctls",
            json!({ "securityContext": { "sysctls": [{ "name": "a", "value": "b" }] } }),
        ),
        (
            "securityContext.windowsOptions",
            json!({ "securityContext": { "windowsOptions": {} } }),
        ),
        (
            "serviceAccountName",
            json!({ "serviceAccountName": "robot" }),
        ),
        ("setHostnameAsFQDN", json!({ "setHostnameAsFQDN": true })),
        ("subdomain", json!({ "subdomain": "s" })),
        (
            "topologySpreadConstraints",
            json!({ "topologySpreadConstraints":
            [{ "maxSkew": 1, "topologyKey": "k", "whenUnsatisfiable": "DoNotSchedule" }] }),
        ),
        (
            "volumes",
            json!({ "volumes": [{ "name": "v", "emptyDir": {} }] }),
        ),
    ] {
        assert_eq!(told(&blueprint(pod, json!({}))), [field], "{field}");
    }
}

#[test]
fn every_field_of_a_container_that_would_be_lost_is_named() {
    for (field, container) in [
        ("args", json!({ "args": ["a"] })),
        ("command", json!({ "command": ["c"] })),
        (
            "env[E]",
            json!({ "env": [{ "name": "E", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } }] }),
        ),
        (
            "env[E]",
            json!({ "env": [{ "name": "E", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } }] }),
        ),
        (
            "envFrom",
            json!({ "envFrom": [{ "secretRef": { "name": "s" } }] }),
        ),
        ("image", json!({ "image": "nginx" })),
        (
            "lifecycle",
            json!({ "lifecycle": { "preStop": { "sleep": { "seconds": 1 } } } }),
        ),
        ("ports[0]", json!({ "ports": [{ "containerPort": 80 }] })),
        (
            "ports[0].hostPort",
            json!({ "ports": [{ "containerPort": 8080, "hostPort": 1 }] }),
        ),
        (
            "ports[0].protocol",
            json!({ "ports": [{ "containerPort": 8080, "protocol": "UDP" }] }),
        ),
        (
            "resources.claims",
            json!({ "resources": { "claims": [{ "name": "gpu" }] } }),
        ),
        (
            "resources.limits[nvidia.com/gpu]",
            json!({ "resources": { "limits": { "nvidia.com/gpu": "1" } } }),
        ),
        (
            "resources.requests[memory]",
            json!({ "resources": { "requests": { "memory": "-1" } } }),
        ),
        ("restartPolicy", json!({ "restartPolicy": "Never" })),
        (
            "securityContext.capabilities.add",
            json!({ "securityContext": { "capabilities": { "add": ["NET_ADMIN"] } } }),
        ),
        (
            "securityContext.privileged",
            json!({ "securityContext": { "privileged": true } }),
        ),
        (
            "securityContext.procMount",
            json!({ "securityContext": { "procMount": "Unmasked" } }),
        ),
        (
            "volumeDevices",
            json!({ "volumeDevices": [{ "name": "d", "devicePath": "/d" }] }),
        ),
        (
            "volumeMounts",
            json!({ "volumeMounts": [{ "name": "v", "mountPath": "/v" }] }),
        ),
        ("workingDir", json!({ "workingDir": "/app" })),
    ] {
        let whole = format!("containers[0].{field}");
        assert_eq!(
            told(&blueprint(json!({}), container)),
            [whole.as_str()],
            "{field}"
        );
    }
}

#[test]
fn what_means_nothing_for_a_guest_is_no_objection() {
    let blueprint = blueprint(
        json!({ "hostAliases": [{ "ip": "1.1.1.1" }], "hostUsers": false, "priorityClassName": "p",
            "shareProcessNamespace": true, "terminationGracePeriodSeconds": 1,
            "imagePullSecrets": [{ "name": "s" }], "runtimeClassName": "wasm" }),
        json!({ "stdin": true, "tty": true, "imagePullPolicy": "Always", "workingDir": "/workspace" }),
    );
    assert!(told(&blueprint).is_empty());
}

#[test]
fn all_objections_are_told_at_once() {
    let blueprint = blueprint(
        json!({ "hostNetwork": true, "volumes": [{ "name": "v" }] }),
        json!({ "command": ["c"] }),
    );
    assert_eq!(
        told(&blueprint),
        ["hostNetwork", "volumes", "containers[0].command"]
    );
}

#[test]
fn a_limit_counts_before_a_request_and_parts_are_rounded_up() {
    let blueprint = blueprint(
        json!({}),
        json!({ "resources": { "limits": { "memory": "1500m", "cpu": "0.0001" }, "requests": { "memory": "1" } } }),
    );
    let wanted = classify(&blueprint, &Images::default()).unwrap();
    assert_eq!((wanted.memory_bytes, wanted.cpu_millis), (2, 1));
}

#[test]
fn volume_claims_are_no_files_of_a_session() {
    let mut blueprint = blueprint(json!({}), json!({}));
    blueprint.volume_claim_templates.push(Default::default());
    assert_eq!(told(&blueprint), ["volumeClaimTemplates"]);
}

#[test]
fn the_host_name_is_a_variable_that_the_author_can_replace() {
    let blueprint = blueprint(
        json!({ "hostname": "h" }),
        json!({ "env": [{ "name": "HOSTNAME", "value": "mine" }] }),
    );
    let env = classify(&blueprint, &Images::default()).unwrap().env;
    let env = super::super::resolve(&env, &Default::default());
    assert_eq!(env["HOSTNAME"], "mine");
}
