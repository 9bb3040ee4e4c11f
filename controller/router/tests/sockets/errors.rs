//! What clients are told when there is no answer.

use std::time::Duration;

use http::{Response, StatusCode};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::world::{
    Plan, Sandbox, World, empty, entry, full, refusal, soon, text, to, to_http2, to_port,
};

#[tokio::test]
async fn a_request_for_nobody_is_refused() {
    let world = World::of([]).await;
    let request = http::Request::get("/").header("host", "x");
    let response = world.ask(request.body(empty()).unwrap()).await;
    let (status, detail) = refusal(response).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(detail, "X-Sandbox-ID header is required.");
}

#[tokio::test]
async fn a_sandbox_that_is_not_there_cannot_be_connected_to() {
    let world = World::of([]).await;
    let response = world.ask(to_port("s", 80).body(empty()).unwrap()).await;
    let (status, detail) = refusal(response).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert_eq!(detail, "Could not connect to the backend sandbox: s");
}

#[tokio::test]
async fn a_connection_is_tried_again_as_often_as_it_says() {
    // A port that was just free; nobody listens on it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let world = World::of([entry("s", address)]).await;
    let response = world
        .ask(to_port("s", address.port()).body(empty()).unwrap())
        .await;
    let (status, detail) = refusal(response).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert_eq!(detail, "Could not connect to the backend sandbox: s");
    let metrics = world.metrics();
    let retries = r#"sandbox_router_upstream_retries_total{sandbox_namespace="n"} 3"#;
    assert!(metrics.contains(retries), "{metrics}");
    let failed = r#"sandbox_router_upstream_errors_total{sandbox_namespace="n",reason="dial"} 1"#;
    assert!(metrics.contains(failed), "{metrics}");
}

#[tokio::test]
async fn a_sandbox_that_appears_is_found_without_waiting_out_the_time() {
    let sandbox = Sandbox::echo().await;
    let mut plan = Plan::default();
    plan.settings.retries.first = Duration::from_secs(3_600);
    plan.settings.retries.longest = Duration::from_secs(3_600);
    let world = World::planned(plan, []).await;
    let mut client = world.http1().await;
    let mut asked = std::pin::pin!(client.send_request(to(&sandbox, "s").body(empty()).unwrap()));
    // It is on its way, and the router has looked for it in vain.
    assert!(futures_util::poll!(asked.as_mut()).is_pending());
    while !world
        .metrics()
        .contains("sandbox_router_inflight_requests 1\n")
    {
        assert!(futures_util::poll!(asked.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
    world.directory.set(sandbox.entry("s"));
    let response = soon(asked).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn a_sandbox_that_says_nothing_is_given_up() {
    let sandbox = Sandbox::start(|_| std::future::pending()).await;
    let mut plan = Plan::default();
    plan.settings.response_header_timeout = Duration::from_millis(50);
    let world = World::planned(plan, [sandbox.entry("s")]).await;
    let response = world.ask(to(&sandbox, "s").body(empty()).unwrap()).await;
    let (status, detail) = refusal(response).await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(detail, "Sandbox s did not answer within 50ms.");
    // A client may be less patient, and is not kept waiting for the router's time.
    let hurry = to(&sandbox, "s").header("x-sandbox-timeout", "0.02");
    let (_, detail) = refusal(world.ask(hurry.body(empty()).unwrap()).await).await;
    assert_eq!(detail, "Sandbox s did not answer within 20ms.");
}

#[tokio::test]
async fn the_time_for_an_answer_begins_when_the_request_has_gone() {
    let sandbox = Sandbox::echo().await;
    let mut plan = Plan::default();
    plan.settings.response_header_timeout = Duration::from_millis(100);
    let world = World::planned(plan, [sandbox.entry("s")]).await;
    let (frames, body) = crate::world::channel();
    tokio::spawn(async move {
        // Three times as long as that, in small pieces.
        let mut ticks = tokio::time::interval(Duration::from_millis(15));
        for _ in 0..20 {
            ticks.tick().await;
            let piece = hyper::body::Frame::data("x".into());
            frames.send(piece).await.unwrap();
        }
    });
    let request = to(&sandbox, "s").method("PUT").body(body).unwrap();
    let response = world.ask(request).await;
    assert_eq!(response.status(), StatusCode::OK);
    let said = text(response.into_body()).await;
    assert!(said.ends_with(&"x".repeat(20)), "{said}");
}

#[tokio::test]
async fn an_answer_that_stands_still_is_cut_and_is_seen_to_be_cut() {
    let sandbox = Sandbox::start(|_| async {
        let (frames, body) = crate::world::channel();
        frames
            .send(hyper::body::Frame::data("begun".into()))
            .await
            .unwrap();
        // Held for ever: no end follows.
        std::mem::forget(frames);
        Response::new(body)
    })
    .await;
    let mut plan = Plan::default();
    plan.settings.stream_idle_timeout = Duration::from_millis(100);
    let world = World::planned(plan, [sandbox.entry("s")]).await;
    let response = world.ask(to(&sandbox, "s").body(empty()).unwrap()).await;
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let first = soon(body.frame()).await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "begun");
    assert!(soon(body.frame()).await.unwrap().is_err());
}

#[tokio::test]
async fn an_answer_that_goes_on_is_not_cut_however_long_it_takes() {
    let sandbox = Sandbox::start(|_| async {
        let (frames, body) = crate::world::channel();
        tokio::spawn(async move {
            // Ten times as long as anything may stand still.
            let mut ticks = tokio::time::interval(Duration::from_millis(50));
            for _ in 0..20 {
                ticks.tick().await;
                let piece = hyper::body::Frame::data("x".into());
                frames.send(piece).await.unwrap();
            }
        });
        Response::new(body)
    })
    .await;
    let mut plan = Plan::default();
    plan.settings.proxy_timeout = Duration::from_millis(100);
    plan.settings.stream_idle_timeout = Duration::from_millis(100);
    let world = World::planned(plan, [sandbox.entry("s")]).await;
    // What a client says of its patience is about the next thing that comes.
    let request = to(&sandbox, "s").header("x-sandbox-timeout", "0.1");
    let response = world.ask(request.body(empty()).unwrap()).await;
    assert_eq!(text(response.into_body()).await, "x".repeat(20));
}

#[tokio::test]
async fn a_request_that_is_not_sent_on_is_given_up() {
    let sandbox = Sandbox::echo().await;
    let mut plan = Plan::default();
    plan.settings.proxy_timeout = Duration::from_millis(100);
    let world = World::planned(plan, [sandbox.entry("s")]).await;
    let (frames, body) = crate::world::channel();
    let piece = hyper::body::Frame::data("begun".into());
    frames.send(piece).await.unwrap();
    let request = to(&sandbox, "s").method("PUT").body(body).unwrap();
    let (status, detail) = refusal(world.ask(request).await).await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    let expected = "Nothing of the request to sandbox s moved for 100ms";
    assert!(detail.starts_with(expected), "{detail}");
    drop(frames);
}

#[tokio::test]
async fn a_sandbox_that_breaks_its_connection_is_told_of() {
    let sandbox = Sandbox::raw(|mut stream| async move {
        let _ = stream.read(&mut [0; 1024]).await;
    })
    .await;
    let world = World::of([sandbox.entry("s")]).await;
    let response = world.ask(to(&sandbox, "s").body(empty()).unwrap()).await;
    let (status, detail) = refusal(response).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    let expected = "The connection to the backend sandbox broke before it answered: s";
    assert_eq!(detail, expected);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_taken_for_a_whole_one() {
    let sandbox = Sandbox::raw(|mut stream| async move {
        let _ = stream.read(&mut [0; 1024]).await;
        let answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegun\r\n";
        let _ = stream.write_all(answer).await;
    })
    .await;
    let world = World::of([sandbox.entry("s")]).await;
    let response = world.ask(to(&sandbox, "s").body(empty()).unwrap()).await;
    assert!(soon(response.into_body().collect()).await.is_err());
}

#[tokio::test]
async fn what_is_no_http_is_no_answer() {
    for nonsense in [
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    ] {
        let sandbox = Sandbox::raw(move |mut stream| async move {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(nonsense.as_bytes()).await;
            let _ = stream.read(&mut [0; 1024]).await;
        })
        .await;
        let world = World::of([sandbox.entry("s")]).await;
        let response = world.ask(to(&sandbox, "s").body(empty()).unwrap()).await;
        assert_eq!(
            refusal(response).await.0,
            StatusCode::BAD_GATEWAY,
            "{nonsense}"
        );
    }
}

#[tokio::test]
async fn a_tunnel_to_anywhere_is_refused() {
    let sandbox = Sandbox::echo().await;
    let world = World::of([sandbox.entry("s")]).await;
    let request = to(&sandbox, "s").method("CONNECT").uri("example.com:443");
    let response = world.ask(request.body(empty()).unwrap()).await;
    assert_eq!(refusal(response).await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(sandbox.connections(), 0);
}

#[tokio::test]
async fn grpc_is_refused_in_its_own_way() {
    let sandbox = Sandbox::echo().await;
    let world = World::of([]).await;
    let mut client = world.http2().await;
    let request = to_http2(&sandbox, "s").header("content-type", "application/grpc");
    let request = request.body(full("x")).unwrap();
    let response = soon(client.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["grpc-status"], "14");
    assert_eq!(
        response.headers()["grpc-message"],
        "Could not connect to the backend sandbox: s"
    );
    assert_eq!(text(response.into_body()).await, "");
}
