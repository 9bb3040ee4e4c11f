//! Objects that stories are about, as JSON.

use serde_json::{Value, json};

/// The image with a shell. A cluster that is not ours may have another:
/// `MOTE_E2E_BUSYBOX`.
pub fn busybox() -> String {
    std::env::var("MOTE_E2E_BUSYBOX").unwrap_or_else(|_| "mote.test/busybox:1".to_owned())
}

/// A pod that waits until it is told to end, and then does at once.
pub fn patience() -> Value {
    json!({
        "terminationGracePeriodSeconds": 1,
        "containers": [{
            "name": "main",
            "image": busybox(),
            "imagePullPolicy": "IfNotPresent",
            "command": ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"],
        }],
    })
}

/// A sandbox around a pod.
pub fn sandbox(name: &str, pod: Value) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "podTemplate": { "spec": pod } } })
}

/// A template around a pod.
pub fn template(name: &str, pod: Value) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "podTemplate": { "spec": pod } } })
}

/// A template around a pod, without a network policy.
pub fn open_template(name: &str, pod: Value) -> Value {
    let mut template = template(name, pod);
    template["spec"]["networkPolicyManagement"] = json!("Unmanaged");
    template
}

/// A pool of a template.
pub fn pool(name: &str, template: &str, replicas: u32) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": { "replicas": replicas, "sandboxTemplateRef": { "name": template } },
    })
}

/// A claim on a pool.
pub fn claim(name: &str, pool: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "warmPoolRef": { "name": pool } } })
}

/// A pod to be served by a wasm session, if that can be: of the runtime class
/// `wasm` or `wasm-auto`.
pub fn session(class: &str) -> Value {
    json!({
        "runtimeClassName": class,
        "containers": [{
            "name": "main",
            "image": "mote.dev/base:0.1.0",
            "ports": [{ "containerPort": 8080 }, { "containerPort": 8888 }, { "containerPort": 9090 }],
        }],
    })
}

/// A session on this node.
pub fn session_on(node: &str) -> Value {
    let mut pod = session("wasm");
    pod["nodeSelector"] = json!({ "kubernetes.io/hostname": node });
    pod
}

/// A sandbox with a service.
pub fn served(name: &str, pod: Value) -> Value {
    let mut sandbox = sandbox(name, pod);
    sandbox["spec"]["service"] = json!(true);
    sandbox
}
