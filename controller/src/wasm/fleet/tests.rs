use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use mote_rpc::v1::Resources;

use super::*;

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
        fleet.told("a", session(uid));
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
    assert_eq!(fleet.told("a", session("u")), None);
    let changed = Session {
        generation: 2,
        ..session("u")
    };
    assert_eq!(fleet.told("a", changed), Some(key("u")));
    assert_eq!(fleet.gone("a", "u"), Some(key("u")));
    assert_eq!(fleet.gone("a", "u"), None);
}

#[test]
fn what_no_node_could_take_is_looked_at_again_when_one_comes() {
    let fleet = Fleet::default();
    assert!(fleet.place(&Wanted::default(), &key("u"), "u").is_err());
    fleet.node_changed("a", Some(&node("a")));
    fleet.host_changed("a", host("1"));
    assert!(fleet.place(&Wanted::default(), &key("u"), "u").is_err());
    fleet.begin("a", info("a"), Kinship::Same);
    assert_eq!(fleet.listed("a", Link::idle()), [key("u")]);
    assert_eq!(
        fleet
            .place(&Wanted::default(), &key("u"), "u")
            .unwrap()
            .node(),
        "a"
    );
}

#[test]
fn what_was_placed_counts_before_the_node_says_so() {
    let fleet = heard(&[]);
    let place = |uid: &str| fleet.place(&Wanted::default(), &key(uid), uid);
    let (first, second) = (place("u").unwrap(), place("v").unwrap());
    let full = |told: Result<Reserved<'_>, String>| {
        told.is_err_and(|told| told.contains("Too many sandboxes"))
    };
    assert!(full(place("w")));
    // It says what it knows, which is late.
    fleet.begin("a", info("a"), Kinship::Same);
    assert!(full(place("w")));
    // Once it has told of a session, that counts and not the promise.
    fleet.told("a", session("u"));
    drop(first);
    assert!(full(place("w")));
    drop(second);
    assert!(place("w").is_ok());
}

#[test]
fn many_at_once_fill_one_node_after_the_other_and_no_node_beyond_its_memory() {
    let fleet = Fleet::default();
    for name in ["a", "b", "c"] {
        fleet.node_changed(name, Some(&node(name)));
        fleet.host_changed(name, host(name));
        let info = NodeInfo {
            max_sessions: 100,
            ..info(name)
        };
        fleet.begin(name, info, Kinship::Same);
        fleet.listed(name, Link::idle());
    }
    let wanted = Wanted {
        memory_bytes: 250,
        ..Wanted::default()
    };
    let uids: Vec<String> = (0..13).map(|number| format!("u{number}")).collect();
    let placed: Vec<_> = uids
        .iter()
        .map(|uid| fleet.place(&wanted, &key(uid), uid))
        .collect();
    let on = |node: &str| {
        let here = placed.iter().flatten().filter(|it| it.node() == node);
        here.count()
    };
    assert_eq!((on("a"), on("b"), on("c")), (4, 4, 4));
    assert!(
        placed[12]
            .as_ref()
            .is_err_and(|told| told.contains("3 Insufficient memory"))
    );
}

#[test]
fn what_a_session_that_asks_for_nothing_takes_is_learnt_from_the_first() {
    let fleet = heard(&[]);
    let place = |uid: &str| fleet.place(&Wanted::default(), &key(uid), uid);
    let first = place("u").unwrap();
    let given = Session {
        resources: Some(Resources {
            memory_bytes: 600,
            ..Resources::default()
        }),
        ..session("u")
    };
    fleet.told("a", given);
    drop(first);
    let _second = place("v").unwrap();
    let wanted = Wanted {
        memory_bytes: 1,
        ..Wanted::default()
    };
    let full = fleet.place(&wanted, &key("w"), "w");
    assert!(full.is_err());
}

#[test]
fn a_node_without_a_host_is_none_that_could_take_anything() {
    let fleet = heard(&[]);
    fleet.host_changed("a", None);
    let told = fleet
        .place(&Wanted::default(), &key("u"), "u")
        .err()
        .unwrap();
    assert_eq!(told, "0/0 nodes are available: no node runs a node host.");
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

const GRACE: Duration = Duration::from_secs(30);

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

/// A second node, which tells of these sessions.
fn second(fleet: &Fleet, uids: &[&str]) {
    fleet.node_changed("b", Some(&node("b")));
    fleet.host_changed("b", host("2"));
    fleet.begin("b", info("b"), Kinship::Same);
    for uid in uids {
        fleet.told("b", session(uid));
    }
    fleet.listed("b", Link::idle());
}

fn home(fleet: &Fleet, said: Option<&str>) -> String {
    fleet.find("u", said).unwrap().node
}

#[test]
fn a_session_that_was_sent_elsewhere_stays_there_when_its_old_node_is_back() {
    let fleet = heard(&["u"]);
    fleet.lost("a");
    second(&fleet, &[]);
    let place = fleet.place(&Wanted::default(), &key("u"), "u").unwrap();
    assert_eq!(place.node(), "b");
    fleet.told("b", session("u"));
    drop(place);
    assert_eq!(home(&fleet, Some("a")), "b");
    tell(&fleet, &["u"]);
    // Whatever an older status says.
    assert_eq!(home(&fleet, Some("a")), "b");
    // Which is left over is swept away, and the other stays.
    assert_eq!(fleet.gone("a", "u"), Some(key("u")));
    assert_eq!(home(&fleet, None), "b");
}

#[tokio::test]
async fn a_session_that_is_at_home_elsewhere_is_told_of_as_a_stray() {
    let fleet = heard(&["u"]);
    second(&fleet, &["v"]);
    let strayed = fleet.strayed();
    tokio::pin!(strayed);
    assert!(futures_util::poll!(&mut strayed).is_pending());
    fleet.told("b", session("u"));
    strayed.await;
    assert_eq!(home(&fleet, None), "a");
}

#[test]
fn who_did_not_send_a_session_believes_what_was_written_down() {
    let fleet = heard(&["u"]);
    second(&fleet, &["u"]);
    assert_eq!(home(&fleet, None), "a");
    assert_eq!(home(&fleet, Some("b")), "b");
    // A node that is not heard may have it still.
    fleet.gone("b", "u");
    assert_eq!(home(&fleet, Some("b")), "a");
    fleet.lost("b");
    let found = fleet.find("u", Some("b")).unwrap();
    assert_eq!((found.node.as_str(), found.heard), ("b", false));
    assert!(found.session.is_none());
    assert_eq!(home(&fleet, Some("c")), "a");
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

#[test]
fn a_node_host_of_another_version_is_counted_and_takes_nothing() {
    let labels = |fleet: &Fleet| {
        let all = fleet.census().into_iter();
        all.map(|it| (it.state, it.version)).collect::<Vec<_>>()
    };
    let fleet = heard(&["u"]);
    assert_eq!(labels(&fleet), [("heard", "same")]);
    fleet.begin("a", info("a"), Kinship::Other);
    assert_eq!(labels(&fleet), [("heard", "other")]);
    fleet.lost("a");
    assert_eq!(labels(&fleet), [("silent", "other")]);
    assert_eq!(
        fleet.refuse("a", "it is of version 9", Some(Kinship::Other)),
        [key("u")]
    );
    assert!(
        fleet
            .refuse("a", "it is of version 9", Some(Kinship::Other))
            .is_empty()
    );
    assert_eq!(labels(&fleet), [("refused", "other")]);
    let told = fleet.place(&Wanted::default(), &key("v"), "v").err();
    assert_eq!(
        told.unwrap(),
        "0/1 nodes are available: 1 node(s) had a node host that does not start or is refused. \
         Node a: it is of version 9."
    );
    let again = fleet.refuse("a", "it has expired", None);
    assert_eq!(again, [key("u"), key("v")], "who waits for it is told too");
    fleet.refuse("a", "it is of version 9", Some(Kinship::Other));
    let Fate::Waits(why, _) = fleet.fate("a", true, &[], GRACE) else {
        panic!("its sandboxes wait");
    };
    assert!(why.contains("it is of version 9"), "{why}");
    tell(&fleet, &["u"]);
    assert_eq!(labels(&fleet), [("heard", "same")]);
}

/// A node that Kubernetes has known since this second, with a host.
fn born(fleet: &Fleet, name: &str, second: i64) {
    let mut node = node(name);
    let at = k8s_openapi::jiff::Timestamp::from_second(second).unwrap();
    node.metadata.creation_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at));
    fleet.node_changed(name, Some(&node));
    fleet.host_changed(name, host(name));
}

/// Its host begins to tell, and has these prefixes.
fn begins(fleet: &Fleet, name: &str, prefixes: &[&str]) -> Result<(), String> {
    let told = NodeInfo {
        prefixes: prefixes.iter().map(ToString::to_string).collect(),
        ..info(name)
    };
    match fleet.keep_apart(name, &told) {
        Ok(()) => {
            fleet.begin(name, told, Kinship::Same);
            fleet.listed(name, Link::idle());
            Ok(())
        }
        Err(why) => {
            fleet.refuse(name, &why, Some(Kinship::Same));
            Err(why)
        }
    }
}

#[test]
fn of_two_nodes_whose_addresses_overlap_the_younger_is_refused() {
    let fleet = Fleet::default();
    born(&fleet, "old", 1);
    born(&fleet, "young", 2);
    born(&fleet, "other", 3);
    assert_eq!(
        begins(&fleet, "old", &["10.1.0.0/16", "fd00:1::/64"]),
        Ok(())
    );
    assert_eq!(begins(&fleet, "other", &["10.2.0.0/16"]), Ok(()));
    let why = begins(&fleet, "young", &["10.3.0.0/16", "fd00:1::/80"]).unwrap_err();
    assert_eq!(
        why,
        "the addresses fd00:1::/80 of its sandboxes overlap fd00:1::/64, which node old has; give \
         one of the two nodes others, by the annotation mote.dev/addresses, and restart its node \
         host"
    );
    let Fate::Waits(told, _) = fleet.fate("young", true, &[], GRACE) else {
        panic!("its sandboxes wait");
    };
    assert_eq!(told, format!("node young is not heard: {why}"));
    let refused = |fleet: &Fleet| {
        fleet
            .census()
            .iter()
            .filter(|it| it.state == "refused")
            .count()
    };
    assert_eq!(refused(&fleet), 1);
    // Once it has others.
    assert_eq!(begins(&fleet, "young", &["10.3.0.0/16"]), Ok(()));
    assert_eq!(refused(&fleet), 0);
}

#[test]
fn a_node_that_was_taken_over_takes_no_other_along() {
    let fleet = Fleet::default();
    born(&fleet, "old", 1);
    born(&fleet, "young", 2);
    let why = begins(&fleet, "old", &["0.0.0.0/0"]).unwrap_err();
    assert!(why.contains("it holds too much of the network"), "{why}");
    assert_eq!(begins(&fleet, "young", &["10.2.0.0/16"]), Ok(()));
    let mut owner = node("owner");
    owner.spec.get_or_insert_default().pod_cidrs = Some(vec!["10.3.0.0/24".to_owned()]);
    fleet.node_changed("owner", Some(&owner));
    let why = begins(&fleet, "old", &["10.3.0.0/16"]).unwrap_err();
    assert!(why.contains("10.3.0.0/24, which node owner has"), "{why}");
}

#[test]
fn what_a_host_was_refused_for_is_over_with_another_pod() {
    let fleet = heard(&["u"]);
    let why = |fleet: &Fleet| match fleet.fate("a", true, &[], GRACE) {
        Fate::Waits(why, _) => why,
        other => panic!("its sandboxes wait: {other:?}"),
    };
    fleet.refuse("a", "it is of version 9", Some(Kinship::Other));
    fleet.lost("a");
    assert!(why(&fleet).contains("it is of version 9"));
    assert_eq!(fleet.host_changed("a", host("1")), [], "it is the same");
    assert!(why(&fleet).contains("it is of version 9"));
    assert_eq!(fleet.host_changed("a", host("2")), [key("u")]);
    assert_eq!(why(&fleet), "node a is not heard");
    assert_eq!(fleet.host_changed("a", host("3")), [], "nothing was wrong");
}

#[test]
fn a_node_that_is_heard_later_keeps_its_addresses_if_it_is_older() {
    let fleet = Fleet::default();
    born(&fleet, "young", 2);
    born(&fleet, "old", 1);
    let follow = |fleet: &Fleet| -> Vec<String> {
        let all = fleet.to_follow().into_iter().map(|(node, ..)| node);
        all.collect()
    };
    assert_eq!(follow(&fleet), ["old", "young"]);
    assert_eq!(begins(&fleet, "young", &["10.1.0.0/16"]), Ok(()));
    assert_eq!(begins(&fleet, "old", &["10.1.0.0/24"]), Ok(()));
    assert_eq!(follow(&fleet), ["young"], "it is asked again");
    fleet.lost("young");
    assert!(begins(&fleet, "young", &["10.1.0.0/16"]).is_err());
    assert_eq!(follow(&fleet), [""; 0]);
}

#[test]
fn a_node_whose_host_is_away_for_a_moment_keeps_its_addresses() {
    let fleet = Fleet::default();
    born(&fleet, "old", 1);
    born(&fleet, "young", 2);
    assert_eq!(begins(&fleet, "old", &["10.1.0.0/16"]), Ok(()));
    fleet.lost("old");
    assert!(begins(&fleet, "young", &["10.1.0.0/16"]).is_err());
    fleet.host_changed("old", None);
    assert_eq!(begins(&fleet, "young", &["10.1.0.0/16"]), Ok(()));
}

#[test]
fn a_host_that_does_not_start_is_told_to_those_who_are_and_who_would_be_there() {
    let fleet = heard(&["u"]);
    fleet.host_changed("a", None);
    fleet.lost("a");
    assert!(fleet.place(&Wanted::default(), &key("v"), "v").is_err());
    let told = fleet.does_not_start("a", "its node host does not start: address: why");
    assert_eq!(told, [key("u"), key("v")]);
    let again = fleet.does_not_start("a", "its node host does not start: address: why");
    assert!(again.is_empty());
    let Fate::Waits(why, _) = fleet.fate("a", true, &[], GRACE) else {
        panic!("its sandboxes wait");
    };
    assert_eq!(
        why,
        "node a is not heard: its node host does not start: address: why"
    );
    let waits = fleet.place(&Wanted::default(), &key("v"), "v").err();
    let waits = waits.unwrap();
    assert!(
        waits.contains("1 node(s) had a node host that does not start"),
        "{waits}"
    );

    fleet.has_no_pod("a");
    let waits = fleet.place(&Wanted::default(), &key("v"), "v").err();
    assert!(!waits.unwrap().contains("does not start"));
}
