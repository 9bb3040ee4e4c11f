//! What clients cannot talk their way past.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use k8s_openapi::api::authentication::v1::UserInfo;
use mote_router::authorize::Gate;
use mote_router::review::{Authority, Reviews};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use crate::world::{
    Body, DEADLINE, Plan, Sandbox, World, channel, empty, full, refusal, soon, text, to, to_http2,
};

/// A sandbox that answers what is asked for: nothing, or without end.
async fn endless() -> Sandbox {
    Sandbox::start(|request| async move {
        if request.headers().contains_key("short") {
            return Response::new(empty());
        }
        let (frames, body) = channel();
        tokio::spawn(async move {
            let chunk = Bytes::from_static(&[b'x'; 16 << 10]);
            while frames.send(Frame::data(chunk.clone())).await.is_ok() {}
        });
        Response::new(body)
    })
    .await
}

#[tokio::test]
async fn beyond_so_many_requests_more_are_refused_until_one_ends() {
    let sandbox = endless().await;
    let mut plan = Plan::default();
    plan.settings.most.all = 1;
    let world = World::planned(plan, [sandbox.entry("s")]).await;
    let mut client = world.http1().await;
    let request = to(&sandbox, "s").body(empty()).unwrap();
    let running = soon(client.send_request(request)).await.unwrap();
    let response = world.ask(to(&sandbox, "s").body(empty()).unwrap()).await;
    assert_eq!(response.headers()["retry-after"], "1");
    let (status, detail) = refusal(response).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        detail.starts_with("The router handles 1 requests"),
        "{detail}"
    );
    drop((running, client));
    let again = async {
        loop {
            let request = to(&sandbox, "s").header("short", "1");
            let response = world.ask(request.body(empty()).unwrap()).await;
            if response.status() == StatusCode::OK {
                return;
            }
        }
    };
    soon(again).await;
}

#[tokio::test]
async fn a_head_has_a_most_and_nothing_beyond_is_read() {
    let sandbox = Sandbox::echo().await;
    let world = World::of([sandbox.entry("s")]).await;
    let large = |bytes: usize| to(&sandbox, "s").header("x-large", "x".repeat(bytes));
    let response = world.ask(large(32 << 10).body(empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::OK);
    let response = world.ask(large(65 << 10).body(empty()).unwrap()).await;
    assert_eq!(
        response.status(),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    );
    assert_eq!(sandbox.connections(), 1);
}

#[tokio::test]
async fn a_client_that_does_not_begin_or_does_not_go_on_is_cut_off() {
    let mut plan = Plan::default();
    plan.limits.idle_time = Duration::from_millis(60);
    let world = World::planned(plan, []).await;
    for said in [
        "",
        "GET / HTTP/1.1\r\nx-slow: ",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut client = world.connect().await;
        client.write_all(said.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let _ = soon(client.read_to_end(&mut rest)).await;
    }
}

#[tokio::test]
async fn a_connection_at_work_is_not_idle() {
    let (go_on, told) = oneshot::channel::<()>();
    let told = Arc::new(std::sync::Mutex::new(Some(told)));
    let sandbox = Sandbox::start(move |_| {
        let told = told.lock().unwrap().take().unwrap();
        async move {
            told.await.unwrap();
            Response::new(empty())
        }
    })
    .await;
    let mut plan = Plan::default();
    plan.limits.idle_time = Duration::from_millis(12);
    let world = World::planned(plan, [sandbox.entry("s")]).await;
    let mut client = world.http1().await;
    let mut asked = std::pin::pin!(client.send_request(to(&sandbox, "s").body(empty()).unwrap()));
    // Another, which is idle, is cut off meanwhile.
    let mut idle = world.connect().await;
    let read = idle.read_u8();
    tokio::select! {
        answered = asked.as_mut() => panic!("{answered:?}"),
        ended = soon(read) => assert!(ended.is_err()),
    }
    go_on.send(()).unwrap();
    assert_eq!(soon(asked).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_stream_that_is_not_read_ends_and_its_neighbours_go_on() {
    let sandbox = endless().await;
    let mut plan = Plan::default();
    plan.limits.untaken_time = Duration::from_millis(60);
    let world = World::planned(plan, [sandbox.entry("s")]).await;
    let io = TokioIo::new(world.connect().await);
    let (mut client, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(16 << 10)
        .initial_connection_window_size(1 << 20)
        .handshake::<_, Body>(io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = to_http2(&sandbox, "s").body(empty()).unwrap();
    let unread = soon(client.send_request(request)).await.unwrap();
    let given_up = async {
        loop {
            // Meanwhile, others on the same connection are answered.
            let request = to_http2(&sandbox, "s").header("short", "1");
            let response = client.send_request(request.body(empty()).unwrap()).await;
            assert_eq!(response.unwrap().status(), StatusCode::OK);
            if world
                .metrics()
                .contains("sandbox_router_untaken_responses_total 1\n")
            {
                return;
            }
        }
    };
    soon(given_up).await;
    let mut unread = unread.into_body();
    let cut = async {
        while let Some(frame) = unread.frame().await {
            if frame.is_err() {
                return true;
            }
        }
        false
    };
    assert!(soon(cut).await, "the stream is reset");
}

#[tokio::test]
async fn a_connection_that_is_not_read_ends() {
    let sandbox = endless().await;
    let mut plan = Plan::default();
    plan.limits.untaken_time = Duration::from_millis(60);
    let world = World::planned(plan, [sandbox.entry("s")]).await;
    let mut client = world.http1().await;
    let request = to(&sandbox, "s").body(empty()).unwrap();
    let _unread = soon(client.send_request(request)).await.unwrap();
    let given_up = async {
        while !world
            .metrics()
            .contains("sandbox_router_inflight_requests 0\n")
        {
            tokio::task::yield_now().await;
        }
    };
    soon(given_up).await;
}

#[tokio::test]
async fn without_its_token_nobody_passes() {
    let sandbox = Sandbox::echo().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "0123456789abcdef\n").unwrap();
    let plan = Plan {
        gate: Gate::of_file(file.path().to_owned()).unwrap(),
        ..Plan::default()
    };
    let world = World::planned(plan, [sandbox.entry("s")]).await;
    let response = world.ask(to(&sandbox, "s").body(empty()).unwrap()).await;
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    let (status, detail) = refusal(response).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(detail, "Missing or invalid Authorization header.");
    let wrong = to(&sandbox, "s").header("authorization", "Bearer wrong");
    let (_, detail) = refusal(world.ask(wrong.body(empty()).unwrap()).await).await;
    assert_eq!(detail, "Invalid token.");
    // Not even to learn which headers there should be.
    let bare = Request::get("/").header("host", "x").body(empty()).unwrap();
    assert_eq!(world.ask(bare).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(sandbox.connections(), 0);
    let right = to(&sandbox, "s").header("authorization", "Bearer 0123456789abcdef");
    let response = world.ask(right.body(empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(
        !text(response.into_body())
            .await
            .contains("0123456789abcdef")
    );
}

#[tokio::test]
async fn a_router_that_ends_finishes_what_it_has_begun() {
    let (begun, mut has_begun) = tokio::sync::mpsc::channel(1);
    let (go_on, told) = oneshot::channel::<()>();
    let told = Arc::new(std::sync::Mutex::new(Some(told)));
    let sandbox = Sandbox::start(move |_| {
        let (begun, told) = (begun.clone(), told.lock().unwrap().take().unwrap());
        async move {
            begun.send(()).await.unwrap();
            told.await.unwrap();
            Response::new(empty())
        }
    })
    .await;
    let mut world = World::of([sandbox.entry("s")]).await;
    let mut client = world.http1().await;
    let asked = tokio::spawn(client.send_request(to(&sandbox, "s").body(empty()).unwrap()));
    soon(has_begun.recv()).await.unwrap();
    world.end();
    let refused = async {
        while tokio::net::TcpStream::connect(world.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    soon(refused).await;
    go_on.send(()).unwrap();
    let response = soon(asked).await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    world.ended().await;
}

#[tokio::test]
async fn however_requests_end_nothing_of_them_is_held() {
    const EACH: usize = 10;
    let sandbox = endless().await;
    let silent = Sandbox::start(|_| std::future::pending()).await;
    let broken = Sandbox::raw(|stream| async move { drop(stream) }).await;
    let entries = [
        sandbox.entry("s"),
        silent.entry("silent"),
        broken.entry("broken"),
    ];
    let mut plan = Plan::default();
    // Room for all that is open at once, and for no more.
    plan.settings.most.all = 2 * EACH + 1;
    plan.settings.most.one = 2 * EACH + 1;
    let world = World::planned(plan, entries).await;
    let mut left = Vec::new();
    for _ in 0..EACH {
        let short = to(&sandbox, "s").header("short", "1");
        let answered = world.ask(short.body(empty()).unwrap()).await;
        assert_eq!(answered.status(), StatusCode::OK);
        let broke = world
            .ask(to(&broken, "broken").body(empty()).unwrap())
            .await;
        assert_eq!(broke.status(), StatusCode::BAD_GATEWAY);
        let unknown = world
            .ask(to(&broken, "nobody").body(empty()).unwrap())
            .await;
        assert_eq!(unknown.status(), StatusCode::BAD_GATEWAY);
        // One that is being answered, and one that is not.
        let mut client = world.http2().await;
        let request = to_http2(&sandbox, "s").body(empty()).unwrap();
        let answer = soon(client.send_request(request)).await.unwrap();
        let mut other = world.http1().await;
        let request = to(&silent, "silent").body(empty()).unwrap();
        left.push((
            client,
            answer,
            tokio::spawn(other.send_request(request)),
            other,
        ));
    }
    while silent.connections() < EACH {
        tokio::task::yield_now().await;
    }
    for (client, answer, waiting, other) in left {
        waiting.abort();
        drop((client, answer, other));
    }
    let quiet = async {
        while !world
            .metrics()
            .contains("sandbox_router_inflight_requests 0\n")
        {
            tokio::task::yield_now().await;
        }
    };
    soon(quiet).await;
    let metrics = world.metrics();
    let ended = metrics
        .lines()
        .filter(|it| it.starts_with("sandbox_router_requests_total{"));
    let ended = ended.map(|it| it.rsplit(' ').next().unwrap().parse::<usize>().unwrap());
    assert_eq!(ended.sum::<usize>(), 5 * EACH, "{metrics}");
    // All the room is there again.
    let mut open = Vec::new();
    for _ in 0..=2 * EACH {
        let mut client = world.http1().await;
        let request = to(&sandbox, "s").body(empty()).unwrap();
        let answer = soon(client.send_request(request)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        open.push((client, answer));
    }
}

/// Knows one token, which may reach the sandbox `s`.
struct OneRight;

impl Authority for OneRight {
    fn identify(&self, token: String) -> BoxFuture<'static, anyhow::Result<Option<UserInfo>>> {
        ready(Ok((token == "known").then(UserInfo::default))).boxed()
    }

    fn permits(
        &self,
        _: Arc<UserInfo>,
        namespace: String,
        name: String,
    ) -> BoxFuture<'static, anyhow::Result<bool>> {
        ready(Ok(namespace == "n" && name == "s")).boxed()
    }
}

#[tokio::test]
async fn a_right_reaches_its_sandbox_and_no_other_header_leads_further() {
    let own = Sandbox::start(|_| async { Response::new(full("own")) }).await;
    let neighbour = format!("127.0.0.2:{}", own.address.port());
    let other = Sandbox::start_at(&neighbour, |_| async { Response::new(full("other")) }).await;
    let plan = Plan {
        gate: Gate::Reviews(Arc::new(Reviews::new(OneRight, DEADLINE))),
        ..Plan::default()
    };
    let world = World::planned(plan, [own.entry("s"), other.entry("t")]).await;
    let ask = |name| to(&own, name).header("authorization", "Bearer known");
    let around = ask("s")
        .header("x-sandbox-uid", "t")
        .header("x-sandbox-pod-ip", "127.0.0.2");
    for request in [ask("s"), around] {
        let response = world.ask(request.body(empty()).unwrap()).await;
        assert_eq!(text(response.into_body()).await, "own");
    }
    let (status, detail) = refusal(world.ask(ask("t").body(empty()).unwrap()).await).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(
        detail.starts_with("You may not reach sandbox t in namespace n"),
        "{detail}"
    );
    let unknown = to(&own, "s").header("authorization", "Bearer unknown");
    let response = world.ask(unknown.body(empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(other.connections(), 0);
}
