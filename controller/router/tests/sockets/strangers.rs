//! Who brings made-up tokens keeps out nobody but themselves.

use std::future::ready;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::authentication::v1::UserInfo;
use mote_router::authorize::Gate;
use mote_router::review::{Authority, Reviews};
use tokio::net::TcpSocket;
use tokio::sync::watch;

use crate::world::{Body, DEADLINE, Plan, Sandbox, World, empty, refusal, soon, to, to_http2};

/// Knows whoever brings a token, unless it is made up; of those it says so when
/// the test lets it, and keeps them waiting until then.
struct Slow(watch::Receiver<bool>);

impl Authority for Slow {
    fn identify(&self, token: String) -> BoxFuture<'static, anyhow::Result<Option<UserInfo>>> {
        let mut go_on = self.0.clone();
        async move {
            if token.starts_with("made-up") {
                go_on.wait_for(|go_on| *go_on).await?;
                return Ok(None);
            }
            Ok(Some(UserInfo::default()))
        }
        .boxed()
    }

    fn permits(
        &self,
        _: Arc<UserInfo>,
        _: String,
        _: String,
    ) -> BoxFuture<'static, anyhow::Result<bool>> {
        ready(Ok(true)).boxed()
    }
}

/// Asks from another address than the tests' clients have.
async fn ask_from_elsewhere(world: &World, request: Request<Body>) -> Response<Incoming> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let stream = socket.connect(world.address).await.unwrap();
    let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    soon(client.send_request(request)).await.unwrap()
}

#[tokio::test]
async fn made_up_tokens_keep_out_neither_the_known_nor_who_asks_from_elsewhere() {
    /// More than may wait at one address.
    const CONNECTIONS: usize = 8;
    const STREAMS: usize = 100;
    let sandbox = Sandbox::echo().await;
    let (go_on, told) = watch::channel(false);
    let plan = Plan {
        gate: Gate::Reviews(Arc::new(Reviews::new(Slow(told), DEADLINE))),
        ..Plan::default()
    };
    let world = World::planned(plan, [sandbox.entry("s")]).await;
    let with = |token: &str| {
        let request = to(&sandbox, "s").header("authorization", format!("Bearer {token}"));
        request.body(empty()).unwrap()
    };
    let ann = world.ask(with("ann")).await;
    assert_eq!(ann.status(), StatusCode::OK);

    let mut made_up = FuturesUnordered::new();
    for connection in 0..CONNECTIONS {
        let mut client = world.http2().await;
        for stream in 0..STREAMS {
            let token = format!("Bearer made-up-{connection}-{stream}");
            let request = to_http2(&sandbox, "s").header("authorization", token);
            made_up.push(client.send_request(request.body(empty()).unwrap()));
        }
    }
    // One is told that too many wait: from here on the line is full.
    let told = soon(made_up.next()).await.unwrap().unwrap();
    assert_eq!(told.headers()["retry-after"], "1");
    let (status, detail) = refusal(told).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(detail.starts_with("512 requests wait for"), "{detail}");

    let ann = world.ask(with("ann")).await;
    assert_eq!(ann.status(), StatusCode::OK);
    let bob = ask_from_elsewhere(&world, with("bob")).await;
    assert_eq!(bob.status(), StatusCode::OK);
    let (status, _) = refusal(world.ask(with("cleo")).await).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);

    go_on.send_replace(true);
    let all = made_up.map(|answer| answer.unwrap().status());
    let all: Vec<_> = soon(all.collect()).await;
    let refused = |it: &StatusCode| *it == StatusCode::UNAUTHORIZED;
    assert_eq!(all.iter().filter(|it| refused(it)).count(), 512);
    let cleo = world.ask(with("cleo")).await;
    assert_eq!(cleo.status(), StatusCode::OK);
}
