//! A node host that was taken over does not fill the controller's memory.

use super::super::bounds::{MAX_IMAGES, MAX_SESSIONS};
use super::*;

/// A fleet of one node whose host tells of as many sessions as it may.
fn full() -> Fleet {
    let fleet = heard(&[]);
    fleet.lost("a");
    fleet.begin("a", info("a"), Kinship::Same);
    told(&fleet, "u");
    fleet.listed("a", Link::idle());
    fleet
}

/// Tells of as many sessions as it may.
fn told(fleet: &Fleet, what: &str) {
    for number in 0..MAX_SESSIONS {
        fleet
            .told("a", session(&format!("{what}{number}")))
            .unwrap();
    }
}

#[test]
fn a_node_host_that_tells_of_more_sessions_than_are_kept_is_refused_until_it_tells_of_fewer() {
    let fleet = full();
    let changed = Session {
        generation: 2,
        ..session("u0")
    };
    assert!(fleet.told("a", changed).unwrap().is_some());
    let why = fleet.told("a", session("v")).unwrap_err();
    assert!(why.contains("more than 32768 sessions"), "{why}");
    assert!(fleet.made("a", session("v")).is_err());
    assert!(fleet.find("v", None).is_none());

    assert_eq!(fleet.overrun("a", &why).len(), MAX_SESSIONS);
    fleet.lost("a");
    fleet.begin("a", info("a"), Kinship::Same);
    assert!(fleet.is_refused("a"), "it may tell of as many again");
    assert!(fleet.overrun("a", &why).is_empty(), "people know");
    fleet.listed("a", Link::idle());
    assert!(!fleet.is_refused("a"));
    assert!(fleet.sessions().is_empty());
}

#[test]
fn listings_that_never_come_to_their_end_add_up_to_nothing() {
    let fleet = full();
    for what in ["v", "w", "x"] {
        fleet.lost("a");
        fleet.begin("a", info("a"), Kinship::Same);
        told(&fleet, what);
        assert!(fleet.told("a", session("one more")).is_err());
    }
    fleet.lost("a");
    assert_eq!(fleet.sessions().len(), MAX_SESSIONS);
    assert_eq!(fleet.state().homes.len(), MAX_SESSIONS);
    assert!(fleet.find("u0", None).is_some());
}

#[test]
fn a_listing_that_breaks_off_takes_nothing_from_a_node_that_tells_of_few() {
    let fleet = heard(&["u"]);
    fleet.lost("a");
    fleet.begin("a", info("a"), Kinship::Same);
    fleet.told("a", session("v")).unwrap();
    fleet.lost("a");
    assert!(fleet.find("u", None).is_some() && fleet.find("v", None).is_some());
}

#[test]
fn a_session_that_is_called_as_nothing_can_be_is_not_taken() {
    let fleet = heard(&[]);
    let long = |uid, namespace, name, policy| Session {
        uid: "u".repeat(uid),
        namespace: "n".repeat(namespace),
        name: "s".repeat(name),
        policy: "p".repeat(policy),
        ..Session::default()
    };
    assert!(fleet.told("a", long(128, 63, 253, 317)).is_ok());
    for (session, what) in [
        (long(129, 1, 1, 1), "a UID of 129 bytes"),
        (long(1, 64, 1, 1), "a namespace of 64 bytes"),
        (long(1, 1, 254, 1), "a name of 254 bytes"),
        (long(1, 1, 1, 318), "a policy of 318 bytes"),
    ] {
        let why = fleet.told("a", session).unwrap_err();
        assert!(why.contains(what), "{why}");
    }
    assert_eq!(fleet.sessions().len(), 1);
}

#[test]
fn of_a_long_sentence_and_of_many_addresses_only_what_is_kept_takes_memory() {
    let fleet = heard(&[]);
    let mut long = session("u");
    long.message = "é".repeat(1 << 20);
    long.addresses = vec![String::new(); 1 << 16];
    long.name.reserve(1 << 20);
    fleet.told("a", long).unwrap();
    let found = fleet.find("u", None).unwrap().session.unwrap();
    assert_eq!(found.message, "é".repeat(512));
    assert!(found.message.capacity() < 2_048 && found.name.capacity() < 64);
    assert!(found.addresses.capacity() < 8);
}

#[test]
fn a_node_is_given_no_more_sessions_and_has_no_more_images_than_are_kept() {
    let fleet = heard(&[]);
    let greedy = NodeInfo {
        max_sessions: u32::MAX,
        images: (0..10_000).map(|number| number.to_string()).collect(),
        ..info("a")
    };
    fleet.begin("a", greedy, Kinship::Same);
    let state = fleet.state();
    let view = state.members["a"].weighed().unwrap();
    assert_eq!(usize::try_from(view.places).unwrap(), MAX_SESSIONS);
    assert_eq!(view.images.len(), MAX_IMAGES);
}
