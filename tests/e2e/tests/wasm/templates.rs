//! Sessions whose template changes while they are there.

use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;
use mote_controller::crd::Sandbox;
use mote_e2e::{Story, execute, kubectl, patience};
use serde_json::{Value, json};

use super::{address, condition, mode, served, until_serving};

/// Changes the pod that `s` is to be the next time; waits until it says what
/// that means.
async fn change(story: &Story, pod: Value, reason: &str) -> Sandbox {
    let patch = json!({ "spec": { "podTemplate": { "spec": pod } } });
    story.patch::<Sandbox>("s", patch).await;
    let told = |sandbox: &Sandbox| {
        let told = sandbox.annotations().get("mote.dev/tier-reason");
        told.is_some_and(|told| told.contains(reason))
    };
    story.until("s", "told of the next time", told).await
}

#[tokio::test]
async fn a_session_goes_on_as_it_is_and_is_refused_when_it_is_to_come_back() {
    let story = Story::begin("wasm-template").await;
    story.create::<Sandbox>(served("wasm")).await;
    let before = address(&until_serving(&story, "s").await);
    execute(&before, "sh -c 'echo kept > file'").unwrap();
    let told = change(&story, json!({ "hostNetwork": true }), "hostNetwork").await;
    assert_eq!(condition(&told, "Ready").unwrap().status, "True");
    assert_eq!(execute(&before, "cat file").unwrap(), "kept\n");

    mode(&story, "Suspended").await;
    story.until_ready_is("s", "False", "SandboxSuspended").await;
    execute(&before, "cat file").expect_err("it stands still");
    mode(&story, "Running").await;
    let refused = story.until_ready_is("s", "False", "InvalidConfiguration");
    let refused = condition(&refused.await, "Ready").unwrap().message.clone();
    assert!(refused.contains("hostNetwork"), "{refused}");

    let undone = json!({ "spec": { "podTemplate": { "spec": { "hostNetwork": null } } } });
    story.patch::<Sandbox>("s", undone).await;
    let after = until_serving(&story, "s").await;
    assert_eq!(address(&after), before);
    assert_eq!(execute(&before, "cat file").unwrap(), "kept\n");
    assert!(!after.annotations().contains_key("mote.dev/tier-reason"));
    story.end().await;
}

#[tokio::test]
async fn a_session_becomes_a_pod_when_it_comes_back_and_nothing_leads_to_it_then() {
    let story = Story::begin("wasm-template").await;
    story.create::<Sandbox>(served("wasm-auto")).await;
    let session = address(&until_serving(&story, "s").await);
    execute(&session, "sh -c 'echo lost > file'").unwrap();
    assert!(story.find::<EndpointSlice>("s-session").await.is_some());
    let mut pod = patience();
    pod["runtimeClassName"] = json!("wasm-auto");
    change(&story, pod, "containers[0].image").await;
    assert_eq!(execute(&session, "cat file").unwrap(), "lost\n");
    assert!(story.list::<Pod>("").await.is_empty());

    mode(&story, "Suspended").await;
    story.until_ready_is("s", "False", "SandboxSuspended").await;
    mode(&story, "Running").await;
    let pod = until_serving(&story, "s").await;
    assert_eq!(pod.annotations()["mote.dev/tier"], "pod");
    assert!(pod.finalizers().is_empty());
    assert_eq!(story.list::<Pod>("").await.len(), 1);
    assert_ne!(address(&pod), session);
    execute(&session, "cat file").expect_err("the session is gone");
    assert!(story.find::<EndpointSlice>("s-session").await.is_none());
    let told = |events: &[Event]| {
        let reason = |event: &Event| event.reason.as_deref() == Some("SessionFilesLost");
        events.iter().any(reason)
    };
    story.until_all("", "told of the files", told).await;
    story.end().await;
}

#[tokio::test]
async fn nothing_leads_to_a_session_whose_service_is_taken_away() {
    let story = Story::begin("wasm-template").await;
    story.create::<Sandbox>(served("wasm")).await;
    until_serving(&story, "s").await;
    assert!(story.find::<EndpointSlice>("s-session").await.is_some());
    let without = json!({ "spec": { "service": false } });
    story.patch::<Sandbox>("s", without).await;
    let gone = |sandbox: &Sandbox| sandbox.status.as_ref().unwrap().service.is_none();
    story.until("s", "without a service", gone).await;
    assert!(story.find::<EndpointSlice>("s-session").await.is_none());
    story.end().await;
}

#[tokio::test]
async fn a_sandbox_that_cannot_be_read_any_more_goes_with_its_session() {
    let story = Story::begin("wasm-template").await;
    story.create::<Sandbox>(served("wasm")).await;
    let address = address(&until_serving(&story, "s").await);
    let in_namespace = |arguments: &[&str]| {
        let namespace = ["-n", &story.namespace];
        kubectl(&[&namespace[..], arguments].concat())
    };
    // The API server takes a number that no port has.
    let ports = json!([{ "op": "add", "path": "/spec/podTemplate/spec/containers/0/ports",
        "value": [{ "containerPort": 3_000_000_000_u32 }] }])
    .to_string();
    in_namespace(&["patch", "sandbox", "s", "--type=json", "-p", &ports]);
    let unread =
        "--for=jsonpath={.status.conditions[?(@.type==\"Ready\")].reason}=InvalidConfiguration";
    in_namespace(&["wait", "sandbox/s", unread, "--timeout=60s"]);
    assert_eq!(execute(&address, "echo here").unwrap(), "here\n");
    in_namespace(&["delete", "sandbox", "s", "--timeout=60s"]);
    execute(&address, "echo here").expect_err("the session is gone");
    story.end().await;
}
