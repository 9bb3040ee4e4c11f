//! The server is killed in the middle of writes: afterwards each file is the
//! old one or the new one, whole, and there is nothing else.

use std::sync::Arc;

use mote_conformance::{Ask, Endpoint, Http, Node, Sandboxd, within};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Files that are written over and over.
const FILES: usize = 8;
/// Large enough that a write takes a while.
const FILE_BYTES: usize = 2_000_000;
/// Writes that must have ended well before the kill.
const WRITES: u32 = 60;
/// How often it is all done again.
const ROUNDS: usize = 3;

/// A file's content: one letter, all over.
fn content(version: usize) -> Vec<u8> {
    vec![b'a' + u8::try_from(version % 26).unwrap(); FILE_BYTES]
}

/// Writes a file over and over until the server is gone.
async fn write_on(endpoint: Endpoint, file: usize, written: Arc<Semaphore>) {
    for version in 0.. {
        let ask = Ask::new("PUT", &format!("/v1/files/d/f{file}"));
        let ask = ask.header("content-length", &FILE_BYTES.to_string());
        let Ok(mut stream) = TcpStream::connect(&endpoint.authority).await else {
            return;
        };
        let mut answer = Vec::new();
        let put = async {
            stream.write_all(ask.head(&endpoint).as_bytes()).await?;
            stream.write_all(&content(version)).await?;
            stream.read_to_end(&mut answer).await
        };
        if put.await.is_err() || !answer.starts_with(b"HTTP/1.1 204") {
            return;
        }
        written.add_permits(1);
    }
}

/// Writes until `WRITES` have ended, kills the server, and waits for the
/// writers, which notice.
async fn killed_in_the_middle(endpoint: Endpoint, kill: impl FnOnce()) {
    let written = Arc::new(Semaphore::new(0));
    let mut writers = JoinSet::new();
    for file in 0..FILES {
        writers.spawn(write_on(endpoint.clone(), file, Arc::clone(&written)));
    }
    let enough = within("writes", written.acquire_many(WRITES)).await;
    enough.unwrap().forget();
    kill();
    within("the writers' end", async {
        while writers.join_next().await.is_some() {}
    })
    .await;
}

/// Holds what a server that was started again shows to the claim.
async fn whole(endpoint: Endpoint) {
    let rest = Http(endpoint);
    let listing = rest.get("/v1/files/d").await.expect(200).json();
    let names: Vec<_> = listing["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(name)
        .collect();
    let expected: Vec<_> = (0..FILES).map(|file| format!("f{file}")).collect();
    assert_eq!(names, expected);
    for name in names {
        let got = rest.get(&format!("/v1/files/d/{name}")).await.expect(200);
        assert_eq!(got.body.len(), FILE_BYTES, "{name}");
        let first = got.body[0];
        assert!(
            got.body.iter().all(|&byte| byte == first),
            "{name} is of two versions"
        );
    }
}

fn name(entry: &Value) -> String {
    entry["name"].as_str().unwrap().to_owned()
}

#[test]
fn a_daemon_killed_while_it_writes_leaves_whole_files() {
    mote_conformance::run(async {
        let root = tempfile::tempdir().unwrap();
        for _ in 0..ROUNDS {
            let daemon = Sandboxd::start_on(root.path()).await;
            killed_in_the_middle(daemon.rest(), || daemon.kill()).await;
        }
        let daemon = Sandboxd::start_on(root.path()).await;
        whole(daemon.rest()).await;
    });
}

#[test]
fn a_node_killed_while_it_writes_leaves_whole_files() {
    mote_conformance::run(async {
        let state = tempfile::tempdir().unwrap();
        let node = Node::start_on(state.path(), &[]);
        let id = node.create(&json!({ "id": "written" })).await;
        killed_in_the_middle(node.target(&id).rest, || node.kill()).await;
        for _ in 1..ROUNDS {
            let node = Node::start_on(state.path(), &[]);
            killed_in_the_middle(node.target(&id).rest, || node.kill()).await;
        }
        let node = Node::start_on(state.path(), &[]);
        whole(node.target(&id).rest).await;
    });
}
