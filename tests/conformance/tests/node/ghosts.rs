//! Clients that leave half-way, and those that are late: afterwards there is
//! a sandbox or there is none, and nothing in between.

use std::time::Duration;

use mote_conformance::{Ask, Endpoint, Http, run};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

use crate::own::{Own, sent, until};

/// Files of the sandbox that is copied and deleted, so that it takes a while.
const FILES: usize = 3_000;
/// How long clients wait before they leave, in milliseconds.
const STAYS: [u64; 5] = [0, 2, 10, 40, 100];

/// Sends a request and leaves after a while.
async fn leave(endpoint: &Endpoint, method: &'static str, path: &str, body: &str, stay: u64) {
    let ask = Ask::new(method, path).header("content-length", &body.len().to_string());
    let mut stream = sent(endpoint, &ask, body.as_bytes()).await;
    let stay = Duration::from_millis(stay);
    let _ = tokio::time::timeout(stay, stream.read_u8()).await;
}

/// Makes a sandbox of this name, which may be there, or just be made.
async fn create_at_last(api: &Http, id: &str) {
    let path = format!("/v1/sandboxes/{id}");
    until("the name to be free", async || {
        let created = api.post("/v1/sandboxes", &json!({ "id": id })).await;
        if created.status == 201 {
            return true;
        }
        created.refused(409, "CONFLICT");
        let deleted = api.delete(&path).await.status;
        assert!([204, 404].contains(&deleted), "{deleted}");
        false
    })
    .await;
}

async fn fill(own: &Own, id: &str) {
    let target = own.made(id, json!({})).await;
    let many = format!("for i in range({FILES}): open(f'f{{i}}', 'w').write('x')");
    target.file("many.py", many).await;
    target.sh("python3 many.py").await.ok();
}

#[test]
fn a_fork_whose_client_leaves_is_made_or_not() {
    run(async {
        let own = Own::start(&[]);
        fill(&own, "many").await;
        let api = own.api();
        for stay in STAYS {
            let id = format!("fork{stay}");
            let body = json!({ "id": id }).to_string();
            leave(&api.0, "POST", "/v1/sandboxes/many/fork", &body, stay).await;
            create_at_last(&api, &id).await;
        }
        own.settled().await;
    });
}

#[test]
fn a_sandbox_whose_creator_leaves_is_made_or_not() {
    run(async {
        let own = Own::start(&[]);
        for stay in STAYS {
            let id = format!("new{stay}");
            let body = json!({ "id": id }).to_string();
            leave(&own.api().0, "POST", "/v1/sandboxes", &body, stay).await;
            create_at_last(&own.api(), &id).await;
        }
        own.settled().await;
    });
}

#[test]
fn a_sandbox_whose_deleter_leaves_goes() {
    run(async {
        let own = Own::start(&[]);
        for stay in STAYS {
            fill(&own, "many").await;
            let listing = Ask::new("GET", "/v1/files/");
            let _reader = sent(&own.target("many").rest, &listing, b"").await;
            leave(&own.api().0, "DELETE", "/v1/sandboxes/many", "", stay).await;
            create_at_last(&own.api(), "many").await;
            assert_eq!(own.target("many").sh("ls").await.ok(), "");
            own.delete("many").await.expect(204);
        }
        own.settled().await;
        let own = own.restart(&[]);
        let left = own.api().get("/v1/sandboxes").await.expect(200).json();
        assert_eq!(left, json!({ "sandboxes": [] }));
    });
}

#[test]
fn who_is_late_for_a_name_leaves_nothing_behind() {
    run(async {
        let own = Own::start(&[]);
        own.made("source", json!({})).await.file("f", "x").await;
        let mut racers = JoinSet::new();
        for racer in 0..8 {
            let api = own.api();
            racers.spawn(async move {
                for _ in 0..20 {
                    let path = match racer % 2 {
                        0 => "/v1/sandboxes",
                        _ => "/v1/sandboxes/source/fork",
                    };
                    let made = api.post(path, &json!({ "id": "race" })).await;
                    assert!([201, 409].contains(&made.status), "{made:?}");
                    let gone = api.delete("/v1/sandboxes/race").await;
                    assert!([204, 404].contains(&gone.status), "{gone:?}");
                }
            });
        }
        while let Some(ended) = racers.join_next().await {
            ended.unwrap();
        }
        own.settled().await;
        create_at_last(&own.api(), "race").await;
    });
}

#[test]
fn a_new_sandbox_has_nothing_of_the_last_of_its_name() {
    run(async {
        let own = Own::start(&[]);
        for _ in 0..3 {
            fill(&own, "name").await;
            let alone = own.target("name");
            let alone = crate::own::with_options(&alone, &json!({ "transaction": true }));
            let mut started = alone.start_sh("echo secret > s; echo done").await;
            started.until("done\n").await;
            own.delete("name").await.expect(204);
            let anew = own.made("name", json!({})).await;
            while let Ok(Some(_)) = started.next().await {}
            own.settled().await;
            assert_eq!(anew.sh("ls -A").await.ok(), "");
            let log = own.api().get("/v1/sandboxes/name/log").await.expect(200);
            assert!(!log.text().contains("secret"), "{}", log.text());
            own.delete("name").await.expect(204);
        }
    });
}
