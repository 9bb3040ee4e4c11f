use futures_util::stream;
use k8s_openapi::api::core::v1::Node;
use kube::runtime::watcher::Event;
use mote_rpc::v1::NodeInfo;
use serde_json::json;

use super::*;
use crate::wasm::Host;
use crate::wasm::link::Far;
use crate::wasm::version::Kinship;

/// A node that has told of these many sessions, which no sandbox has; its host.
fn node(fleet: &Fleet, name: &str, sessions: usize) -> Far {
    let mut node = Node::default();
    node.metadata.name = Some(name.to_owned());
    fleet.node_changed(name, Some(&node));
    let host = Host {
        address: "10.0.0.1".to_owned(),
        pod: name.to_owned(),
    };
    fleet.host_changed(name, Some(host));
    let info = NodeInfo {
        name: name.to_owned(),
        ..NodeInfo::default()
    };
    fleet.begin(name, info, Kinship::Same);
    for number in 0..sessions {
        let session = Session {
            uid: format!("{name}-{number}"),
            namespace: "ns".to_owned(),
            name: format!("{name}-{number}"),
            ..Session::default()
        };
        fleet.told(name, session).unwrap();
    }
    let (link, far) = Far::new();
    fleet.listed(name, link);
    far
}

fn sweeping(fleet: &Arc<Fleet>) -> (tokio::task::JoinHandle<()>, CancellationToken) {
    let end = CancellationToken::new();
    let (sandboxes, _) = Cache::new(None);
    let sweeping = tokio::spawn(sweep(fleet.clone(), sandboxes, end.clone()));
    (sweeping, end)
}

fn on(fleet: &Fleet, node: &str) -> usize {
    let sessions = fleet.sessions();
    sessions.iter().filter(|(on, _)| on == node).count()
}

#[tokio::test(start_paused = true)]
async fn a_host_that_takes_nothing_away_holds_up_no_other_and_no_shutdown() {
    let fleet = Arc::new(Fleet::default());
    let hangs = node(&fleet, "a", 1_000);
    let obeys = node(&fleet, "b", 1_000);
    let (sweeping, end) = sweeping(&fleet);
    let began = Instant::now();
    let obedient = tokio::spawn({
        let fleet = fleet.clone();
        async move { obeys.obey(&fleet, "b").await }
    });
    while on(&fleet, "b") > 0 {
        tokio::time::advance(Duration::from_millis(100)).await;
        tokio::task::yield_now().await;
    }
    assert!(began.elapsed() < EVERY + APART, "{:?}", began.elapsed());
    assert_eq!(on(&fleet, "a"), 1_000);

    // However often leftovers are looked for, it is asked once.
    tokio::time::advance(EVERY * 3).await;
    tokio::task::yield_now().await;
    assert_eq!(hangs.is_asked(), AT_ONCE);
    end.cancel();
    let stopped = Instant::now();
    sweeping.await.unwrap();
    assert_eq!(stopped.elapsed(), Duration::ZERO);
    obedient.abort();
}

#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_answer_is_asked_for_the_rest_the_next_time() {
    let fleet = Arc::new(Fleet::default());
    let hangs = node(&fleet, "a", AT_ONCE * 3);
    let link = fleet.link("a").unwrap();
    let sessions: Vec<_> = fleet.sessions().into_iter().map(|(_, it)| it).collect();
    let clearing = tokio::spawn(async move { clear("a", &link, &sessions).await });
    tokio::task::yield_now().await;
    assert_eq!(hangs.is_asked(), AT_ONCE);
    // The connection ends.
    drop(hangs);
    clearing.await.unwrap();
    assert_eq!(on(&fleet, "a"), AT_ONCE * 3);
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_that_is_gone_waits_for_no_node() {
    let fleet = Arc::new(Fleet::default());
    fleet.waits(("ns".to_owned(), "gone".to_owned()));
    assert_eq!(fleet.node_changed("a", Some(&Node::default())).len(), 1);
    let (sweeping, end) = sweeping(&fleet);
    tokio::task::yield_now().await;
    tokio::time::advance(EVERY).await;
    tokio::task::yield_now().await;
    assert_eq!(fleet.node_changed("a", None).len(), 0);
    end.cancel();
    sweeping.await.unwrap();
}

/// The sandboxes of namespace `ns` by name, which is their UID, and by the node
/// that their status names.
async fn sandboxes(all: &[(&str, &str)]) -> Cache<Guarded<Sandbox>> {
    let (cache, filler) = Cache::new(None);
    let mut events = vec![Ok(Event::Init)];
    for (name, node) in all {
        let sandbox = serde_json::from_value(json!({
            "apiVersion": "agents.x-k8s.io/v1beta1", "kind": "Sandbox",
            "metadata": { "namespace": "ns", "name": name, "uid": name },
            "spec": { "podTemplate": { "spec": { "containers": [] } } },
            "status": { "nodeName": node },
        }));
        events.push(Ok(Event::InitApply(sandbox.unwrap())));
    }
    events.push(Ok(Event::InitDone));
    filler.fill(stream::iter(events), |_| {}).await;
    cache
}

#[tokio::test]
async fn whose_sessions_are_on_a_node_is_what_their_sandboxes_say() {
    let fleet = Fleet::default();
    let (_a, _b) = (node(&fleet, "a", 2), node(&fleet, "b", 1));
    // `a-1` is on `c`, and its namespace is none of those on `a`.
    let sandboxes = sandboxes(&[("a-0", "a"), ("a-1", "c"), ("b-0", "c")]).await;
    let Look { left, tenants } = look(&fleet, &sandboxes);
    assert!(left.is_empty(), "{left:?}");
    let known = BTreeMap::from([("a".to_owned(), ["ns".to_owned()].into())]);
    assert_eq!(tenants, known);
}
