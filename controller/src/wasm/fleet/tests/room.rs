//! Where sandboxes are placed, and what is kept for them.

use mote_rpc::v1::Resources;

use super::*;

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
fn a_sandbox_that_waits_no_more_is_not_looked_at_when_nodes_change() {
    let fleet = heard(&[]);
    fleet.waits(key("u"));
    fleet.waits(key("v"));
    fleet.waits_no_more(&key("u"));
    assert_eq!(fleet.begin("a", info("a"), Kinship::Same), [key("v")]);
    fleet.waits_no_more(&key("v"));
    assert!(fleet.state().waiting.is_empty());
    assert!(fleet.begin("a", info("a"), Kinship::Same).is_empty());
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
    fleet.told("a", session("u")).unwrap();
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
    fleet.told("a", given).unwrap();
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
fn a_host_that_claims_tenants_draws_none_of_their_sessions() {
    let fleet = heard(&[]);
    fleet.node_changed("b", Some(&node("b")));
    fleet.host_changed("b", host("2"));
    let greedy = NodeInfo {
        tenants: vec!["ns".to_owned()],
        ..info("b")
    };
    fleet.begin("b", greedy, Kinship::Same);
    fleet.told("b", session("made-up")).unwrap();
    fleet.listed("b", Link::idle());
    let place = |uid: &str| fleet.place(&Wanted::default(), &key(uid), uid).unwrap();
    assert_eq!(place("u").node(), "a");

    // What we sent there counts, and what its sandbox says.
    fleet.lodge([("b".to_owned(), ["ns".to_owned()].into())].into());
    assert_eq!(place("u").node(), "b");
    fleet.lodge(BTreeMap::new());
    let sent = place("u");
    fleet.told("a", session("u")).unwrap();
    drop(sent);
    let state = fleet.state();
    let tenants = |name: &str| state.members[name].weighed().unwrap().tenants.clone();
    assert_eq!(tenants("a"), ["ns".to_owned()].into());
    assert!(tenants("b").is_empty());
}
