//! A controller that is struck between any two of its writes ends where one
//! that is left alone does.
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
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt;
use mote_controller::crd::{Sandbox, SandboxClaim, SandboxWarmPool};
use mote_controller::names::is_controlled_by;
use mote_e2e::{
    ControllerProcess, Fault, FaultyApi, Only, Story, claim, patience, pool, sandbox, template,
};
use serde_json::json;
use tokio::sync::Mutex;

/// One controller at a time.
static ALONE: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);

/// More writes than any of these stories takes.
const ENOUGH: usize = 40;

/// How a controller is struck.
#[derive(Clone, Copy, Debug)]
enum Strike {
    /// The write is lost.
    Lost,
    /// The write is done, and the controller dies before it hears so.
    Crash,
}

/// Tells a story again and again, with one write later broken each time, until
/// there is none left to break.
async fn at_every_write(about: &str, strike: Strike, tell: impl AsyncFn(&Story)) {
    let _alone = ALONE.lock().await;
    let story = Story::begin("faults").await;
    let only = Only::take(&story.client).await;
    story.end().await;
    let told = AssertUnwindSafe(until_none_is_left(about, strike, &tell))
        .catch_unwind()
        .await;
    // Whatever came of it, the stories after this one need their controller.
    only.give_back().await;
    told.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

async fn until_none_is_left(about: &str, strike: Strike, tell: &impl AsyncFn(&Story)) {
    let mut number = 0;
    while broken_at(about, strike, number, tell).await {
        number += 1;
        assert!(number < ENOUGH, "{about}: a story without an end");
    }
    assert!(number > 1, "{about}: hardly a write was broken");
}

/// Tells it once; whether there was a write of that number.
async fn broken_at(
    about: &str,
    strike: Strike,
    number: usize,
    tell: &impl AsyncFn(&Story),
) -> bool {
    let story = Story::begin(about).await;
    let api = FaultyApi::start(story.client.clone()).await;
    let controller = ControllerProcess::start(&api.kubeconfig(), &[]);
    let fault = if matches!(strike, Strike::Lost) {
        Fault::Lost
    } else {
        Fault::Unanswered
    };
    api.faults.break_write(number, fault);
    let strike = async {
        api.faults.until_happened().await;
        let _next = match strike {
            Strike::Crash => {
                controller.kill();
                ControllerProcess::start(&api.kubeconfig(), &[])
            }
            Strike::Lost => controller,
        };
        std::future::pending::<()>().await
    };
    tokio::select! {
        () = tell(&story) => {}
        () = strike => {}
    }
    let happened = api.faults.happened();
    println!(
        "{about}: {strike_name} at write {number}: {happened}",
        strike_name = api
            .faults
            .writes()
            .get(number)
            .map_or("none", String::as_str)
    );
    story.end().await;
    happened
}

async fn a_warm_claim(story: &Story) {
    story
        .create::<mote_controller::crd::SandboxTemplate>(template("t", patience()))
        .await;
    story.create::<SandboxWarmPool>(pool("p", "t", 1)).await;
    let full = |pool: &SandboxWarmPool| {
        pool.status
            .as_ref()
            .is_some_and(|it| it.ready_replicas == 1)
    };
    story.until("p", "full", full).await;
    story.create::<SandboxClaim>(claim("c", "p")).await;
    let claim = story.until("c", "ready", is_ready).await;
    story.until("p", "full again", full).await;
    let bound = claim.status.unwrap().sandbox.unwrap().name.unwrap();
    let (claim, pool) = (
        claim.metadata.uid.unwrap(),
        story
            .get::<SandboxWarmPool>("p")
            .await
            .metadata
            .uid
            .unwrap(),
    );
    let sandboxes = story
        .until_all::<Sandbox>("", "one of the claim and one of the pool", |all| {
            let of = |uid: &str| {
                all.iter()
                    .filter(|it| is_controlled_by(&it.metadata, uid))
                    .count()
            };
            (all.len(), of(&claim), of(&pool)) == (2, 1, 1)
        })
        .await;
    assert!(
        sandboxes
            .iter()
            .any(|it| it.name_any() == bound && is_controlled_by(&it.metadata, &claim))
    );
    one_pod_each(story, &sandboxes).await;
}

async fn a_cold_claim_that_ends(story: &Story) {
    story
        .create::<mote_controller::crd::SandboxTemplate>(template("t", patience()))
        .await;
    story.create::<SandboxWarmPool>(pool("p", "t", 0)).await;
    story.create::<SandboxClaim>(claim("c", "p")).await;
    story.until("c", "ready", is_ready).await;
    let sandboxes = story.list::<Sandbox>("").await;
    assert_eq!(sandboxes.len(), 1);
    one_pod_each(story, &sandboxes).await;
    let now = k8s_openapi::jiff::Timestamp::now().to_string();
    let ended =
        json!({ "spec": { "lifecycle": { "shutdownTime": now, "shutdownPolicy": "Delete" } } });
    story.patch::<SandboxClaim>("c", ended).await;
    story.until_gone::<SandboxClaim>("c").await;
    story
        .until_all::<Pod>("", "gone", |pods| pods.is_empty())
        .await;
}

async fn a_sandbox_that_rests(story: &Story) {
    let mut wanted = sandbox("s", patience());
    wanted["spec"]["podTemplate"]["spec"]["containers"][0]["ports"] =
        json!([{ "containerPort": 8080 }]);
    wanted["spec"]["service"] = json!(true);
    story.create::<Sandbox>(wanted).await;
    story.until_ready_is("s", "True", "DependenciesReady").await;
    story
        .patch::<Sandbox>("s", json!({ "spec": { "operatingMode": "Suspended" } }))
        .await;
    story
        .until("s", "suspended", |sandbox: &Sandbox| {
            let status = sandbox.status.as_ref();
            status.is_some_and(|it| {
                it.conditions
                    .iter()
                    .any(|it| it.type_ == "Suspended" && it.status == "True")
            })
        })
        .await;
    assert!(story.list::<Pod>("").await.is_empty());
    story
        .patch::<Sandbox>("s", json!({ "spec": { "operatingMode": "Running" } }))
        .await;
    let sandbox = story.until_ready_is("s", "True", "DependenciesReady").await;
    one_pod_each(story, &[sandbox]).await;
    assert_eq!(story.list::<Service>("").await.len(), 1);
    story.delete::<Sandbox>("s").await;
    story
        .until_all::<Pod>("", "gone", |pods| pods.is_empty())
        .await;
}

fn is_ready(claim: &SandboxClaim) -> bool {
    let Some(status) = &claim.status else {
        return false;
    };
    status
        .conditions
        .iter()
        .any(|it| it.type_ == "Ready" && it.status == "True")
}

/// Each sandbox comes to have one pod, and there is no other.
async fn one_pod_each(story: &Story, sandboxes: &[Sandbox]) {
    let own = |pods: &[Pod], sandbox: &Sandbox| {
        let uid = sandbox.metadata.uid.as_deref().unwrap();
        let own = pods
            .iter()
            .filter(|pod| is_controlled_by(&pod.metadata, uid));
        own.count()
    };
    story
        .until_all::<Pod>("", "one for each sandbox", |pods| {
            pods.len() == sandboxes.len() && sandboxes.iter().all(|it| own(pods, it) == 1)
        })
        .await;
}

#[tokio::test]
async fn a_warm_claim_survives_each_lost_write() {
    at_every_write("warm-lost", Strike::Lost, a_warm_claim).await;
}

#[tokio::test]
async fn a_warm_claim_survives_a_crash_after_each_write() {
    at_every_write("warm-crash", Strike::Crash, a_warm_claim).await;
}

#[tokio::test]
async fn a_cold_claim_survives_a_crash_after_each_write() {
    at_every_write("cold-crash", Strike::Crash, a_cold_claim_that_ends).await;
}

#[tokio::test]
async fn a_sandbox_that_rests_survives_each_lost_write() {
    at_every_write("rest-lost", Strike::Lost, a_sandbox_that_rests).await;
}

#[tokio::test]
async fn a_sandbox_that_rests_survives_a_crash_after_each_write() {
    at_every_write("rest-crash", Strike::Crash, a_sandbox_that_rests).await;
}
