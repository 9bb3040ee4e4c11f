//! How a pool is looked after over time. The operator's flags say how long
//! that is, so these stories bring a controller of their own.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

use std::sync::LazyLock;

use k8s_openapi::api::core::v1::{Event, Node};
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams};
use mote_controller::crd::{Sandbox, SandboxTemplate, SandboxWarmPool};
use mote_e2e::{ControllerProcess, FaultyApi, Only, Story, patience, pool, template};
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// One controller at a time.
static ALONE: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);

/// Tells a story in which a controller with these flags is the only one.
async fn with(flags: &[&str], tell: impl AsyncFn(&Story)) {
    let _alone = ALONE.lock().await;
    let story = Story::begin("upkeep").await;
    let only = Only::take(&story.client).await;
    // Nothing is broken here; it leads to the API server without credentials.
    let api = FaultyApi::start(story.client.clone()).await;
    let controller = ControllerProcess::start(&api.kubeconfig(), flags);
    tell(&story).await;
    controller.kill();
    only.give_back().await;
    story.end().await;
}

async fn begin(story: &Story, pod: Value, replicas: u32) {
    story.create::<SandboxTemplate>(template("t", pod)).await;
    story
        .create::<SandboxWarmPool>(pool("p", "t", replicas))
        .await;
}

async fn until_told(story: &Story, reason: &str) {
    story
        .until_all("", reason, |events: &[Event]| {
            events.iter().any(|it| it.reason.as_deref() == Some(reason))
        })
        .await;
}

async fn one(story: &Story, what: &str, wanted: impl Fn(&Sandbox) -> bool) -> Sandbox {
    let all = story
        .until_all("", what, |all: &[Sandbox]| {
            all.len() == 1 && wanted(&all[0])
        })
        .await;
    all.into_iter().next().unwrap()
}

/// When each sandbox was created, in whole seconds, in order.
async fn created(story: &Story) -> Vec<i64> {
    let all = story.list::<Sandbox>("").await;
    let mut times: Vec<_> = all
        .iter()
        .filter_map(|it| Some(it.creation_timestamp()?.0.as_second()))
        .collect();
    times.sort_unstable();
    times
}

fn is_ready(sandbox: &Sandbox) -> bool {
    let Some(status) = &sandbox.status else {
        return false;
    };
    status
        .conditions
        .iter()
        .any(|it| it.type_ == "Ready" && it.status == "True")
}

#[tokio::test]
async fn a_sandbox_that_never_becomes_ready_is_replaced() {
    with(
        &["--sandbox-warm-pool-readiness-grace-period=2s"],
        async |story| {
            let mut pod = patience();
            pod["containers"][0]["readinessProbe"] = json!({ "exec": { "command": ["false"] } });
            begin(story, pod, 1).await;
            let first = one(story, "there", |_| true).await;
            one(story, "replaced", |it| it.uid() != first.uid()).await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_sandbox_that_no_node_takes_is_held_until_one_does() {
    let flags = [
        "--sandbox-warm-pool-readiness-grace-period=5s",
        "--sandbox-warm-pool-unschedulable-recheck-interval=1s",
    ];
    with(&flags, async |story| {
        let mut pod = patience();
        pod["nodeSelector"] = json!({ "mote.dev/e2e": story.namespace });
        begin(story, pod, 1).await;
        let first = one(story, "there", |_| true).await;
        until_told(story, "WarmPoolNotProgressing").await;
        let held = one(story, "there", |_| true).await;
        assert_eq!(held.uid(), first.uid());
        let nodes: Api<Node> = Api::all(story.client.clone());
        let node = nodes.list(&ListParams::default()).await.unwrap().items[0].name_any();
        let label = |value: Value| json!({ "metadata": { "labels": { "mote.dev/e2e": value } } });
        let params = PatchParams::default();
        let on = Patch::Merge(label(json!(story.namespace)));
        nodes.patch(&node, &params, &on).await.unwrap();
        until_told(story, "WarmPoolProgressing").await;
        // It is older than the grace by now: it or the one in its place.
        story
            .until_all("", "ready", |all: &[Sandbox]| all.iter().any(is_ready))
            .await;
        let off = Patch::Merge(label(Value::Null));
        nodes.patch(&node, &params, &off).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_pool_fills_no_faster_than_its_rate() {
    with(&["--sandbox-warm-pool-max-refill-rate=1"], async |story| {
        begin(story, patience(), 4).await;
        story
            .until_all("", "four", |all: &[Sandbox]| all.len() == 4)
            .await;
        let times = created(story).await;
        // Four at one a second begin and end three seconds apart; what the API
        // server keeps of a time is its second.
        assert!(times[3] - times[0] >= 2, "{times:?}");
    })
    .await;
}

#[tokio::test]
async fn a_pool_waits_before_it_replaces_what_was_taken() {
    with(&["--sandbox-warm-pool-replenish-delay=3s"], async |story| {
        begin(story, patience(), 2).await;
        let full = |pool: &SandboxWarmPool| {
            let status = pool.status.as_ref();
            status.is_some_and(|it| it.ready_replicas == 2)
        };
        story.until("p", "full", full).await;
        let taken = story.list::<Sandbox>("").await[0].clone();
        let gone = k8s_openapi::jiff::Timestamp::now();
        story.delete::<Sandbox>(&taken.name_any()).await;
        let all = story
            .until_all("", "two again", |all: &[Sandbox]| {
                all.len() == 2 && all.iter().all(|it| it.uid() != taken.uid())
            })
            .await;
        let newest = all.iter().filter_map(ResourceExt::creation_timestamp).max();
        assert!(newest.unwrap().0.as_second() - gone.as_second() >= 2);
    })
    .await;
}
