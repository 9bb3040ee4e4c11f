//! Sandboxes and templates as nasty as an API server lets through: each is
//! told what is wrong with it or serves, and nobody else notices.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use mote_controller::crd::{Condition, Sandbox, SandboxClaim, SandboxTemplate, SandboxWarmPool};
use mote_e2e::{Scrape, Story, claim, execute, open_template, pool, sandbox, session};
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// Stories measure memory and time: one at a time.
static ALONE: Mutex<()> = Mutex::const_new(());
/// The namespace of the controller and of node hosts.
const SYSTEM: &str = "agent-sandbox-system";
/// The largest ConfigMap that the API server takes, but for its name.
const MEBIBYTE: usize = 1 << 20;
/// How long a good Sandbox may take among the bad ones, on two busy cores: far
/// less than the minute after which what was given up is looked at again.
const PROMPT: Duration = Duration::from_secs(30);
/// Sandboxes that are made at once, each with 4 MiB of files: the controller
/// works on a hundred at a time, and may take 512 MiB.
const RUSH: usize = 100;
/// How long all of them may take to come to what is to come of them.
const PATIENCE: Duration = Duration::from_secs(30);
/// What bad ones may add to the memory of the controller and of a node host:
/// half of what the controller may have.
const MAX_GROWTH: f64 = 256.0 * 1024.0 * 1024.0;

/// What is to come of a nasty sandbox.
enum Fate {
    /// `Ready` is `False` with this reason, and says this.
    Told(&'static str, &'static str),
    /// It waits for a node, and says this.
    Waits(&'static str),
    /// It serves.
    Serves,
}
use Fate::{Serves, Told, Waits};

const INVALID: &str = "InvalidConfiguration";
const ERROR: &str = "ReconcilerError";

/// A pod whose container has these fields too.
fn container(fields: Value) -> Value {
    let mut pod = session("wasm");
    let container = pod["containers"][0].as_object_mut().unwrap();
    container.extend(fields.as_object().unwrap().clone());
    pod
}

/// A pod that has these fields too.
fn of_pod(fields: Value) -> Value {
    let mut pod = session("wasm");
    let own = pod.as_object_mut().unwrap();
    own.extend(fields.as_object().unwrap().clone());
    pod
}

/// A pod with these volumes and mounts.
fn mounted(volumes: Value, mounts: Value) -> Value {
    let mut pod = container(json!({ "volumeMounts": mounts }));
    pod["volumes"] = volumes;
    pod
}

/// A pod with a file system that holds nothing, at this path.
fn mounted_at(path: &str) -> Value {
    let volumes = json!([{ "name": "v", "emptyDir": {} }]);
    mounted(volumes, json!([{ "name": "v", "mountPath": path }]))
}

fn many<T>(count: usize, one: impl Fn(usize) -> T) -> Vec<T> {
    (0..count).map(one).collect()
}

fn with_image(image: &str) -> Value {
    container(json!({ "image": image }))
}

fn with_memory(amount: &str) -> Value {
    container(json!({ "resources": { "limits": { "memory": amount } } }))
}

/// Variables.
fn environments() -> Vec<(&'static str, Value, Fate)> {
    let long = "x".repeat(1000);
    let of = |variables: Vec<Value>| container(json!({ "env": variables }));
    let named = |n: usize| json!({ "name": format!("V{n}"), "value": "1" });
    let doubling = |n: usize| match n {
        0 => json!({ "name": "V0", "value": long }),
        _ => json!({ "name": format!("V{n}"), "value": format!("$(V{0})$(V{0})", n - 1) }),
    };
    let nowhere = |n: usize| json!({ "name": format!("V{n}"), "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } });
    let noted = |n: usize| json!({ "name": format!("V{n}"), "valueFrom": { "fieldRef": { "fieldPath": "metadata.annotations['large']" } } });
    let copied =
        |n: usize| json!({ "prefix": format!("P{n}_"), "configMapRef": { "name": "text" } });
    let word = |_| format!("echo {long} $(LONG)");
    let too_long = "its environment takes more than 1048576 bytes";
    vec![
        (
            "env-large",
            of(vec![json!({ "name": "A", "value": "x".repeat(MEBIBYTE) })]),
            Told(INVALID, "the environment takes"),
        ),
        ("env-many", of(many(2_000, named)), Serves),
        ("env-doubles", of(many(60, doubling)), Told(ERROR, too_long)),
        (
            "env-nowhere",
            of(many(1_000, nowhere)),
            Told(INVALID, "and 968 more"),
        ),
        ("env-noted", of(many(1_000, noted)), Told(ERROR, too_long)),
        (
            "env-from",
            container(json!({ "envFrom": many(1_000, copied) })),
            Told(ERROR, too_long),
        ),
        (
            "env-names",
            of(vec![json!({ "name": "a=b\u{1b}[2J\n", "value": "1" })]),
            Told(INVALID, "a=b"),
        ),
        (
            "env-nul",
            of(vec![json!({ "name": "A", "value": "a\u{0}b" })]),
            Told(INVALID, "\"A\" cannot be given"),
        ),
        (
            "command-long",
            container(
                json!({ "env": [{ "name": "LONG", "value": long }], "command": many(500, word) }),
            ),
            Told(ERROR, "its command takes more than 65536 bytes"),
        ),
    ]
}

/// Volumes and where they are seen.
fn volumes() -> Vec<(&'static str, Value, Fate)> {
    let empty = |name: &str| json!({ "name": name, "emptyDir": {} });
    let at = |name: &str, path: &str| json!({ "name": name, "mountPath": path });
    let copies = |n: usize| json!({ "key": "blob", "path": format!("f{n}") });
    let maps = |n: usize| json!({ "configMap": { "name": format!("map-{n}"), "optional": true } });
    let blobs = |_| json!({ "configMap": { "name": "blob" } });
    let one = |source: Value| {
        let mut volume = source;
        volume["name"] = json!("v");
        mounted(json!([volume]), json!([at("v", "/v")]))
    };
    vec![
        (
            "mount-root",
            mounted_at("/"),
            Told(INVALID, "is no absolute path of a folder"),
        ),
        (
            "mount-up",
            mounted_at("/a/../../etc"),
            Told(INVALID, "is no absolute path of a folder"),
        ),
        (
            "mount-relative",
            mounted_at("a"),
            Told(INVALID, "is no absolute path of a folder"),
        ),
        (
            "mount-workspace",
            mounted_at("/workspace/x"),
            Told(INVALID, "lies over a folder that every session has"),
        ),
        ("mount-control", mounted_at("/a\u{1b}]0;x\u{7}"), Serves),
        ("mount-deep", mounted_at(&"/d".repeat(2_000)), Serves),
        (
            "mount-over",
            mounted(
                json!([empty("a"), empty("b")]),
                json!([at("a", "/m"), at("b", "/m/n"), at("a", "/m/n/o")]),
            ),
            Told(INVALID, "lie one in the other"),
        ),
        (
            "volume-up",
            mounted(json!([empty("../../up")]), json!([at("../../up", "/m")])),
            Told(INVALID, "is no name of a volume"),
        ),
        (
            "volume-many",
            mounted(json!(many(2_000, |n| empty(&format!("v{n}")))), json!([])),
            Told(INVALID, "volumes are 2000, and a session has 32 at most"),
        ),
        (
            "mounts-many",
            mounted(
                json!([empty("v")]),
                json!(many(2_000, |n| at("v", &format!("/m{n}")))),
            ),
            Told(
                INVALID,
                "volumeMounts are 2000, and a session has 32 at most",
            ),
        ),
        (
            "maps-many",
            one(json!({ "projected": { "sources": many(500, maps) } })),
            Told(
                INVALID,
                "need 500 ConfigMaps and Secrets, and 32 are possible",
            ),
        ),
        (
            "map-copies",
            one(json!({ "configMap": { "name": "blob", "items": many(2_000, copies) } })),
            Told(ERROR, "its volumes hold more than 4194304 bytes"),
        ),
        (
            "map-again",
            one(json!({ "projected": { "sources": many(500, blobs) } })),
            Serves,
        ),
        (
            "map-binary",
            one(json!({ "configMap": { "name": "blob" } })),
            Serves,
        ),
        (
            "map-up",
            one(
                json!({ "configMap": { "name": "blob", "items": [{ "key": "blob", "path": "../../x" }] } }),
            ),
            Told(INVALID, "which is not below it"),
        ),
    ]
}

/// All else.
fn others() -> Vec<(&'static str, Value, Fate)> {
    let unknown = "is no reference of an image";
    vec![
        (
            "image-empty",
            with_image(""),
            Told(INVALID, "is not known to be wasm"),
        ),
        (
            "image-control",
            with_image("a\u{1b}[31m\r\n\u{0}b"),
            Told(ERROR, unknown),
        ),
        (
            "image-long",
            with_image(&"a/".repeat(5_000)),
            Told(ERROR, "longer than any"),
        ),
        (
            "image-local",
            with_image("127.0.0.1:7443/a/b:1"),
            Told(ERROR, "--insecure-registry"),
        ),
        (
            "image-path",
            with_image("../../../etc/passwd"),
            Told(ERROR, unknown),
        ),
        (
            "memory-negative",
            with_memory("-1"),
            Told(INVALID, "is no quantity"),
        ),
        ("memory-gigantic", with_memory("8E"), Told(INVALID, "4Gi")),
        (
            "memory-endless",
            with_memory(&"9".repeat(5_000)),
            Told(INVALID, "is no quantity"),
        ),
        ("memory-tiny", with_memory("1m"), Told(INVALID, "64Ki")),
        (
            "deadline-endless",
            of_pod(json!({ "activeDeadlineSeconds": i64::MAX })),
            Told(INVALID, "activeDeadlineSeconds"),
        ),
        (
            "nodes-none",
            of_pod(json!({ "nodeSelector": { "\u{1b}[2J": "x".repeat(100_000) } })),
            Waits("affinity/selector"),
        ),
        (
            "folder",
            container(json!({ "workingDir": "/../.." })),
            Told(INVALID, "workingDir"),
        ),
        (
            "folder-other",
            container(json!({ "workingDir": "/etc" })),
            Told(INVALID, "lies neither in /workspace"),
        ),
    ]
}

fn conditions(sandbox: &Sandbox) -> &[Condition] {
    let status = sandbox.status.as_ref();
    status
        .map(|it| it.conditions.as_slice())
        .unwrap_or_default()
}

/// What a condition says, as far as it is worth reading.
fn tell(condition: &Condition) -> String {
    let Condition {
        type_,
        status,
        reason,
        message,
        ..
    } = condition;
    let message: String = message.chars().take(300).collect();
    format!("{type_}={status} {reason} {message}")
}

/// Whether it has come to what it was to come to.
fn has_come(sandbox: &Sandbox, fate: &Fate) -> bool {
    let said = |type_: &str, status: &str, reason: &str, part: &str| {
        conditions(sandbox).iter().any(|it| {
            let words = [&it.type_, &it.status, &it.reason];
            words == [type_, status, reason] && it.message.contains(part)
        })
    };
    match fate {
        Told(reason, part) => said("Ready", "False", reason, part),
        Waits(part) => said("PodScheduled", "False", "Unschedulable", part),
        Serves => said("Ready", "True", "DependenciesReady", ""),
    }
}

/// How often the containers of the controller and of node hosts were started
/// again, and the memory of each.
async fn hosts(story: &Story) -> (i32, BTreeMap<String, f64>) {
    let pods: Api<Pod> = Api::namespaced(story.client.clone(), SYSTEM);
    let pods = pods.list(&ListParams::default()).await.unwrap().items;
    let (mut restarts, mut memory) = (0, BTreeMap::new());
    for pod in pods {
        let name = pod.name_any();
        let statuses = pod.status.and_then(|it| it.container_statuses);
        restarts += statuses
            .iter()
            .flatten()
            .map(|it| it.restart_count)
            .sum::<i32>();
        let (port, metric) = match pod
            .metadata
            .labels
            .unwrap_or_default()
            .get("app")
            .map(String::as_str)
        {
            Some("agent-sandbox-controller") => (8080, "process_resident_memory_bytes"),
            Some("mote-node") => (7444, "mote_process_resident_memory_bytes"),
            _ => continue,
        };
        let path = format!("/api/v1/namespaces/{SYSTEM}/pods/{name}:{port}/proxy/metrics");
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        let page = Scrape::new(story.client.request_text(request).await.unwrap());
        memory.insert(name, page.sum(metric, &[]));
    }
    (restarts, memory)
}

/// The controller and node hosts are those of before, and not much larger.
async fn are_well(story: &Story, (restarts, memory): (i32, BTreeMap<String, f64>)) {
    let (restarts_now, memory_now) = hosts(story).await;
    assert_eq!(restarts, restarts_now);
    for (pod, after) in memory_now {
        let growth = after - memory[&pod];
        println!("{pod}: {:.0} MiB more", growth / MEBIBYTE as f64);
        assert!(growth < MAX_GROWTH, "{pod}: {growth} bytes");
    }
}

/// What the nasty ones name.
async fn config_maps(story: &Story) {
    let bytes = ByteString(vec![0xff; MEBIBYTE - 1024]);
    let blob = json!({ "metadata": { "name": "blob" }, "binaryData": { "blob": bytes } });
    story.create::<ConfigMap>(blob).await;
    let text = "x".repeat(MEBIBYTE / 2);
    let text = json!({ "metadata": { "name": "text" }, "data": { "KEY": text } });
    story.create::<ConfigMap>(text).await;
}

/// A good Sandbox serves soon, whatever is made meanwhile.
async fn a_good_one_is_prompt(story: &Story) {
    let began = Instant::now();
    story
        .create::<Sandbox>(sandbox("good", session("wasm")))
        .await;
    let good = story
        .until_ready_is("good", "True", "DependenciesReady")
        .await;
    let took = began.elapsed();
    println!("a good one took {took:?}");
    assert!(took < PROMPT, "{took:?}");
    let address = &good.status.as_ref().unwrap().pod_ips[0];
    assert_eq!(execute(address, "echo hi").unwrap(), "hi\n");
}

#[tokio::test]
async fn the_nastiest_sandboxes_are_told_or_serve_and_hurt_nobody_else() {
    let _alone = ALONE.lock().await;
    let story = Story::begin("hostile").await;
    let before = hosts(&story).await;
    config_maps(&story).await;
    let rows: Vec<_> = [environments(), volumes(), others()]
        .into_iter()
        .flatten()
        .collect();
    let nasty = rows.iter().map(|(name, pod, _)| {
        let mut nasty = sandbox(name, pod.clone());
        let large = json!({ "annotations": { "large": "\u{1b}x".repeat(64 << 10) } });
        // Variables read what its pod would carry.
        if *name == "env-noted" {
            nasty["spec"]["podTemplate"]["metadata"] = large;
        } else {
            nasty["metadata"]["annotations"] = large["annotations"].clone();
        }
        story.create::<Sandbox>(nasty)
    });
    join_all(nasty).await;
    a_good_one_is_prompt(&story).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut wrong = Vec::new();
    for (name, _, fate) in &rows {
        let come = story.until(name, "as it should be", |it: &Sandbox| has_come(it, fate));
        let come = tokio::time::timeout_at(deadline, come).await;
        let last = match come {
            Ok(come) => come,
            Err(_) => story.get::<Sandbox>(name).await,
        };
        let told: Vec<_> = conditions(&last).iter().map(tell).collect();
        let plain = told.iter().all(|it| !it.contains(char::is_control));
        if !has_come(&last, fate) || !plain {
            wrong.push((name, told));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    are_well(&story, before).await;
    story.end().await;
}

#[tokio::test]
async fn a_claim_by_a_nasty_template_says_what_its_sandbox_says() {
    let story = Story::begin("hostile").await;
    let large = json!([{ "name": "A", "value": "x".repeat(MEBIBYTE) }]);
    let nasty = container(json!({ "env": large }));
    story
        .create::<SandboxTemplate>(open_template("t", nasty))
        .await;
    story.create::<SandboxWarmPool>(pool("p", "t", 2)).await;
    story.create::<SandboxClaim>(claim("c", "p")).await;
    let told = |claim: &SandboxClaim| {
        let conditions = claim.status.iter().flat_map(|it| &it.conditions);
        let mut ready = conditions.filter(|it| it.type_ == "Ready" && it.status == "False");
        ready.any(|it| it.message.contains("the environment takes"))
    };
    story.until("c", "told", told).await;
    story.end().await;
}

#[tokio::test]
async fn a_rush_of_sandboxes_with_as_many_files_as_may_be_is_no_more_than_the_controller_holds() {
    let _alone = ALONE.lock().await;
    let story = Story::begin("hostile").await;
    config_maps(&story).await;
    let before = hosts(&story).await;
    let copy = |n: usize| json!({ "key": "blob", "path": format!("f{n}") });
    let files = json!([{ "name": "v", "configMap": { "name": "blob", "items": many(4, copy) } }]);
    let pod = mounted(files, json!([{ "name": "v", "mountPath": "/v" }]));
    let names = many(RUSH, |n| format!("s{n}"));
    let large = names
        .iter()
        .map(|name| story.create::<Sandbox>(sandbox(name, pod.clone())));
    join_all(large).await;
    a_good_one_is_prompt(&story).await;
    for name in &names {
        story
            .until_ready_is(name, "True", "DependenciesReady")
            .await;
    }
    are_well(&story, before).await;
    story.end().await;
}
