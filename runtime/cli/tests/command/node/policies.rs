//! Who may call a session, by its policy.

use std::net::IpAddr;

use mote_rpc::v1::policy::{Peer, Ports, Rule};
use mote_rpc::v1::{Policy, SessionSpec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tonic::Code;

use super::harness::{Host, said, spec, within};

/// Ports of a session.
const REST: u16 = 8080;
const GRPC: u16 = 9090;
const RUNTIME: u16 = 8888;

fn policy(name: &str, rules: Vec<Rule>) -> Policy {
    Policy {
        name: name.to_owned(),
        rules,
    }
}

fn rule(peers: &[(&str, &[&str])], ports: &[(u16, u16)]) -> Rule {
    let peers = peers.iter().map(|(prefix, except)| Peer {
        prefix: (*prefix).to_owned(),
        except: except.iter().map(ToString::to_string).collect(),
    });
    let ports = ports.iter().map(|&(first, last)| Ports {
        first: first.into(),
        last: last.into(),
    });
    Rule {
        peers: peers.collect(),
        ports: ports.collect(),
    }
}

fn under(n: u32, policy: &str) -> SessionSpec {
    SessionSpec {
        policy: policy.to_owned(),
        ..spec(n)
    }
}

/// Whether somebody at `peer` gets a word out of this port. Whoever does not
/// is hung up on without one.
async fn is_answered(peer: &str, address: &str, port: u16) -> bool {
    let peer: IpAddr = peer.parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((peer, 0).into()).unwrap();
    let address: IpAddr = address.parse().unwrap();
    let mut stream = within(socket.connect((address, port).into()))
        .await
        .unwrap();
    let request = b"GET /v1/health HTTP/1.1\r\nhost: work\r\nconnection: close\r\n\r\n";
    let mut answer = Vec::new();
    // Where the node hung up first, this fails.
    let _ = stream.write_all(request).await;
    let _ = within(stream.read_to_end(&mut answer)).await;
    !answer.is_empty()
}

#[tokio::test]
async fn a_session_answers_whom_its_policy_lets_in() {
    let host = Host::start().await;
    let controller = host.controller().await;
    let friends = rule(&[("127.0.0.0/24", &["127.0.0.8/29"])], &[]);
    let rest_alone = rule(&[("127.0.1.0/24", &[])], &[(8000, 8080)]);
    let policies = vec![policy("default/work", vec![friends, rest_alone])];
    controller.police(policies).await.unwrap();
    let address = &controller.ensure(under(1, "default/work")).await.addresses[0];
    for (peer, port, expected) in [
        ("127.0.0.1", REST, true),
        ("127.0.0.1", GRPC, true),
        ("127.0.0.1", RUNTIME, true),
        ("127.0.0.7", REST, true),
        ("127.0.0.8", REST, false),
        ("127.0.0.15", RUNTIME, false),
        ("127.0.0.16", REST, true),
        ("127.0.1.1", REST, true),
        ("127.0.1.1", GRPC, false),
        ("127.0.1.1", RUNTIME, false),
        ("127.0.2.1", REST, false),
    ] {
        let answered = is_answered(peer, address, port).await;
        assert_eq!(answered, expected, "{peer} {port}");
    }
    let metrics = host.get("/metrics").await.1;
    let counted = "mote_refused_total{reason=\"policy\"} 5";
    assert!(metrics.contains(counted), "{metrics}");
    let audited = host.audited().await;
    let refusals = audited
        .iter()
        .filter(|line| line["reason"] == "policy" && line["sandbox"] == spec(1).uid);
    assert_eq!(refusals.count(), 5, "{audited:?}");
}

#[tokio::test]
async fn a_session_whose_policy_is_not_there_answers_nobody() {
    let host = Host::start().await;
    let controller = host.controller().await;
    let everybody = || vec![policy("a", vec![Rule::default()])];
    let address = controller.ensure(under(1, "a")).await.addresses.remove(0);
    let open = controller.ensure(spec(2)).await.addresses.remove(0);
    assert!(!is_answered("127.0.0.1", &address, REST).await);
    assert!(is_answered("127.0.0.1", &open, REST).await);
    controller.police(everybody()).await.unwrap();
    assert!(is_answered("127.0.0.1", &address, REST).await);
    let nobody = vec![policy("a", Vec::new())];
    controller.police(nobody).await.unwrap();
    assert!(!is_answered("127.0.0.1", &address, REST).await);
    controller.police(everybody()).await.unwrap();
    controller.police(Vec::new()).await.unwrap();
    assert!(!is_answered("127.0.0.1", &address, REST).await);
}

#[tokio::test]
async fn a_policy_is_named_anew_while_the_session_lives() {
    let mut host = Host::start().await;
    let controller = host.controller().await;
    let rules = |peer: &str| vec![rule(&[(peer, &[])], &[])];
    let policies = vec![
        policy("one", rules("127.0.0.1/32")),
        policy("two", rules("127.0.0.2/32")),
    ];
    controller.police(policies).await.unwrap();
    let made = controller.ensure(under(1, "one")).await;
    let address = made.addresses[0].clone();
    said(&address, "echo kept > f").await;
    let named = controller.ensure(under(1, "two")).await;
    assert_eq!((named.generation, named.phase()), (1, made.phase()));
    assert_eq!(
        (made.policy.as_str(), named.policy.as_str()),
        ("one", "two")
    );
    for _ in 0..2 {
        assert!(!is_answered("127.0.0.1", &address, REST).await);
        assert!(is_answered("127.0.0.2", &address, REST).await);
        // What was sent, and which was named last, is there after a crash.
        host.crash();
    }
    let controller = host.controller().await;
    let later = SessionSpec {
        generation: 2,
        ..spec(1)
    };
    assert_eq!(controller.ensure(later).await.generation, 2);
    assert_eq!(said(&address, "cat f").await, "kept\n");
}

#[tokio::test]
async fn policies_that_make_no_sense_change_nothing() {
    let host = Host::start().await;
    let controller = host.controller().await;
    let everybody = policy("a", vec![Rule::default()]);
    controller.police(vec![everybody.clone()]).await.unwrap();
    let address = controller.ensure(under(1, "a")).await.addresses.remove(0);
    let nobody = policy("a", Vec::new());
    for wrong in [
        policy("b", vec![rule(&[("127.0.0.1", &[])], &[])]),
        policy("b", vec![rule(&[], &[(0, 1)])]),
        nobody.clone(),
    ] {
        let refused = controller.police(vec![nobody.clone(), wrong]).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains("; "), "{refused}");
    }
    let many = vec![everybody; 4_097];
    let refused = controller.police(many).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(is_answered("127.0.0.1", &address, REST).await);
}

#[tokio::test]
async fn a_connection_that_is_open_stays_when_a_policy_changes() {
    let host = Host::start().await;
    let controller = host.controller().await;
    controller
        .police(vec![policy("a", vec![Rule::default()])])
        .await
        .unwrap();
    let address = controller.ensure(under(1, "a")).await.addresses.remove(0);
    let client = reqwest::Client::new();
    let url = format!("http://{address}:{REST}/v1/health");
    let get = || within(client.get(&url).send());
    get().await.unwrap().bytes().await.unwrap();
    controller.police(Vec::new()).await.unwrap();
    assert!(get().await.unwrap().status().is_success());
    assert!(!is_answered("127.0.0.1", &address, REST).await);
}
