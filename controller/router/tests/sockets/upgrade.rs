//! Connections that become another protocol's.

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{Body, Sandbox, World, empty, full, soon, text, to};

/// Switches to a protocol in which each byte comes back.
async fn switch(mut request: Request<Incoming>) -> Response<Body> {
    let headers = request.headers();
    if !headers.contains_key("upgrade") {
        return Response::new(full(format!("no upgrade: {:?}", headers.get("connection"))));
    }
    assert!(!headers.contains_key("origin"));
    assert_eq!(headers["sec-websocket-key"], "key");
    let protocol = headers["upgrade"].clone();
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut stream = TokioIo::new(upgrade.await.unwrap());
        let mut bytes = [0; 1024];
        while let Ok(count) = stream.read(&mut bytes).await {
            if count == 0 || stream.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "Upgrade")
        .header("upgrade", protocol)
        .header("sec-websocket-accept", "accept")
        .body(empty())
        .unwrap()
}

fn asking(sandbox: &Sandbox, protocol: &str) -> Request<Body> {
    to(sandbox, "s")
        .header("connection", "keep-alive, Upgrade")
        .header("upgrade", protocol)
        .header("origin", "http://router.example")
        .header("sec-websocket-key", "key")
        .body(empty())
        .unwrap()
}

#[tokio::test]
async fn a_websocket_passes_bytes_both_ways_until_one_side_ends() {
    let sandbox = Sandbox::start(switch).await;
    let world = World::of([sandbox.entry("s")]).await;
    let mut response = world.ask(asking(&sandbox, "websocket")).await;
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()["upgrade"], "websocket");
    assert_eq!(response.headers()["sec-websocket-accept"], "accept");
    let upgraded = soon(hyper::upgrade::on(&mut response)).await.unwrap();
    let mut stream = TokioIo::new(upgraded);
    for message in ["one", "two", "three"] {
        stream.write_all(message.as_bytes()).await.unwrap();
        let mut back = vec![0; message.len()];
        soon(stream.read_exact(&mut back)).await.unwrap();
        assert_eq!(back, message.as_bytes());
    }
    assert!(
        world
            .metrics()
            .contains("sandbox_router_inflight_requests 1\n")
    );
    stream.shutdown().await.unwrap();
    assert_eq!(soon(stream.read(&mut [0])).await.unwrap(), 0);
}

#[tokio::test]
async fn an_upgrade_that_the_sandbox_declines_is_an_ordinary_answer() {
    let sandbox = Sandbox::start(|_| async {
        let response = Response::builder().status(StatusCode::BAD_REQUEST);
        response.body(full("no")).unwrap()
    })
    .await;
    let world = World::of([sandbox.entry("s")]).await;
    let response = world.ask(asking(&sandbox, "websocket")).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(text(response.into_body()).await, "no");
}

#[tokio::test]
async fn no_connection_is_made_one_of_http2() {
    let sandbox = Sandbox::start(switch).await;
    let world = World::of([sandbox.entry("s")]).await;
    let response = world.ask(asking(&sandbox, "h2c")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response.into_body()).await, "no upgrade: None");
}

#[tokio::test]
async fn a_tunnel_ends_with_the_router() {
    let sandbox = Sandbox::start(switch).await;
    let mut plan = crate::world::Plan::default();
    plan.limits.drain_time = std::time::Duration::from_millis(50);
    let mut world = World::planned(plan, [sandbox.entry("s")]).await;
    let mut response = world.ask(asking(&sandbox, "websocket")).await;
    let upgraded = soon(hyper::upgrade::on(&mut response)).await.unwrap();
    let mut stream = TokioIo::new(upgraded);
    world.end();
    world.ended().await;
    let ended = soon(stream.read(&mut [0])).await;
    assert!(matches!(ended, Ok(0) | Err(_)));
}
