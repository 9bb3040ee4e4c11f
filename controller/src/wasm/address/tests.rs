//! Which addresses a node gets, and which its host may say it has.

use k8s_openapi::api::core::v1::NodeAddress;
use serde_json::{Value, json};

use super::*;

fn node(name: &str, addresses: Option<&str>, pods: &[&str], own: &str) -> Node {
    let annotations = addresses.map_or(Value::Null, |prefix| json!({ ADDRESSES: prefix }));
    serde_json::from_value(json!({
        "metadata": { "name": name, "annotations": annotations },
        "spec": { "podCIDRs": pods },
        "status": { "addresses": [{ "type": "InternalIP", "address": own }] },
    }))
    .unwrap()
}

#[test]
fn the_flag_comes_before_the_annotation() {
    let nodes = [node(
        "a",
        Some("10.1.128.0/17"),
        &["10.1.0.0/16"],
        "10.0.0.1",
    )];
    assert_eq!(chosen(None, &nodes), "10.1.128.0/17");
    assert_eq!(chosen(Some("fd00:1::7/64"), &nodes), "fd00:1::/64");
}

#[test]
fn a_node_has_a_prefix_of_each_family_ipv4_first() {
    let nodes = [node(
        "a",
        Some("fd00:1::/64, 10.1.128.0/17"),
        &[],
        "10.0.0.1",
    )];
    assert_eq!(chosen(None, &nodes), "10.1.128.0/17 fd00:1::/64");
    let two = choose(Some("10.1.0.0/24,10.2.0.0/24"), "a", &nodes).unwrap_err();
    assert!(
        two.to_string()
            .contains("10.1.0.0/24 and 10.2.0.0/24 are of one family"),
        "{two}"
    );
}

#[test]
fn the_upper_half_of_what_its_pods_have_can_be_a_nodes() {
    let nodes = [
        node("b", None, &["10.2.0.0/24", "fd00:2::/64"], "10.0.0.2"),
        node("a", None, &["10.1.0.0/24", "fd00:1::/64"], "10.0.0.1"),
        node("c", None, &["10.3.0.0/30"], "10.0.0.3"),
    ];
    assert_eq!(
        chosen(Some(UPPER_HALF), &nodes),
        "10.1.0.128/25 fd00:1:0:0:8000::/65"
    );
    for without in ["c", "unknown"] {
        let told = choose(Some(UPPER_HALF), without, &nodes).unwrap_err();
        assert_eq!(told, AddressError::NoPods(without.to_owned()));
    }
}

/// What node `a` has.
fn chosen(given: Option<&str>, nodes: &[Node]) -> String {
    let texts = match choose(given, "a", nodes).unwrap() {
        Given::Prefixes(all) => all.iter().map(ToString::to_string).collect::<Vec<_>>(),
        Given::Shared(all) => all.iter().map(|it| format!("shared {it}")).collect(),
    };
    texts.join(" ")
}

#[test]
fn a_node_of_which_nobody_said_anything_has_none() {
    let told = choose(None, "a", &[node("a", None, &[], "10.0.0.1")]).unwrap_err();
    assert!(
        told.to_string()
            .contains("node a has no annotation mote.dev/addresses"),
        "{told}"
    );
}

#[test]
fn what_another_node_has_is_not_taken() {
    let others = [
        node(
            "b",
            Some("10.2.0.0/16,fd00:2::/64"),
            &["10.3.0.0/16"],
            "10.4.0.1",
        ),
        node("a", None, &["10.1.0.0/16"], "10.0.0.1"),
    ];
    for (prefix, taken) in [
        ("10.2.3.0/24", Some("10.2.0.0/16")),
        ("10.9.0.0/24,fd00:2::/48", Some("fd00:2::/64")),
        ("10.3.128.0/17", Some("10.3.0.0/16")),
        ("10.4.0.0/24", Some("10.4.0.1/32")),
        ("10.0.0.0/24", Some("10.0.0.1/32")),
        // A part of its own pods' may be left for them.
        ("10.1.128.0/17", None),
    ] {
        let told = choose(Some(prefix), "a", &others)
            .err()
            .map(|error| error.to_string());
        assert_eq!(told.is_some(), taken.is_some(), "{prefix}: {told:?}");
        assert!(
            told.unwrap_or_default().contains(taken.unwrap_or_default()),
            "{prefix}"
        );
    }
}

#[test]
fn a_prefix_that_leads_nowhere_or_everywhere_is_refused() {
    for text in [
        "",
        "10.1.0.0",
        "10.1.0.0/31",
        "0.0.0.0/0",
        "127.0.0.0/8",
        "224.0.0.0/16",
        "169.254.0.0/24",
        "fe80::/64",
        "::ffff:10.1.0.0/112",
        "10.1.0.0/24,x/8",
        " , ",
    ] {
        assert!(
            matches!(choose(Some(text), "a", &[]), Err(AddressError::Unfit(..))),
            "{text}"
        );
    }
}

/// A host that says it has these.
fn has(told: &[&str]) -> NodeInfo {
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    match told {
        ["shared", addresses @ ..] => NodeInfo {
            shared_addresses: words(addresses),
            ..NodeInfo::default()
        },
        prefixes => NodeInfo {
            prefixes: words(prefixes),
            ..NodeInfo::default()
        },
    }
}

/// What is said of a host of node `a`, whose node has this annotation.
fn checked(annotation: Option<&str>, told: &[&str]) -> Result<(), AddressError> {
    let own = Site::of(&node("a", annotation, &["10.1.0.0/16"], "192.0.2.1"));
    let others = [
        node("b", Some("10.9.0.0/16"), &["10.2.0.0/16"], "192.0.2.2"),
        node("c", None, &["fd00:3::/64"], "192.0.2.3"),
    ];
    let others: Vec<_> = others.iter().map(Site::of).collect();
    check(&has(told), &own, others.iter())
}

#[test]
fn a_host_says_that_it_has_what_its_node_was_given() {
    let annotated = Some("10.1.128.0/17,fd00:1::/64");
    for (annotation, told) in [
        (None, &[][..]),
        (None, &["10.1.128.0/17", "fd00:1::/64"]),
        // Whose that is, the age of the nodes decides.
        (None, &["10.9.0.0/24"]),
        (annotated, &[]),
        (annotated, &["10.1.128.0/17", "fd00:1::/64"]),
        (Some(UPPER_HALF), &["10.1.128.0/17"]),
        (None, &["shared", "192.0.2.1"]),
        (Some(SHARED), &["shared", "192.0.2.1"]),
    ] {
        assert_eq!(checked(annotation, told), Ok(()), "{annotation:?} {told:?}");
    }
}

#[test]
fn a_host_that_says_it_has_what_is_others_or_everything_is_refused() {
    let annotated = Some("10.1.128.0/17");
    for (annotation, told, why) in [
        (None, &["0.0.0.0/0"][..], "it holds too much of the network"),
        (None, &["::/0"], "it holds too much of the network"),
        (None, &["10.2.0.0/24"], "10.2.0.0/16, which node b has"),
        (None, &["10.0.0.0/8"], "10.2.0.0/16, which node b has"),
        (None, &["fd00::/16"], "fd00:3::/64, which node c has"),
        (None, &["192.0.2.0/30"], "192.0.2.1/32, which node a has"),
        (None, &["192.0.2.2/31"], "no room"),
        (None, &["10.3.0.0/24", "10.4.0.0/24"], "of one family"),
        (
            None,
            &["10.3.0.0/24", "fd00:4::/64", "x"],
            "\"x\" is no prefix",
        ),
        (
            annotated,
            &["10.1.0.0/16"],
            "10.1.0.0/16, which the annotation",
        ),
        (
            annotated,
            &["10.3.0.0/24"],
            "10.3.0.0/24, which the annotation",
        ),
        (annotated, &["fd00:1::/64"], "does not give it; restart"),
        (Some("?"), &["10.1.128.0/17"], "\"?\" is no prefix"),
        (
            None,
            &["shared", "192.0.2.2"],
            "share 192.0.2.2, which is not what node a has",
        ),
        (
            None,
            &["shared", "192.0.2.1", "?"],
            "share ?, which is not what node a has",
        ),
        (
            annotated,
            &["shared", "192.0.2.1"],
            "192.0.2.1/32, which the annotation",
        ),
        (
            Some(SHARED),
            &["10.1.128.0/17"],
            "10.1.128.0/17, which the annotation",
        ),
    ] {
        let refused = checked(annotation, told).unwrap_err().to_string();
        assert!(refused.contains(why), "{told:?}: {refused}");
    }
}

#[test]
fn where_sandboxes_share_addresses_they_are_those_by_which_the_cluster_calls_the_node() {
    let mut shares = node("a", Some(SHARED), &["10.1.0.0/16"], "192.0.2.1");
    let own = &mut shares.status.as_mut().unwrap().addresses;
    for (kind, address) in [
        ("ExternalIP", "198.51.100.1"),
        ("Hostname", "a"),
        ("InternalIP", "fe80::1"),
        ("InternalIP", "fd00::1"),
        ("InternalIP", "192.0.2.9"),
    ] {
        let (type_, address) = (kind.to_owned(), address.to_owned());
        own.get_or_insert_default()
            .push(NodeAddress { type_, address });
    }
    let nodes = [shares];
    assert_eq!(chosen(None, &nodes), "shared 192.0.2.1 shared fd00::1");
    assert_eq!(chosen(Some("10.1.128.0/17"), &nodes), "10.1.128.0/17");
    let both = choose(Some("shared,10.1.128.0/17"), "a", &nodes).unwrap_err();
    assert!(both.to_string().contains("they have no others"), "{both}");
    for (name, nodes) in [("b", &nodes[..]), ("a", &[node("a", None, &[], "name")])] {
        let told = choose(Some(SHARED), name, nodes).unwrap_err();
        assert_eq!(told, AddressError::NoOwn(name.to_owned()));
    }
}

/// Those of these addresses that a sandbox of a node with these prefixes can
/// have, and the first that it cannot.
fn left(prefixes: &[&str], said: &[&str]) -> (String, Option<String>) {
    let mut said = said.iter().map(ToString::to_string).collect();
    let other = leave_own(&mut said, &of_sandboxes(&has(prefixes)));
    (said.join(" "), other)
}

#[test]
fn a_session_has_one_address_of_each_family() {
    let given = ["10.1.0.0/16", "fd00:1::/64"];
    let all = left(&given, &["fd00:1::7", "10.1.0.7"]);
    assert_eq!(all, ("fd00:1::7 10.1.0.7".to_owned(), None));
    let more = left(&given, &["10.1.0.7", "10.1.0.8", "10.1.0.9"]);
    assert_eq!(more, ("10.1.0.7".to_owned(), Some("10.1.0.8".to_owned())));
}

#[test]
fn of_what_a_prefix_holds_no_session_has_what_means_something_else() {
    for (prefix, other) in [
        ("169.0.0.0/8", "169.254.169.254"),
        ("fe00::/8", "fe80::1"),
        ("::8000:0:0/81", "::ffff:10.0.0.7"),
    ] {
        assert_eq!(of_sandboxes(&has(&[prefix])).len(), 1, "{prefix} is one");
        let dropped = left(&[prefix], &[other]);
        assert_eq!(dropped, (String::new(), Some(other.to_owned())));
    }
}
