//! The published Python SDK, unchanged, from its claim to its last file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

use mote_controller::crd::{SandboxTemplate, SandboxWarmPool};
use mote_e2e::{Story, pool, sdk, template};
use serde_json::json;

/// The image with the daemon for pods.
fn sandboxd() -> String {
    std::env::var("MOTE_E2E_SANDBOXD").unwrap_or_else(|_| "mote.dev/sandboxd:0.1.0".to_owned())
}

#[tokio::test]
async fn the_python_sdk_creates_finds_uses_and_deletes_a_sandbox_in_a_pod() {
    let story = Story::begin("sdk").await;
    let daemon = json!({
        "terminationGracePeriodSeconds": 2,
        "containers": [{
            "name": "sandboxd",
            "image": sandboxd(),
            "imagePullPolicy": "IfNotPresent",
            "ports": [{ "containerPort": 8080 }, { "containerPort": 9090 }],
            "readinessProbe": { "httpGet": { "path": "/v1/health", "port": 8080 }, "periodSeconds": 1 },
        }],
    });
    story
        .create::<SandboxTemplate>(template("daemon", daemon))
        .await;
    story
        .create::<SandboxWarmPool>(pool("daemons", "daemon", 1))
        .await;
    let full = |pool: &SandboxWarmPool| {
        pool.status
            .as_ref()
            .is_some_and(|it| it.ready_replicas == 1)
    };
    story.until("daemons", "full", full).await;
    assert_eq!(
        sdk("cluster", &story.namespace, "daemons"),
        ["commands", "files", "sandboxd", "cluster"]
    );
    story.end().await;
}
