//! What the controller in the cluster takes and costs, whoever made it:
//! everything is measured through the API server and the controller's own
//! `/metrics` (`process_*` are standard names), so that the same run against
//! another controller's image gives a table to compare.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use mote_controller::crd::{Sandbox, SandboxClaim, SandboxTemplate, SandboxWarmPool};
use mote_e2e::{Row, Scrape, Story, claim, patience, pool, sandbox, table, template};
use serde_json::json;

const COLD: usize = 10;
const WARM: usize = 30;
const POOL: u32 = 20;
const AT_ONCE: usize = 60;
const OBJECTS: usize = 1000;
/// Requests of this program that are on their way at once.
const HANDS: usize = 50;

#[tokio::main]
async fn main() {
    // `cargo bench` hands on arguments that mean nothing here.
    let story = Story::begin("bench").await;
    let mut rows = vec![cold(&story).await];
    rows.extend(warm(&story).await);
    rows.push(at_once(&story).await);
    rows.extend(objects(&story).await);
    story.end().await;
    print!("{}", table(&rows));
}

async fn cold(story: &Story) -> Row {
    let mut times = Vec::new();
    for number in 0..COLD {
        let name = format!("cold-{number}");
        let started = Instant::now();
        story.create::<Sandbox>(sandbox(&name, patience())).await;
        story
            .until_ready_is(&name, "True", "DependenciesReady")
            .await;
        times.push(started.elapsed());
        story.delete::<Sandbox>(&name).await;
        story.until_gone::<Pod>(&name).await;
    }
    Row::times("cold Sandbox → Ready, one at a time", times, "1,010 ms")
}

async fn warm(story: &Story) -> Vec<Row> {
    story
        .create::<SandboxTemplate>(template("t", patience()))
        .await;
    let started = Instant::now();
    story.create::<SandboxWarmPool>(pool("p", "t", POOL)).await;
    full(story).await;
    let filled = started.elapsed();
    let (mut from_full, mut back_to_back) = (Vec::new(), Vec::new());
    let before = costs(story).await;
    for number in 0..WARM {
        from_full.push(claimed(story, &format!("full-{number}")).await);
        full(story).await;
    }
    let after = costs(story).await;
    for number in 0..WARM {
        back_to_back.push(claimed(story, &format!("next-{number}")).await);
    }
    let claims = WARM as f64;
    vec![
        Row::new(
            &format!("pool of {POOL} full"),
            format!("{:.1} s", filled.as_secs_f64()),
            "3–5 s",
        ),
        Row::times(
            "warm claim → Ready, from a full pool",
            from_full,
            "31–36 ms",
        ),
        Row::times(
            "warm claim → Ready, back to back",
            back_to_back,
            "160–270 ms",
        ),
        Row::new(
            "writes to claims and sandboxes per warm claim, its pool's refill among them",
            format!("{:.1}", (after.writes - before.writes) / claims - 1.0),
            "",
        ),
        Row::new(
            "controller CPU per warm claim and refill",
            format!("{:.1} ms", (after.cpu - before.cpu) / claims * 1000.0),
            "",
        ),
    ]
}

async fn claimed(story: &Story, name: &str) -> Duration {
    let started = Instant::now();
    story.create::<SandboxClaim>(claim(name, "p")).await;
    story
        .until(name, "ready", |claim: &SandboxClaim| {
            let status = claim.status.as_ref();
            status.is_some_and(|it| {
                it.conditions
                    .iter()
                    .any(|it| it.type_ == "Ready" && it.status == "True")
            })
        })
        .await;
    started.elapsed()
}

async fn full(story: &Story) {
    let full = |pool: &SandboxWarmPool| {
        pool.status
            .as_ref()
            .is_some_and(|it| it.ready_replicas == i32::try_from(POOL).unwrap())
    };
    story.until("p", "full", full).await;
}

async fn at_once(story: &Story) -> Row {
    story
        .patch::<SandboxWarmPool>("p", json!({ "spec": { "replicas": 0 } }))
        .await;
    let claims = story.list::<SandboxClaim>("").await;
    join_all(
        claims
            .iter()
            .map(|claim| story.delete::<SandboxClaim>(claim.metadata.name.as_deref().unwrap())),
    )
    .await;
    story
        .until_all::<Pod>("", "gone", |pods| pods.is_empty())
        .await;
    let names: Vec<_> = (0..AT_ONCE)
        .map(|number| format!("once-{number}"))
        .collect();
    let started = Instant::now();
    join_all(
        names
            .iter()
            .map(|name| story.create::<Sandbox>(sandbox(name, patience()))),
    )
    .await;
    join_all(
        names
            .iter()
            .map(|name| story.until_ready_is(name, "True", "DependenciesReady")),
    )
    .await;
    let took = started.elapsed();
    join_all(names.iter().map(|name| story.delete::<Sandbox>(name))).await;
    story
        .until_all::<Pod>("", "gone", |pods| pods.is_empty())
        .await;
    Row::new(
        &format!("{AT_ONCE} Sandboxes at once, all Ready"),
        format!("{:.1} s", took.as_secs_f64()),
        "12.6 s",
    )
}

/// A thousand objects without pods: what the controller itself holds.
async fn objects(story: &Story) -> Vec<Row> {
    let names: Vec<_> = (0..OBJECTS)
        .map(|number| format!("object-{number}"))
        .collect();
    for some in names.chunks(HANDS) {
        join_all(some.iter().map(|name| {
            let mut suspended = sandbox(name, patience());
            suspended["spec"]["operatingMode"] = json!("Suspended");
            story.create::<Sandbox>(suspended)
        }))
        .await;
    }
    story
        .until_all::<Sandbox>("", "suspended", |all| {
            let done = |it: &Sandbox| {
                it.status
                    .as_ref()
                    .is_some_and(|it| !it.conditions.is_empty())
            };
            all.len() == OBJECTS && all.iter().all(done)
        })
        .await;
    let memory = costs(story).await.memory / 1024.0 / 1024.0;
    vec![Row::new(
        &format!("controller memory with {OBJECTS} Sandboxes"),
        format!("{memory:.0} MiB"),
        "40 MiB",
    )]
}

struct Costs {
    writes: f64,
    cpu: f64,
    memory: f64,
}

async fn costs(story: &Story) -> Costs {
    let api_server = text(story, "/metrics").await;
    let writes = ["POST", "PUT", "PATCH", "DELETE"].iter().flat_map(|verb| {
        let api_server = &api_server;
        ["agents.x-k8s.io", "extensions.agents.x-k8s.io"]
            .iter()
            .map(move |group| {
                let (verb, group) = (format!("verb=\"{verb}\""), format!("group=\"{group}\""));
                api_server.sum("apiserver_request_total", &[&verb, &group])
            })
    });
    let writes = writes.sum();
    let pods: Api<Pod> = Api::namespaced(story.client.clone(), "agent-sandbox-system");
    let labels = ListParams::default().labels("app=agent-sandbox-controller");
    let pods = pods.list(&labels).await.expect("a list").items;
    let pod = pods
        .first()
        .expect("a controller in the cluster")
        .metadata
        .name
        .as_deref()
        .unwrap();
    let path = format!("/api/v1/namespaces/agent-sandbox-system/pods/{pod}:8080/proxy/metrics");
    let controller = text(story, &path).await;
    Costs {
        writes,
        cpu: controller.sum("process_cpu_seconds_total", &[]),
        memory: controller.sum("process_resident_memory_bytes", &[]),
    }
}

async fn text(story: &Story, path: &str) -> Scrape {
    let request = http::Request::get(path)
        .body(Vec::new())
        .expect("a request");
    Scrape::new(
        story
            .client
            .request_text(request)
            .await
            .expect("a page of metrics"),
    )
}
