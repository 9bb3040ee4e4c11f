//! Sandboxes that are pods.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use mote_controller::crd::{Sandbox, SandboxClaim, SandboxTemplate, SandboxWarmPool};
use mote_e2e::{Row, Story, claim, patience, pool, sandbox, template};
use serde_json::json;

use crate::costs::costs;
use crate::wait::{all_ready, ready};

const COLD: usize = 10;
const WARM: usize = 30;
const POOL: u32 = 20;
const AT_ONCE: usize = 60;
const OBJECTS: usize = 1000;
/// Requests of this program that are on their way at once.
const HANDS: usize = 50;

/// Between claims on a full pool: a node that has just started a pod for the
/// last one is still busy with it.
const PACE: Duration = Duration::from_secs(2);

/// All rows.
pub(crate) async fn rows(story: &Story) -> Vec<Row> {
    let mut rows = vec![cold(story).await];
    rows.extend(warm(story).await);
    rows.push(at_once(story).await);
    rows.extend(objects(story).await);
    rows
}

async fn cold(story: &Story) -> Row {
    let mut times = Vec::new();
    for number in 0..COLD {
        let name = format!("cold-{number}");
        times.push(ready::<Sandbox>(story, &name, sandbox(&name, patience())).await);
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
    let mut pace = tokio::time::interval(PACE);
    for number in 0..WARM {
        pace.tick().await;
        let name = format!("full-{number}");
        from_full.push(ready::<SandboxClaim>(story, &name, claim(&name, "p")).await);
        full(story).await;
    }
    let after = costs(story).await;
    for number in 0..WARM {
        let name = format!("next-{number}");
        back_to_back.push(ready::<SandboxClaim>(story, &name, claim(&name, "p")).await);
    }
    let claims = WARM as f64;
    vec![
        Row::new(
            &format!("pool of {POOL} full"),
            format!("{:.1} s", filled.as_secs_f64()),
            "3–5 s",
        ),
        Row::times(
            "warm claim → Ready, from a full pool, one in 2 s",
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
    let sandboxes = names.iter().map(|name| sandbox(name, patience()));
    let took = all_ready::<Sandbox>(story, sandboxes.collect()).await;
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
