//! What must not stop the controller: objects it cannot read, its own leader
//! gone, tools that rewrite its arguments, an API server that restarts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

use std::sync::LazyLock;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::runtime::wait::{await_condition, conditions};
use mote_controller::crd::Sandbox;
use mote_e2e::{Story, crash, execute, patience, sandbox, session};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::{Duration, timeout};

const SYSTEM: &str = "agent-sandbox-system";
const CONTROLLER: &str = "agent-sandbox-controller";
const LEASE: &str = "a3317529.agent-sandbox.x-k8s.io";
/// A lease lasts 15 s; a pod needs a few more to start.
const SUCCESSION: Duration = Duration::from_secs(60);

/// These stories change the controller itself: one at a time.
static ALONE: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);

#[tokio::test]
async fn an_object_that_cannot_be_read_says_so_and_stops_no_other() {
    let _alone = ALONE.lock().await;
    let story = Story::begin("malformed").await;
    let mut unreadable = sandbox("unreadable", patience());
    // The API server does not check that a number fits its format.
    unreadable["spec"]["podTemplate"]["spec"]["containers"][0]["ports"] =
        json!([{ "containerPort": 3_000_000_000_u64 }]);
    story
        .create::<kube::api::PartialObjectMeta<Sandbox>>(unreadable)
        .await;
    story.create::<Sandbox>(sandbox("fine", patience())).await;
    story
        .until_ready_is("fine", "True", "DependenciesReady")
        .await;
    let events = story
        .until_all::<Event>("", "an event about the unreadable", |events| {
            events
                .iter()
                .any(|it| it.involved_object.name.as_deref() == Some("unreadable"))
        })
        .await;
    assert!(
        events.iter().any(|it| it
            .message
            .as_deref()
            .is_some_and(|it| it.contains("containerPort") || it.contains("3000000000"))),
        "{events:?}"
    );
    assert!(
        story
            .list::<Pod>("")
            .await
            .iter()
            .all(|pod| pod.name_any() != "unreadable")
    );
    let row = mote_e2e::kubectl(&[
        "-n",
        &story.namespace,
        "get",
        "sandbox",
        "unreadable",
        "--no-headers",
    ]);
    assert!(
        row.contains("False") && row.contains("InvalidConfiguration"),
        "{row}"
    );
    story.end().await;
}

#[tokio::test]
async fn another_leads_when_the_leader_dies() {
    let _alone = ALONE.lock().await;
    let story = Story::begin("leader").await;
    scale(&story, 2).await;
    let pods: Api<Pod> = Api::namespaced(story.client.clone(), SYSTEM);
    let leader = leader(&story).await;
    let (name, uid) = {
        let all = pods
            .list(&ListParams::default().labels(&format!("app={CONTROLLER}")))
            .await
            .unwrap();
        let pod = all
            .into_iter()
            .find(|pod| leader.contains(&pod.name_any()))
            .expect("the leader is one of the pods");
        (pod.name_any(), pod.metadata.uid.unwrap())
    };
    let at_once = DeleteParams {
        grace_period_seconds: Some(0),
        ..DeleteParams::default()
    };
    pods.delete(&name, &at_once).await.unwrap();
    timeout(
        SUCCESSION,
        await_condition(pods.clone(), &name, conditions::is_deleted(&uid)),
    )
    .await
    .unwrap()
    .unwrap();
    let leases: Api<Lease> = Api::namespaced(story.client.clone(), SYSTEM);
    let other = await_condition(leases, LEASE, |lease: Option<&Lease>| {
        let holder = lease.and_then(|it| it.spec.as_ref()?.holder_identity.as_deref());
        holder.is_some_and(|holder| !holder.is_empty() && holder != leader)
    });
    timeout(SUCCESSION, other)
        .await
        .expect("another leads")
        .unwrap();
    story.create::<Sandbox>(sandbox("after", patience())).await;
    story
        .until_ready_is("after", "True", "DependenciesReady")
        .await;
    scale(&story, 1).await;
    story.end().await;
}

#[tokio::test]
async fn arguments_as_other_tools_write_them_are_understood() {
    let _alone = ALONE.lock().await;
    let story = Story::begin("arguments").await;
    let deployments: Api<Deployment> = Api::namespaced(story.client.clone(), SYSTEM);
    let before = deployments
        .get(CONTROLLER)
        .await
        .unwrap()
        .spec
        .unwrap()
        .template
        .spec
        .unwrap()
        .containers[0]
        .args
        .clone();
    let given = [
        "--leader-elect=true",
        "--extensions",
        "--sandbox-concurrent-workers=10",
        "--sandbox-claim-concurrent-workers=10",
        "--sandbox-warm-pool-concurrent-workers=10",
        "--kube-api-qps=-1.000000",
        "--kube-api-burst=10",
        "--zap-log-level=debug",
        "--enable-webhook=false",
    ];
    set_arguments(&deployments, &json!(given)).await;
    rolled_out();
    story.create::<Sandbox>(sandbox("s", patience())).await;
    story.until_ready_is("s", "True", "DependenciesReady").await;
    set_arguments(&deployments, &json!(before)).await;
    rolled_out();
    story.end().await;
}

#[tokio::test]
async fn watches_survive_an_api_server_that_restarts() {
    let _alone = ALONE.lock().await;
    let story = Story::begin("restart").await;
    story.create::<Sandbox>(sandbox("before", patience())).await;
    story
        .until_ready_is("before", "True", "DependenciesReady")
        .await;
    assert!(crash("apiserver"), "this story needs a cluster of our own");
    story
        .create_when_possible::<Sandbox>(sandbox("after", patience()))
        .await;
    story
        .until_ready_is("after", "True", "DependenciesReady")
        .await;
    story.delete::<Pod>("before").await;
    story
        .until_ready_is("before", "True", "DependenciesReady")
        .await;
    story.end().await;
}

#[tokio::test]
async fn a_node_host_that_is_killed_comes_back_with_files_and_addresses() {
    let _alone = ALONE.lock().await;
    let story = Story::begin("node").await;
    story.create::<Sandbox>(sandbox("s", session("wasm"))).await;
    let addresses = |sandbox: Sandbox| sandbox.status.unwrap().pod_ips;
    let before = addresses(story.until_ready_is("s", "True", "DependenciesReady").await);
    execute(&before[0], "sh -c 'echo kept > file'").unwrap();
    let hosts: Api<Pod> = Api::namespaced(story.client.clone(), SYSTEM);
    let labels = ListParams::default().labels("app=mote-node");
    let at_once = DeleteParams {
        grace_period_seconds: Some(0),
        ..DeleteParams::default()
    };
    for host in hosts.list(&labels).await.unwrap() {
        hosts.delete(&host.name_any(), &at_once).await.unwrap();
    }
    story
        .until_ready_is("s", "False", "DependenciesNotReady")
        .await;
    let after = addresses(story.until_ready_is("s", "True", "DependenciesReady").await);
    assert_eq!(after, before);
    assert_eq!(execute(&after[0], "cat file").unwrap(), "kept\n");
    story.end().await;
}

async fn leader(story: &Story) -> String {
    let leases: Api<Lease> = Api::namespaced(story.client.clone(), SYSTEM);
    let held = await_condition(leases, LEASE, |lease: Option<&Lease>| {
        lease.is_some_and(|it| {
            it.spec.as_ref().is_some_and(|it| {
                it.holder_identity
                    .as_deref()
                    .is_some_and(|it| !it.is_empty())
            })
        })
    });
    let lease = timeout(SUCCESSION, held)
        .await
        .expect("a leader")
        .unwrap()
        .unwrap();
    lease.spec.unwrap().holder_identity.unwrap()
}

async fn scale(story: &Story, replicas: u32) {
    let deployments: Api<Deployment> = Api::namespaced(story.client.clone(), SYSTEM);
    let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
    deployments
        .patch(CONTROLLER, &PatchParams::default(), &patch)
        .await
        .unwrap();
    rolled_out();
}

async fn set_arguments(deployments: &Api<Deployment>, arguments: &serde_json::Value) {
    let patch = json!([{ "op": "replace", "path": "/spec/template/spec/containers/0/args", "value": arguments }]);
    let patch: Patch<()> = Patch::Json(serde_json::from_value(patch).unwrap());
    deployments
        .patch(CONTROLLER, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

fn rolled_out() {
    mote_e2e::kubectl(&[
        "-n",
        SYSTEM,
        "rollout",
        "status",
        &format!("deployment/{CONTROLLER}"),
        "--timeout=90s",
    ]);
}
