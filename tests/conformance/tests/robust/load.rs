//! Many at once.

use std::sync::Arc;

use mote_conformance::{Ended, Node, Target, argv, node, within};
use mote_surface::proto::ExecuteRequest;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const CONNECTIONS: usize = 200;
const CALLS: usize = 10_000;
const SANDBOXES: usize = 1_000;
/// Clients at once where each has a sandbox of its own.
const AT_ONCE: usize = 32;

pub(crate) async fn of_200_connections_and_10_000_calls_none_is_lost(target: &Target) {
    let mut clients = JoinSet::new();
    for client in 0..CONNECTIONS {
        let mut grpc = target.grpc().await;
        clients.spawn(async move {
            for call in 0..CALLS / CONNECTIONS {
                let text = format!("{client}:{call}");
                let request = ExecuteRequest {
                    config: Some(argv(&["echo", &text])),
                };
                let answer = within("a call", grpc.execute(request)).await.unwrap();
                let ended = Ended::from(answer.into_inner());
                assert_eq!(ended.ok(), format!("{text}\n"));
            }
        });
    }
    let mut ended = 0;
    while let Some(client) = clients.join_next().await {
        client.unwrap();
        ended += 1;
    }
    assert_eq!(ended, CONNECTIONS);
}

async fn one_of_many(node: &'static Node, n: usize) {
    let target = node.target(&node.create(&json!({ "id": format!("many-{n}") })).await);
    target.file("mine", n.to_string()).await;
    assert_eq!(
        target.sh("cat mine; echo > called").await.ok(),
        n.to_string()
    );
}

#[test]
fn a_thousand_sandboxes_are_open_with_a_call_in_each() {
    mote_conformance::run(async {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut callers = JoinSet::new();
        for n in 0..SANDBOXES {
            let places = Arc::clone(&places);
            callers.spawn(async move {
                let _place = places.acquire().await.unwrap();
                one_of_many(node(), n).await;
            });
        }
        while let Some(caller) = callers.join_next().await {
            caller.unwrap();
        }
        // All are still there, each with its own.
        for n in (0..SANDBOXES).step_by(97) {
            let rest = node().target(&format!("many-{n}")).rest();
            let mine = rest.get("/v1/files/mine").await.expect(200);
            assert_eq!(mine.text(), n.to_string());
            rest.get("/v1/files/called").await.expect(200);
        }
        let listed = node().api().get("/v1/sandboxes").await.expect(200).json();
        let listed = listed["sandboxes"].as_array().unwrap().len();
        assert!(listed >= SANDBOXES, "{listed}");
    });
}
