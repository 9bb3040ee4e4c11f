//! Where sessions are at home that more than one node has, or had.

use super::*;

/// A second node, which tells of these sessions.
fn second(fleet: &Fleet, uids: &[&str]) {
    fleet.node_changed("b", Some(&node("b")));
    fleet.host_changed("b", host("2"));
    fleet.begin("b", info("b"), Kinship::Same);
    for uid in uids {
        fleet.told("b", session(uid)).unwrap();
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
    fleet.told("b", session("u")).unwrap();
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
    fleet.told("b", session("u")).unwrap();
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
