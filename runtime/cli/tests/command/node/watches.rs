//! What a watch tells: all there is, and then every change.

use std::collections::BTreeMap;

use mote_rpc::v1::{Phase, SessionSpec};

use super::harness::{Event, Host, said, spec, uid};

#[tokio::test]
async fn a_watch_tells_what_is_there_and_then_every_change() {
    let mut host = Host::start().await;
    let controller = host.controller().await;
    let made = controller.ensure(spec(1)).await;
    host.crash();
    let controller = host.controller().await;
    let mut watch = controller.watch().await;
    let Event::Node(node) = watch.next().await.unwrap() else {
        panic!("the node comes first");
    };
    assert_eq!((node.name.as_str(), node.sessions), ("worker-1", 1));
    assert_eq!(node.prefixes, ["127.78.0.0/22"]);
    assert_eq!(
        (node.max_sessions, node.tenants),
        (1022, vec!["default".to_owned()])
    );
    let memory = made.resources.unwrap().memory_bytes;
    assert_eq!(node.reserved_bytes, memory);
    assert_eq!(watch.next().await.unwrap(), Event::Session(made.clone()));
    let session = |event| match event {
        Event::Session(session) => Some(session),
        _ => None,
    };
    let listed = |event| matches!(event, Event::Listed(_)).then_some(());
    watch.until(listed).await;

    said(&made.addresses[0], "echo > f").await;
    assert!(watch.until(session).await.has_files);
    let asleep = SessionSpec {
        generation: 2,
        suspended: true,
        ..spec(1)
    };
    let suspended = controller.ensure(asleep.clone()).await;
    assert_eq!(watch.until(session).await, suspended);
    let node = |event| match event {
        Event::Node(node) => (node.reserved_bytes == 0).then_some(node),
        _ => None,
    };
    assert_eq!(watch.until(node).await.sessions, 1);
    let followed = SessionSpec {
        generation: 3,
        ..asleep
    };
    controller.ensure(followed).await;
    assert_eq!(watch.until(session).await.generation, 3);
    controller.delete(&[&uid(1)]).await;
    let deleted = |event| match event {
        Event::Deleted(uid) => Some(uid),
        _ => None,
    };
    assert_eq!(watch.until(deleted).await, uid(1));
}

/// Sessions that come and go while they are watched.
const MANY: u32 = 200;

#[tokio::test]
async fn a_watch_loses_nothing_while_many_come_and_go() {
    let host = Host::start().await;
    let controller = host.controller().await;
    // Every fifth is there before; the others come while the watch lists.
    for n in (0..MANY).step_by(5) {
        controller.ensure(spec(n)).await;
    }
    let comes = (0..MANY).map(|n| {
        let controller = controller.clone();
        tokio::spawn(async move {
            controller.ensure(spec(n)).await;
            let last = SessionSpec {
                generation: 2,
                suspended: n % 2 == 0,
                ..spec(n)
            };
            controller.ensure(last).await;
            if n % 3 == 0 {
                assert_eq!(controller.delete(&[&uid(n)]).await, []);
            }
        })
    });
    let comes: Vec<_> = comes.collect();
    let mut watch = controller.watch().await;
    for come in comes {
        come.await.unwrap();
    }
    let expected: BTreeMap<String, (i64, bool)> = (0..MANY)
        .filter(|n| n % 3 != 0)
        .map(|n| (uid(n), (2, n % 2 == 0)))
        .collect();
    let mut known = BTreeMap::new();
    let mut listed = false;
    while !listed || known != expected {
        match watch.next().await.unwrap() {
            Event::Session(session) => {
                let suspended = session.phase() == Phase::Suspended;
                known.insert(session.uid, (session.generation, suspended));
            }
            Event::Deleted(uid) => drop(known.remove(&uid)),
            Event::Listed(_) => listed = true,
            Event::Node(_) => {}
        }
    }
}
