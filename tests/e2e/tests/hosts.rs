//! Node hosts: which addresses they give, and how they and the controller know
//! each other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

use std::sync::LazyLock;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use mote_controller::crd::{Condition, Sandbox};
use mote_controller::wasm::{AUTHORITY_SECRET, NODE_SECRET};
use mote_e2e::{
    Authority, StandIn, Story, execute, kubectl, nodes, own_node, prefixes, readdress, session_on,
};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

const SYSTEM: &str = "agent-sandbox-system";
const CONTROLLER: &str = "deployment/agent-sandbox-controller";
const READY: &str = "DependenciesReady";

/// Stories change node hosts and the controller: one at a time.
static ALONE: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);

async fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().await
}

/// A sandbox with a service, on this node.
fn served(node: &str) -> Value {
    mote_e2e::served("s", session_on(node))
}

fn ready(sandbox: &Sandbox) -> Option<&Condition> {
    let status = sandbox.status.as_ref()?;
    status.conditions.iter().find(|it| it.type_ == "Ready")
}

fn addresses(sandbox: &Sandbox) -> Vec<String> {
    let status = sandbox.status.as_ref();
    status
        .map(|status| status.pod_ips.clone())
        .unwrap_or_default()
}

#[tokio::test]
async fn a_sandbox_has_an_address_and_an_endpoint_slice_of_each_family() {
    let _alone = alone().await;
    let story = Story::begin("hosts").await;
    let node = nodes().swap_remove(0);
    story.create::<Sandbox>(served(&node)).await;
    let before = addresses(&story.until_ready_is("s", "True", READY).await);
    assert_eq!(before.len(), 1, "{before:?}");
    execute(&before[0], "sh -c 'echo kept > file'").unwrap();

    let second = readdress(&node, &format!("{},fd00:e2e::/64", prefixes(&node)));
    let both = story
        .until::<Sandbox>("s", "at two addresses", |it| addresses(it).len() == 2)
        .await;
    let both = addresses(&both);
    assert_eq!(both[0], before[0]);
    assert!(both[1].starts_with("fd00:e2e::"), "{both:?}");
    story.until_ready_is("s", "True", READY).await;
    for (name, family, address) in [
        ("s-session", "IPv4", &both[0]),
        ("s-session-ipv6", "IPv6", &both[1]),
    ] {
        let leads = |it: &EndpointSlice| {
            let endpoints = it.endpoints.as_deref().unwrap_or_default();
            it.address_type == family && endpoints[0].addresses == [address.clone()]
        };
        story.until(name, "led to the session", leads).await;
    }
    assert_eq!(
        execute(&format!("[{}]", both[1]), "cat file").unwrap(),
        "kept\n"
    );

    drop(second);
    let after = story
        .until::<Sandbox>("s", "at one address", |it| addresses(it) == before)
        .await;
    assert_eq!(addresses(&after), before);
    story.until_gone::<EndpointSlice>("s-session-ipv6").await;
    story.end().await;
}

#[tokio::test]
async fn why_a_node_host_does_not_start_is_told_by_the_sandboxes_of_its_node() {
    let _alone = alone().await;
    let story = Story::begin("hosts").await;
    let node = nodes().swap_remove(0);
    story.create::<Sandbox>(served(&node)).await;
    let before = addresses(&story.until_ready_is("s", "True", READY).await);
    execute(&before[0], "sh -c 'echo kept > file'").unwrap();

    // The node's own address is in it.
    let path = "jsonpath={.status.addresses[0].address}";
    let own = kubectl(&["get", "node", &node, "-o", path]);
    let overlapping = readdress(&node, &format!("{own}/24"));
    let told = |it: &Sandbox| {
        let ready = ready(it);
        ready.is_some_and(|it| it.status == "False" && it.message.contains("does not start"))
    };
    let unready = story.until::<Sandbox>("s", "told why", told).await;
    let message = &ready(&unready).unwrap().message;
    let sentence = format!("overlaps {own}/32, which node {node} has; choose another");
    assert!(message.contains(&sentence), "{message}");

    drop(overlapping);
    let back = story.until_ready_is("s", "True", READY).await;
    assert_eq!(addresses(&back), before);
    assert_eq!(execute(&before[0], "cat file").unwrap(), "kept\n");
    story.end().await;
}

fn restart_controller() {
    kubectl(&["-n", SYSTEM, "rollout", "restart", CONTROLLER]);
    let status = [
        "-n",
        SYSTEM,
        "rollout",
        "status",
        CONTROLLER,
        "--timeout=90s",
    ];
    kubectl(&status);
}

/// Asks the kubelets to look at node hosts' Secret now, and not within a minute.
fn hurry_kubelets() {
    let at = format!("mote.dev/e2e-looked={}", Timestamp::now().as_millisecond());
    let all = ["-n", SYSTEM, "annotate", "--overwrite", "pods", "-l"];
    kubectl(&[&all[..], &["app=mote-node", &at]].concat());
}

fn text(secret: &Secret, name: &str) -> String {
    let data = secret.data.as_ref().and_then(|data| data.get(name));
    String::from_utf8(data.expect("a part").0.clone()).unwrap()
}

#[tokio::test]
async fn an_authority_near_its_end_is_followed_by_another_which_both_sides_trust() {
    let _alone = alone().await;
    let story = Story::begin("hosts").await;
    let node = nodes().swap_remove(0);
    story.create::<Sandbox>(served(&node)).await;
    let served = story.until_ready_is("s", "True", READY).await;

    let secrets: Api<Secret> = Api::namespaced(story.client.clone(), SYSTEM);
    let old = Authority::old();
    let certificate = old.certificates();
    let old = json!({ "stringData": { "ca.crt": certificate, "ca.key": old.key() }});
    let patched = secrets
        .patch(
            AUTHORITY_SECRET,
            &PatchParams::default(),
            &Patch::Merge(old),
        )
        .await;
    patched.unwrap();
    restart_controller();
    // It is another one than node hosts know; they say so until they hear of it.
    let refused = |it: &Sandbox| {
        ready(it).is_some_and(|it| {
            let told = it
                .message
                .contains("of an authority that the controller does not know");
            it.status == "False" && told && it.message.contains(NODE_SECRET)
        })
    };
    story
        .until::<Sandbox>("s", "refused for its authority", refused)
        .await;
    hurry_kubelets();
    let again = story.until_ready_is("s", "True", READY).await;
    assert_eq!(addresses(&again), addresses(&served));

    let (authorities, given) = (
        secrets.get(AUTHORITY_SECRET).await.unwrap(),
        secrets.get(NODE_SECRET).await.unwrap(),
    );
    let trusted = text(&authorities, "ca.crt");
    assert!(
        trusted.starts_with(certificate),
        "the old one is there still"
    );
    assert_eq!(trusted.matches("BEGIN CERTIFICATE").count(), 2);
    assert_eq!(text(&authorities, "ca.key").matches("BEGIN").count(), 2);
    assert_eq!(text(&given, "ca.crt"), trusted);
    story.end().await;
}

/// What a sandbox says that is on a node, and one that could be there alone.
const THERE: (&str, &str, &str) = ("s", "Ready", "DependenciesNotReady");
const WAITS: (&str, &str, &str) = ("waits", "PodScheduled", "Unschedulable");

/// Waits until a condition that is not so tells this of the host of the node.
async fn says(story: &Story, (name, type_, reason): (&str, &str, &str), part: &str) {
    let told = |it: &Sandbox| {
        let conditions = it.status.iter().flat_map(|it| &it.conditions);
        let mut of_this = conditions.filter(|it| it.type_ == type_ && it.reason == reason);
        of_this.any(|it| it.status == "False" && it.message.contains(part))
    };
    let what = format!("{type_}=False {reason}: {part}");
    story.until::<Sandbox>(name, &what, told).await;
}

#[tokio::test]
async fn a_node_host_that_is_not_to_be_listened_to_is_told_by_who_is_there_and_who_would_be() {
    let _alone = alone().await;
    let story = Story::begin("hosts").await;
    let (node, _) = own_node().await;
    story.create::<Sandbox>(served(&node)).await;
    let before = addresses(&story.until_ready_is("s", "True", READY).await);
    execute(&before[0], "sh -c 'echo kept > file'").unwrap();

    let stand_in = StandIn::begin(&story.client).await;
    let mut waits = served(&node);
    waits["metadata"]["name"] = json!("waits");
    story.create::<Sandbox>(waits).await;
    says(&story, WAITS, "had no node host that answers").await;
    let ours = Authority::of_cluster(&story.client).await;
    let own = env!("CARGO_PKG_VERSION");
    for (card, version, why) in [
        (
            ours.node_host(),
            "9.0.0",
            "its node host is of version \"9.0.0\" and this controller of",
        ),
        (
            ours.expired_node_host(),
            own,
            "the certificate of its node host has expired",
        ),
        (
            Authority::unknown().node_host(),
            own,
            "is of an authority that the controller does not know",
        ),
    ] {
        let served = stand_in.serve(card, version).await;
        for sandbox in [THERE, WAITS] {
            says(&story, sandbox, why).await;
        }
        served.end().await;
    }

    drop(stand_in);
    let back = story.until_ready_is("s", "True", READY).await;
    assert_eq!(addresses(&back), before);
    assert_eq!(execute(&before[0], "cat file").unwrap(), "kept\n");
    story.until_ready_is("waits", "True", READY).await;
    story.end().await;
}
