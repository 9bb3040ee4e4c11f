//! The node as a controller meets it, without a connection between them.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use mote_api::Limits;
use mote_rpc::v1::ensure_result::Result as Answer;
use mote_rpc::v1::refusal::Reason;
use mote_rpc::v1::watch_event::Event;
use mote_rpc::v1::{Phase, Session, SessionSpec};
use mote_surface::Caller;
use tokio_stream::StreamExt;
use tonic::Code;

use super::wanted::tests::spec;
use super::*;
use crate::config::NodeConfig;
use crate::node::tests::config;
use crate::sandbox::Sandbox;

/// A node that runs nothing, on this folder.
pub(super) fn open(state: &Path, change: impl FnOnce(&mut NodeConfig)) -> Rpc {
    let mut config = config(state);
    change(&mut config);
    let told = RpcConfig {
        name: "worker-1".to_owned(),
        memory: ByteSize::gib(1),
        overcommit: 10,
    };
    Rpc::new(Node::open(config).unwrap(), told)
}

fn numbered(n: u32) -> SessionSpec {
    SessionSpec {
        uid: format!("uid-{n}"),
        ..spec()
    }
}

async fn answer(rpc: &Rpc, spec: SessionSpec) -> Answer {
    let mut results = rpc.ensure_all(vec![spec], &Caller::default()).await;
    results.remove(0).result.unwrap()
}

async fn ensure(rpc: &Rpc, spec: SessionSpec) -> Session {
    match answer(rpc, spec).await {
        Answer::Session(session) => session,
        Answer::Refusal(refusal) => panic!("{refusal:?}"),
    }
}

#[tokio::test]
async fn a_watch_that_falls_behind_is_ended_and_another_begins_anew() {
    let state = tempfile::tempdir().unwrap();
    let rpc = open(state.path(), |_| {});
    let made = ensure(&rpc, numbered(1)).await;
    let mut watch = rpc.watch().unwrap();
    let id = &made.uid.parse().unwrap();
    // More than anybody may be behind.
    for _ in 0..10_000 {
        let change = Change::Session(SandboxId::clone(id));
        rpc.0.node.0.shared.feed.changed(change);
    }
    let told = loop {
        if let Err(status) = watch.next().await.unwrap() {
            break status;
        }
    };
    assert_eq!(told.code(), Code::Aborted);
    assert!(told.message().contains("watch again"), "{told}");
    assert!(watch.next().await.is_none());

    let mut again = rpc.watch().unwrap();
    let first = again.next().await.unwrap().unwrap().event.unwrap();
    assert!(matches!(first, Event::Node(_)), "{first:?}");
    let second = again.next().await.unwrap().unwrap().event.unwrap();
    assert_eq!(second, Event::Session(made));
}

#[tokio::test]
async fn no_more_watch_than_may() {
    let state = tempfile::tempdir().unwrap();
    let rpc = open(state.path(), |_| {});
    let watches: Vec<_> = (0..MAX_WATCHES).map(|_| rpc.watch().unwrap()).collect();
    let more = rpc.watch().err().unwrap();
    assert_eq!(more.code(), Code::ResourceExhausted);
    drop(watches);
    assert!(rpc.watch().is_ok());
}

#[tokio::test]
async fn there_are_as_many_sessions_as_addresses() {
    let state = tempfile::tempdir().unwrap();
    let rpc = open(state.path(), |config| {
        config.addresses = "127.79.0.0/30".parse().unwrap();
    });
    assert_eq!(rpc.info().max_sessions, 2);
    for n in 1..=2 {
        ensure(&rpc, numbered(n)).await;
    }
    let Answer::Refusal(refusal) = answer(&rpc, numbered(3)).await else {
        panic!("there is an address for it");
    };
    assert_eq!(refusal.reason(), Reason::NoRoom);
    let memory = 2 * Limits::default().memory.as_u64();
    assert_eq!(rpc.info().reserved_bytes, memory, "{refusal:?}");
}

#[tokio::test]
async fn a_session_has_an_address_of_todays_prefix_and_keeps_it() {
    let state = tempfile::tempdir().unwrap();
    let before = {
        let rpc = open(state.path(), |_| {});
        ensure(&rpc, numbered(1)).await;
        ensure(&rpc, numbered(2)).await
    };
    let moved = |config: &mut NodeConfig| {
        config.addresses = "127.80.0.0/28".parse().unwrap();
    };
    let after = {
        let rpc = open(state.path(), moved);
        ensure(&rpc, numbered(2)).await
    };
    assert!(after.addresses[0].starts_with("127.80.0."), "{after:?}");
    assert_ne!(after.addresses, before.addresses);
    let rpc = open(state.path(), moved);
    assert_eq!(ensure(&rpc, numbered(2)).await, after);
    assert_ne!(ensure(&rpc, numbered(1)).await.addresses, after.addresses);
}

#[tokio::test]
async fn a_session_keeps_its_address_where_its_node_gets_a_second_prefix() {
    let state = tempfile::tempdir().unwrap();
    let before = {
        let rpc = open(state.path(), |_| {});
        ensure(&rpc, numbered(1)).await
    };
    let both = |config: &mut NodeConfig| {
        config.addresses = "127.79.0.0/28,fd00:79::/120".parse().unwrap();
    };
    let after = {
        let rpc = open(state.path(), both);
        assert_eq!(rpc.info().prefixes, ["127.79.0.0/28", "fd00:79::/120"]);
        ensure(&rpc, numbered(1)).await
    };
    assert_eq!(after.addresses[0], before.addresses[0]);
    assert_eq!(after.addresses[1], "fd00:79::1");
    let less = open(state.path(), |config| {
        config.addresses = "fd00:79::/120".parse().unwrap();
    });
    assert_eq!(ensure(&less, numbered(1)).await.addresses, ["fd00:79::1"]);
}

#[tokio::test]
async fn a_node_that_may_give_less_than_before_lowers_ceilings_and_tells() {
    let state = tempfile::tempdir().unwrap();
    let asked = SessionSpec {
        resources: Some(v1::Resources {
            memory_bytes: 1 << 30,
            ..Default::default()
        }),
        ..numbered(1)
    };
    drop({
        let rpc = open(state.path(), |_| {});
        ensure(&rpc, asked.clone()).await
    });
    let rpc = open(state.path(), |config| {
        config.limits.most.memory = ByteSize::mib(512);
    });
    let told = ensure(&rpc, asked).await;
    assert_eq!(told.phase(), Phase::Running);
    assert_eq!(told.resources.unwrap().memory_bytes, 512 << 20);
    assert_eq!(rpc.info().reserved_bytes, 512 << 20);
}

#[tokio::test]
async fn a_sandbox_of_no_object_is_neither_told_nor_touched() {
    let state = tempfile::tempdir().unwrap();
    let rpc = open(state.path(), |_| {});
    let by_hand = mote_api::SandboxSpec {
        id: Some("uid-1".parse().unwrap()),
        ..Default::default()
    };
    let node = &rpc.0.node;
    node.create(by_hand, &Caller::default()).await.unwrap();
    let Answer::Refusal(refusal) = answer(&rpc, numbered(1)).await else {
        panic!("it became a session");
    };
    assert_eq!(refusal.reason(), Reason::Immutable);
    let caller = Caller::default();
    let refusals = rpc.delete_all(vec!["uid-1".to_owned()], &caller).await;
    assert_eq!(refusals, []);
    assert!(node.find(&"uid-1".parse().unwrap()).is_some());
    let mut watch = rpc.watch().unwrap();
    watch.next().await.unwrap().unwrap();
    let listed = watch.next().await.unwrap().unwrap().event;
    assert_eq!(listed, Some(Event::Listed(v1::Listed {})));
}

#[tokio::test]
async fn of_the_same_session_asked_for_at_once_there_is_one() {
    let state = tempfile::tempdir().unwrap();
    let rpc = open(state.path(), |_| {});
    let same = (0..50).map(|_| numbered(1)).collect();
    let results = rpc.ensure_all(same, &Caller::default()).await;
    let mut sessions = results.into_iter().map(|result| match result.result {
        Some(Answer::Session(session)) => session,
        other => panic!("{other:?}"),
    });
    let first = sessions.next().unwrap();
    assert!(sessions.all(|session| session == first));
    assert_eq!(rpc.info().sessions, 1);
}

fn found(rpc: &Rpc, session: &Session) -> Arc<Sandbox> {
    rpc.0.node.find(&session.uid.parse().unwrap()).unwrap()
}

#[tokio::test]
async fn memory_of_what_ended_before_anybody_kept_the_books_is_given_back() {
    let state = tempfile::tempdir().unwrap();
    let rpc = open(state.path(), |_| {});
    let asked = SessionSpec {
        active_deadline_seconds: 1,
        ..numbered(1)
    };
    let made = ensure(&rpc, asked).await;
    let later = Timestamp::now() + SignedDuration::from_secs(60);
    found(&rpc, &made).end_if_overdue(later).await;
    assert_ne!(rpc.info().reserved_bytes, 0);
    let books = tokio::spawn(rpc.clone().keep_books());
    let mut watch = rpc.watch().unwrap();
    loop {
        let event = watch.next().await.unwrap().unwrap().event;
        if matches!(event, Some(Event::Node(node)) if node.reserved_bytes == 0) {
            break;
        }
    }
    books.abort();
}

#[tokio::test]
async fn no_tenant_takes_all_connections_however_many_sessions_it_has() {
    let state = tempfile::tempdir().unwrap();
    let rpc = open(state.path(), |_| {});
    let session = async |n, namespace: &str| {
        let asked = SessionSpec {
            namespace: namespace.to_owned(),
            ..numbered(n)
        };
        found(&rpc, &ensure(&rpc, asked).await)
    };
    let mut seats = Vec::new();
    for n in 1..=4 {
        let one = session(n, "greedy").await;
        while let Some(seat) = one.seat() {
            seats.push(seat);
        }
        assert_eq!(seats.len(), 512 * n as usize);
    }
    let one_more = session(5, "greedy").await;
    assert!(one_more.seat().is_none());
    assert!(session(6, "other").await.seat().is_some());
    seats.pop();
    assert!(one_more.seat().is_some());
}

#[tokio::test]
async fn a_session_that_the_disk_keeps_is_refused_to_go_until_it_can() {
    let state = tempfile::tempdir().unwrap();
    let rpc = open(state.path(), |_| {});
    let uid = ensure(&rpc, numbered(1)).await.uid;
    let delete = async || {
        let caller = Caller::default();
        let refused = rpc.delete_all(vec![uid.clone()], &caller).await;
        refused.into_iter().map(|refusal| refusal.reason())
    };
    // Nothing can be moved there.
    let limbo = state.path().join("state/limbo");
    std::fs::remove_dir(&limbo).unwrap();
    for _ in 0..2 {
        assert!(delete().await.eq([Reason::Failed]));
        let Answer::Refusal(refusal) = answer(&rpc, numbered(1)).await else {
            panic!("it is gone");
        };
        assert_eq!(refusal.reason(), Reason::Failed);
    }
    std::fs::create_dir(&limbo).unwrap();
    assert!(delete().await.eq([]));
    ensure(&rpc, numbered(1)).await;
}
