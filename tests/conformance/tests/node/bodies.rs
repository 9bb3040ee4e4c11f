//! Requests whose bodies do not come.

use std::time::{Duration, Instant};

use mote_conformance::{Ask, Endpoint, run, within};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

use crate::own::{Own, sent};

/// Longest that a body may be waited for.
const BODY: Duration = Duration::from_secs(50);

/// Sends one byte of many, and waits for the answer.
async fn stall(endpoint: Endpoint, path: &'static str) {
    let ask = Ask::new("POST", path).header("content-type", "application/json");
    let ask = ask.header("content-length", "1000");
    let begun = Instant::now();
    let mut stream = sent(&endpoint, &ask, b"{").await;
    let mut answer = String::new();
    // A reset is an end as well.
    let _ = within(path, stream.read_to_string(&mut answer)).await;
    assert!(begun.elapsed() < BODY, "{path}: {:?}", begun.elapsed());
    assert!(
        answer.is_empty() || answer.contains(" 408 "),
        "{path}: {answer}"
    );
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        let mut stalls = JoinSet::new();
        for (endpoint, path) in [
            (&own.api().0, "/v1/sandboxes"),
            (&own.api().0, "/v1/sandboxes/a/fork"),
            (&target.rest, "/v1/contexts/work/execute"),
            (&target.runtime, "/execute"),
        ] {
            stalls.spawn(stall(endpoint.clone(), path));
        }
        // They hold nobody up meanwhile.
        assert_eq!(target.sh("echo alive").await.ok(), "alive\n");
        stalls.join_all().await;
        own.delete("a").await.expect(204);
    });
}
