//! What a caller gives up, or asks for, for one call: the header `mote-call`.

use mote_conformance::{Target, argv, node, run, sh};
use serde_json::{Value, json};
use tonic::Code;

use crate::own::{execute, with_options};

/// The outcome that a header or trailer tells.
fn outcome(told: &str) -> Value {
    serde_json::from_str(told).unwrap()
}

async fn outcome_of_execute(target: &Target, command: &str) -> Value {
    let body = json!({ "command": command });
    let reply = target.runtime().post("/execute", &body).await.expect(200);
    outcome(reply.header("mote-outcome").unwrap())
}

async fn outcome_of_grpc(target: &Target, line: &str) -> Value {
    let mut started = target.start_sh(line).await;
    while started.next().await.unwrap().is_some() {}
    let trailers = started.trailers().await;
    outcome(trailers.get("mote-outcome").unwrap().to_str().unwrap())
}

#[test]
fn a_call_has_only_the_folders_it_asks_for() {
    run(async {
        let target = node().sandbox().await;
        target.sh("echo own > f; echo scratch > /tmp/f").await.ok();
        let less = with_options(&target, &json!({ "preopens": ["/tmp"] }));
        let ran = execute(&less, "cat /tmp/f").await;
        assert_eq!(ran["stdout"], "scratch\n", "{ran}");
        let ran = execute(&less, "cat /workspace/f").await;
        assert_ne!(ran["exit_code"], 0, "{ran}");
        let none = with_options(&target, &json!({ "preopens": [] }));
        assert_ne!(none.sh("cat /tmp/f").await.code, 0);
        let more = with_options(&target, &json!({ "preopens": ["/etc"] }));
        let refused = more.execute(sh("echo")).await.unwrap_err();
        let codes = [Code::PermissionDenied, Code::InvalidArgument];
        assert!(codes.contains(&refused.code()), "{refused}");
        // The next call has all again.
        assert_eq!(target.sh("cat f /tmp/f").await.ok(), "own\nscratch\n");
    });
}

#[test]
fn limits_are_lowered_and_never_raised() {
    run(async {
        let spec = json!({ "limits": { "deadline": 2 } });
        let target = node().target(&node().create(&spec).await);
        let lower = with_options(&target, &json!({ "limits": { "deadline": 0.2 } }));
        let ran = execute(&lower, "sleep 1000").await;
        assert_eq!(ran["timed_out"], true, "{ran}");
        let told = outcome_of_grpc(&lower, "sleep 1000").await;
        assert_eq!(told["reason"], "deadline", "{told}");
        let higher = with_options(&target, &json!({ "limits": { "deadline": 3600 } }));
        let told = outcome_of_grpc(&higher, "sleep 1000").await;
        assert_eq!(told["reason"], "deadline", "{told}");
        let small = with_options(&target, &json!({ "limits": { "output": "10" } }));
        let told = outcome_of_execute(&small, "seq 100").await;
        assert_eq!(told["limits_hit"], json!(["output"]), "{told}");
    });
}

#[test]
fn a_transaction_is_kept_or_undone_and_says_what_it_changed() {
    run(async {
        let target = node().sandbox().await;
        let alone = with_options(&target, &json!({ "transaction": true }));
        let told = outcome_of_grpc(&alone, "echo 1 > a").await;
        let change = |path, kind| json!({ "path": path, "kind": kind });
        let kept = json!({ "committed": true, "changes": [change("a", "added")] });
        assert_eq!(told["transaction"], kept);
        let told = outcome_of_execute(&alone, "sh -c 'rm a; echo 2 > b; exit 1'").await;
        let changes = [change("a", "removed"), change("b", "added")];
        let undone = json!({ "committed": false, "changes": changes });
        assert_eq!(told["transaction"], undone);
        assert_eq!(target.sh("ls; cat a").await.ok(), "a\n1\n");
    });
}

#[test]
fn a_call_may_be_for_a_context() {
    run(async {
        let target = node().sandbox().await;
        let resident = with_options(&target, &json!({ "context": "work" }));
        let python = |code| argv(&["python3", "-c", code]);
        resident.execute(python("y = 7")).await.unwrap();
        let ran = resident.execute(python("print(y * 6)")).await.unwrap();
        assert_eq!(&ran.stdout[..], b"42\n");
        let ran = execute(&resident, "python3 -c 'print(y + 1)'").await;
        assert_eq!(ran["stdout"], "8\n", "{ran}");
    });
}

#[test]
fn options_that_are_none_are_refused_by_every_surface() {
    run(async {
        let target = node().sandbox().await;
        for options in [
            json!({ "unknown": true }),
            json!({ "transaction": "yes" }),
            json!({ "context": "../x" }),
            json!({ "preopens": ["relative"] }),
            json!([]),
            json!("x"),
        ] {
            let bad = with_options(&target, &options);
            let refused = bad.execute(sh("echo")).await.unwrap_err();
            assert_eq!(
                refused.code(),
                Code::InvalidArgument,
                "{options}: {refused}"
            );
            let body = json!({ "command": "echo" });
            let refused = bad.runtime().post("/execute", &body).await;
            assert_eq!(refused.status, 400, "{options}: {refused:?}");
            let body = json!({ "code": "1" });
            let refused = bad.rest().post("/v1/contexts/work/execute", &body).await;
            refused.refused(400, "INVALID_ARGUMENT");
        }
        let bad = with_options(&target, &json!({ "limits": { "memroy": 1 } }));
        let refused = bad.execute(sh("echo")).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    });
}

#[test]
fn every_surface_tells_the_outcome() {
    run(async {
        let target = node().sandbox().await;
        let by_execute = outcome_of_execute(&target, "echo four").await;
        let by_start = outcome_of_grpc(&target, "echo four").await;
        let body = json!({ "code": "print('four')" });
        let ran = target.rest().post("/v1/contexts/work/execute", &body).await;
        let by_context = ran.expect(200).json()["outcome"].clone();
        let request = mote_surface::proto::ExecuteRequest {
            config: Some(sh("echo four")),
        };
        let ran = target.grpc().await.execute(request).await.unwrap();
        let told = ran.metadata().get("mote-outcome").unwrap();
        let by_unary = outcome(told.to_str().unwrap());
        for told in [by_execute, by_start, by_context, by_unary] {
            assert_eq!(told["exit_code"], 0, "{told}");
            assert_eq!(told["stdout"]["bytes"], 5, "{told}");
            assert!(told["usage"]["wall_us"].as_u64().unwrap() > 0, "{told}");
        }
    });
}
