//! Addresses of sessions: one of each prefix, of two families.

use std::process::Command;

use mote_rpc::v1::refusal::Reason;
use mote_rpc::v1::watch_event::Event;
use mote_rpc::v1::{Session, WatchRequest};
use tokio::net::TcpStream;

use super::harness::{Host, said, sh, spec, uid, within};
use super::wire::{Http2, answer};

/// Set in the process that is within a network of its own.
const WITHIN: &str = "MOTE_TEST_NETWORK";
/// Makes the prefixes of a test the machine's own, and goes on as the test.
const ROUTES: &str = r#"PATH=$PATH:/usr/sbin; ip link set lo up &&
ip route add local 10.99.0.0/16 dev lo && ip -6 route add local fd00:99::/48 dev lo &&
exec "$0" "$@""#;

/// Runs a test of this module again within a network of its own, where the
/// prefixes are; `false` where it runs there already.
fn goes_there(test: &str) -> bool {
    if std::env::var_os(WITHIN).is_some() {
        return false;
    }
    let mut unshare = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        unshare.arg("--map-root-user");
    }
    let there = unshare
        .args(["--net", "sh", "-c", ROUTES])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &format!("node::addresses::{test}"),
            "--nocapture",
        ])
        .env(WITHIN, "1")
        .status();
    assert!(there.unwrap().success(), "what it wrote says why");
    true
}

/// Both addresses of a session, the second as a URL has it.
fn both(session: &Session) -> [String; 2] {
    let [v4, v6] = session.addresses.as_slice() else {
        panic!("{session:?}");
    };
    assert!(!v4.contains(':') && v6.contains(':'), "{session:?}");
    [v4.clone(), format!("[{v6}]")]
}

#[tokio::test]
async fn sessions_are_told_apart_by_their_addresses_of_both_families() {
    if goes_there("sessions_are_told_apart_by_their_addresses_of_both_families") {
        return;
    }
    let host = Host::at("10.99.0.0/29,fd00:99::/64", &[]).await;
    let controller = host.controller().await;
    let [a, b] = [
        controller.ensure(spec(1)).await,
        controller.ensure(spec(2)).await,
    ];
    let ([a4, a6], [b4, b6]) = (both(&a), both(&b));
    said(&a4, "echo a > f").await;
    said(&b6, "echo b > f").await;
    assert_eq!(said(&a6, "cat f").await, "a\n");
    assert_eq!(said(&b4, "cat f").await, "b\n");
    for nobodys in ["10.99.0.6", "[fd00:99::99]", "127.0.0.1", "[::1]"] {
        assert!(sh(nobodys, "echo").await.is_err(), "{nobodys}");
    }
    let mut client = controller.0.clone();
    let mut watch = within(client.watch(WatchRequest {}))
        .await
        .unwrap()
        .into_inner();
    let Some(Event::Node(info)) = within(watch.message()).await.unwrap().unwrap().event else {
        panic!("it tells of itself first");
    };
    assert_eq!(info.prefixes, ["10.99.0.0/29", "fd00:99::/64"]);
    assert_eq!(info.max_sessions, 6, "as many as the smaller prefix has");
}

#[tokio::test]
async fn a_session_keeps_the_addresses_that_are_given_still_and_gets_others_for_the_rest() {
    if goes_there("a_session_keeps_the_addresses_that_are_given_still_and_gets_others_for_the_rest")
    {
        return;
    }
    let mut host = Host::at("10.99.0.0/29", &[]).await;
    let before = host.controller().await.ensure(spec(1)).await;
    said(&before.addresses[0], "echo kept > f").await;

    host.addresses = "10.99.0.0/29,fd00:99::/64".to_owned();
    host.crash();
    let second = host.controller().await.ensure(spec(1)).await;
    assert_eq!(second.addresses[0], before.addresses[0]);
    assert_eq!(said(&both(&second)[1], "cat f").await, "kept\n");

    host.addresses = "10.99.8.0/29,fd00:99::/64".to_owned();
    host.crash();
    let third = host.controller().await.ensure(spec(1)).await;
    assert!(third.addresses[0].starts_with("10.99.8."), "{third:?}");
    assert_eq!(third.addresses[1], second.addresses[1]);
    assert_eq!(said(&third.addresses[0], "cat f").await, "kept\n");
    assert!(sh(&before.addresses[0], "echo").await.is_err());

    host.addresses = "fd00:99::/64".to_owned();
    host.crash();
    let last = host.controller().await.ensure(spec(1)).await;
    assert_eq!(last.addresses, third.addresses[1..]);
    assert!(sh(&third.addresses[0], "echo").await.is_err());
}

#[tokio::test]
async fn where_one_prefix_is_used_up_there_is_no_room() {
    let host = Host::at("127.78.0.0/22,::1/128", &[]).await;
    let controller = host.controller().await;
    let one = controller.ensure(spec(1)).await;
    let [v4, v6] = both(&one);
    assert_eq!(v6, "[::1]");
    assert_eq!(said(&v6, "echo hi | tee f").await, "hi\n");
    assert_eq!(said(&v4, "cat f").await, "hi\n");

    let (reason, message) = controller.refusal(spec(2)).await;
    assert_eq!(reason, Reason::NoRoom);
    assert_eq!(
        message,
        "every address of ::1/128 is taken; delete sandboxes"
    );
    assert_eq!(controller.delete(&[&one.uid]).await, []);
    assert_eq!(both(&controller.ensure(spec(2)).await)[1], "[::1]");
}

#[tokio::test]
async fn a_connection_to_a_session_never_leads_to_the_next_at_its_address() {
    let host = Host::at("127.78.0.0/30", &[]).await;
    let controller = host.controller().await;
    let address = controller.ensure(spec(1)).await.addresses.remove(0);
    let connect = || async { within(TcpStream::connect((&*address, 8080))).await.unwrap() };
    let request = format!("GET /v1/health HTTP/1.1\r\nhost: {address}\r\n\r\n");
    let (mut first, mut second) = (connect().await, Http2::over(connect().await).await);
    let answered = answer(&mut first, &request).await;
    assert_eq!(answered.map(|(status, _)| status), Some(200));
    assert_eq!(second.is_well(&address).await, Some(true));

    assert_eq!(controller.delete(&[&uid(1)]).await, []);
    // There are two addresses, and the one that was free before is the next.
    controller.ensure(spec(2)).await;
    let third = controller.ensure(spec(3)).await;
    assert_eq!(third.addresses[0], address);
    let answered = answer(&mut first, &request).await;
    assert!(
        answered.as_ref().is_none_or(|(status, _)| *status == 421),
        "{answered:?}"
    );
    assert_ne!(second.is_well(&address).await, Some(true));
    assert_eq!(said(&address, "echo new").await, "new\n");
}

#[test]
fn prefixes_that_make_no_sense_are_named_before_anything_starts() {
    for (given, told) in [
        ("10.0.0.0", "is no prefix"),
        ("10.0.0.0/24,10.1.0.0/24", "are of one family"),
        ("", "name a prefix"),
        ("shared", "name this machine's addresses after `shared`"),
        ("shared,10.0.0.0/24", "is no address"),
    ] {
        let mut mote = crate::harness::mote(&crate::harness::shared_cache());
        let output = mote
            .args(["node", "--node-name", "a", "--addresses", given])
            .output();
        let output = output.unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(told), "{given:?}: {stderr}");
        assert!(!output.status.success());
    }
}
