//! Bodies that do not come, and those that nobody takes.

use std::time::{Duration, Instant};

use mote_conformance::{Ask, Endpoint, run, within};
use mote_surface::proto::WriteStdinRequest;
use mote_surface::proto::write_stdin_request::Payload;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

use crate::own::{Own, sent, until};

/// Longest that a body may be waited for.
const BODY: Duration = Duration::from_secs(50);

/// Archives of one sandbox: as many as a node works on at once.
const ARCHIVES: usize = 64;
/// Longest that a small archive may take.
const MOMENT: Duration = Duration::from_secs(10);

/// Writers to one program, and what each of them writes in bytes.
const WRITERS: usize = 60;
const INPUT: usize = 3_500_000;
/// The series of the node's memory.
const MEMORY: &str = "mote_process_resident_memory_bytes";

/// Sends one byte of many, and waits for the answer.
async fn stall(endpoint: Endpoint, path: &'static str) {
    let ask = Ask::new("POST", path).header("content-type", "application/json");
    let ask = ask.header("content-length", "1000");
    let begun = Instant::now();
    let mut stream = sent(&endpoint, &ask, b"{").await;
    let mut answer = String::new();
    // A reset is an end as well.
    let _ = within(path, stream.read_to_string(&mut answer)).await;
    assert!(begun.elapsed() < BODY, "{path}: {:?}", begun.elapsed());
    assert!(
        answer.is_empty() || answer.contains(" 408 "),
        "{path}: {answer}"
    );
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        let mut stalls = JoinSet::new();
        for (endpoint, path) in [
            (&own.api().0, "/v1/sandboxes"),
            (&own.api().0, "/v1/sandboxes/a/fork"),
            (&target.rest, "/v1/contexts/work/execute"),
            (&target.runtime, "/execute"),
        ] {
            stalls.spawn(stall(endpoint.clone(), path));
        }
        // They hold nobody up meanwhile.
        assert_eq!(target.sh("echo alive").await.ok(), "alive\n");
        stalls.join_all().await;
        own.delete("a").await.expect(204);
    });
}

#[test]
fn archives_that_do_not_come_hold_up_no_other_sandbox() {
    run(async {
        let own = Own::start(&[]);
        let hog = own.made("hog", json!({})).await;
        let target = own.made("a", json!({})).await;
        target.file("f", "x").await;
        let ask = Ask::new("PUT", "/v1/files/a?archive=tar");
        let ask = ask.header("content-length", "100000");
        let mut stalled = Vec::new();
        for _ in 0..ARCHIVES {
            stalled.push(sent(&hog.rest, &ask, b"x").await);
        }
        let begun = Instant::now();
        let archive = target
            .rest()
            .get("/v1/files/?archive=tar")
            .await
            .expect(200);
        assert!(begun.elapsed() < MOMENT, "{:?}", begun.elapsed());
        let mut archive = tar::Archive::new(&archive.body[..]);
        assert!(archive.entries().unwrap().count() > 0);
    });
}

#[test]
fn an_upload_ends_when_its_sandbox_is_suspended() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        let ask = Ask::new("PUT", "/v1/files/d/f").header("content-length", "1000");
        let mut stream = sent(&target.rest, &ask, b"x").await;
        until("the upload", async || {
            target.sh("ls -A d").await.stdout.contains("tmp")
        })
        .await;
        own.order("a", "suspend").await.expect(200);
        let mut answer = String::new();
        let answered = within("the answer", stream.read_to_string(&mut answer));
        answered.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("suspended; resume it"), "{answer}");
        own.order("a", "resume").await.expect(200);
        assert_eq!(target.sh("ls -A").await.ok(), "");
    });
}

/// The memory of the node in bytes.
async fn memory(own: &Own) -> u64 {
    let page = own.api().get("/metrics").await.expect(200);
    let line = page
        .text()
        .lines()
        .find_map(|line| line.strip_prefix(MEMORY));
    line.unwrap().trim().parse().unwrap()
}

#[test]
fn input_that_no_program_reads_is_not_piled_up() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        let mut started = target.start_sh("echo ready; sleep 1000").await;
        started.until("ready\n").await;
        let before = memory(&own).await;
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            let mut client = started.client.clone();
            let request = WriteStdinRequest {
                process_id: started.pid,
                payload: Some(Payload::Input(vec![b'x'; INPUT].into())),
            };
            writers.spawn(async move { client.write_stdin(request).await });
        }
        // Those that are not to wait are told so.
        let refused = within("a refusal", writers.join_next()).await.unwrap();
        let refused = refused.unwrap().unwrap_err();
        assert!(!refused.message().is_empty(), "{refused:?}");
        let piled = memory(&own).await.saturating_sub(before);
        assert!(piled < (WRITERS * INPUT) as u64 / 2, "{piled} bytes");
        started.signal(9).await.unwrap();
        assert_eq!(started.end().await.code, -1);
        writers.join_all().await;
    });
}
