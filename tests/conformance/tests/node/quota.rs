//! What a sandbox may keep on the node's disk, whatever it does.

use std::time::Duration;

use mote_conformance::{Ask, Target, read_reply, run, sh, within};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::own::{Own, sent, until, with_options};

/// The most that the sandboxes here may keep.
const QUOTA: u64 = 5 << 20;
/// For the node's own files beside a sandbox's.
const OWN_FILES: u64 = 64 * 1024;
/// Of one upload: one fits into the quota, and two do not.
const UPLOAD: usize = 3_000_000;

fn spec() -> Value {
    json!({ "limits": { "disk": "5Mi" } })
}

#[test]
fn what_undone_transactions_leave_in_tmp_counts() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("full", spec()).await;
        let undone = with_options(&target, &json!({ "transaction": true }));
        for file in 0..8 {
            let line = format!("head -c 1000000 /dev/zero > /tmp/{file}; exit 1");
            assert_eq!(undone.sh(&line).await.code, 1);
        }
        let disk = own.disk();
        assert!(disk > 3_000_000 && disk <= QUOTA + OWN_FILES, "{disk}");
        let reply = target.rest().put("/v1/files/more", vec![0; UPLOAD]).await;
        reply.refused(507, "RESOURCE_EXHAUSTED");
        let told = own.told("full").await["activity"]["disk_bytes"].as_u64();
        assert!(told.unwrap() > 3_000_000, "{told:?}");
    });
}

/// Begins an upload and waits until the sandbox has some of it, or refuses it.
async fn begin(own: &Own, target: &Target, name: usize) -> TcpStream {
    let ask = Ask::new("PUT", &format!("/v1/files/{name}"));
    let ask = ask.header("content-length", &UPLOAD.to_string());
    let before = own.unfinished("up");
    let stream = sent(&target.rest, &ask, &vec![0; UPLOAD / 2]).await;
    until("an upload to begin", async || {
        let begun = !own.unfinished("up").is_subset(&before);
        let mut first = [0];
        let answer = stream.peek(&mut first);
        begun || timeout(Duration::ZERO, answer).await.is_ok()
    })
    .await;
    stream
}

#[test]
fn uploads_that_outlast_a_suspension_share_one_account() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("up", spec()).await;
        let mut uploads = Vec::new();
        for name in 0..4 {
            uploads.push(begin(&own, &target, name).await);
            own.order("up", "suspend").await.expect(200);
            own.order("up", "resume").await.expect(200);
        }
        let mut kept = 0;
        for stream in uploads {
            kept += usize::from(finish(stream).await);
        }
        assert!(kept <= 1, "{kept} uploads of {UPLOAD} bytes");
        let disk = own.disk();
        assert!(disk <= QUOTA + OWN_FILES, "{disk}");
        let used = target.sh("cat * | wc -c").await.ok();
        let told = own.told("up").await["activity"]["disk_bytes"].as_u64();
        assert_eq!(used.trim().parse().ok(), told);
    });
}

/// Sends the other half of an upload; whether the node says that it is kept.
async fn finish(mut stream: TcpStream) -> bool {
    // It may have been refused already.
    let _ = stream.write_all(&vec![0; UPLOAD - UPLOAD / 2]).await;
    let mut answer = Vec::new();
    let _ = within("an answer", stream.read_to_end(&mut answer)).await;
    read_reply(&answer, false).is_some_and(|reply| reply.status == 204)
}

#[test]
fn what_an_upload_is_told_is_true_though_its_sandbox_stops() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("up", spec()).await;
        let stream = begin(&own, &target, 0).await;
        own.order("up", "suspend").await.expect(200);
        let kept = finish(stream).await;
        own.order("up", "resume").await.expect(200);
        let status = target.rest().get("/v1/files/0").await.status;
        assert_eq!(status, if kept { 200 } else { 404 });
        let stream = begin(&own, &target, 1).await;
        own.delete("up").await.expect(204);
        assert!(!finish(stream).await, "kept, in a sandbox that is gone");
        own.settled().await;
    });
}

/// Gives one file 40 more names.
async fn link(target: &Target) {
    target.file("big", vec![b'x'; 2_000_000]).await;
    let links = "import os\nfor i in range(40): os.link('big', f'link{i}')";
    target.file("links.py", links).await;
    target.sh("python3 links.py").await.ok();
}

#[test]
fn a_fork_has_linked_files_once() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("links", spec()).await;
        link(&target).await;
        let fork = own
            .api()
            .post("/v1/sandboxes/links/fork", &json!({ "id": "fork" }));
        fork.await.expect(201);
        let disk = own.disk();
        assert!(disk < 2 * 2_000_000 + OWN_FILES, "{disk}");
        let fork = own.target("fork");
        let count = fork.sh("ls | wc -l; wc -c < link39").await.ok();
        let numbers: Vec<&str> = count.split_whitespace().collect();
        assert_eq!(numbers, ["42", "2000000"]);
        let put = fork.rest().put("/v1/files/more", vec![0; UPLOAD]).await;
        put.expect(204);
    });
}

#[test]
fn a_transaction_copies_linked_files_once() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("links", spec()).await;
        link(&target).await;
        let alone = with_options(&target, &json!({ "transaction": true }));
        let mut started = alone.start_sh("echo ready; read x; wc -c < link39").await;
        started.until("ready\n").await;
        let disk = own.disk();
        assert!(disk < 2 * 2_000_000 + OWN_FILES, "{disk}");
        started.eof().await.unwrap();
        assert_eq!(started.end().await.ok().trim(), "2000000");
        own.settled().await;
        let disk = own.disk();
        assert!(disk < 2_000_000 + OWN_FILES, "{disk}");
    });
}

#[test]
fn a_restart_counts_what_is_there() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("kept", spec()).await;
        target.file("first", vec![0; UPLOAD]).await;
        let own = own.restart(&[]);
        let target = own.target("kept");
        let put = |name| {
            let path = format!("/v1/files/{name}");
            target.rest().put(&path, vec![0; UPLOAD])
        };
        put("second").await.refused(507, "RESOURCE_EXHAUSTED");
        target.rest().delete("/v1/files/first").await.expect(204);
        put("second").await.expect(204);
    });
}

#[test]
fn what_a_program_removes_is_free_again() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", spec()).await;
        let held = async || own.told("a").await["activity"]["disk_bytes"].as_u64();
        target.file("f", vec![0; UPLOAD]).await;
        assert_eq!(held().await, Some(UPLOAD as u64));
        target.sh("rm f; echo -n 12345 > g").await.ok();
        assert_eq!(held().await, Some(5));
        target.file("f", vec![0; UPLOAD]).await;
    });
}

#[test]
fn of_many_creators_only_as_many_have_a_sandbox_as_there_may_be() {
    run(async {
        let own = Own::start(&["--sandboxes", "3"]);
        let mut creators = JoinSet::new();
        for _ in 0..24 {
            let create = own.api().post("/v1/sandboxes", &json!({}));
            creators.spawn(create);
        }
        let replies = creators.join_all().await;
        let made = replies.iter().filter(|reply| reply.status == 201);
        assert_eq!(made.count(), 3);
        for reply in replies.into_iter().filter(|reply| reply.status != 201) {
            reply.refused(507, "RESOURCE_EXHAUSTED");
        }
        let all = own.api().get("/v1/sandboxes").await.expect(200).json();
        let first = all["sandboxes"][0]["id"].as_str().unwrap();
        own.delete(first).await.expect(204);
        own.create(&json!({})).await;
    });
}

#[test]
fn a_tree_that_cannot_be_copied_is_told_as_such() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("deep", json!({})).await;
        let deep = "import os\nfor i in range(600):\n os.mkdir('d')\n os.chdir('d')";
        target.file("deep.py", deep).await;
        target.sh("python3 deep.py").await.ok();
        let fork = own.api().post("/v1/sandboxes/deep/fork", &json!({}));
        let said = fork.await.refused(409, "CONFLICT");
        assert!(said.contains("deep"), "{said}");
        own.settled().await;
        let undone = with_options(&target, &json!({ "transaction": true }));
        undone.execute(sh("echo")).await.unwrap_err();
        assert_eq!(target.sh("echo alive").await.ok(), "alive\n");
        own.delete("deep").await.expect(204);
        own.settled().await;
    });
}
