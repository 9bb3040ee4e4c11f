//! `kubectl mote logs`: what was written when, of sessions and of pods.

use std::process::{Output, Stdio};
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use mote_controller::crd::Sandbox;
use mote_e2e::{Story, busybox, sandbox, session};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

use crate::{complaint, mote, said};

/// How long a log may take to be told. It takes milliseconds, where nothing else
/// is going on.
const PATIENCE: Duration = Duration::from_secs(60);
/// Says a word, and another, a second after there is a file `go`; from then on,
/// nothing.
const LINE: &str = "echo first; until [ -e go ]; do sleep 0.1; done; sleep 1; echo second; while :; do sleep 1; done";

/// A session and a pod, of which each has a command that does this.
async fn talkers(line: &str) -> Story {
    let story = Story::begin("kubectl").await;
    let mut wasm = session("wasm");
    wasm["containers"][0]["command"] = json!(["sh", "-c", line]);
    let plain = json!({
        "terminationGracePeriodSeconds": 1,
        "containers": [{
            "name": "main",
            "image": busybox(),
            "imagePullPolicy": "IfNotPresent",
            "command": ["sh", "-c", line],
        }],
    });
    for (name, pod) in [("wasm", wasm), ("pod", plain)] {
        story.create::<Sandbox>(sandbox(name, pod)).await;
    }
    for name in ["wasm", "pod"] {
        story
            .until_ready_is(name, "True", "DependenciesReady")
            .await;
    }
    story
}

/// The first line that `words` print, without waiting for their end.
async fn first_line(story: &Story, words: &[&str]) -> String {
    let mut kubectl = tokio::process::Command::from(crate::kubectl(story, words))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("kubectl in PATH");
    let mut out = BufReader::new(kubectl.stdout.take().unwrap());
    let mut line = String::new();
    let read = timeout(PATIENCE, out.read_line(&mut line)).await;
    read.unwrap_or_else(|_| panic!("{words:?} say nothing"))
        .unwrap();
    line
}

#[tokio::test]
async fn a_part_of_a_log_is_told_alike_in_both_tiers() {
    let story = talkers(LINE).await;
    for name in ["wasm", "pod"] {
        // It may be ready before it has said anything.
        assert_eq!(
            first_line(&story, &["logs", name, "-f"]).await,
            "first\n",
            "{name}"
        );
        let stamped = said(&story, &["logs", name, "--timestamps"]);
        let (first, _) = stamped.split_once(' ').unwrap();
        assert!(first.ends_with('Z') && first.starts_with("20"), "{stamped}");
        said(&story, &["exec", name, "touch go"]);
        let since = ["logs", name, "-f", "--tail", "-1", "--since-time"];
        // From the second of the first line on, it is there, and what follows.
        let from = second(first, 0);
        let both = first_line(&story, &[&since[..], &[&from]].concat()).await;
        assert_eq!(both, "first\n", "{name}");
        let later = second(first, 1);
        let one = first_line(&story, &[&since[..], &[&later]].concat()).await;
        assert_eq!(one, "second\n", "{name}");
        let all = said(&story, &["logs", name, "--since", "1h"]);
        assert_eq!(all, "first\nsecond\n", "{name}");
        let stamped = said(&story, &["logs", name, "--timestamps", "--tail=1"]);
        assert!(stamped.ends_with("Z second\n"), "{name}: {stamped}");
        assert!(stamped[..first.len()] > *first, "{name}: {stamped}");
        let none = said(
            &story,
            &["logs", name, "--since-time", "2999-01-01T00:00:00Z"],
        );
        assert_eq!(none, "", "{name}");
    }
    story.end().await;
}

/// The second of a time, or one so many later: for less, a pod's log has no eyes.
fn second(text: &str, later: i64) -> String {
    let (seconds, _) = text.split_once('.').unwrap();
    let time: Timestamp = format!("{seconds}Z").parse().unwrap();
    (time + SignedDuration::from_secs(later)).to_string()
}

#[tokio::test]
async fn the_log_of_a_sandbox_that_sleeps_is_told_when_it_is_resumed() {
    let story = talkers("echo said; while :; do sleep 1; done").await;
    let mode = |mode: &str| json!({ "spec": { "operatingMode": mode } });
    for (name, why) in [("wasm", "its log is kept"), ("pod", "its pod is gone")] {
        assert_eq!(
            first_line(&story, &["logs", name, "-f"]).await,
            "said\n",
            "{name}"
        );
        story.patch::<Sandbox>(name, mode("Suspended")).await;
        story
            .until_ready_is(name, "False", "SandboxSuspended")
            .await;
        let asleep = complaint(&story, &["logs", name]);
        assert!(asleep.contains(why), "{asleep}");
        assert!(asleep.contains("resume it with `kubectl patch"), "{asleep}");
    }
    story.patch::<Sandbox>("wasm", mode("Running")).await;
    story
        .until_ready_is("wasm", "True", "DependenciesReady")
        .await;
    let told = said(&story, &["logs", "wasm"]);
    assert!(told.starts_with("said\n"), "{told}");
    story.end().await;
}

#[tokio::test]
async fn a_log_wakes_a_session_that_traffic_may_wake() {
    let story = Story::begin("kubectl").await;
    let mut pod = session("wasm");
    pod["containers"][0]["command"] = json!(["sh", "-c", "echo said; sleep 1000"]);
    let mut object: Value = sandbox("s", pod);
    object["metadata"]["annotations"] = json!({ "mote.dev/wake-on-traffic": "true" });
    story.create::<Sandbox>(object).await;
    story.until_ready_is("s", "True", "DependenciesReady").await;
    assert_eq!(first_line(&story, &["logs", "s", "-f"]).await, "said\n");
    let asleep = json!({ "spec": { "operatingMode": "Suspended" } });
    story.patch::<Sandbox>("s", asleep).await;
    story.until_ready_is("s", "False", "SandboxSuspended").await;
    let told = said(&story, &["logs", "s"]);
    assert!(told.starts_with("said\n"), "{told}");
    story.until_ready_is("s", "True", "DependenciesReady").await;
    story.end().await;
}

#[tokio::test]
async fn what_is_no_time_of_a_log_is_told_before_anything_is_asked() {
    let story = Story::begin("kubectl").await;
    let usage = |words: &[&str]| {
        let Output { status, stderr, .. } = mote(&story, words);
        assert_eq!(status.code(), Some(2), "{words:?}");
        String::from_utf8(stderr).unwrap()
    };
    let since = usage(&["logs", "s", "--since", "soon"]);
    assert!(since.contains("it is no time"), "{since}");
    usage(&["logs", "s", "--since-time", "yesterday"]);
    usage(&[
        "logs",
        "s",
        "--since",
        "1m",
        "--since-time",
        "2026-01-02T03:04:05Z",
    ]);
    let lines = usage(&["logs", "s", "--tail", "all"]);
    assert!(lines.contains("-1 for all"), "{lines}");
    story.end().await;
}
