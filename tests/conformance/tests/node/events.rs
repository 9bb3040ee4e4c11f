//! What happens to sandboxes, as those hear it who follow.

use std::time::{Duration, Instant};

use mote_conformance::run;
use serde_json::json;

use crate::own::{Follower, Own};

/// Longest that a node may take to end while it is followed.
const STOP: Duration = Duration::from_secs(10);

fn pair(id: &str, kind: &str) -> Option<(String, String)> {
    Some((id.to_owned(), kind.to_owned()))
}

#[test]
fn events_are_told_in_order() {
    run(async {
        let own = Own::start(&[]);
        let mut follower = Follower::new(own.api(), "/v1/events").await;
        let target = own.made("a", json!({})).await;
        target.sh("echo").await.ok();
        own.order("a", "suspend").await.expect(200);
        own.order("a", "resume").await.expect(200);
        own.delete("a").await.expect(204);
        let mut last = 0;
        for kind in ["created", "called", "suspended", "resumed", "deleted"] {
            let event = follower.next().await.unwrap();
            assert_eq!((&event["id"], &event["kind"]), (&json!("a"), &json!(kind)));
            let sequence = event["sequence"].as_u64().unwrap();
            assert!(sequence > last, "{event}");
            last = sequence;
        }
    });
}

#[test]
fn of_one_sandbox_only_its_own_events_are_told() {
    run(async {
        let own = Own::start(&[]);
        own.made("mine", json!({})).await;
        let other = own.made("other", json!({})).await;
        let path = "/v1/sandboxes/mine/events";
        let mut follower = Follower::new(own.api(), path).await;
        other.sh("echo").await.ok();
        own.order("mine", "suspend").await.expect(200);
        own.delete("other").await.expect(204);
        own.delete("mine").await.expect(204);
        assert_eq!(follower.kind().await, pair("mine", "suspended"));
        assert_eq!(follower.kind().await, pair("mine", "deleted"));
        assert_eq!(follower.kind().await, None, "it ends with its sandbox");
        let gone = own.api().get(path).await;
        gone.refused(404, "NOT_FOUND");
    });
}

#[test]
fn a_node_that_is_followed_and_called_stops_at_once() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        let mut all = Follower::new(own.api(), "/v1/events").await;
        let mut one = Follower::new(own.api(), "/v1/sandboxes/a/events").await;
        let mut started = target.start_sh("echo ready; sleep 1000").await;
        started.until("ready\n").await;
        let begun = Instant::now();
        let stop = tokio::task::spawn_blocking(|| own.stop());
        while all.next().await.is_some() {}
        while one.next().await.is_some() {}
        while let Ok(Some(_)) = started.next().await {}
        stop.await.unwrap();
        assert!(begun.elapsed() < STOP, "{:?}", begun.elapsed());
    });
}
