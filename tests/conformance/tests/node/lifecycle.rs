//! Sandboxes rest, are suspended, and go.

use std::process::Command;

use mote_conformance::{binary, run};
use serde_json::json;

use crate::own::{Follower, Own, in_context, until};

#[test]
fn calls_that_end_with_their_sandbox_end_as_killed() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        let mut started = target.start_sh("echo ready; sleep 1000").await;
        started.until("ready\n").await;
        own.order("a", "suspend").await.expect(200);
        assert_eq!(started.end().await.code, -1);
        own.order("a", "resume").await.expect(200);
        let mut started = target.start_sh("echo ready; sleep 1000").await;
        started.until("ready\n").await;
        own.delete("a").await.expect(204);
        assert_eq!(started.end().await.code, -1);
    });
}

#[test]
fn what_was_suspended_is_suspended_after_a_restart() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        target.file("f", "kept").await;
        own.order("a", "suspend").await.expect(200);
        let own = own.restart(&[]);
        assert_eq!(own.told("a").await["state"], "suspended");
        let target = own.target("a");
        let refused = target.rest().get("/v1/files/f").await;
        refused.refused(503, "UNAVAILABLE");
        own.order("a", "resume").await.expect(200);
        let own = own.restart(&[]);
        assert_eq!(own.target("a").sh("cat f").await.ok(), "kept");
    });
}

#[test]
fn what_has_lived_its_time_is_deleted() {
    run(async {
        let own = Own::start(&[]);
        let mut follower = Follower::new(own.api(), "/v1/events").await;
        let target = own.made("short", json!({ "ttl_seconds": 1 })).await;
        let mut started = target.start_sh("echo ready; sleep 1000").await;
        started.until("ready\n").await;
        while follower.kind().await.unwrap().1 != "deleted" {}
        assert_eq!(started.end().await.code, -1);
        let shown = own.api().get("/v1/sandboxes/short").await;
        shown.refused(404, "NOT_FOUND");
        own.settled().await;
        own.made("short", json!({})).await;
        let expired = |line: &serde_json::Value| line["action"] == "expire";
        until("its line", async || own.audit().iter().any(expired)).await;
    });
}

#[test]
fn a_sandbox_that_nobody_calls_rests_and_the_next_call_wakes_it() {
    run(async {
        let own = Own::start(&[]);
        let mut follower = Follower::new(own.api(), "/v1/events").await;
        let spec = json!({ "idle_timeout_seconds": 1 });
        let target = own.made("a", spec).await;
        target.file("f", "kept").await;
        while follower.kind().await.unwrap().1 != "idled" {}
        assert_eq!(own.told("a").await["state"], "idle");
        assert_eq!(target.sh("cat f").await.ok(), "kept");
        assert_eq!(own.told("a").await["state"], "ready");
    });
}

#[test]
fn a_sandbox_in_which_a_call_runs_does_not_rest() {
    run(async {
        let own = Own::start(&[]);
        let mut follower = Follower::new(own.api(), "/v1/events").await;
        let spec = json!({ "idle_timeout_seconds": 1 });
        let target = own.made("a", spec).await;
        assert_eq!(target.sh("sleep 4; echo slept").await.ok(), "slept\n");
        let mut kinds = Vec::new();
        while kinds.last().is_none_or(|kind| kind != "idled") {
            kinds.push(follower.kind().await.unwrap().1);
        }
        assert_eq!(kinds, ["created", "called", "idled"]);
    });
}

#[test]
fn two_nodes_do_not_share_a_state_folder() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        let mut second = Command::new(binary("mote"));
        second.args(["serve", "--listen", "127.0.0.1:0", "--state"]);
        let second = second.arg(own.state()).output().unwrap();
        assert!(!second.status.success());
        let said = String::from_utf8_lossy(&second.stderr);
        assert!(said.contains("in use by another mote"), "{said}");
        assert_eq!(target.sh("echo alive").await.ok(), "alive\n");
    });
}

#[test]
fn nobody_takes_a_new_context_for_one_that_was_suspended() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        in_context(&target, "work", "x = 1").await;
        own.order("a", "suspend").await.expect(200);
        own.order("a", "resume").await.expect(200);
        let path = "/v1/contexts/work/execute";
        let body = json!({ "code": "'x' in globals()" });
        let told = target.rest().post(path, &body).await;
        if told.status == 200 {
            assert_eq!(told.json()["created"], true, "{told:?}");
        } else {
            assert!([409, 410].contains(&told.status), "{told:?}");
        }
        let anew = in_context(&target, "work", "'x' in globals()").await;
        assert_eq!(anew["result"], "False", "{anew}");
    });
}
