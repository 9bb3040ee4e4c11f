//! Node hosts that are not listened to, and who is told why.

use super::*;

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
