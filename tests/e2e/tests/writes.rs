//! What the API server has to write for what users do: each write is a
//! transaction of its store and an event to all who watch.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

use std::panic::AssertUnwindSafe;
use std::sync::LazyLock;

use futures_util::FutureExt;
use kube::ResourceExt;
use mote_controller::crd::{Sandbox, SandboxClaim, SandboxTemplate, SandboxWarmPool};
use mote_controller::names::annotation;
use mote_e2e::{
    ControllerProcess, FaultyApi, Only, Story, claim, patience, pool, sandbox, session, template,
};
use tokio::sync::Mutex;

/// One controller at a time.
static ALONE: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);

/// Tells a story to a controller whose writes are counted.
async fn counted(story: &Story, tell: impl AsyncFn(&Story, &FaultyApi)) {
    let _alone = ALONE.lock().await;
    let only = Only::take(&story.client).await;
    let api = FaultyApi::start(story.client.clone()).await;
    let controller = ControllerProcess::start(
        &api.kubeconfig(),
        &["--wasm", "--leader-election-namespace=agent-sandbox-system"],
    );
    let told = AssertUnwindSafe(tell(story, &api)).catch_unwind().await;
    drop(controller);
    only.give_back().await;
    told.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// The writes since `from` that are about the story's object of this kind and
/// name: method, and `status` where it is about that. Another story's objects
/// may still be on their way out.
fn writes(story: &Story, api: &FaultyApi, from: usize, object: &str) -> Vec<String> {
    let all = api.faults.writes();
    let object = format!("/namespaces/{}{object}", story.namespace);
    let about = all.iter().skip(from).filter_map(|write| {
        let (method, path) = write.split_once(' ')?;
        let path = path.split('?').next()?;
        let rest = path.split_once(&object)?.1;
        Some(format!("{method}{rest}")).filter(|_| rest.is_empty() || rest == "/status")
    });
    about.collect()
}

fn first_ready(claim: &SandboxClaim) -> bool {
    let annotations = claim.annotations();
    annotations.contains_key(annotation::CLAIM_FIRST_READY_AT)
}

#[tokio::test]
async fn a_warm_claim_costs_three_writes_and_its_sandbox_two() {
    let story = Story::begin("writes").await;
    counted(&story, async |story, api| {
        story
            .create::<SandboxTemplate>(template("t", patience()))
            .await;
        story.create::<SandboxWarmPool>(pool("p", "t", 1)).await;
        let full = |pool: &SandboxWarmPool| {
            pool.status
                .as_ref()
                .is_some_and(|it| it.ready_replicas == 1)
        };
        story.until("p", "full", full).await;
        let before = api.faults.writes().len();
        story.create::<SandboxClaim>(claim("c", "p")).await;
        let claim = story
            .until("c", "ready, and noted as such", first_ready)
            .await;
        let sandbox = claim.status.unwrap().sandbox.unwrap().name.unwrap();
        assert_eq!(
            writes(story, api, before, "/sandboxclaims/c"),
            ["PATCH", "PUT/status", "PATCH"]
        );
        // Adopted, and seen to be of another generation. A pass on a cache that is
        // behind says the same once more, which the store does not write.
        let mut told = writes(story, api, before, &format!("/sandboxes/{sandbox}"));
        assert!(told.len() <= 3, "{told:?}");
        told.dedup();
        assert_eq!(told, ["PATCH", "PATCH/status"]);
    })
    .await;
    story.end().await;
}

#[tokio::test]
async fn a_claim_on_a_session_costs_two_writes_and_its_sandbox_two() {
    let story = Story::begin("writes-wasm").await;
    counted(&story, async |story, api| {
        story
            .create::<SandboxTemplate>(template("t", session("wasm")))
            .await;
        story.create::<SandboxWarmPool>(pool("p", "t", 0)).await;
        let before = api.faults.writes().len();
        story.create::<SandboxClaim>(claim("c", "p")).await;
        story
            .until("c", "ready, and noted as such", first_ready)
            .await;
        assert_eq!(
            writes(story, api, before, "/sandboxclaims/c"),
            ["PUT/status", "PATCH"]
        );
        // Made, and said to be ready.
        assert_eq!(writes(story, api, before, "/sandboxes/c"), ["PUT/status"]);
        let made = api.faults.writes().into_iter().skip(before);
        let sandboxes = format!("/namespaces/{}/sandboxes", story.namespace);
        let made = made.filter(|write| {
            let path = write.split('?').next().unwrap_or_default();
            path.starts_with("POST ") && path.ends_with(&sandboxes)
        });
        // A pass on a cache that is behind asks once more, and is told that it is there.
        assert!((1..=2).contains(&made.count()));
    })
    .await;
    story.end().await;
}

#[tokio::test]
async fn a_sandbox_without_changes_costs_nothing() {
    let story = Story::begin("writes").await;
    counted(&story, async |story, api| {
        story.create::<Sandbox>(sandbox("s", patience())).await;
        story.until_ready_is("s", "True", "DependenciesReady").await;
        let settled = api.faults.writes().len();
        // Every pass over it finds all as it should be.
        for number in 0..10 {
            let label = serde_json::json!({ "metadata": { "annotations": { "example.com/n": number.to_string() } } });
            story.patch::<Sandbox>("s", label).await;
        }
        story.create::<Sandbox>(sandbox("next", patience())).await;
        story.until_ready_is("next", "True", "DependenciesReady").await;
        assert!(writes(story, api, settled, "/sandboxes/s").is_empty());
    })
    .await;
    story.end().await;
}
