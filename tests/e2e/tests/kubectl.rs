//! `kubectl mote`, found by kubectl itself: the same words for a session in
//! wasm, a pod with sandboxd, and a pod that speaks nothing of ours.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

#[path = "kubectl/complete.rs"]
mod complete;
#[path = "kubectl/large.rs"]
mod large;
#[path = "kubectl/logs.rs"]
mod logs;
#[path = "kubectl/terminal.rs"]
mod terminal;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use mote_controller::crd::Sandbox;
use mote_e2e::{Story, busybox, sandbox, session};
use serde_json::{Value, json};

/// A session, a pod with sandboxd, and any pod.
const EACH: [&str; 3] = ["light", "daemon", "plain"];
/// Files of a tree that is copied.
const FILES: usize = 2_000;

/// A namespace with one sandbox of each kind, all ready.
async fn each_kind() -> Story {
    let story = Story::begin("kubectl").await;
    let daemon = json!({
        "terminationGracePeriodSeconds": 1,
        "containers": [{
            "name": "main",
            "image": "mote.dev/sandboxd:0.1.0",
            "imagePullPolicy": "IfNotPresent",
            "readinessProbe": { "httpGet": { "path": "/v1/health", "port": 8080 }, "periodSeconds": 1 },
        }],
    });
    let plain = json!({
        "terminationGracePeriodSeconds": 1,
        "containers": [{
            "name": "main",
            "image": busybox(),
            "imagePullPolicy": "IfNotPresent",
            "command": ["sh", "-c", "trap 'exit 0' TERM; echo first; echo last; while :; do sleep 3600 & wait; done"],
        }],
    });
    for (name, pod) in EACH.into_iter().zip([session("wasm"), daemon, plain]) {
        story.create::<Sandbox>(sandbox(name, pod)).await;
    }
    for name in EACH {
        story
            .until_ready_is(name, "True", "DependenciesReady")
            .await;
    }
    story
}

/// The plugin's folder: that of the profile by which the tests were built.
fn plugins() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap().to_owned();
    let plugin = folder.join("kubectl-mote");
    assert!(plugin.exists(), "{} is not built", plugin.display());
    folder
}

/// Where kubectl finds its plugins, and the rest.
fn path() -> OsString {
    path_with(&plugins())
}

fn path_with(folder: &Path) -> OsString {
    let mut path = OsString::from(folder);
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    path
}

/// `kubectl mote …` in the story's namespace.
fn kubectl(story: &Story, words: &[&str]) -> Command {
    let mut kubectl = Command::new("kubectl");
    kubectl
        .env("PATH", path())
        .args(["mote", "-n", &story.namespace])
        .args(words);
    kubectl
}

/// What `kubectl mote …` does, given this on stdin.
fn mote_with(story: &Story, words: &[&str], stdin: &[u8]) -> Output {
    let mut kubectl = kubectl(story, words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubectl in PATH");
    // Who does not read it may be gone.
    let _ = kubectl.stdin.take().unwrap().write_all(stdin);
    kubectl.wait_with_output().unwrap()
}

fn mote(story: &Story, words: &[&str]) -> Output {
    mote_with(story, words, b"")
}

/// What it prints where it does what it is told.
fn said(story: &Story, words: &[&str]) -> String {
    let output = mote(story, words);
    assert_eq!(output.status.code(), Some(0), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Why it declines.
fn complaint(story: &Story, words: &[&str]) -> String {
    let output = mote(story, words);
    assert_eq!(output.status.code(), Some(1), "{words:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn a_program_runs_alike_in_each_kind_of_sandbox() {
    let story = each_kind().await;
    for name in EACH {
        let ran = mote(&story, &["exec", name, "echo out; echo err >&2; exit 3"]);
        assert_eq!(ran.status.code(), Some(3), "{name}: {ran:?}");
        assert_eq!((&*ran.stdout, &*ran.stderr), (&b"out\n"[..], &b"err\n"[..]));
        let sorted = mote_with(&story, &["exec", name, "-i", "--", "sort"], b"b\na\n");
        assert_eq!(sorted.stdout, b"a\nb\n", "{name}: {sorted:?}");
        let words = ["exec", name, "-e", "A=b c", "--", "sh", "-c", "echo $A"];
        assert_eq!(said(&story, &words), "b c\n", "{name}");
        let unknown = mote(&story, &["exec", name, "no-such-program"]);
        assert_eq!(unknown.status.code(), Some(127), "{name}: {unknown:?}");
        let slow = mote(&story, &["exec", name, "--timeout", "500ms", "sleep 60"]);
        assert_eq!(slow.status.code(), Some(124), "{name}: {slow:?}");
        assert!(!slow.stderr.is_empty(), "{name}: it says why");
    }
    story.end().await;
}

/// The files below a folder, by name.
fn tree(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder.join("sub"))
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_tree_of_files_comes_back_as_it_went_from_each_kind_of_sandbox() {
    let story = each_kind().await;
    let here = tempfile::tempdir().unwrap();
    let sent = here.path().join("sent");
    std::fs::create_dir_all(sent.join("sub")).unwrap();
    for n in 0..FILES {
        std::fs::write(sent.join(format!("sub/{n}")), format!("file {n}\n")).unwrap();
    }
    let sent_text = sent.to_str().unwrap();
    for name in EACH {
        let there = format!("{name}:tree");
        said(&story, &["cp", sent_text, &there]);
        let counted = said(&story, &["exec", name, "ls tree/sub | wc -l"]);
        assert_eq!(counted.trim(), FILES.to_string(), "{name}");
        let back = here.path().join(name);
        said(&story, &["cp", &there, back.to_str().unwrap()]);
        assert_eq!(tree(&back), tree(&sent), "{name}");
        let one = format!("{name}:tree/sub/7");
        assert_eq!(said(&story, &["cp", &one, "-"]), "file 7\n", "{name}");
        let missing = format!("{name}:no-such-file");
        complaint(&story, &["cp", &missing, back.to_str().unwrap()]);
    }
    story.end().await;
}

#[tokio::test]
async fn sandboxes_are_shown_alike_and_logs_are_those_of_pods() {
    let story = each_kind().await;
    let table = said(&story, &["ps"]);
    for (name, tier) in EACH.into_iter().zip(["wasm", "pod", "pod"]) {
        let row = table.lines().find(|row| row.starts_with(name)).unwrap();
        assert!(row.contains(tier) && row.contains("Ready"), "{table}");
    }
    said(&story, &["exec", "light", "echo > written; true"]);
    let top: Value = serde_json::from_str(&said(&story, &["top", "-o", "json"])).unwrap();
    let rows = top["sandboxes"].as_array().unwrap();
    assert_eq!(rows.len(), EACH.len());
    let light = rows.iter().find(|row| row["name"] == "light").unwrap();
    assert_eq!((&light["running"], &light["calls"]), (&json!(0), &json!(1)));
    for used in ["cpu_us", "memory_bytes", "disk_bytes"] {
        assert!(light[used].as_u64().is_some_and(|used| used > 0), "{light}");
    }
    assert!(light["last_active_at"].is_string(), "{light}");
    let table = said(&story, &["top", "--once"]);
    let row = table.lines().find(|row| row.starts_with("light")).unwrap();
    // All but what it uses now, for which one look is too few.
    assert_eq!(row.matches(" - ").count(), 1, "{table}");

    assert_eq!(said(&story, &["logs", "plain"]), "first\nlast\n");
    assert_eq!(said(&story, &["logs", "plain", "--tail", "1"]), "last\n");
    let none = complaint(&story, &["logs", "light"]);
    assert!(none.contains("no command of its own"), "{none}");
    for name in ["light", "daemon"] {
        said(&story, &["exec", name, "echo > listed"]);
        assert!(said(&story, &["ls", name]).contains("listed"), "{name}");
    }
    story.end().await;
}

#[tokio::test]
async fn what_the_command_of_a_session_wrote_is_read_while_it_runs_and_afterwards() {
    let story = Story::begin("kubectl").await;
    let mut pod = session("wasm");
    let line = "echo first; echo last >&2; until [ -e go ]; do sleep 0.1; done; echo over; exit 3";
    pod["restartPolicy"] = json!("Never");
    pod["containers"][0]["command"] = json!(["sh", "-c", line]);
    story.create::<Sandbox>(sandbox("s", pod)).await;
    story.until_ready_is("s", "True", "DependenciesReady").await;
    let all = "first\nlast\n";
    std::thread::scope(|scope| {
        let followed = scope.spawn(|| said(&story, &["logs", "s", "-f"]));
        said(&story, &["exec", "s", "touch go"]);
        assert_eq!(followed.join().unwrap(), format!("{all}over\n"));
    });
    story.until_ready_is("s", "False", "PodFailed").await;
    assert_eq!(said(&story, &["logs", "s"]), format!("{all}over\n"));
    assert_eq!(said(&story, &["logs", "s", "--tail", "1"]), "over\n");
    let over = complaint(&story, &["exec", "s", "ls"]);
    assert!(over.contains("not ready (PodFailed"), "{over}");
    story.end().await;
}

#[tokio::test]
async fn what_cannot_be_used_says_what_to_do() {
    let story = Story::begin("kubectl").await;
    let object = sandbox("light", session("wasm"));
    story.create::<Sandbox>(object).await;
    story
        .until_ready_is("light", "True", "DependenciesReady")
        .await;
    let none = complaint(&story, &["exec", "nobody", "ls"]);
    assert!(none.contains("there is no sandbox nobody"), "{none}");
    let none = complaint(&story, &["exec", "claim/nobody", "ls"]);
    assert!(none.contains("there is no claim nobody"), "{none}");
    let stranger = format!("system:serviceaccount:{}:default", story.namespace);
    let forbidden = complaint(&story, &["exec", "--as", &stranger, "light", "ls"]);
    assert!(forbidden.contains("forbidden"), "{forbidden}");
    let nowhere = ["--router-namespace", "default", "exec", "light", "ls"];
    let nowhere = complaint(&story, &nowhere);
    assert!(nowhere.contains("there is no router in namespace default"));

    let asleep = json!({ "spec": { "operatingMode": "Suspended" } });
    story.patch::<Sandbox>("light", asleep).await;
    story
        .until_ready_is("light", "False", "SandboxSuspended")
        .await;
    let asleep = complaint(&story, &["exec", "light", "ls"]);
    assert!(asleep.contains("resume it with `kubectl patch"), "{asleep}");
    story.end().await;
}
