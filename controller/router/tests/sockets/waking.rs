//! Sandboxes that sleep.

use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use http::StatusCode;
use mote_router::sandbox::Entry;
use tokio::sync::oneshot;

use crate::world::{Plan, Sandbox, World, empty, refusal, soon, text, to};

fn suspended(sandbox: &Sandbox, wakes: bool) -> Entry {
    Entry {
        suspended: true,
        ready: false,
        wakes,
        ..sandbox.entry("s")
    }
}

#[tokio::test]
async fn a_suspended_sandbox_is_told_of() {
    let sandbox = Sandbox::echo().await;
    let world = World::of([suspended(&sandbox, false)]).await;
    let response = world.ask(to(&sandbox, "s").body(empty()).unwrap()).await;
    let (status, detail) = refusal(response).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(detail.starts_with("Sandbox s is suspended."), "{detail}");
    assert!(detail.contains("mote.dev/wake-on-traffic"), "{detail}");
    assert_eq!(world.resumer.calls.load(Ordering::Relaxed), 0);
    assert_eq!(sandbox.connections(), 0);
}

#[tokio::test]
async fn a_thousand_requests_wake_a_sandbox_once_and_are_all_answered() {
    let sandbox = Sandbox::echo().await;
    let (wake, told) = oneshot::channel();
    let plan = Plan {
        wake: Some(told),
        ..Plan::default()
    };
    let world = World::planned(plan, [suspended(&sandbox, true)]).await;
    // Half of them over connections of their own, half over one of HTTP/2.
    let (mut own, shared) = (Vec::new(), world.http2().await);
    for _ in 0..500 {
        own.push(world.http1().await);
    }
    let own = own.into_iter().map(|mut client| {
        let request = to(&sandbox, "s").body(empty()).unwrap();
        async move { text(client.send_request(request).await.unwrap().into_body()).await }
    });
    let shared = (0..500).map(|_| {
        let request = crate::world::to_http2(&sandbox, "s").body(empty()).unwrap();
        let mut client = shared.clone();
        async move { text(client.send_request(request).await.unwrap().into_body()).await }
    });
    let all_wait = async {
        while !world
            .metrics()
            .contains("sandbox_router_inflight_requests 1000\n")
        {
            tokio::task::yield_now().await;
        }
        wake.send(()).unwrap();
    };
    let (own, shared, ()) =
        soon(async { tokio::join!(join_all(own), join_all(shared), all_wait) }).await;
    assert!(
        own.iter()
            .chain(&shared)
            .all(|it| it.starts_with("HTTP/1.1 "))
    );
    assert_eq!(world.resumer.calls.load(Ordering::Relaxed), 1);
    let woken = r#"sandbox_router_wakes_total{result="woken"} 1"#;
    assert!(world.metrics().contains(woken));
}

#[tokio::test]
async fn whoever_sets_it_running_and_asks_at_once_is_not_told_that_it_sleeps() {
    let sandbox = Sandbox::echo().await;
    let world = World::of([suspended(&sandbox, false)]).await;
    let mut client = world.http1().await;
    let asked = client.send_request(to(&sandbox, "s").body(empty()).unwrap());
    let set_running = async {
        while !world
            .metrics()
            .contains("sandbox_router_inflight_requests 1\n")
        {
            tokio::task::yield_now().await;
        }
        world.directory.set(sandbox.entry("s"));
    };
    let (response, ()) = soon(async { tokio::join!(asked, set_running) }).await;
    assert_eq!(response.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_wake_that_fails_is_told_of() {
    let sandbox = Sandbox::echo().await;
    let (wake, told) = oneshot::channel();
    let plan = Plan {
        wake: Some(told),
        ..Plan::default()
    };
    let world = World::planned(plan, [suspended(&sandbox, true)]).await;
    drop(wake);
    let response = world.ask(to(&sandbox, "s").body(empty()).unwrap()).await;
    let (status, detail) = refusal(response).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(detail, "Sandbox s could not be woken: the test has ended.");
}
