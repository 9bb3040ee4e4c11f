//! No two nodes give the same addresses.

use super::*;

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
