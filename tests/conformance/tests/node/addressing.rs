//! Which sandbox, by which protocol, a request reaches.

use std::net::TcpListener;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mote_conformance::{Ask, Endpoint, Http, Reply, Target, node, read_reply, run, sh, within};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

use crate::own::Own;

/// The ports of sandboxes' own addresses.
const PORTS: [u16; 3] = [9090, 8080, 8888];

/// A sandbox of the shared node with a file of its name.
async fn named() -> (String, Target) {
    let id = node().create(&json!({})).await;
    let target = node().target(&id);
    target.file("name", id.as_str()).await;
    (id, target)
}

/// `GET path` with this `Host`.
async fn under(host: &str, path: &str) -> Reply {
    let mut stream = TcpStream::connect(node().authority()).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    within("an answer", stream.read_to_end(&mut answer))
        .await
        .unwrap();
    read_reply(&answer, false).unwrap()
}

#[test]
fn a_host_name_leads_to_its_sandbox() {
    run(async {
        let (id, _) = named().await;
        let upper = id.to_uppercase();
        for host in [
            format!("{id}.localhost"),
            format!("{id}.localhost:7070"),
            format!("{upper}.LOCALHOST"),
            format!("{id}.default.localhost."),
        ] {
            let file = under(&host, "/v1/files/name").await.expect(200);
            assert_eq!(file.text(), id, "{host}");
            let file = under(&host, "/download/name").await.expect(200);
            assert_eq!(file.text(), id, "{host}");
        }
        under("nobody.localhost", "/v1/files/name")
            .await
            .refused(404, "NOT_FOUND");
        let own = under("localhost", "/v1/sandboxes").await.expect(200);
        assert!(own.json()["sandboxes"].is_array());
    });
}

#[test]
fn a_path_leads_to_its_sandbox() {
    run(async {
        let (id, _) = named().await;
        let api = node().api();
        let at = |path: &str| format!("/v1/sandboxes/{id}/{path}");
        let file = api.get(&at("rest/v1/files/name")).await.expect(200);
        assert_eq!(file.text(), id);
        let put = api.put(&at("rest/v1/files/a%2Fb?mode=0600"), "deep").await;
        put.expect(204);
        let file = api.get(&at("runtime/download/a%2Fb")).await.expect(200);
        assert_eq!(file.text(), "deep");
        let body = json!({ "command": "cat a/b" });
        let ran = api.post(&at("runtime/execute"), &body).await.expect(200);
        assert_eq!(ran.json()["stdout"], "deep");
        let health = api.get(&at("rest/v1/health")).await.expect(200);
        assert_eq!(health.json()["status"], "ok");
    });
}

#[test]
fn a_redirect_keeps_the_path_that_leads_to_the_sandbox() {
    run(async {
        let (id, _) = named().await;
        let at = |path: &str| format!("/v1/sandboxes/{id}/{path}");
        for (asked, told) in [
            ("rest/v1/files", "rest/v1/files/"),
            ("rest/v1/files/x/../name", "rest/v1/files/name"),
            ("rest/v1/files//name", "rest/v1/files/name"),
        ] {
            let moved = node().api().get(&at(asked)).await.expect(301);
            let location = moved.header("location").unwrap();
            assert_eq!(location, at(told), "{asked}");
            node().api().get(location).await.expect(200);
        }
    });
}

#[test]
fn a_port_names_the_protocol() {
    run(async {
        let (id, _) = named().await;
        let at = |port| Http(Endpoint::shared(node().authority(), &id, port));
        at(8080).get("/v1/files/name").await.expect(200);
        at(8888).get("/download/name").await.expect(200);
        at(8080).get("/download/name").await.expect(404);
        at(8888).get("/v1/files/name").await.expect(404);
    });
}

#[test]
fn a_request_for_two_sandboxes_is_refused() {
    run(async {
        let (_, mut target) = named().await;
        let second = ("x-sandbox-id".to_owned(), named().await.0);
        target.rest.headers.push(second);
        let refused = target.rest().get("/v1/files/name").await;
        refused.refused(400, "INVALID_ARGUMENT");
    });
}

#[test]
fn a_port_that_nobody_listens_at_is_refused_in_the_words_of_the_caller() {
    run(async {
        let (id, _) = named().await;
        for port in ["0", "80", "8888x", "99999", ""] {
            let mut endpoint = Endpoint::shared(node().authority(), &id, 0);
            endpoint.headers[1].1 = port.to_owned();
            let refused = Http(endpoint.clone()).get("/v1/files/name").await;
            let said = refused.refused(400, "INVALID_ARGUMENT");
            assert!(said.contains("8080"), "{said}");
            let surfaces = [(); 3].map(|()| endpoint.clone());
            let target = Target::new(surfaces, "/workspace", ());
            let refused = target.execute(sh("echo")).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        }
        let target = node().target("No_Name");
        let refused = target.execute(sh("echo")).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    });
}

/// The surfaces at a sandbox's own address.
fn at(address: &str) -> Target {
    let surfaces = PORTS.map(|port| Endpoint::plain(&format!("{address}:{port}")));
    Target::new(surfaces, "/workspace", ())
}

/// The ports, for one test at a time; `None`, which is said, if anything else
/// on this machine has one of them.
fn ports() -> Option<MutexGuard<'static, ()>> {
    static MINE: Mutex<()> = Mutex::new(());
    let mine = MINE.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = |&port| TcpListener::bind(("0.0.0.0", port)).is_err();
    if PORTS.iter().any(taken) {
        println!("a port of {PORTS:?} is taken on this machine: nothing was tried");
        return None;
    }
    Some(mine)
}

#[test]
fn addresses_that_others_reach_need_a_token() {
    let Some(_ports) = ports() else { return };
    run(async {
        for prefix in ["192.0.2.0/24", "126.0.0.0/7"] {
            let own = Own::start(&["--addresses", prefix]);
            assert!(own.state().join("token").exists(), "{prefix}");
            let refused = own.api().get("/v1/sandboxes").await;
            refused.refused(401, "UNAUTHENTICATED");
        }
    });
}

#[test]
fn a_sandbox_answers_at_its_own_address() {
    let Some(_ports) = ports() else { return };
    run(async {
        let own = Own::start(&["--addresses", "127.77.0.0/24"]);
        let mut addresses = Vec::new();
        for id in ["a", "b"] {
            own.made(id, json!({})).await.file("name", id).await;
            let address = own.told(id).await["address"].as_str().unwrap().to_owned();
            let target = at(&address);
            assert_eq!(target.sh("cat name").await.ok(), id);
            let file = target.rest().get("/v1/files/name").await.expect(200);
            assert_eq!(file.text(), id);
            let file = target.runtime().get("/download/name").await.expect(200);
            assert_eq!(file.text(), id);
            addresses.push(address);
        }
        assert_ne!(addresses[0], addresses[1]);
        // There, no header leads to another sandbox.
        let ask = Ask::new("GET", "/v1/files/name").header("x-sandbox-id", "a");
        let file = at(&addresses[1]).rest().send(ask).await.expect(200);
        assert_eq!(file.text(), "b");
        nobody_at("127.77.0.200").await;
        own.delete("a").await.expect(204);
        nobody_at(&addresses[0]).await;
        let next = own.made("c", json!({})).await;
        next.file("name", "c").await;
        let told = own.told("c").await;
        assert_ne!(told["address"], addresses[0], "a freed address rests");
        let own = own.restart(&["--addresses", "127.77.0.0/24"]);
        assert_eq!(own.told("c").await["address"], told["address"]);
        assert_eq!(at(&addresses[1]).sh("cat name").await.ok(), "b");
    });
}

/// Holds an address to be no sandbox's.
async fn nobody_at(address: &str) {
    let target = at(address);
    let refused = target.rest().get("/v1/files/name").await;
    assert!([400, 404].contains(&refused.status), "{refused:?}");
    let refused = target.runtime().get("/download/name").await;
    assert!([400, 404].contains(&refused.status), "{refused:?}");
    target.execute(sh("echo")).await.unwrap_err();
}
