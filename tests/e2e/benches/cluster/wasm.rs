//! Sandboxes that are wasm sessions.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use mote_controller::crd::{Sandbox, SandboxClaim, SandboxTemplate, SandboxWarmPool};
use mote_e2e::{Row, Story, claim, open_template, pool, sandbox, session};
use serde_json::{Value, json};

use crate::costs::{costs, text};
use crate::wait::{all_ready, ready};

const ONE_BY_ONE: usize = 50;
const SANDBOXES_AT_ONCE: usize = 60;
const CLAIMS_AT_ONCE: usize = 300;
const ON_A_NODE: usize = 2_000;
/// Requests of this program that are on their way at once.
const HANDS: usize = 50;

/// All rows.
pub(crate) async fn rows(story: &Story) -> Vec<Row> {
    story
        .create::<SandboxTemplate>(open_template("w", session("wasm")))
        .await;
    story.create::<SandboxWarmPool>(pool("none", "w", 0)).await;
    story.create::<SandboxWarmPool>(pool("some", "w", 20)).await;
    let mut rows = sandboxes(story).await;
    rows.extend(claims(story).await);
    noted(story).await;
    rows.push(claims_at_once(story).await);
    noted(story).await;
    rows.push(sandboxes_at_once(story).await);
    rows.extend(many(story).await);
    rows
}

fn wasm(name: &str) -> Value {
    sandbox(name, session("wasm"))
}

async fn sandboxes(story: &Story) -> Vec<Row> {
    let before = costs(story).await;
    let mut times = Vec::new();
    for number in 0..ONE_BY_ONE {
        let name = format!("wasm-{number}");
        times.push(ready::<Sandbox>(story, &name, wasm(&name)).await);
    }
    let after = costs(story).await;
    let each = ONE_BY_ONE as f64;
    vec![
        Row::times("wasm Sandbox → Ready, one at a time", times, "15 ms"),
        Row::new(
            "writes to a wasm Sandbox until it is Ready, its creation among them",
            format!("{:.1}", (after.writes - before.writes) / each),
            "",
        ),
        Row::new(
            "controller CPU per wasm Sandbox",
            format!("{:.1} ms", (after.cpu - before.cpu) / each * 1000.0),
            "",
        ),
    ]
}

async fn claims(story: &Story) -> Vec<Row> {
    let (mut cold, mut warm, mut answered) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..ONE_BY_ONE {
        let name = format!("cold-{number}");
        let took = ready::<SandboxClaim>(story, &name, claim(&name, "none")).await;
        cold.push(took);
        // What a client of its own would have from its watch.
        let bound = story.get::<SandboxClaim>(&name).await.status.unwrap();
        let called = Instant::now();
        let address = bound.sandbox.unwrap().pod_ips[0].clone();
        assert_eq!(call(&address).await, "hi\n");
        answered.push(took + called.elapsed());
        let name = format!("warm-{number}");
        warm.push(ready::<SandboxClaim>(story, &name, claim(&name, "some")).await);
    }
    vec![
        Row::times("wasm claim without a pool → Ready", cold, "25 ms"),
        Row::times(
            "wasm claim without a pool → first command's output",
            answered,
            "40 ms",
        ),
        Row::times("wasm claim from a pool → Ready", warm, ""),
    ]
}

/// What `echo hi` prints in the sandbox at this address.
async fn call(address: &str) -> String {
    use hyper_util::client::legacy::{Client, connect::HttpConnector};
    let mut connector = HttpConnector::new();
    // As every client of people does: else a body waits 40 ms for the answer to its head.
    connector.set_nodelay(true);
    let client = Client::builder(hyper_util::rt::TokioExecutor::new());
    let client = client.build::<_, http_body_util::Full<axum::body::Bytes>>(connector);
    let request = http::Request::post(format!("http://{address}:8888/execute"))
        .header("content-type", "application/json")
        .body(json!({ "command": "echo hi" }).to_string().into())
        .unwrap();
    let answer = client
        .request(request)
        .await
        .expect("an answer")
        .into_body();
    let body = http_body_util::BodyExt::collect(answer)
        .await
        .expect("a body");
    let told: Value = serde_json::from_slice(&body.to_bytes()).expect("JSON");
    told["stdout"].as_str().unwrap_or_default().to_owned()
}

/// Waits until the controller has written of all claims that are ready what it
/// writes later: a row is to measure its own work alone.
async fn noted(story: &Story) {
    const READY: &str = "agents.x-k8s.io/claim-first-ready-at";
    let is_noted = |claim: &SandboxClaim| claim.annotations().contains_key(READY);
    story
        .until_all::<SandboxClaim>("", "noted", |all| all.iter().all(is_noted))
        .await;
}

async fn sandboxes_at_once(story: &Story) -> Row {
    let all = (0..SANDBOXES_AT_ONCE).map(|number| wasm(&format!("once-{number}")));
    let took = all_ready::<Sandbox>(story, all.collect()).await;
    seconds(
        &format!("{SANDBOXES_AT_ONCE} wasm Sandboxes at once, all Ready"),
        took,
        "0.5 s",
    )
}

async fn claims_at_once(story: &Story) -> Row {
    let all = (0..CLAIMS_AT_ONCE).map(|number| claim(&format!("burst-{number}"), "none"));
    let took = all_ready::<SandboxClaim>(story, all.collect()).await;
    seconds(
        &format!("{CLAIMS_AT_ONCE} wasm claims at once without a pool, all Ready"),
        took,
        "1.5 s",
    )
}

fn seconds(what: &str, took: Duration, target: &str) -> Row {
    Row::new(what, format!("{:.2} s", took.as_secs_f64()), target)
}

/// What sandboxes that rest cost their node and the controller.
async fn many(story: &Story) -> Vec<Row> {
    let here = story.list::<Sandbox>("").await.len();
    let (before, started) = (node_memory(story).await, Instant::now());
    let names: Vec<_> = (here..ON_A_NODE)
        .map(|number| wasm(&format!("many-{number}")))
        .collect();
    let count = names.len();
    for some in names.chunks(HANDS) {
        all_ready::<Sandbox>(story, some.to_vec()).await;
    }
    let (after, took) = (node_memory(story).await, started.elapsed());
    let memory = costs(story).await.memory / 1024.0 / 1024.0;
    let rows = vec![
        Row::new(
            &format!("{ON_A_NODE} wasm Sandboxes on a node, {HANDS} at a time"),
            format!("{:.0} a second", count as f64 / took.as_secs_f64()),
            "",
        ),
        Row::new(
            "memory of the node host per Sandbox that rests",
            format!("{:.1} KiB", (after - before) / count as f64 / 1024.0),
            "10 KiB",
        ),
        Row::new(
            &format!("controller memory with {ON_A_NODE} wasm Sandboxes"),
            format!("{memory:.0} MiB"),
            "",
        ),
    ];
    for claim in story.list::<SandboxClaim>("").await {
        story.delete::<SandboxClaim>(&claim.name_any()).await;
    }
    for pool in ["none", "some"] {
        story.delete::<SandboxWarmPool>(pool).await;
    }
    let left = story.list::<Sandbox>("").await;
    for some in left.chunks(HANDS) {
        join_all(some.iter().map(|it| async {
            story
                .api::<Sandbox>()
                .delete(&it.name_any(), &Default::default())
                .await
                .ok()
        }))
        .await;
    }
    story
        .until_all::<Sandbox>("", "gone", |all| all.is_empty())
        .await;
    rows
}

/// Resident memory of the first node host, in bytes, as it tells itself.
async fn node_memory(story: &Story) -> f64 {
    let pods: Api<Pod> = Api::namespaced(story.client.clone(), "agent-sandbox-system");
    let pods = pods
        .list(&ListParams::default().labels("app=mote-node"))
        .await
        .expect("a list");
    let pod = pods.items.first().expect("a node host").name_any();
    let path = format!("/api/v1/namespaces/agent-sandbox-system/pods/{pod}:7444/proxy/metrics");
    text(story, &path)
        .await
        .sum("mote_process_resident_memory_bytes", &[])
}
