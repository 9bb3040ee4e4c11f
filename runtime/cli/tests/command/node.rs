//! `mote node`: sessions that a controller asks for by gRPC over TLS.

mod addresses;
mod authority;
mod commands;
mod crowds;
mod harness;
mod images;
mod policies;
mod secrets;
mod shared;
mod shares;
mod slots;
mod volumes;
mod watches;
mod wire;

use mote_rpc::v1::ensure_result::Result as Answer;
use mote_rpc::v1::refusal::Reason;
use mote_rpc::v1::{Phase, Resources, SessionSpec};
use tokio::io::AsyncReadExt;
use tonic::Code;

use harness::{Host, said, sh, spec, uid, within};

/// Memory of a session that says so.
fn with_memory(n: u32, mib: u64) -> SessionSpec {
    SessionSpec {
        resources: Some(Resources {
            memory_bytes: mib << 20,
            ..Resources::default()
        }),
        ..spec(n)
    }
}

#[tokio::test]
async fn a_session_lives_at_its_address_until_it_is_deleted() {
    let mut host = Host::start().await;
    let controller = host.controller().await;
    let asked = SessionSpec {
        env: [("GREETING".to_owned(), "hi".to_owned())].into(),
        ..spec(1)
    };
    let made = controller.ensure(asked.clone()).await;
    assert_eq!((made.phase(), made.generation), (Phase::Running, 1));
    assert!(!made.has_files, "{made:?}");
    let address = made.addresses[0].clone();
    assert_eq!(said(&address, "echo $GREETING | tee f").await, "hi\n");

    let asleep = SessionSpec {
        generation: 2,
        suspended: true,
        ..asked.clone()
    };
    let suspended = controller.ensure(asleep).await;
    assert_eq!(suspended.phase(), Phase::Suspended);
    assert!(suspended.has_files, "{suspended:?}");
    assert!(sh(&address, "echo").await.is_err());
    let awake = SessionSpec {
        generation: 3,
        ..asked
    };
    let resumed = controller.ensure(awake.clone()).await;
    assert_eq!((resumed.phase(), resumed.generation), (Phase::Running, 3));
    assert_eq!(said(&address, "cat f").await, "hi\n");

    host.crash();
    let controller = host.controller().await;
    let again = controller.ensure(awake).await;
    assert_eq!(again, resumed, "a crash changes nothing");
    assert_eq!(said(&address, "cat f; echo $GREETING").await, "hi\nhi\n");

    let gone = controller.delete(&[&uid(1), &uid(2), "no uid"]).await;
    assert_eq!(gone, []);
    assert!(sh(&address, "echo").await.is_err());
}

#[tokio::test]
async fn what_was_suspended_stays_so_over_a_crash() {
    let mut host = Host::start().await;
    let asleep = SessionSpec {
        suspended: true,
        ..spec(1)
    };
    let made = host.controller().await.ensure(asleep.clone()).await;
    assert_eq!(made.phase(), Phase::Suspended);
    host.crash();
    assert!(sh(&made.addresses[0], "echo").await.is_err());
    assert_eq!(host.controller().await.ensure(asleep).await, made);
}

#[tokio::test]
async fn each_of_a_batch_has_its_own_answer() {
    let host = Host::start().await;
    let controller = host.controller().await;
    let later = SessionSpec {
        generation: 5,
        ..spec(1)
    };
    controller.ensure(later).await;
    let batch = vec![
        spec(1),
        SessionSpec {
            generation: 6,
            namespace: "another".to_owned(),
            ..spec(1)
        },
        SessionSpec {
            image: "docker.io/library/postgres".to_owned(),
            ..spec(2)
        },
        SessionSpec {
            name: String::new(),
            ..spec(3)
        },
        with_memory(4, 1 << 20),
        spec(5),
    ];
    let mut reasons = Vec::new();
    for result in controller.ensure_all(batch).await.unwrap() {
        match result.result.unwrap() {
            Answer::Session(session) => assert_eq!(session.uid, uid(5)),
            Answer::Refusal(refusal) => {
                assert!(refusal.message.contains(' '), "{refusal:?}");
                reasons.push((refusal.uid.clone(), refusal.reason()));
            }
        }
    }
    let expected = [
        (uid(1), Reason::Stale),
        (uid(1), Reason::Immutable),
        (uid(2), Reason::ImagePending),
        (uid(3), Reason::Invalid),
        (uid(4), Reason::Invalid),
    ];
    assert_eq!(reasons, expected);
}

#[tokio::test]
async fn a_request_of_more_than_a_batch_is_refused_as_a_whole() {
    let host = Host::start().await;
    let controller = host.controller().await;
    let refused = controller.ensure_all((0..257).map(spec).collect()).await;
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    let most = controller.ensure_all((0..256).map(spec).collect()).await;
    let made = |answer: &Answer| matches!(answer, Answer::Session(_));
    let answers: Vec<_> = most.unwrap().into_iter().map(|all| all.result).collect();
    assert_eq!(answers.len(), 256);
    assert!(answers.iter().flatten().all(made));
}

#[tokio::test]
async fn memory_is_given_until_there_is_none_and_taken_back() {
    let host = Host::with(&["--memory", "100Mi", "--overcommit", "10"]).await;
    let controller = host.controller().await;
    let first = controller.ensure(with_memory(1, 600)).await;
    assert_eq!(first.resources.unwrap().memory_bytes, 600 << 20);
    let (reason, told) = controller.refusal(with_memory(2, 401)).await;
    assert_eq!(reason, Reason::NoRoom);
    assert!(told.contains("401Mi") && told.contains("400Mi"), "{told}");
    controller.ensure(with_memory(3, 400)).await;

    let asleep = SessionSpec {
        suspended: true,
        ..with_memory(1, 600)
    };
    controller.ensure(asleep).await;
    controller.ensure(with_memory(2, 401)).await;
    let (reason, _) = controller.refusal(with_memory(1, 600)).await;
    assert_eq!(
        reason,
        Reason::NoRoom,
        "what is suspended has no memory kept"
    );
    controller.delete(&[&uid(2), &uid(3)]).await;
    controller.ensure(with_memory(1, 600)).await;
}

#[tokio::test]
async fn a_node_that_is_told_to_stop_lets_calls_end() {
    let host = Host::start().await;
    let controller = host.controller().await;
    let address = controller.ensure(spec(1)).await.addresses.remove(0);
    let watch = controller.watch().await;
    let call = tokio::spawn(async move { said(&address, "touch begun; sleep 2; echo done").await });
    // Its first file tells that the call runs.
    while !controller.ensure(spec(1)).await.has_files {}
    host.stop();
    assert_eq!(watch.end().await, Code::Unavailable);
    let refused = controller.ensure_all(vec![spec(2)]).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unavailable);
    assert_eq!(host.get("/readyz").await.0, 503);
    assert_eq!(within(call).await.unwrap(), "done\n");
    assert!(host.ended().await.success());
}

#[tokio::test]
async fn the_pages_tell_of_the_node_and_take_no_sandboxes() {
    let host = Host::start().await;
    let mut watch = host.controller().await.watch().await;
    watch
        .until(|event| match event {
            harness::Event::Node(node) => (!node.images.is_empty()).then_some(()),
            _ => None,
        })
        .await;
    for page in ["/healthz", "/readyz"] {
        assert_eq!(host.get(page).await, (200, "ok\n".to_owned()));
    }
    assert!(host.get("/metrics").await.1.contains("mote_sandboxes"));
    assert_eq!(host.get("/v1/sandboxes").await.0, 404);
}

#[tokio::test]
async fn an_address_of_no_session_is_turned_away() {
    let host = Host::start().await;
    host.controller().await.ensure(spec(1)).await;
    for address in ["127.78.0.200", "127.0.0.1"] {
        let mut silent = tokio::net::TcpStream::connect((address, 8080))
            .await
            .unwrap();
        let read = within(silent.read_u8()).await;
        assert!(read.is_err(), "{address}");
        let url = format!("http://{address}:8080/v1/health");
        let refused = within(reqwest::get(url)).await;
        assert!(refused.is_err_and(|error| !error.is_timeout()), "{address}");
    }
}
