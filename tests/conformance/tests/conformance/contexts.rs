//! Interpreter contexts, beyond sandboxd: `/v1/contexts`, and a variable.

use std::collections::HashMap;

use mote_conformance::{Ended, Reply, Target, argv};
use mote_surface::proto::ProcessConfig;
use serde_json::{Value, json};

async fn execute(target: &Target, name: &str, body: &Value) -> Reply {
    let path = format!("/v1/contexts/{name}/execute");
    target.rest().post(&path, body).await
}

async fn code(target: &Target, name: &str, code: &str) -> Value {
    let reply = execute(target, name, &json!({ "code": code })).await;
    reply.expect(200).json()
}

pub(crate) async fn a_context_remembers_from_call_to_call(target: &Target) {
    let first = code(target, "work", "x = 20\nprint('set')").await;
    assert_eq!(first["stdout"], "set\n", "{first}");
    assert_eq!(first["created"], true, "{first}");
    let second = code(target, "work", "x + 1").await;
    assert_eq!(second["result"], "21", "{second}");
    assert_eq!(second["created"], false, "{second}");
    let other = code(target, "other", "x").await;
    assert_eq!(other["error"]["name"], "NameError", "{other}");
}

pub(crate) async fn a_variable_names_the_context_of_a_program(target: &Target) {
    let run = |code: &str| ProcessConfig {
        env_vars: HashMap::from([("MOTE_CONTEXT".to_owned(), "work".to_owned())]),
        ..argv(&["python3", "-c", code])
    };
    target.execute(run("y = 7")).await.unwrap();
    let ended: Ended = target.execute(run("print(y * 6)")).await.unwrap().into();
    assert_eq!(ended.ok(), "42\n");
}

pub(crate) async fn a_lost_context_is_told_of_once(target: &Target) {
    code(target, "work", "x = 1").await;
    let body = json!({ "code": "while True: pass", "timeout_seconds": 0.5 });
    let late = execute(target, "work", &body).await.expect(200).json();
    assert_eq!(late["lost"], true, "{late}");
    let told = execute(target, "work", &json!({ "code": "x" })).await;
    assert!([409, 410].contains(&told.status), "{told:?}");
    let anew = code(target, "work", "'x' in globals()").await;
    assert_eq!(
        (&anew["result"], &anew["created"]),
        (&json!("False"), &json!(true))
    );
}

pub(crate) async fn what_is_no_context_is_refused(target: &Target) {
    let rest = target.rest();
    for name in ["%2E%2E", "a%2Fb", "A%20B", &"x".repeat(300)] {
        let reply = execute(target, name, &json!({ "code": "1" })).await;
        assert!([400, 404].contains(&reply.status), "{name}: {reply:?}");
    }
    for body in [
        json!({}),
        json!({ "code": 1 }),
        json!({ "code": "1", "more": 1 }),
        json!([]),
    ] {
        let reply = execute(target, "work", &body).await;
        reply.refused(400, "INVALID_ARGUMENT");
    }
    rest.delete("/v1/contexts/none")
        .await
        .refused(404, "NOT_FOUND");
}

pub(crate) async fn the_interface_describes_itself(target: &Target) {
    let told = target.rest().get("/openapi.json").await.expect(200).json();
    for path in [
        "/v1/files/{path}",
        "/v1/health",
        "/v1/metadata",
        "/v1/contexts/{name}/execute",
    ] {
        assert!(told["paths"].get(path).is_some(), "{path} is not described");
    }
}

pub(crate) async fn a_call_tells_what_it_used(target: &Target) {
    let mut started = target.start_sh("echo out; exit 3").await;
    while started.next().await.unwrap().is_some() {}
    let trailers = started.trailers().await;
    let outcome = trailers.get("mote-outcome").unwrap().to_str().unwrap();
    let outcome: Value = serde_json::from_str(outcome).unwrap();
    assert_eq!(
        (&outcome["reason"], &outcome["exit_code"]),
        (&json!("exited"), &json!(3))
    );
    assert!(
        outcome["usage"]["wall_us"].as_u64().unwrap() > 0,
        "{outcome}"
    );
    assert_eq!(outcome["stdout"]["bytes"], 4, "{outcome}");
}
