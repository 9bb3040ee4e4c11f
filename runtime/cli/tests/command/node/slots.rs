//! Programs of one session, and the room that they leave for others'.

use futures_util::future::{Either, join_all, select};

use super::harness::{Host, said, sh, spec, within};

/// Programs that one session may have at once on a host of so few.
const MOST: usize = 16;
/// Those of them that are called: the rest is for what these start.
const CALLED: usize = MOST / 2;
const SLOTS: &str = "20";

/// Programs that are alive on this host.
async fn alive(host: &Host) -> usize {
    let metrics = host.get("/metrics").await.1;
    let told = metrics
        .lines()
        .find_map(|line| line.strip_prefix("mote_instances "));
    told.unwrap().parse().unwrap()
}

async fn until_alive(host: &Host, wanted: usize) {
    within(async { while alive(host).await < wanted {} }).await;
}

/// Waits for the one, while the other goes on.
async fn first<T>(one: impl Future<Output = ()>, other: impl Future<Output = T>) {
    let ended = select(Box::pin(one), Box::pin(other)).await;
    assert!(matches!(ended, Either::Left(_)), "its calls do not end");
}

#[tokio::test]
async fn calls_of_one_session_leave_room_for_those_of_others() {
    let host = Host::with(&["--instances", SLOTS]).await;
    let controller = host.controller().await;
    let greedy = controller.ensure(spec(1)).await.addresses.remove(0);
    let other = controller.ensure(spec(2)).await.addresses.remove(0);
    let calls = join_all((0..2 * MOST).map(|_| sh(&greedy, "sleep 3600")));
    let others = async {
        until_alive(&host, CALLED).await;
        assert_eq!(said(&other, "python3 -c \"print(1)\"").await, "1\n");
        assert_eq!(alive(&host).await, CALLED);
    };
    // The calls go with their host.
    first(others, calls).await;
}

#[tokio::test]
async fn so_do_the_programs_that_its_calls_start() {
    let host = Host::with(&["--instances", SLOTS]).await;
    let controller = host.controller().await;
    let greedy = controller.ensure(spec(1)).await.addresses.remove(0);
    let other = controller.ensure(spec(2)).await.addresses.remove(0);
    let line = "python3 -c \"import time; time.sleep(3600)\"";
    let calls = join_all((0..MOST).map(|_| sh(&greedy, line)));
    let others = async {
        until_alive(&host, MOST).await;
        assert_eq!(said(&other, "python3 -c \"print(1)\"").await, "1\n");
    };
    first(others, calls).await;
}
