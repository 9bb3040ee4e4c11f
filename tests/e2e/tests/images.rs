//! Images that nodes pull: what runs, who may have it, and what is said of
//! those that cannot be had.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

use std::collections::BTreeSet;
use std::net::{TcpListener, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, Secret};
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams};
use mote_controller::crd::Sandbox;
use mote_e2e::{Story, Undo, execute, insecure_registries, sandbox, session};
use mote_registry::{PASSWORD, Registry, USER, WASM, asks_for_more};
use serde_json::{Value, json};

/// The namespace of the controller.
const SYSTEM: &str = "agent-sandbox-system";
/// Ports of the registries, on the machine that tells the stories.
const OPEN: u16 = 15_000;
const LOCKED: u16 = 15_001;
const SILENT: u16 = 15_002;
const LATE: u16 = 15_003;

/// The registries of all stories: they are there from the first to the last.
struct Registries {
    open: Registry,
    locked: Registry,
    /// Takes connections, and says nothing.
    silent: TcpListener,
    /// Where there is no registry yet.
    late: String,
    nodes: Option<Undo>,
}

static SHARED: Mutex<Weak<Registries>> = Mutex::new(Weak::new());

/// An address of this machine at which nodes reach it.
async fn address(client: &kube::Client) -> String {
    let all = Api::<Node>::all(client.clone());
    let all = all.list(&ListParams::default()).await.unwrap();
    let found = all.items.iter().flat_map(|node| {
        let status = node.status.as_ref();
        status
            .and_then(|status| status.addresses.clone())
            .unwrap_or_default()
    });
    let node = found
        .into_iter()
        .find(|it| it.type_ == "InternalIP")
        .unwrap();
    // Nothing is sent: the system only says from where it would be.
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect((node.address, OPEN)).unwrap();
    socket.local_addr().unwrap().ip().to_string()
}

/// The registries, which node hosts may ask; with the first story they begin.
async fn registries(client: &kube::Client) -> Arc<Registries> {
    let address = address(client).await;
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(registries) = shared.upgrade() {
        return registries;
    }
    let [open, locked, silent, late] =
        [OPEN, LOCKED, SILENT, LATE].map(|port| format!("{address}:{port}"));
    let registries = Arc::new(Registries {
        open: Registry::open(&open),
        locked: Registry::locked(&locked),
        silent: TcpListener::bind(&silent).unwrap(),
        nodes: Some(insecure_registries(&[&open, &locked, &silent, &late])),
        late,
    });
    *shared = Arc::downgrade(&registries);
    registries
}

impl Drop for Registries {
    fn drop(&mut self) {
        // A story that begins now waits until the nodes are as they were.
        let _turn = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.nodes.take());
    }
}

/// A story with registries.
async fn begin() -> (Story, Arc<Registries>) {
    let story = Story::begin("images").await;
    let registries = registries(&story.client).await;
    (story, registries)
}

fn probe(name: &str) -> Vec<u8> {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../target/guests-out/probes"
    );
    std::fs::read(format!("{folder}/{name}.wasm")).expect("`make guests` makes it")
}

/// A program that no node has kept from earlier stories: a mark in a section
/// of its own makes it another.
fn unseen(mut program: Vec<u8>, mark: &str) -> Vec<u8> {
    let custom = wasm_encoder::CustomSection {
        name: "mark".into(),
        data: mark.as_bytes().into(),
    };
    wasm_encoder::ComponentSection::append_to_component(&custom, &mut program);
    program
}

fn of(class: &str, name: &str, image: &str) -> Value {
    let mut pod = session(class);
    pod["containers"][0]["image"] = json!(image);
    sandbox(name, pod)
}

async fn serving(story: &Story, name: &str) -> Sandbox {
    story
        .until_ready_is(name, "True", "DependenciesReady")
        .await
}

fn says(sandbox: &Sandbox, line: &str) -> String {
    let address = &sandbox.status.as_ref().unwrap().pod_ips[0];
    execute(address, line).unwrap()
}

#[tokio::test]
async fn the_program_of_an_image_runs_in_all_its_sandboxes_and_came_once_to_each_node() {
    let (story, registries) = begin().await;
    let open = &registries.open;
    let program = unseen(probe("counts_its_arguments"), &story.namespace);
    let digest = open.push("tools/count", "1", WASM, &program).await;
    let tag = open.image("tools/count:1");
    let names: Vec<String> = (0..8).map(|n| format!("s{n}")).collect();
    for name in &names {
        story.create::<Sandbox>(of("wasm", name, &tag)).await;
    }
    let pinned = open.image(&format!("tools/count@{digest}"));
    story.create::<Sandbox>(of("wasm", "pinned", &pinned)).await;
    let mut nodes = BTreeSet::new();
    for name in names.iter().map(String::as_str).chain(["pinned"]) {
        let sandbox = serving(&story, name).await;
        let told = says(&sandbox, "count a bc");
        assert!(told.contains("2 arguments of 3 bytes"), "{told}");
        nodes.insert(sandbox.status.unwrap().node_name.unwrap());
    }
    let pulls = open.requests("GET /v2/tools/count/blobs/");
    assert_eq!(pulls, nodes.len());
    assert!(story.list::<Pod>("").await.is_empty());
    story.end().await;
}

/// A Secret with a login to a registry, as `kubectl create secret
/// docker-registry` makes it.
fn login(name: &str, registry: &Registry, password: &str) -> Value {
    let auths = json!({ registry.authority(): { "username": USER, "password": password } });
    json!({
        "metadata": { "name": name },
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": { ".dockerconfigjson": json!({ "auths": auths }).to_string() },
    })
}

#[tokio::test]
async fn an_image_behind_a_login_is_for_sandboxes_that_name_the_secret() {
    let (story, registries) = begin().await;
    let locked = &registries.locked;
    let program = probe("counts_its_arguments");
    locked.push("tools/count", "1", WASM, &program).await;
    let image = locked.image("tools/count:1");
    let with = |name: &str, secret: &str| {
        let mut sandbox = of("wasm", name, &image);
        sandbox["spec"]["podTemplate"]["spec"]["imagePullSecrets"] = json!([{ "name": secret }]);
        sandbox
    };
    let right = login("right", locked, PASSWORD);
    story.create::<Secret>(right).await;
    let wrong = login("wrong", locked, "guessed");
    story.create::<Secret>(wrong).await;
    story.create::<Sandbox>(with("knows", "right")).await;
    let told = says(&serving(&story, "knows").await, "count a");
    assert!(told.contains("1 arguments"), "{told}");
    // It is on the node, and still not for everybody.
    story.create::<Sandbox>(of("wasm", "asks", &image)).await;
    story.create::<Sandbox>(with("guesses", "wrong")).await;
    story.create::<Sandbox>(with("lacks", "none")).await;
    for (name, part) in [
        ("asks", "name some in imagePullSecrets"),
        ("guesses", "not with these credentials"),
        ("lacks", "name some in imagePullSecrets"),
    ] {
        let message = refused(&story, name).await;
        assert!(message.contains(part), "{name}: {message}");
        assert!(!message.contains("guessed"), "{message}");
    }
    story.end().await;
}

/// Adds lines to what the operator says of images; what it said before.
async fn map_images(story: &Story, lines: &str) -> Value {
    let maps = Api::<ConfigMap>::namespaced(story.client.clone(), SYSTEM);
    let before = maps.get("mote-images").await.unwrap().data.unwrap();
    let after = format!("{}\n{lines}\n", before["images"]);
    say_of_images(story, json!({ "images": after })).await;
    json!(before)
}

async fn say_of_images(story: &Story, data: Value) {
    let maps = Api::<ConfigMap>::namespaced(story.client.clone(), SYSTEM);
    let patch = Patch::Merge(json!({ "data": data }));
    let params = PatchParams::default();
    maps.patch("mote-images", &params, &patch).await.unwrap();
}

#[tokio::test]
async fn an_operator_says_what_images_are_to_sandboxes_that_wait_and_to_later_ones() {
    let (story, registries) = begin().await;
    let open = &registries.open;
    let program = probe("counts_its_arguments");
    open.push("mapped/count", "1", WASM, &program).await;
    let pods = "registry.invalid/e2e/of-pods:3";
    story.create::<Sandbox>(of("wasm", "waits", pods)).await;
    let message = refused(&story, "waits").await;
    assert!(message.contains("registry.invalid"), "{message}");
    let lines = format!(
        "e2e/of-pods: x\nof-pods: mote.dev/base\n{}: wasm",
        open.image("mapped/count")
    );
    let before = map_images(&story, &lines).await;
    let waits = serving(&story, "waits").await;
    assert_eq!(says(&waits, "echo hi"), "hi\n");
    let pulled = open.image("mapped/count:1");
    for (name, image, line, told) in [
        ("mapped", pods, "echo hi", "hi\n"),
        ("pulled", pulled.as_str(), "count", "0 arguments of 0 bytes"),
    ] {
        story.create::<Sandbox>(of("wasm-auto", name, image)).await;
        let sandbox = serving(&story, name).await;
        assert_eq!(sandbox.annotations()["mote.dev/tier"], "wasm", "{name}");
        assert!(says(&sandbox, line).contains(told), "{name}");
    }
    assert!(story.list::<Pod>("").await.is_empty());
    say_of_images(&story, before).await;
    story.end().await;
}

/// The sentence by which a sandbox is refused.
async fn refused(story: &Story, name: &str) -> String {
    let told = story.until_ready_is(name, "False", "ReconcilerError").await;
    let status = told.status.unwrap();
    assert!(status.pod_ips.is_empty(), "{:?}", status.pod_ips);
    let ready = status.conditions.iter().find(|it| it.type_ == "Ready");
    let message = ready.unwrap().message.clone();
    assert!(!message.contains(char::is_control), "{message:?}");
    message
}

/// What is said of an image for which nothing can be done; each names it.
async fn bad(story: &Story, image: &str) -> String {
    story.create::<Sandbox>(of("wasm", "bad", image)).await;
    let message = refused(story, "bad").await;
    assert!(message.contains(&format!("image {image}: ")), "{message}");
    message
}

#[tokio::test]
async fn an_image_that_does_not_exist_is_told() {
    let (story, registries) = begin().await;
    let message = bad(&story, &registries.open.image("tools/none:1")).await;
    assert!(message.contains("has no such image; push it"), "{message}");
    story.end().await;
}

#[tokio::test]
async fn an_image_that_is_not_wasm_is_told() {
    let (story, registries) = begin().await;
    let open = &registries.open;
    let layers = "application/vnd.oci.image.layer.v1.tar+gzip";
    open.push("bad/layers", "1", layers, b"tar").await;
    let message = bad(&story, &open.image("bad/layers:1")).await;
    assert!(message.contains("no program of WebAssembly"), "{message}");
    // One that only says that it is.
    open.push("bad/noise", "1", WASM, b"no wasm").await;
    let noise = of("wasm", "noise", &open.image("bad/noise:1"));
    story.create::<Sandbox>(noise).await;
    let message = refused(&story, "noise").await;
    let part = "neither a component nor a module";
    assert!(message.contains(part), "{message}");
    story.end().await;
}

#[tokio::test]
async fn an_image_that_needs_what_no_session_has_is_told_with_what_it_needs() {
    let (story, registries) = begin().await;
    let open = &registries.open;
    open.push("bad/asks", "1", WASM, &asks_for_more()).await;
    let message = bad(&story, &open.image("bad/asks:1")).await;
    assert!(message.contains("imports do-harm"), "{message}");
    story.end().await;
}

#[tokio::test]
async fn an_image_that_is_too_large_is_told_before_it_is_pulled() {
    let (story, registries) = begin().await;
    let open = &registries.open;
    let mut layer = open.push_blob("bad/large", b"\0asm").await;
    layer["mediaType"] = json!(WASM);
    layer["size"] = json!(1_u64 << 30);
    open.push_manifest("bad/large", "1", layer).await;
    let message = bad(&story, &open.image("bad/large:1")).await;
    let part = "its program is of 1Gi; the most is 256Mi";
    assert!(message.contains(part), "{message}");
    assert_eq!(open.requests("GET /v2/bad/large/blobs/"), 0);
    story.end().await;
}

#[tokio::test]
async fn a_registry_that_hangs_is_told_and_keeps_nobody_else_waiting() {
    let (story, registries) = begin().await;
    let silent = registries.silent.local_addr().unwrap();
    let image = format!("{silent}/a/b:1");
    story.create::<Sandbox>(of("wasm", "hangs", &image)).await;
    story
        .create::<Sandbox>(sandbox("other", session("wasm")))
        .await;
    serving(&story, "other").await;
    let hangs = story.get::<Sandbox>("hangs").await;
    let ready = hangs.status.unwrap().conditions;
    let ready = ready.iter().find(|it| it.type_ == "Ready").unwrap();
    assert_eq!(ready.message, "Pod exists with phase: Pending");
    let message = refused(&story, "hangs").await;
    assert!(message.contains("says nothing for 15 s"), "{message}");
    story.end().await;
}

#[tokio::test]
async fn a_registry_at_an_address_of_the_cloud_is_not_asked() {
    let (story, _registries) = begin().await;
    let message = bad(&story, "169.254.169.254/latest/meta-data:1").await;
    assert!(message.contains("--insecure-registry"), "{message}");
    story.end().await;
}

#[tokio::test]
async fn a_registry_that_comes_later_is_found_without_anybodys_help() {
    let (story, registries) = begin().await;
    let late = &registries.late;
    // By a name that no node remembers from earlier stories.
    let tag = &story.namespace;
    let message = bad(&story, &format!("{late}/tools/count:{tag}")).await;
    assert!(
        message.contains("cannot be asked: Connection refused"),
        "{message}"
    );
    let registry = Registry::open(late);
    let program = probe("counts_its_arguments");
    registry.push("tools/count", tag, WASM, &program).await;
    let told = says(&serving(&story, "bad").await, "count a");
    assert!(told.contains("1 arguments"), "{told}");
    story.end().await;
}
