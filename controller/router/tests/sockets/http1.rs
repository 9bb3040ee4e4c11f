//! Requests and responses over HTTP/1.1.

use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{Sandbox, World, empty, full, soon, text, to};

#[tokio::test]
async fn a_request_reaches_its_sandbox_and_its_answer_comes_back() {
    let sandbox = Sandbox::echo().await;
    let world = World::of([sandbox.entry("s")]).await;
    let request = to(&sandbox, "s")
        .method("PUT")
        .header("x-own", "1")
        .header("authorization", "Bearer secret")
        .header("x-forwarded-for", "10.9.9.9");
    let response = world.ask(request.body(full("content")).unwrap()).await;
    assert_eq!(response.status(), 200);
    let port = sandbox.address.port();
    let mut lines: Vec<_> = text(response.into_body())
        .await
        .lines()
        .map(str::to_owned)
        .collect();
    lines[1..].sort();
    assert_eq!(
        lines,
        [
            "HTTP/1.1 PUT /path?query",
            "",
            "content",
            "content-length: 7",
            &format!("host: 127.0.0.1:{port}"),
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: router.example",
            "x-forwarded-proto: http",
            "x-own: 1",
            "x-sandbox-id: s",
            "x-sandbox-namespace: n",
            &format!("x-sandbox-port: {port}"),
        ]
    );
}

#[tokio::test]
async fn requests_go_to_the_sandbox_they_name() {
    let named = |name: &'static str| move |_| async move { Response::new(full(name)) };
    let (a, b) = (
        Sandbox::start(named("a")).await,
        Sandbox::start(named("b")).await,
    );
    let world = World::of([a.entry("a"), b.entry("b")]).await;
    let mut client = world.http1().await;
    for (sandbox, name) in [(&a, "a"), (&b, "b"), (&a, "a")] {
        let request = to(sandbox, name).body(empty()).unwrap();
        let response = soon(client.send_request(request)).await.unwrap();
        assert_eq!(text(response.into_body()).await, name);
        client.ready().await.unwrap();
    }
}

#[tokio::test]
async fn an_address_in_a_header_is_used_only_if_a_sandbox_reports_it() {
    let own = Sandbox::start(|_| async { Response::new(full("own")) }).await;
    let neighbour = format!("127.0.0.2:{}", own.address.port());
    let other = Sandbox::start_at(&neighbour, |_| async { Response::new(full("other")) }).await;
    let world = World::of([own.entry("s")]).await;
    let ask = async || {
        let request = to(&own, "s").header("x-sandbox-pod-ip", "127.0.0.2");
        let response = world.ask(request.body(empty()).unwrap()).await;
        text(response.into_body()).await
    };
    assert_eq!(ask().await, "own");
    world.directory.set(other.entry("t"));
    assert_eq!(ask().await, "other");
}

#[tokio::test]
async fn a_connection_to_a_sandbox_is_used_again() {
    let sandbox = Sandbox::echo().await;
    let world = World::of([sandbox.entry("s")]).await;
    for _ in 0..20 {
        let response = world.ask(to(&sandbox, "s").body(empty()).unwrap()).await;
        text(response.into_body()).await;
    }
    // One may come while the one before is being given back.
    assert!(sandbox.connections() < 5, "{}", sandbox.connections());
}

#[tokio::test]
async fn a_connection_that_the_sandbox_has_closed_costs_no_request() {
    // Each connection is good for one answer, and does not say so.
    let sandbox = Sandbox::raw(|mut stream| async move {
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let _ = stream.write_all(answer).await;
        let _ = stream.read(&mut head).await;
    })
    .await;
    let world = World::of([sandbox.entry("s")]).await;
    for _ in 0..20 {
        let response = world.ask(to(&sandbox, "s").body(empty()).unwrap()).await;
        assert_eq!(text(response.into_body()).await, "ok");
    }
}

#[tokio::test]
async fn the_answer_to_head_has_a_length_and_no_body() {
    let sandbox = Sandbox::start(|_| async { Response::new(full("content")) }).await;
    let world = World::of([sandbox.entry("s")]).await;
    let request = to(&sandbox, "s").method("HEAD");
    let response = world.ask(request.body(empty()).unwrap()).await;
    assert_eq!(response.headers()["content-length"], "7");
    assert_eq!(text(response.into_body()).await, "");
}

#[tokio::test]
async fn who_waits_to_be_told_to_go_on_is_told() {
    let sandbox = Sandbox::echo().await;
    let world = World::of([sandbox.entry("s")]).await;
    let mut client = world.connect().await;
    let port = sandbox.address.port();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\
         x-sandbox-id: s\r\nx-sandbox-namespace: n\r\nx-sandbox-port: {port}\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 25];
    soon(client.read_exact(&mut told)).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"body").await.unwrap();
    let mut answer = String::new();
    soon(client.read_to_string(&mut answer)).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("body"),
        "{answer}"
    );
}

#[tokio::test]
async fn http2_that_is_not_grpc_goes_on_as_http1() {
    let sandbox = Sandbox::echo().await;
    let world = World::of([sandbox.entry("s")]).await;
    let mut client = world.http2().await;
    let request = crate::world::to_http2(&sandbox, "s")
        .body(full("x"))
        .unwrap();
    let response = soon(client.send_request(request)).await.unwrap();
    let said = text(response.into_body()).await;
    assert!(
        said.starts_with("HTTP/1.1 POST /package.Service/Method\n"),
        "{said}"
    );
    assert!(
        said.contains("x-forwarded-host: router.example\n"),
        "{said}"
    );
}

#[tokio::test]
async fn a_load_balancer_is_answered_without_a_sandbox() {
    let world = World::of([]).await;
    let request = Request::get("/healthz").header("host", "x");
    let response = world.ask(request.body(empty()).unwrap()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(text(response.into_body()).await, r#"{"status":"ok"}"#);
}

#[tokio::test]
async fn sessions_at_one_address_are_called_by_their_names() {
    let host = Sandbox::start(|request| async move {
        let named = request.headers()["host"].to_str().unwrap().to_owned();
        Response::new(full(named))
    })
    .await;
    let session = |name| {
        let mut entry = host.entry(name);
        entry.session = true;
        entry
    };
    let world = World::of([session("a"), session("b")]).await;
    let mut client = world.http1().await;
    let port = host.address.port();
    for name in ["a", "b", "a"] {
        let request = to(&host, name).body(empty()).unwrap();
        let response = soon(client.send_request(request)).await.unwrap();
        let named = text(response.into_body()).await;
        assert_eq!(named, format!("{name}.n:{port}"));
        client.ready().await.unwrap();
    }
    // Neither waits for the other's requests.
    assert_eq!(host.connections(), 2);
}
