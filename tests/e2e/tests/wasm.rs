//! Sandboxes that are wasm sessions: the same objects, the same words, no pod.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

#[path = "wasm/commands.rs"]
mod commands;
#[path = "wasm/sizes.rs"]
mod sizes;
#[path = "wasm/templates.rs"]
mod templates;

use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;
use kube::api::DeleteParams;
use mote_controller::crd::{Condition, Sandbox, SandboxClaim, SandboxTemplate, SandboxWarmPool};
use mote_e2e::{
    Story, claim, execute, kubectl, open_template, patience, pool, sandbox, sdk, session, template,
};
use serde_json::{Value, json};

/// A sandbox of a runtime class, with a service.
fn served(class: &str) -> Value {
    let mut sandbox = sandbox("s", session(class));
    sandbox["spec"]["service"] = json!(true);
    sandbox
}

async fn until_serving(story: &Story, name: &str) -> Sandbox {
    story
        .until_ready_is(name, "True", "DependenciesReady")
        .await
}

fn address(sandbox: &Sandbox) -> String {
    sandbox.status.as_ref().unwrap().pod_ips[0].clone()
}

fn condition<'a>(sandbox: &'a Sandbox, type_: &str) -> Option<&'a Condition> {
    let status = sandbox.status.as_ref()?;
    status.conditions.iter().find(|it| it.type_ == type_)
}

async fn mode(story: &Story, mode: &str) {
    story
        .patch::<Sandbox>("s", json!({ "spec": { "operatingMode": mode } }))
        .await;
}

#[tokio::test]
async fn a_wasm_sandbox_says_what_a_pod_would_say_and_is_none() {
    let story = Story::begin("wasm").await;
    story.create::<Sandbox>(served("wasm")).await;
    let sandbox = until_serving(&story, "s").await;
    let address = address(&sandbox);
    let mut status = serde_json::to_value(&sandbox.status).unwrap();
    let mut conditions = status["conditions"].as_array().unwrap().clone();
    conditions.sort_by_key(|it| it["type"].to_string());
    for condition in &mut conditions {
        let fields = condition.as_object_mut().unwrap();
        assert!(fields.remove("lastTransitionTime").is_some());
        assert!(fields.remove("observedGeneration").is_some());
    }
    status["conditions"] = json!(conditions);
    let (namespace, node) = (&story.namespace, status["nodeName"].clone());
    assert!(node.as_str().is_some_and(|node| !node.is_empty()));
    assert_eq!(
        status,
        json!({
            "conditions": [
                { "type": "PodScheduled", "status": "True", "reason": "PodScheduled", "message": "" },
                { "type": "Ready", "status": "True", "reason": "DependenciesReady",
                    "message": "Pod is Ready; Service Exists" },
                { "type": "Suspended", "status": "False", "reason": "NotSuspended",
                    "message": "Sandbox is not suspended" },
            ],
            "nodeName": node,
            "podIPs": [address],
            "selector": status["selector"],
            "service": "s",
            "serviceFQDN": format!("s.{namespace}.svc.cluster.local"),
        })
    );
    assert!(story.list::<Pod>("").await.is_empty());
    assert_eq!(sandbox.annotations()["mote.dev/tier"], "wasm");
    assert_eq!(execute(&address, "echo hi").unwrap(), "hi\n");
    assert_eq!(
        execute(&address, "python3 -c 'print(6 * 7)'").unwrap(),
        "42\n"
    );
    story.end().await;
}

#[tokio::test]
async fn a_pod_reaches_a_session_at_its_address_and_by_its_name() {
    let story = Story::begin("wasm").await;
    story.create::<Sandbox>(served("wasm")).await;
    story.create::<Sandbox>(sandbox("other", patience())).await;
    let served = until_serving(&story, "s").await;
    until_serving(&story, "other").await;
    let name = served
        .status
        .as_ref()
        .unwrap()
        .service_fqdn
        .clone()
        .unwrap();
    for host in [address(&served), name] {
        // Its side stays open until the answer has come: who closes it first
        // has hung up, as servers see it.
        let ask = format!(
            "mkfifo f.$$ && {{ nc -w 5 {host} 8888 <f.$$ & exec 3>f.$$; \
             printf 'GET / HTTP/1.0\\r\\nHost: s\\r\\n\\r\\n' >&3; wait; }}"
        );
        let told = kubectl(&[
            "-n",
            &story.namespace,
            "exec",
            "other",
            "--",
            "sh",
            "-c",
            &ask,
        ]);
        assert!(
            told.starts_with("HTTP/1.0 200") || told.starts_with("HTTP/1.1 200"),
            "{host}: {told}"
        );
    }
    let service = story.get::<Service>("s").await;
    assert_eq!(service.spec.unwrap().selector, None);
    let slice = story.get::<EndpointSlice>("s-session").await;
    assert_eq!(slice.endpoints.unwrap()[0].addresses, [address(&served)]);
    story.end().await;
}

#[tokio::test]
async fn a_session_rests_and_comes_back_with_its_files_at_its_address() {
    let story = Story::begin("wasm").await;
    story.create::<Sandbox>(served("wasm")).await;
    let before = address(&until_serving(&story, "s").await);
    execute(&before, "sh -c 'echo kept > file'").unwrap();
    mode(&story, "Suspended").await;
    let resting = story.until_ready_is("s", "False", "SandboxSuspended").await;
    assert_eq!(
        condition(&resting, "Suspended").unwrap().reason,
        "PodTerminated"
    );
    assert!(resting.status.unwrap().pod_ips.is_empty());
    assert!(execute(&before, "cat file").is_err());
    assert!(story.find::<EndpointSlice>("s-session").await.is_none());
    mode(&story, "Running").await;
    let after = address(&until_serving(&story, "s").await);
    assert_eq!(after, before);
    assert_eq!(execute(&after, "cat file").unwrap(), "kept\n");
    story.end().await;
}

#[tokio::test]
async fn a_sandbox_is_gone_only_when_its_session_is() {
    let story = Story::begin("wasm").await;
    story.create::<Sandbox>(served("wasm")).await;
    let sandbox = until_serving(&story, "s").await;
    assert_eq!(sandbox.finalizers(), ["mote.dev/session"]);
    story
        .api::<Sandbox>()
        .delete("s", &DeleteParams::foreground())
        .await
        .unwrap();
    story.until_gone::<Sandbox>("s").await;
    assert!(execute(&address(&sandbox), "echo hi").is_err());
    story.end().await;
}

#[tokio::test]
async fn what_wasm_cannot_honour_is_told_by_name_and_served_by_nobody() {
    let story = Story::begin("wasm").await;
    let mut wrong = served("wasm");
    wrong["spec"]["podTemplate"]["spec"]["hostNetwork"] = json!(true);
    wrong["spec"]["podTemplate"]["spec"]["containers"][0]["lifecycle"] =
        json!({ "preStop": { "sleep": { "seconds": 1 } } });
    story.create::<Sandbox>(wrong).await;
    let told = story
        .until_ready_is("s", "False", "InvalidConfiguration")
        .await;
    let message = &condition(&told, "Ready").unwrap().message;
    for field in ["hostNetwork", "containers[0].lifecycle"] {
        assert!(message.contains(field), "{message}");
    }
    assert!(story.list::<Pod>("").await.is_empty());
    let warned = |events: &[Event]| {
        events
            .iter()
            .any(|event| event.reason.as_deref() == Some("InvalidConfiguration"))
    };
    story.until_all("", "warned", warned).await;
    story.end().await;
}

#[tokio::test]
async fn wasm_auto_takes_a_pod_for_what_wasm_cannot_honour_and_says_why() {
    let story = Story::begin("wasm").await;
    story.create::<Sandbox>(served("wasm-auto")).await;
    let mut pod = patience();
    pod["runtimeClassName"] = json!("wasm-auto");
    story.create::<Sandbox>(sandbox("shell", pod)).await;
    let light = until_serving(&story, "s").await;
    let heavy = until_serving(&story, "shell").await;
    assert_eq!(light.annotations()["mote.dev/tier"], "wasm");
    assert_eq!(heavy.annotations()["mote.dev/tier"], "pod");
    let reason = &heavy.annotations()["mote.dev/tier-reason"];
    assert!(reason.contains("containers[0].image"), "{reason}");
    // The annotation comes before the pod is ready.
    let ready = condition(&heavy, "Ready").unwrap();
    assert!(ready.message.ends_with(reason), "{}", ready.message);
    assert!(heavy.finalizers().is_empty());
    let pods = story.list::<Pod>("").await;
    assert_eq!(
        pods.iter().map(ResourceExt::name_any).collect::<Vec<_>>(),
        ["shell"]
    );
    story.end().await;
}

#[tokio::test]
async fn a_sandbox_that_no_node_can_take_waits_as_a_pod_would() {
    let story = Story::begin("wasm").await;
    let mut picky = served("wasm");
    picky["spec"]["podTemplate"]["spec"]["nodeSelector"] = json!({ "moon": "full" });
    story.create::<Sandbox>(picky).await;
    let told = story
        .until("s", "unschedulable", |sandbox: &Sandbox| {
            condition(sandbox, "PodScheduled").is_some_and(|it| it.reason == "Unschedulable")
        })
        .await;
    let message = &condition(&told, "PodScheduled").unwrap().message;
    assert!(
        message.contains("didn't match Pod's node affinity/selector"),
        "{message}"
    );
    story.delete::<Sandbox>("s").await;
    story.until_gone::<Sandbox>("s").await;
    story.end().await;
}

#[tokio::test]
async fn a_claim_takes_a_session_from_a_pool_that_fills_again() {
    let story = Story::begin("wasm").await;
    story
        .create::<SandboxTemplate>(open_template("t", session("wasm")))
        .await;
    story.create::<SandboxWarmPool>(pool("p", "t", 2)).await;
    let full = |pool: &SandboxWarmPool| {
        pool.status
            .as_ref()
            .is_some_and(|it| it.ready_replicas == 2)
    };
    story.until("p", "full", full).await;
    story.create::<SandboxClaim>(claim("c", "p")).await;
    let bound = story
        .until("c", "ready", |claim: &SandboxClaim| {
            let status = claim.status.as_ref();
            status.is_some_and(|it| {
                it.conditions
                    .iter()
                    .any(|it| it.type_ == "Ready" && it.status == "True")
            })
        })
        .await;
    let name = bound.status.unwrap().sandbox.unwrap().name.unwrap();
    let sandbox = story.get::<Sandbox>(&name).await;
    assert_eq!(sandbox.labels()["agents.x-k8s.io/launch-type"], "warm");
    assert_eq!(execute(&address(&sandbox), "echo hi").unwrap(), "hi\n");
    story.until("p", "full again", full).await;
    story.delete::<SandboxClaim>("c").await;
    story.until_gone::<Sandbox>(&name).await;
    story.end().await;
}

/// A claim's sandbox, by a template with this network policy.
async fn claimed(story: &Story, name: &str, policy: Option<Value>) -> Sandbox {
    let mut policed = template(name, session("wasm"));
    policed["spec"]["networkPolicy"] = policy.into();
    story.create::<SandboxTemplate>(policed).await;
    story.create::<SandboxWarmPool>(pool(name, name, 0)).await;
    story.create::<SandboxClaim>(claim(name, name)).await;
    until_serving(story, name).await
}

#[tokio::test]
async fn a_template_lets_in_whom_its_policy_names() {
    let story = Story::begin("wasm-policy").await;
    let router_only = claimed(&story, "default", None).await;
    execute(&address(&router_only), "echo hi").expect_err("only the router is let in");
    // The stories are told from the first node.
    let everybody = json!({ "ingress": [{ "from": [{ "ipBlock": { "cidr": "0.0.0.0/0" } }] }] });
    let open = claimed(&story, "open", Some(everybody.clone())).await;
    assert_eq!(execute(&address(&open), "echo hi").unwrap(), "hi\n");
    let except = json!({ "ingress": [{ "from": [{ "ipBlock": { "cidr": "0.0.0.0/0", "except": ["0.0.0.0/1"] } }] }] });
    let closed = claimed(&story, "closed", Some(except)).await;
    execute(&address(&closed), "echo hi").expect_err("half of all addresses are let in");
    let other_port = json!({ "ingress": [{ "ports": [{ "port": 9090 }] }] });
    let other_port = claimed(&story, "port", Some(other_port)).await;
    execute(&address(&other_port), "echo hi").expect_err("let in at another port");

    // A policy that changes is told before the next session is made by it.
    let policy = |rules: &Value| json!({ "spec": { "networkPolicy": rules } });
    story
        .patch::<SandboxTemplate>("default", policy(&everybody))
        .await;
    story
        .patch::<SandboxTemplate>("open", policy(&json!({ "ingress": [] })))
        .await;
    let later = claimed(&story, "later", None).await;
    execute(&address(&later), "echo hi").expect_err("only the router is let in");
    assert_eq!(execute(&address(&router_only), "echo hi").unwrap(), "hi\n");
    execute(&address(&open), "echo hi").expect_err("nobody is let in any more");
    story.end().await;
}

#[tokio::test]
async fn a_session_has_what_config_maps_and_secrets_say_once_they_are_there() {
    let story = Story::begin("wasm-volumes").await;
    let mut pod = session("wasm");
    pod["volumes"] = json!([
        { "name": "conf", "configMap": { "name": "conf" } },
        { "name": "data", "emptyDir": {} },
    ]);
    let container = &mut pod["containers"][0];
    container["volumeMounts"] = json!([
        { "name": "conf", "mountPath": "/etc/app" },
        { "name": "data", "mountPath": "/data" },
    ]);
    container["workingDir"] = json!("/data");
    container["env"] = json!([
        { "name": "KEY", "valueFrom": { "secretKeyRef": { "name": "keys", "key": "key" } } },
        { "name": "TEAM", "valueFrom": { "fieldRef": { "fieldPath": "metadata.labels['team']" } } },
    ]);
    let config =
        json!({ "metadata": { "name": "conf" }, "data": { "app.conf": "colour = red\n" } });
    story.create::<ConfigMap>(config).await;
    let mut labelled = sandbox("s", pod);
    labelled["metadata"]["labels"] = json!({ "team": "none" });
    labelled["spec"]["podTemplate"]["metadata"] = json!({ "labels": { "team": "red" } });
    story.create::<Sandbox>(labelled).await;
    let waits = |sandbox: &Sandbox| {
        condition(sandbox, "Ready").is_some_and(|it| {
            it.status == "False" && it.message.contains("Secret \"keys\" is not there; make it")
        })
    };
    story.until("s", "missing its secret", waits).await;
    let secret = json!({ "metadata": { "name": "keys" }, "stringData": { "key": "s3cret" } });
    story.create::<Secret>(secret).await;
    let address = address(&until_serving(&story, "s").await);
    for (line, told) in [
        ("cat /etc/app/app.conf", "colour = red\n"),
        ("printenv KEY", "s3cret\n"),
        ("printenv TEAM", "red\n"),
        ("pwd", "/data\n"),
        ("sh -c 'echo kept > note; cat /data/note'", "kept\n"),
    ] {
        assert_eq!(execute(&address, line).unwrap(), told, "{line}");
    }
    // It comes back with all of it.
    mode(&story, "Suspended").await;
    story.until_ready_is("s", "False", "SandboxSuspended").await;
    mode(&story, "Running").await;
    until_serving(&story, "s").await;
    assert_eq!(execute(&address, "cat /data/note").unwrap(), "kept\n");
    story.end().await;
}

#[tokio::test]
async fn the_python_sdk_finds_the_same_in_a_session_as_in_a_pod() {
    let story = Story::begin("wasm-sdk").await;
    story
        .create::<SandboxTemplate>(open_template("t", session("wasm")))
        .await;
    story
        .create::<SandboxWarmPool>(pool("sessions", "t", 1))
        .await;
    assert_eq!(
        sdk("cluster", &story.namespace, "sessions"),
        ["commands", "files", "sandboxd", "cluster"]
    );
    story.end().await;
}

#[tokio::test]
async fn the_sdks_default_connection_works_with_an_unmodified_template() {
    let story = Story::begin("wasm-tunnel").await;
    let mut unmodified = session("wasm-auto");
    unmodified["containers"][0]["image"] =
        json!("registry.k8s.io/agent-sandbox/python-runtime-sandbox:v0.1.0");
    story
        .create::<SandboxTemplate>(template("t", unmodified))
        .await;
    story
        .create::<SandboxWarmPool>(pool("sessions", "t", 1))
        .await;
    assert_eq!(
        sdk("tunnel", &story.namespace, "sessions"),
        ["commands", "files", "tunnel"]
    );
    assert!(story.list::<Pod>("").await.is_empty());
    story.end().await;
}
