//! What `deploy/README.md` tells people to type, typed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

use std::process::Command;

use mote_e2e::{Story, kubectl, nodes};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const PAGE: &str = include_str!("../../../deploy/README.md");
/// How long a section may take, in seconds: pods of it begin within two.
const PATIENCE: &str = "60";

/// The lines to be typed in a section, in order.
fn lines(heading: &str) -> String {
    let (_, section) = PAGE.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let typed = section.lines().filter_map(|line| line.strip_prefix("    "));
    typed.fold(String::new(), |all, line| all + line + "\n")
}

/// Types the lines of a section, with a node and prefix of this cluster.
fn type_lines(story: &Story, heading: &str) -> String {
    let node = nodes().remove(0);
    let annotation = "jsonpath={.metadata.annotations.mote\\.dev/addresses}";
    let prefix = kubectl(&["get", "node", &node, "-o", annotation]);
    let ours = format!("-H 'X-Sandbox-Namespace: {}'", story.namespace);
    let typed = [
        ("node my-node", format!("node {node}")),
        ("10.1.128.0/17", prefix),
        ("localhost:18080/", format!("{ours} localhost:18080/")),
    ]
    .iter()
    .fold(lines(heading), |typed, (said, here)| {
        typed.replace(said, here)
    });
    // As with a person's context: what names no namespace is in the story's.
    let config = tempfile::NamedTempFile::new().unwrap();
    let settings = kubectl(&["config", "view", "--raw", "--flatten"]);
    std::fs::write(config.path(), settings).unwrap();
    let script = format!(
        "set -eo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n\
         kubectl config set-context --current --namespace={}\n{typed}",
        story.namespace
    );
    let output = Command::new("timeout")
        .args([PATIENCE, "bash", "-c", &script])
        .env("KUBECONFIG", config.path())
        .current_dir(ROOT)
        .output()
        .expect("bash");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{out}{errors}");
    out
}

#[tokio::test]
async fn a_sandbox_is_made_looked_at_and_suspended_as_the_page_says() {
    let story = Story::begin("page").await;
    let told = type_lines(&story, "A sandbox");
    assert!(told.contains("condition met"), "{told}");
    assert!(told.contains("Suspended"), "{told}");
    story.end().await;
}

#[tokio::test]
async fn from_a_node_with_addresses_to_a_claim_that_wasm_answers_as_the_page_says() {
    let story = Story::begin("page").await;
    let told = type_lines(&story, "A sandbox in wasm");
    assert!(told.contains(" wasm"), "{told}");
    assert!(told.contains("hello from wasm"), "{told}");
    story.end().await;
}
