//! Sessions that share the machine's addresses, and are told apart by the host
//! that each request names.

use std::net::IpAddr;

use mote_rpc::v1::policy::{Peer, Rule};
use mote_rpc::v1::refusal::Reason;
use mote_rpc::v1::{Policy, SessionSpec};
use mote_surface::proto::process_service_client::ProcessServiceClient;
use mote_surface::proto::{ExecuteRequest, ProcessConfig};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};
use tonic::transport::Endpoint;
use tonic::{Code, Status};

use super::harness::{Event, Host, said, sh, spec, within};
use super::wire::{Http2, answer};

/// One of the addresses that sessions share.
const ADDRESS: &str = "127.78.0.1";
/// Both of them, as the node host is told.
const SHARED: &str = "shared,127.78.0.1,::1";
/// What whoever names nobody is told.
const TOLD: &str = "no sandbox that you may call here has the name in the Host header; \
    send NAME.NAMESPACE.svc of one that runs, as requests to its Service do";

/// Runs a shell line in the session that `host` names; else the status, and
/// what was said.
async fn run(address: &str, host: &str, line: &str) -> Result<String, (u16, String)> {
    let command = json!({ "command": format!("sh -c '{line}'") });
    let request = reqwest::Client::new().post(format!("http://{address}:8888/execute"));
    let response = within(request.header("host", host).json(&command).send()).await;
    let response = response.unwrap();
    let status = response.status();
    let answer: Value = response.json().await.unwrap();
    let word = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    if status.is_success() {
        Ok(word("stdout"))
    } else {
        Err((status.as_u16(), word("message")))
    }
}

/// The same by gRPC.
async fn execute(host: &str, line: &str) -> Result<String, Status> {
    let endpoint = Endpoint::from_shared(format!("http://{ADDRESS}:9090")).unwrap();
    let named = endpoint.origin(format!("http://{host}").parse().unwrap());
    let mut client = ProcessServiceClient::new(within(named.connect()).await.unwrap());
    let command = ["sh", "-c", line].map(str::to_owned).into();
    let config = ProcessConfig {
        command,
        ..ProcessConfig::default()
    };
    let request = ExecuteRequest {
        config: Some(config),
    };
    let answer = within(client.execute(request)).await?.into_inner();
    Ok(String::from_utf8(answer.stdout.to_vec()).unwrap())
}

/// A connection from this address of the machine to the REST port.
async fn from(peer: &str) -> TcpStream {
    let (peer, address): (IpAddr, IpAddr) = (peer.parse().unwrap(), ADDRESS.parse().unwrap());
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((peer, 0).into()).unwrap();
    within(socket.connect((address, 8080).into()))
        .await
        .unwrap()
}

/// What a request with this head is answered, on a connection that stays.
async fn answered(stream: &mut TcpStream, head: &str) -> (u16, String) {
    answer(stream, head).await.expect("it is answered")
}

async fn health(stream: &mut TcpStream, host: &str) -> (u16, String) {
    let head = format!("GET /v1/health HTTP/1.1\r\nhost: {host}\r\n\r\n");
    answered(stream, &head).await
}

#[tokio::test]
async fn sessions_at_one_address_are_told_apart_by_the_host_of_each_request() {
    let host = Host::at(SHARED, &[]).await;
    let controller = host.controller().await;
    for n in [1, 2] {
        let session = controller.ensure(spec(n)).await;
        assert_eq!(session.addresses, [ADDRESS, "::1"]);
    }
    let write = |n: u32| format!("echo {n} | tee f");
    assert_eq!(
        run(ADDRESS, "work-1.default", &write(1)).await.unwrap(),
        "1\n"
    );
    let second = execute("work-2.default.svc:9090", &write(2)).await;
    assert_eq!(second.unwrap(), "2\n");
    for (address, name, content) in [
        (ADDRESS, "work-1.default.svc.cluster.local:8888", "1\n"),
        (ADDRESS, "WORK-2.Default", "2\n"),
        ("[::1]", "work-2.default.svc", "2\n"),
        ("[::1]", "work-1.default.svc.example.", "1\n"),
    ] {
        let read = run(address, name, "cat f").await;
        assert_eq!(read.as_deref(), Ok(content), "{name}");
    }
    let mut stream = from("127.0.0.1").await;
    for n in [1, 2, 1] {
        let head = format!("GET /v1/files/f HTTP/1.1\r\nhost: work-{n}.default\r\n\r\n");
        let read = answered(&mut stream, &head).await;
        assert_eq!(read, (200, format!("{n}\n")));
    }
    // No other address of the machine is theirs.
    assert!(sh("127.0.0.1", "echo").await.is_err());
    let mut watch = controller.watch().await;
    let Event::Node(info) = watch.next().await.unwrap() else {
        panic!("it tells of itself first");
    };
    assert_eq!(info.shared_addresses, [ADDRESS, "::1"]);
    assert_eq!(info.prefixes, [""; 0]);
    assert_eq!(info.max_sessions, 20_000, "addresses are not used up");
}

#[tokio::test]
async fn who_names_nobody_that_runs_is_told_what_to_send() {
    let host = Host::at(SHARED, &[]).await;
    let controller = host.controller().await;
    controller.ensure(spec(1)).await;
    controller.ensure(spec(2)).await;
    let asleep = SessionSpec {
        generation: 2,
        suspended: true,
        ..spec(2)
    };
    controller.ensure(asleep.clone()).await;
    for name in [
        ADDRESS,
        "localhost",
        "work-1",
        "work-1.other",
        "work-1.default.pod.cluster.local",
        "work-2.default",
        "work-3.default",
    ] {
        let told = run(ADDRESS, name, "true").await;
        assert_eq!(told, Err((421, TOLD.to_owned())), "{name}");
    }
    let status = execute("work-2.default", "true").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, TOLD));
    let mut stream = from("127.0.0.1").await;
    let twice = "GET /v1/health HTTP/1.1\r\nhost: work-1.default\r\nhost: work-2.default\r\n\r\n";
    let (status, body) = answered(&mut stream, twice).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, body["message"].as_str()), (421, Some(TOLD)));
    let mut stream = from("127.0.0.1").await;
    assert_eq!(health(&mut stream, "work-1.default").await.0, 200);
    let awake = SessionSpec {
        generation: 3,
        suspended: false,
        ..asleep
    };
    controller.ensure(awake).await;
    assert_eq!(health(&mut stream, "work-2.default").await.0, 200);
    controller.delete(&[&spec(1).uid]).await;
    assert_eq!(health(&mut stream, "work-1.default").await.0, 421);
}

#[tokio::test]
async fn a_session_whose_name_a_host_cannot_tell_is_refused() {
    let host = Host::at(SHARED, &[]).await;
    let dotted = SessionSpec {
        name: "work-2.default.svc".to_owned(),
        ..spec(1)
    };
    let (reason, told) = host.controller().await.refusal(dotted).await;
    assert_eq!(reason, Reason::Invalid);
    assert!(told.contains("a name without dots"), "{told}");
}

#[tokio::test]
async fn of_two_sessions_of_one_name_the_last_that_was_made_is_called() {
    let mut host = Host::at(SHARED, &[]).await;
    let controller = host.controller().await;
    let again = SessionSpec {
        name: spec(1).name,
        ..spec(2)
    };
    let name = "work-1.default";
    controller.ensure(spec(1)).await;
    run(ADDRESS, name, "echo first > f").await.unwrap();
    controller.ensure(again.clone()).await;
    assert_eq!(run(ADDRESS, name, "ls").await.as_deref(), Ok(""));
    run(ADDRESS, name, "echo second > f").await.unwrap();
    host.crash();
    assert_eq!(run(ADDRESS, name, "cat f").await.as_deref(), Ok("second\n"));
    host.controller().await.delete(&[&spec(1).uid]).await;
    assert_eq!(run(ADDRESS, name, "cat f").await.as_deref(), Ok("second\n"));
    host.controller().await.delete(&[&again.uid]).await;
    assert!(run(ADDRESS, name, "true").await.is_err());
}

#[tokio::test]
async fn whom_a_policy_keeps_out_is_told_no_more_than_who_names_nobody() {
    let host = Host::at(SHARED, &[]).await;
    let controller = host.controller().await;
    let friend = Rule {
        peers: vec![Peer {
            prefix: "127.0.0.1/32".to_owned(),
            except: Vec::new(),
        }],
        ports: Vec::new(),
    };
    let friends = Policy {
        name: "friends".to_owned(),
        rules: vec![friend],
    };
    controller.police(vec![friends]).await.unwrap();
    let kept = SessionSpec {
        policy: "friends".to_owned(),
        ..spec(1)
    };
    controller.ensure(kept).await;
    controller.ensure(spec(2)).await;
    let (mut friend, mut stranger) = (from("127.0.0.1").await, from("127.0.0.2").await);
    assert_eq!(health(&mut stranger, "work-2.default").await.0, 200);
    for _ in 0..2 {
        let nobody = health(&mut stranger, "work-3.default").await;
        assert_eq!(health(&mut stranger, "work-1.default").await, nobody);
        assert_eq!(nobody.0, 421);
        assert_eq!(health(&mut stranger, "work-2.default").await.0, 200);
        assert_eq!(health(&mut friend, "work-1.default").await.0, 200);
    }
    // Nothing of a stranger's body is waited for.
    let put = "PUT /v1/files/f HTTP/1.1\r\nhost: work-1.default\r\ncontent-length: 99\r\n\r\n";
    assert_eq!(answered(&mut stranger, put).await.0, 421);
    // A connection that is open is no way round a policy that changes.
    controller.police(Vec::new()).await.unwrap();
    assert_eq!(health(&mut friend, "work-1.default").await.0, 421);
    assert_eq!(health(&mut friend, "work-2.default").await.0, 200);
    let audited = host.audited().await;
    let refusals = audited
        .iter()
        .filter(|line| line["reason"] == "policy" && line["sandbox"] == spec(1).uid);
    assert_eq!(refusals.count(), 4, "{audited:?}");
}

#[tokio::test]
async fn who_calls_nobody_whom_it_may_call_keeps_no_connection() {
    let host = Host::at(SHARED, &[]).await;
    let controller = host.controller().await;
    controller.ensure(spec(1)).await;
    let mut stream = from("127.0.0.1").await;
    assert_eq!(health(&mut stream, "work-2.default").await.0, 421);
    assert!(within(stream.read_u8()).await.is_err(), "it is closed");

    let mut stranger = Http2::over(from("127.0.0.1").await).await;
    assert_eq!(stranger.is_well("work-2.default").await, Some(false));
    stranger.ends().await;
    let mut silent = Http2::over(from("127.0.0.1").await).await;
    silent.ends().await;

    let mut known = Http2::over(from("127.0.0.1").await).await;
    for (name, well) in [("work-1", true), ("work-2", false), ("work-1", true)] {
        let answered = known.is_well(&format!("{name}.default")).await;
        assert_eq!(answered, Some(well), "{name}");
    }
}

#[tokio::test]
async fn a_session_keeps_its_files_where_its_node_shares_its_addresses_and_back() {
    let mut host = Host::start().await;
    let before = host.controller().await.ensure(spec(1)).await;
    said(&before.addresses[0], "echo kept > f").await;
    let own = std::mem::replace(&mut host.addresses, SHARED.to_owned());
    for _ in 0..2 {
        host.crash();
        let shares = host.controller().await.ensure(spec(1)).await;
        assert_eq!(shares.addresses, [ADDRESS, "::1"]);
        let read = run(ADDRESS, "work-1.default", "cat f").await;
        assert_eq!(read.as_deref(), Ok("kept\n"));
    }
    host.addresses = own;
    host.crash();
    let after = host.controller().await.ensure(spec(1)).await;
    assert_eq!(said(&after.addresses[0], "cat f").await, "kept\n");
}
