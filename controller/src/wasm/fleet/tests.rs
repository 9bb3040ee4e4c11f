use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use mote_rpc::v1::{NodeInfo, Phase};

use super::*;
use crate::wasm::version::Kinship;

mod addressed;
mod answers;
mod apart;
mod bounds;
mod homes;
mod refused;
mod room;

const GRACE: Duration = Duration::from_secs(30);

fn info(name: &str) -> NodeInfo {
    NodeInfo {
        name: name.to_owned(),
        memory_bytes: 1_000,
        max_sessions: 2,
        ..NodeInfo::default()
    }
}

fn session(uid: &str) -> Session {
    Session {
        uid: uid.to_owned(),
        namespace: "ns".to_owned(),
        name: format!("name-of-{uid}"),
        ..Session::default()
    }
}

fn key(uid: &str) -> Key {
    ("ns".to_owned(), format!("name-of-{uid}"))
}

fn node(name: &str) -> Node {
    Node {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        ..Node::default()
    }
}

fn host(pod: &str) -> Option<Host> {
    Some(Host {
        address: "10.0.0.1".to_owned(),
        pod: pod.to_owned(),
    })
}

/// A fleet of one node that has told of these sessions.
fn heard(uids: &[&str]) -> Fleet {
    let fleet = Fleet::default();
    fleet.node_changed("a", Some(&node("a")));
    fleet.host_changed("a", host("1"));
    tell(&fleet, uids);
    fleet
}

fn tell(fleet: &Fleet, uids: &[&str]) {
    fleet.begin("a", info("a"), Kinship::Same);
    for uid in uids {
        fleet.told("a", session(uid)).unwrap();
    }
    fleet.listed("a", Link::idle());
}

#[test]
fn a_session_is_found_on_the_node_that_told_of_it() {
    let fleet = heard(&["u"]);
    let found = fleet.find("u", None).unwrap();
    assert_eq!((found.node.as_str(), found.heard), ("a", true));
    assert!(fleet.find("v", None).is_none());
}

#[test]
fn what_a_new_listing_leaves_out_is_gone() {
    let fleet = heard(&["u", "v"]);
    assert_eq!(fleet.lost("a").len(), 2);
    assert!(!fleet.find("u", None).unwrap().heard);
    tell(&fleet, &["v"]);
    assert!(fleet.find("u", None).is_none() && fleet.find("v", None).unwrap().heard);
}

#[test]
fn a_change_is_told_once() {
    let fleet = heard(&["u"]);
    assert_eq!(fleet.told("a", session("u")).unwrap(), None);
    let changed = Session {
        generation: 2,
        ..session("u")
    };
    assert_eq!(fleet.told("a", changed).unwrap(), Some(key("u")));
    assert_eq!(fleet.gone("a", "u"), Some(key("u")));
    assert_eq!(fleet.gone("a", "u"), None);
}

#[test]
fn another_pod_at_the_same_address_is_called_anew() {
    let fleet = Fleet::default();
    fleet.host_changed("a", host("1"));
    let (_, _, stop) = fleet.to_follow().remove(0);
    assert!(fleet.to_follow().is_empty());
    fleet.host_changed("a", host("1"));
    assert!(!stop.is_cancelled() && fleet.to_follow().is_empty());
    fleet.host_changed("a", host("2"));
    assert!(stop.is_cancelled());
    assert_eq!(fleet.to_follow().len(), 1);
}

#[test]
fn a_node_that_is_gone_with_its_host_takes_its_sessions_along() {
    let fleet = heard(&["u"]);
    fleet.host_changed("a", None);
    fleet.lost("a");
    assert!(fleet.find("u", None).is_some());
    assert_eq!(fleet.node_changed("a", None), [key("u")]);
    assert!(fleet.find("u", Some("a")).is_none());
    let fate = fleet.fate("a", true, &[], GRACE);
    assert_eq!(fate, Fate::Moves("node a is gone".to_owned()));
}

#[test]
fn a_node_that_is_cordoned_tainted_or_gone_has_its_sandboxes_looked_at() {
    let fleet = heard(&["u"]);
    let mut changed = node("a");
    assert!(fleet.node_changed("a", Some(&changed)).is_empty());
    changed.spec.get_or_insert_default().unschedulable = Some(true);
    assert_eq!(fleet.node_changed("a", Some(&changed)), [key("u")]);
    assert_eq!(fleet.node_changed("a", None), [key("u")]);
}

#[test]
fn silence_counts_only_since_someone_listens() {
    let fleet = heard(&["u"]);
    fleet.lost("a");
    // It never led: nobody has called the node.
    let waits = |grace| fleet.fate("a", false, &[], grace);
    assert_eq!(
        waits(GRACE),
        Fate::Waits("node a is not heard".to_owned(), Some(GRACE))
    );
    fleet.to_follow();
    assert!(matches!(waits(GRACE), Fate::Waits(_, Some(left)) if left < GRACE));
    assert!(matches!(waits(Duration::ZERO), Fate::Moves(_)));
    tell(&fleet, &["u"]);
    assert_eq!(waits(Duration::ZERO), Fate::Stays(None));
}

#[test]
fn people_are_told_once_until_the_taints_are_others() {
    let fleet = heard(&["u"]);
    assert!(fleet.warn("a", "u") && !fleet.warn("a", "u") && fleet.warn("a", "v"));
    let mut tainted = node("a");
    tainted.spec.get_or_insert_default().taints = Some(vec![Default::default()]);
    fleet.node_changed("a", Some(&tainted));
    assert!(fleet.warn("a", "u"));
    assert!(!fleet.warn("c", "u"));
}

#[tokio::test]
async fn a_fleet_has_settled_when_every_host_has_told_of_its_sessions() {
    Fleet::default().settled().await;
    let fleet = Arc::new(Fleet::default());
    fleet.host_changed("a", host("1"));
    let waiting = tokio::spawn({
        let fleet = fleet.clone();
        async move { fleet.settled().await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    tell(&fleet, &[]);
    waiting.await.unwrap();
}
