//! Sessions on two nodes: where they go, and what becomes of them when a node
//! is cordoned, tainted, cut off, killed or gone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

use std::process::{Command, Output};
use std::sync::LazyLock;

use k8s_openapi::api::core::v1::Event;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;
use mote_controller::crd::{Condition, Sandbox};
use mote_e2e::{
    Hosts, Story, cordon, cut_off, execute, kill_controller, kill_process, patience, session,
    taint, two_nodes, without_host,
};
use mote_rpc::v1::Session;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Duration, interval, timeout};

/// Stories change the nodes: one at a time.
static ALONE: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);
/// What a node that is off and stays off is tainted with.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute";
/// How soon what nobody tells of is looked at again.
const LOOK: Duration = Duration::from_millis(200);
/// How long a session that is left over may stay: it is looked for at once
/// when its node is heard, and every ten seconds.
const SWEPT: Duration = Duration::from_secs(30);
/// How long a caller may wait for the word that its call is lost.
const TOLD: Duration = Duration::from_secs(15);

async fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().await
}

/// A sandbox with a service.
fn served(name: &str) -> Value {
    mote_e2e::served(name, session("wasm"))
}

fn address(sandbox: &Sandbox) -> String {
    sandbox.status.as_ref().unwrap().pod_ips[0].clone()
}

fn node(sandbox: &Sandbox) -> &str {
    let status = sandbox.status.as_ref();
    let name = status.and_then(|status| status.node_name.as_deref());
    name.unwrap_or_default()
}

fn ready(sandbox: &Sandbox) -> Option<&Condition> {
    let status = sandbox.status.as_ref()?;
    status.conditions.iter().find(|it| it.type_ == "Ready")
}

async fn serving(story: &Story, name: &str) -> Sandbox {
    story
        .until_ready_is(name, "True", "DependenciesReady")
        .await
}

/// Waits until a sandbox serves on this node.
async fn serving_on(story: &Story, name: &str, on: &str) -> Sandbox {
    story
        .until(name, &format!("ready on {on}"), |sandbox: &Sandbox| {
            node(sandbox) == on && ready(sandbox).is_some_and(|it| it.status == "True")
        })
        .await
}

/// Waits until nobody answers at an address any more.
async fn until_silent(address: &str) {
    let mut looks = interval(LOOK);
    let silent = async {
        while execute(address, "true").is_ok() {
            looks.tick().await;
        }
    };
    timeout(SWEPT, silent)
        .await
        .unwrap_or_else(|_| panic!("{address} still answers after {SWEPT:?}"));
}

/// Waits until an event of this reason was told of a sandbox; its note.
async fn told(story: &Story, name: &str, reason: &str) -> String {
    let about = |event: &Event| {
        event.involved_object.name.as_deref() == Some(name)
            && event.reason.as_deref() == Some(reason)
    };
    let events = story
        .until_all("", &format!("{reason} of {name}"), |events: &[Event]| {
            events.iter().any(about)
        })
        .await;
    let event = events.into_iter().find(about).unwrap();
    event.message.unwrap()
}

/// `light`, which has no files, and `heavy`, which has one, both on `on`.
async fn two_sandboxes(story: &Story, on: &str, other: &str) -> (Sandbox, Sandbox) {
    let elsewhere = cordon(other);
    for name in ["light", "heavy"] {
        story.create::<Sandbox>(served(name)).await;
    }
    let light = serving_on(story, "light", on).await;
    let heavy = serving_on(story, "heavy", on).await;
    drop(elsewhere);
    execute(&address(&heavy), "sh -c 'echo kept > file'").unwrap();
    (light, heavy)
}

#[tokio::test]
async fn sessions_of_a_namespace_share_a_node_unless_they_want_another() {
    let _alone = alone().await;
    let story = Story::begin("nodes").await;
    for name in ["a", "b", "c"] {
        story.create::<Sandbox>(served(name)).await;
    }
    let first = serving(&story, "a").await;
    let home = node(&first).to_owned();
    for name in ["b", "c"] {
        assert_eq!(node(&serving(&story, name).await), home);
    }
    let nodes = two_nodes();
    let other = nodes.iter().find(|it| **it != home).unwrap();
    let mut picky = served("picky");
    picky["spec"]["podTemplate"]["spec"]["nodeSelector"] =
        json!({ "kubernetes.io/hostname": other });
    story.create::<Sandbox>(picky).await;
    assert_eq!(node(&serving(&story, "picky").await), other);
    // What is there stays, and nothing new comes.
    let cordoned = cordon(&home);
    story.create::<Sandbox>(served("late")).await;
    assert_eq!(node(&serving(&story, "late").await), other);
    assert_eq!(execute(&address(&first), "echo hi").unwrap(), "hi\n");
    assert_eq!(node(&story.get::<Sandbox>("a").await), home);
    drop(cordoned);
    story.end().await;
}

#[tokio::test]
async fn a_node_that_is_to_be_emptied_keeps_only_sandboxes_with_files() {
    let _alone = alone().await;
    let story = Story::begin("nodes").await;
    let [one, two] = two_nodes();
    let (light, heavy) = two_sandboxes(&story, &two, &one).await;
    let tainted = taint(&two, "example.com/maintenance:NoExecute");
    let moved = serving_on(&story, "light", &one).await;
    assert!(execute(&address(&light), "true").is_err());
    assert_eq!(execute(&address(&moved), "echo hi").unwrap(), "hi\n");
    let note = told(&story, "light", "SessionMoved").await;
    assert!(note.contains("example.com/maintenance:NoExecute"), "{note}");
    let note = told(&story, "heavy", "SessionStays").await;
    assert!(note.contains("holds the files of this sandbox"), "{note}");
    assert_eq!(execute(&address(&heavy), "cat file").unwrap(), "kept\n");
    assert_eq!(node(&story.get::<Sandbox>("heavy").await), two);
    drop(tainted);
    story.end().await;
}

#[tokio::test]
async fn a_node_that_is_cut_off_is_left_by_what_has_no_files_and_nothing_lives_twice() {
    let _alone = alone().await;
    let story = Story::begin("nodes").await;
    let [one, two] = two_nodes();
    let (light, heavy) = two_sandboxes(&story, &two, &one).await;
    let old = address(&light);
    let cut = cut_off(&two);
    let moved = serving_on(&story, "light", &one).await;
    assert_eq!(execute(&address(&moved), "echo hi").unwrap(), "hi\n");
    let slice = story.get::<EndpointSlice>("light-session").await;
    assert_eq!(slice.endpoints.unwrap()[0].addresses, [address(&moved)]);
    // Nobody can tell it to stop; nothing leads there any more.
    assert_eq!(execute(&old, "echo hi").unwrap(), "hi\n");
    let waits = |sandbox: &Sandbox| {
        let message = ready(sandbox)
            .map(|it| it.message.as_str())
            .unwrap_or_default();
        message.contains(&format!("node {two} is not heard"))
            && message.contains("may hold files of this sandbox")
    };
    let waiting = story.until("heavy", "waiting for its node", waits).await;
    assert_eq!(ready(&waiting).unwrap().reason, "DependenciesNotReady");
    drop(cut);
    let back = serving_on(&story, "heavy", &two).await;
    assert_eq!(address(&back), address(&heavy));
    assert_eq!(execute(&address(&back), "cat file").unwrap(), "kept\n");
    until_silent(&old).await;
    assert_eq!(execute(&address(&moved), "echo hi").unwrap(), "hi\n");
    let sessions = Hosts::open(&story.client).await.sessions().await.unwrap();
    let ours = sessions
        .iter()
        .filter(|(_, it)| it.namespace == story.namespace);
    assert_eq!(ours.count(), 2, "{sessions:?}");
    story.end().await;
}

#[tokio::test]
async fn a_session_that_was_given_up_for_a_pod_ends_when_its_node_is_heard_again() {
    let _alone = alone().await;
    let story = Story::begin("nodes").await;
    let [one, two] = two_nodes();
    let elsewhere = cordon(&one);
    let auto = mote_e2e::served("auto", session("wasm-auto"));
    story.create::<Sandbox>(auto).await;
    let old = address(&serving_on(&story, "auto", &two).await);
    drop(elsewhere);
    let mut pod = patience();
    pod["runtimeClassName"] = json!("wasm-auto");
    let template = json!({ "spec": { "podTemplate": { "spec": pod } } });
    story.patch::<Sandbox>("auto", template).await;
    let cut = cut_off(&two);
    let is_pod = |sandbox: &Sandbox| {
        let serves = ready(sandbox).is_some_and(|it| it.status == "True");
        serves && sandbox.annotations()["mote.dev/tier"] == "pod"
    };
    story.until("auto", "a pod", is_pod).await;
    // Nobody can tell it to stop.
    assert_eq!(execute(&old, "echo hi").unwrap(), "hi\n");
    drop(cut);
    until_silent(&old).await;
    let sessions = Hosts::open(&story.client).await.sessions().await.unwrap();
    let ours = |session: &Session| session.namespace == story.namespace;
    assert!(!sessions.iter().any(|(_, it)| ours(it)), "{sessions:?}");
    assert!(is_pod(&story.get::<Sandbox>("auto").await));
    story.end().await;
}

#[tokio::test]
async fn what_stands_still_on_a_node_that_is_cut_off_has_its_files_whatever_is_asked_of_it() {
    let _alone = alone().await;
    let story = Story::begin("nodes").await;
    let [one, two] = two_nodes();
    let (_, heavy) = two_sandboxes(&story, &two, &one).await;
    let mode = |mode: &str| json!({ "spec": { "operatingMode": mode } });
    let rests = |sandbox: &Sandbox| {
        let conditions = sandbox.status.iter().flat_map(|it| &it.conditions);
        let mut suspended = conditions.filter(|it| it.type_ == "Suspended");
        suspended.any(|it| it.status == "True") && node(sandbox) == two
    };
    let waits = |sandbox: &Sandbox| {
        let now = sandbox.metadata.generation;
        let not_heard = format!("node {two} is not heard");
        ready(sandbox)
            .is_some_and(|it| it.observed_generation == now && it.message.contains(&not_heard))
            && node(sandbox) == two
    };
    story.patch::<Sandbox>("heavy", mode("Suspended")).await;
    story.until("heavy", "suspended", rests).await;
    let cut = cut_off(&two);
    story.patch::<Sandbox>("heavy", mode("Running")).await;
    story.until("heavy", "waiting for its node", waits).await;
    story.patch::<Sandbox>("heavy", mode("Suspended")).await;
    story.until("heavy", "suspended there", rests).await;
    kill_controller();
    story.patch::<Sandbox>("heavy", mode("Running")).await;
    story.until("heavy", "waiting still", waits).await;
    drop(cut);
    let back = serving_on(&story, "heavy", &two).await;
    assert_eq!(address(&back), address(&heavy));
    assert_eq!(execute(&address(&back), "cat file").unwrap(), "kept\n");
    story.end().await;
}

#[tokio::test]
async fn what_has_files_goes_on_without_them_only_when_its_node_is_out_of_service() {
    let _alone = alone().await;
    let story = Story::begin("nodes").await;
    let [one, two] = two_nodes();
    let (_, heavy) = two_sandboxes(&story, &two, &one).await;
    let off = without_host(&two);
    story
        .until("heavy", "without its node", |sandbox: &Sandbox| {
            ready(sandbox).is_some_and(|it| {
                it.status == "False" && it.message.contains(&format!("node {two} is not heard"))
            })
        })
        .await;
    let out = taint(&two, OUT_OF_SERVICE);
    let anew = serving_on(&story, "heavy", &one).await;
    assert_eq!(execute(&address(&anew), "sh -c 'ls'").unwrap(), "");
    let note = told(&story, "heavy", "SessionFilesLost").await;
    assert!(
        note.contains(&format!("node {two} is out of service")),
        "{note}"
    );
    serving_on(&story, "light", &one).await;
    // Its node comes back, and has nothing of them any more.
    drop(out);
    drop(off);
    let hosts = Hosts::open(&story.client).await;
    let mut looks = interval(LOOK);
    let swept = async {
        loop {
            looks.tick().await;
            let Ok(all) = hosts.sessions().await else {
                continue;
            };
            let ours = || all.iter().filter(|(_, it)| it.namespace == story.namespace);
            let there = mote_e2e::nodes().contains(&two);
            if there && ours().all(|(node, _)| *node == one) && ours().count() == 2 {
                return;
            }
        }
    };
    timeout(SWEPT * 2, swept)
        .await
        .expect("what was left is swept away");
    until_silent(&address(&heavy)).await;
    story.end().await;
}

/// A call that lasts longer than anybody waits here, directly or by the router.
fn long_call(namespace: &str, address: &str, number: usize, routed: bool) -> Command {
    let line = format!("sh -c 'echo > begun-{number}; sleep 120'");
    let body = json!({ "command": line }).to_string();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "60"]);
    curl.args(["--write-out", "\n%{http_code}", "--json", &body]);
    if routed {
        curl.args([
            "-H",
            "x-sandbox-id: s",
            "-H",
            &format!("x-sandbox-namespace: {namespace}"),
        ]);
        curl.arg("http://sandbox-router-svc.agent-sandbox-system.svc.cluster.local:8080/execute");
    } else {
        curl.arg(format!("http://{address}:8888/execute"));
    }
    curl
}

#[tokio::test]
async fn calls_that_a_killed_node_host_was_running_all_end_with_an_error_that_says_so() {
    /// Calls that run, half of them by the router.
    const CALLS: usize = 8;
    let _alone = alone().await;
    let story = Story::begin("nodes").await;
    story.create::<Sandbox>(served("s")).await;
    let sandbox = serving(&story, "s").await;
    let address = address(&sandbox);
    execute(&address, "sh -c 'echo kept > file'").unwrap();
    let calls: Vec<_> = (0..CALLS)
        .map(|number| {
            let mut call = long_call(&story.namespace, &address, number, number.is_multiple_of(2));
            (
                number,
                tokio::task::spawn_blocking(move || call.output().unwrap()),
            )
        })
        .collect();
    let mut looks = interval(LOOK);
    let begun = async {
        while execute(&address, "sh -c 'ls | grep -c begun'") != Ok(format!("{CALLS}\n")) {
            looks.tick().await;
        }
    };
    timeout(TOLD, begun).await.expect("all calls run");
    kill_process(node(&sandbox));
    for (number, call) in calls {
        let output = timeout(TOLD, call).await.expect("a word in time").unwrap();
        told_of_the_end(number, &output);
    }
    let back = serving(&story, "s").await;
    let (address, mut looks) = (self::address(&back), interval(LOOK));
    let again = async {
        // Its status may not know yet that it was away.
        while execute(&address, "cat file") != Ok("kept\n".to_owned()) {
            looks.tick().await;
        }
    };
    timeout(TOLD, again)
        .await
        .expect("files and address are there again");
    story.end().await;
}

/// By the router it is an answer; without, the connection's end.
fn told_of_the_end(number: usize, output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    if number.is_multiple_of(2) {
        let (body, status) = said.trim().rsplit_once('\n').unwrap();
        assert_eq!(status, "502", "{said}");
        let body: Value = serde_json::from_str(body).unwrap();
        assert!(
            body["detail"].as_str().is_some_and(|it| it.contains(" s")),
            "{said}"
        );
    } else {
        /// curl: the server closed without an answer, or broke the connection.
        const BROKEN: [i32; 2] = [52, 56];
        assert!(
            BROKEN.contains(&output.status.code().unwrap()),
            "{output:?}"
        );
    }
}
