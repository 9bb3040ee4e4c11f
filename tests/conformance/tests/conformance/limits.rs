//! What the node host adds: sandboxes that are not there, suspended, deleted
//! while they are called, or full. Only for wasm: a daemon has one sandbox,
//! which is there as long as it is.

use mote_conformance::{Target, node, sh};
use mote_surface::proto::{ProcessConfig, StartRequest};
use serde_json::json;
use tonic::Code;

fn id(target: &Target) -> String {
    let header = &target.rest.headers[0];
    assert_eq!(header.0, "x-sandbox-id");
    header.1.clone()
}

async fn refused_everywhere(target: &Target, code: Code, status: u16, name: &str) {
    let refused = target.execute(sh("echo")).await.unwrap_err();
    assert_eq!(refused.code(), code, "{refused}");
    let reply = target.rest().get("/v1/files/").await;
    reply.refused(status, name);
    let reply = target.rest().put("/v1/files/f", "x").await;
    reply.refused(status, name);
    let body = json!({ "command": "echo" });
    let reply = target.runtime().post("/execute", &body).await;
    reply.expect(status);
}

pub(crate) async fn a_sandbox_that_is_not_there_is_not_found(_: &Target) {
    for id in ["no-such-sandbox", "x"] {
        refused_everywhere(&node().target(id), Code::NotFound, 404, "NOT_FOUND").await;
    }
}

pub(crate) async fn a_name_that_no_sandbox_can_have_is_refused(_: &Target) {
    for id in ["..", "A_B", "a/b", "-x", &"x".repeat(300)] {
        let reply = node().target(id).rest().get("/v1/files/").await;
        assert!([400, 404].contains(&reply.status), "{id}: {reply:?}");
    }
}

pub(crate) async fn a_suspended_sandbox_is_unavailable(target: &Target) {
    target.file("f", "kept").await;
    let id = id(target);
    node().order(&id, "suspend").await.expect(200);
    refused_everywhere(target, Code::Unavailable, 503, "UNAVAILABLE").await;
    node().order(&id, "resume").await.expect(200);
    assert_eq!(target.sh("cat f").await.ok(), "kept");
}

pub(crate) async fn suspending_ends_what_runs(target: &Target) {
    let mut started = target.start_sh("echo ready; sleep 1000").await;
    started.until("ready\n").await;
    node().order(&id(target), "suspend").await.expect(200);
    while let Ok(Some(_)) = started.next().await {}
}

pub(crate) async fn deleting_ends_what_runs(target: &Target) {
    let mut started = target.start_sh("echo ready; sleep 1000").await;
    started.until("ready\n").await;
    node().delete(&id(target)).await.expect(204);
    while let Ok(Some(_)) = started.next().await {}
    refused_everywhere(target, Code::NotFound, 404, "NOT_FOUND").await;
}

pub(crate) async fn sandboxes_do_not_see_each_other(target: &Target) {
    let other = node().sandbox().await;
    target.file("mine", "secret").await;
    other
        .rest()
        .get("/v1/files/mine")
        .await
        .refused(404, "NOT_FOUND");
    assert_ne!(other.sh("cat /workspace/mine").await.code, 0);
    let mut started = target.start_sh("read x; echo \"$x\"").await;
    let mut theirs = other.start_sh("read x").await;
    theirs.pid = started.pid + 7;
    let refused = theirs.write("stolen\n").await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    started.write("mine\n").await.unwrap();
    assert_eq!(started.until("\n").await, "mine\n");
}

pub(crate) async fn a_full_disk_is_told_as_such(_: &Target) {
    let spec = json!({ "limits": { "disk": "1Mi" } });
    let target = node().target(&node().create(&spec).await);
    let reply = target.rest().put("/v1/files/big", vec![0; 3_000_000]).await;
    reply.refused(507, "RESOURCE_EXHAUSTED");
    target.rest().get("/v1/files/big").await.expect(404);
    // All that was booked is given back.
    target
        .rest()
        .put("/v1/files/small", vec![0; 900_000])
        .await
        .expect(204);
}

pub(crate) async fn a_sandbox_spec_is_checked(_: &Target) {
    for spec in [
        json!({ "id": "../x" }),
        json!({ "unknown": true }),
        json!({ "limits": { "memory": "1Ti" } }),
        json!({ "limits": { "memroy": "1Mi" } }),
        json!([]),
        json!("x"),
    ] {
        let reply = node().api().post("/v1/sandboxes", &spec).await;
        assert!([400, 422].contains(&reply.status), "{spec}: {reply:?}");
        assert!(reply.json()["code"].is_string(), "{spec}: {reply:?}");
    }
}

pub(crate) async fn a_name_that_is_taken_is_a_conflict(target: &Target) {
    let spec = json!({ "id": id(target) });
    node().api().post("/v1/sandboxes", &spec).await.expect(409);
}

/// A call may give folders and limits up.
pub(crate) async fn a_call_that_asks_for_less_gets_less(target: &Target) {
    let mut request = tonic::Request::new(StartRequest {
        config: Some(ProcessConfig::clone(&sh("sleep 1000"))),
        pty: None,
    });
    let less = r#"{"limits":{"deadline":0.3}}"#;
    request
        .metadata_mut()
        .insert("mote-call", less.parse().unwrap());
    let started = mote_conformance::Started::new(target.grpc().await, request);
    let ended = started.await.unwrap().end().await;
    assert_ne!(ended.code, 0, "{ended:?}");
}
