//! Images that a node pulls, from a real registry.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use mote_registry::{PASSWORD, Registry, USER, WASM, asks_for_more};
use mote_rpc::v1::ensure_result::Result as Answer;
use mote_rpc::v1::refusal::Reason;
use mote_rpc::v1::{NodeInfo, Session, SessionSpec};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::harness::{Controller, Event, Host, said, spec, uid, within};
use crate::harness::guest;

/// An address of its own for a registry, on which every port is free.
fn authority() -> String {
    static STARTED: AtomicU32 = AtomicU32::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let started = STARTED.fetch_add(1, Relaxed);
    format!("127.{}.{low}.{started}:5000", 128 + high % 64)
}

fn open() -> Registry {
    Registry::open(&authority())
}

async fn push_program(registry: &Registry, repository: &str, tag: &str, name: &str) -> String {
    let bytes = std::fs::read(guest(name)).unwrap();
    registry.push(repository, tag, WASM, &bytes).await
}

/// A node that may ask this registry.
async fn node(registry: &Registry, flags: &[&str]) -> Host {
    Host::with(&[&["--insecure-registry", registry.authority()], flags].concat()).await
}

fn of(n: u32, image: &str) -> SessionSpec {
    SessionSpec {
        image: image.to_owned(),
        ..spec(n)
    }
}

/// What an ensure comes to once no image is pending, and the node then.
async fn settled(controller: &Controller, asked: Vec<SessionSpec>) -> (Vec<Answer>, NodeInfo) {
    loop {
        let mut watch = controller.watch().await;
        let node = |event| match event {
            Event::Node(node) => Some(node),
            _ => None,
        };
        let before = watch.until(node).await;
        let results = controller.ensure_all(asked.clone()).await.unwrap();
        let answers: Vec<_> = results
            .into_iter()
            .filter_map(|result| result.result)
            .collect();
        let pending = |answer: &Answer| matches!(answer, Answer::Refusal(refusal) if refusal.reason() == Reason::ImagePending);
        if !answers.iter().any(pending) {
            return (answers, before);
        }
        let ended = |event| node(event).filter(|now| now.pulls != before.pulls);
        watch.until(ended).await;
    }
}

async fn made(controller: &Controller, asked: SessionSpec) -> Session {
    match settled(controller, vec![asked]).await.0.remove(0) {
        Answer::Session(session) => session,
        Answer::Refusal(refusal) => panic!("{refusal:?}"),
    }
}

async fn refused(controller: &Controller, asked: SessionSpec) -> (Reason, String) {
    match settled(controller, vec![asked]).await.0.remove(0) {
        Answer::Session(session) => panic!("{session:?}"),
        Answer::Refusal(refusal) => (refusal.reason(), refusal.message),
    }
}

#[tokio::test]
async fn an_images_program_is_a_command_of_its_sessions() {
    let registry = open();
    let digest = push_program(
        &registry,
        "tools/count",
        "1",
        "probes/counts_its_arguments.wasm",
    )
    .await;
    let node = node(&registry, &[]).await;
    let controller = node.controller().await;
    let tag = registry.image("tools/count:1");
    assert_eq!(
        controller.refusal(of(1, &tag)).await.0,
        Reason::ImagePending
    );
    let session = made(&controller, of(1, &tag)).await;
    let said_by = said(&session.addresses[0], "count a bc").await;
    assert!(said_by.contains("2 arguments of 3 bytes"), "{said_by}");
    let pinned = registry.image(&format!("tools/count@{digest}"));
    let session = made(&controller, of(2, &pinned)).await;
    assert!(
        said(&session.addresses[0], "echo x | count")
            .await
            .contains("0 arguments")
    );
    assert_eq!(
        said(&session.addresses[0], "python3 -c \"print(1)\"").await,
        "1\n"
    );
}

#[tokio::test]
async fn fifty_sessions_at_once_pull_their_image_once() {
    let registry = open();
    push_program(&registry, "tools/end", "1", "probes/ends_at_once.wasm").await;
    let node = node(&registry, &[]).await;
    let controller = node.controller().await;
    let image = registry.image("tools/end:1");
    let asked = (1..=50).map(|n| of(n, &image)).collect();
    let (answers, node) = settled(&controller, asked).await;
    assert_eq!(answers.len(), 50);
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Answer::Session(_)))
    );
    assert_eq!(node.pulls, 1);
    assert!(node.images.contains(&image), "{:?}", node.images);
}

/// Leads to a registry at an address of its own, and tells when a layer is
/// asked for, which never comes.
async fn stalling(registry: &Registry) -> (String, oneshot::Receiver<()>) {
    let own = authority();
    let listener = TcpListener::bind(&own).await.unwrap();
    let (to, (tell, told)) = (registry.authority().to_owned(), oneshot::channel());
    tokio::spawn(async move {
        let mut tell = Some(tell);
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect(&to).await.unwrap();
            let (mut asked, mut answers) = (Vec::new(), vec![0; 64 << 10]);
            loop {
                asked.clear();
                tokio::select! {
                    read = client.read_buf(&mut asked) => if read.unwrap_or(0) == 0 { break },
                    read = server.read(&mut answers) => match read.unwrap_or(0) {
                        0 => break,
                        bytes => client.write_all(&answers[..bytes]).await.unwrap(),
                    },
                }
                if asked.windows(7).any(|it| it == b"/blobs/") {
                    let _ = tell.take().map(|tell| tell.send(()));
                    std::future::pending::<()>().await;
                }
                server.write_all(&asked).await.unwrap();
            }
        }
    });
    (own, told)
}

#[tokio::test]
async fn a_slow_registry_does_not_keep_an_image_from_those_who_have_another() {
    let registry = open();
    push_program(&registry, "tools/end", "1", "probes/ends_at_once.wasm").await;
    let (slow, stalls) = stalling(&registry).await;
    let node = node(&registry, &["--insecure-registry", &slow]).await;
    let controller = node.controller().await;
    let pending = controller
        .refusal(of(1, &format!("{slow}/tools/end:1")))
        .await;
    assert_eq!(pending.0, Reason::ImagePending);
    within(stalls).await.unwrap();
    let other = of(2, &registry.image("tools/end:1"));
    within(made(&controller, other)).await;
}

#[tokio::test]
async fn an_image_that_cannot_be_had_says_why() {
    let registry = open();
    registry
        .push(
            "bad/layers",
            "1",
            "application/vnd.oci.image.layer.v1.tar+gzip",
            b"tar",
        )
        .await;
    registry.push("bad/asks", "1", WASM, &asks_for_more()).await;
    registry.push("bad/noise", "1", WASM, b"no wasm").await;
    push_program(&registry, "tools/sh", "1", "probes/ends_at_once.wasm").await;
    let other = push_program(&registry, "tools/end", "1", "probes/ends_at_once.wasm").await;
    let wrong = other.replace(&other[7..9], if &other[7..9] == "00" { "11" } else { "00" });
    let node = node(&registry, &[]).await;
    let controller = node.controller().await;
    let loopback = format!("127.0.0.1:{}/a/b:1", 5000);
    let rows = [
        (
            registry.image("tools/end:2"),
            Reason::ImageUnknown,
            "no such image",
        ),
        (
            registry.image(&format!("tools/end@{wrong}")),
            Reason::ImageUnknown,
            "no such image",
        ),
        (
            registry.image("bad/layers:1"),
            Reason::ImageInvalid,
            "tar+gzip",
        ),
        (
            registry.image("bad/noise:1"),
            Reason::ImageInvalid,
            "neither a component nor a module",
        ),
        (
            registry.image("bad/asks:1"),
            Reason::ImageInvalid,
            "imports do-harm",
        ),
        (
            registry.image("tools/sh:1"),
            Reason::ImageInvalid,
            "another last name",
        ),
        (loopback, Reason::ImageUnreachable, "--insecure-registry"),
        (
            "Not An Image".to_owned(),
            Reason::ImageUnknown,
            "no reference",
        ),
    ];
    for (n, (image, reason, part)) in (1..).zip(rows) {
        let (found, text) = refused(&controller, of(n, &image)).await;
        assert_eq!(found, reason, "{text}");
        assert!(text.contains(&image) && text.contains(part), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }
}

#[tokio::test]
async fn a_registry_that_says_nothing_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = silent.local_addr().unwrap().to_string();
    let node = Host::with(&["--insecure-registry", &authority]).await;
    let controller = node.controller().await;
    let (reason, text) = refused(&controller, of(1, &format!("{authority}/a/b:1"))).await;
    assert_eq!(reason, Reason::ImageUnreachable);
    assert!(text.contains("says nothing"), "{text}");
}

#[tokio::test]
async fn what_needs_credentials_is_given_to_those_who_have_them() {
    let registry = Registry::locked(&authority());
    push_program(&registry, "tools/end", "1", "probes/ends_at_once.wasm").await;
    let node = node(&registry, &[]).await;
    let controller = node.controller().await;
    let with = |n, password: &str| SessionSpec {
        registry_credentials: json!({ "auths": {
            registry.authority(): { "username": USER, "password": password },
        }})
        .to_string()
        .into_bytes(),
        ..of(n, &registry.image("tools/end:1"))
    };
    made(&controller, with(1, PASSWORD)).await;
    let (reason, text) = refused(&controller, with(2, "guess")).await;
    assert_eq!(reason, Reason::ImageUnknown);
    assert!(
        text.contains("these credentials") && !text.contains("guess"),
        "{text}"
    );
    // It is here, and still not for everybody.
    let (reason, text) = refused(&controller, of(3, &registry.image("tools/end:1"))).await;
    assert_eq!(reason, Reason::ImageUnknown);
    assert!(text.contains("imagePullSecrets"), "{text}");
    made(&controller, with(4, PASSWORD)).await;
}

#[tokio::test]
async fn what_was_pulled_outlives_the_node_host_and_the_registry() {
    let registry = open();
    push_program(
        &registry,
        "tools/count",
        "1",
        "probes/counts_its_arguments.wasm",
    )
    .await;
    let mut node = node(&registry, &[]).await;
    let image = registry.image("tools/count:1");
    let session = made(&node.controller().await, of(1, &image)).await;
    drop(registry);
    node.crash();
    let controller = node.controller().await;
    assert_eq!(controller.ensure(of(1, &image)).await, session);
    assert!(
        said(&session.addresses[0], "count a")
            .await
            .contains("1 arguments")
    );
    let another = controller.ensure(of(2, &image)).await;
    assert!(
        said(&another.addresses[0], "count")
            .await
            .contains("0 arguments")
    );
}

#[tokio::test]
async fn images_that_no_session_uses_make_room() {
    let registry = open();
    push_program(
        &registry,
        "tools/count",
        "1",
        "probes/counts_its_arguments.wasm",
    )
    .await;
    push_program(&registry, "tools/end", "1", "probes/ends_at_once.wasm").await;
    // Either of them fits, and not both.
    let node = node(&registry, &["--image-disk", "80Ki"]).await;
    let controller = node.controller().await;
    let (count, end) = (
        registry.image("tools/count:1"),
        registry.image("tools/end:1"),
    );
    made(&controller, of(1, &count)).await;
    let (reason, text) = refused(&controller, of(2, &end)).await;
    assert_eq!(reason, Reason::NoRoom, "{text}");
    assert!(text.contains("--image-disk"), "{text}");
    controller.delete(&[&uid(1)]).await;
    // Its failure is told for a while; by another name it is another pull.
    push_program(&registry, "tools/end", "2", "probes/ends_at_once.wasm").await;
    let (answers, node) = settled(&controller, vec![of(3, &registry.image("tools/end:2"))]).await;
    assert!(matches!(answers[0], Answer::Session(_)), "{answers:?}");
    assert!(!node.images.contains(&count), "{:?}", node.images);
}
