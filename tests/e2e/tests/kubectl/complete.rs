//! What `kubectl` offers where its user presses the tab key.

use std::os::unix::fs::symlink;
use std::process::Command;

use mote_controller::crd::Sandbox;
use mote_e2e::{Story, sandbox, session};

use crate::{path_with, plugins};

/// What kubectl offers for the last word, a line each.
fn offered(story: &Story, words: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for name in ["kubectl-mote", "kubectl_complete-mote"] {
        symlink(plugins().join("kubectl-mote"), folder.path().join(name)).unwrap();
    }
    let output = Command::new("kubectl")
        .env("PATH", path_with(folder.path()))
        .args(["__complete", "mote", "-n", &story.namespace])
        .args(words)
        .output()
        .expect("kubectl in PATH");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().take_while(|line| !line.starts_with(':'));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn names_of_sandboxes_are_offered_where_one_is_typed() {
    let story = Story::begin("kubectl").await;
    for name in ["one", "other"] {
        story
            .create::<Sandbox>(sandbox(name, session("wasm")))
            .await;
    }
    assert_eq!(offered(&story, &["exec", ""]), ["one", "other"]);
    assert_eq!(offered(&story, &["logs", "on"]), ["one"]);
    assert_eq!(offered(&story, &["cp", "ot"]), ["other:"]);
    assert_eq!(offered(&story, &["exec", "one", ""]), [""; 0]);
    let verbs = offered(&story, &["lo"]);
    assert_eq!(verbs, ["logs"]);
    assert_eq!(offered(&story, &["logs", "--since-t"]), ["--since-time"]);
    story.end().await;
}
