//! No session has addresses that its node does not give.

use super::*;

/// Node `a`, whose host has these prefixes, begins to tell.
fn begins(fleet: &Fleet, prefixes: &[&str]) -> Vec<Key> {
    let told = NodeInfo {
        prefixes: prefixes.iter().map(ToString::to_string).collect(),
        ..info("a")
    };
    fleet.begin("a", told, Kinship::Same)
}

/// A fleet of node `a`, whose host has these prefixes.
fn fleet(prefixes: &[&str]) -> Fleet {
    let fleet = Fleet::default();
    fleet.node_changed("a", Some(&node("a")));
    fleet.host_changed("a", host("1"));
    begins(&fleet, prefixes);
    fleet.listed("a", Link::idle());
    fleet
}

fn at(addresses: &[&str]) -> Session {
    Session {
        addresses: addresses.iter().map(ToString::to_string).collect(),
        ..session("u")
    }
}

fn addresses(fleet: &Fleet) -> Vec<String> {
    let found = fleet.find("u", None).unwrap();
    found.session.unwrap().addresses.clone()
}

#[test]
fn a_session_has_an_address_of_each_prefix_of_its_node() {
    let fleet = fleet(&["10.1.128.0/17", "fd00:1::/64"]);
    fleet.told("a", at(&["10.1.128.7", "fd00:1::7"])).unwrap();
    assert_eq!(addresses(&fleet), ["10.1.128.7", "fd00:1::7"]);
}

#[test]
fn a_session_has_no_address_that_its_node_does_not_give() {
    let fleet = fleet(&["10.1.128.0/17"]);
    fleet
        .told("a", at(&["10.2.0.7", "10.1.128.7", "no address"]))
        .unwrap();
    assert_eq!(addresses(&fleet), ["10.1.128.7"]);
    assert_eq!(
        fleet.told("a", at(&["10.1.127.255"])).unwrap(),
        Some(key("u"))
    );
    assert_eq!(addresses(&fleet), [""; 0]);
}

#[test]
fn whoever_asked_for_a_session_is_not_told_of_such_an_address_either() {
    let fleet = fleet(&["10.1.128.0/17"]);
    let made = fleet.made("a", at(&["10.1.128.7", "10.2.0.7"])).unwrap();
    assert_eq!(made.addresses, ["10.1.128.7"]);
    assert_eq!(addresses(&fleet), ["10.1.128.7"]);
    let gone = fleet.made("gone", at(&["10.1.128.7"])).unwrap();
    assert_eq!(gone.addresses, [""; 0]);
}

#[test]
fn sessions_of_a_node_that_shares_its_addresses_have_these_alone() {
    let fleet = Fleet::default();
    let told = NodeInfo {
        shared_addresses: vec!["10.0.0.1".to_owned(), "fd00::1".to_owned()],
        ..info("a")
    };
    fleet.begin("a", told, Kinship::Same);
    fleet.told("a", at(&["10.0.0.1", "fd00::1"])).unwrap();
    assert_eq!(addresses(&fleet), ["10.0.0.1", "fd00::1"]);
    fleet.told("a", at(&["10.0.0.2", "fd00::1"])).unwrap();
    assert_eq!(addresses(&fleet), ["fd00::1"]);
}

#[test]
fn what_is_told_before_the_node_itself_gives_no_address() {
    let fleet = fleet(&["10.1.128.0/17"]);
    fleet.lost("a");
    // What it had before may be another's by now.
    fleet.told("a", at(&["10.1.128.7"])).unwrap();
    assert_eq!(addresses(&fleet), [""; 0]);
    begins(&fleet, &["10.1.128.0/17"]);
    fleet.told("a", at(&["10.1.128.7"])).unwrap();
    assert_eq!(addresses(&fleet), ["10.1.128.7"]);
}

#[test]
fn a_node_that_gives_others_takes_back_what_its_sessions_had() {
    let fleet = fleet(&["10.1.128.0/17", "fd00:1::/64"]);
    fleet.told("a", at(&["10.1.128.7", "fd00:1::7"])).unwrap();
    assert_eq!(begins(&fleet, &["10.1.128.0/17", "fd00:1::/64"]), []);
    assert_eq!(
        begins(&fleet, &["10.3.0.0/16", "fd00:1::/64"]),
        [key("u")],
        "its sandbox is looked at again"
    );
    assert_eq!(addresses(&fleet), ["fd00:1::7"]);
}

#[test]
fn after_a_restart_with_other_prefixes_sessions_have_what_they_are_given_then() {
    let fleet = fleet(&["10.1.128.0/17"]);
    fleet.told("a", at(&["10.1.128.7"])).unwrap();
    fleet.lost("a");
    assert_eq!(addresses(&fleet), ["10.1.128.7"], "until it is heard");
    assert_eq!(begins(&fleet, &["10.3.0.0/16"]), [key("u")]);
    fleet.told("a", at(&["10.3.0.7"])).unwrap();
    fleet.listed("a", Link::idle());
    assert_eq!(addresses(&fleet), ["10.3.0.7"]);
}

#[test]
fn people_are_told_of_a_host_that_names_other_addresses_once_a_connection() {
    let mut member = Member::default();
    let vet = |member: &mut Member| member.vet(&mut at(&["10.2.0.7", "10.2.0.8"]));
    assert_eq!(vet(&mut member), Some("10.2.0.7".to_owned()));
    assert_eq!(vet(&mut member), None);
    member.lose();
    assert_eq!(vet(&mut member), Some("10.2.0.7".to_owned()));
}
