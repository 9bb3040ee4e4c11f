//! A node to which no prefix is routed: its sessions share its own addresses,
//! and the host of each request names one of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

use std::ffi::OsString;
use std::process::Command;
use std::sync::LazyLock;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use mote_controller::crd::{Sandbox, SandboxClaim, SandboxTemplate, SandboxWarmPool};
use mote_e2e::{
    Story, claim, execute, kubectl, open_template, patience, pool, readdress, sandbox, sdk, served,
    session_on, template, two_nodes,
};
use serde_json::{Value, json};
use tokio::net::lookup_host;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Duration, interval, timeout};

const READY: &str = "DependenciesReady";
/// How soon a name is looked up again.
const LOOK: Duration = Duration::from_millis(200);
/// How long a name may take until it leads to a sandbox: what was not there is
/// remembered for some seconds.
const NAMED: Duration = Duration::from_secs(40);
/// What whoever names nobody that it may call is told.
const TOLD: &str = "no sandbox that you may call here has the name in the Host header";

/// Stories change the addresses of a node: one at a time.
static ALONE: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);

async fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().await
}

/// The address by which the cluster calls a node.
fn internal(node: &str) -> String {
    let path = r#"jsonpath={.status.addresses[?(@.type=="InternalIP")].address}"#;
    kubectl(&["get", "node", node, "-o", path])
}

fn addresses(sandbox: &Sandbox) -> Vec<String> {
    let status = sandbox.status.clone().unwrap_or_default();
    status.pod_ips
}

/// The name of its service, once that leads to these addresses in the cluster's
/// DNS, which hears of it a moment later.
async fn service(sandbox: &Sandbox) -> String {
    let status = sandbox.status.clone().unwrap_or_default();
    let name = status.service_fqdn.unwrap();
    let leads = async {
        let mut looks = interval(LOOK);
        loop {
            looks.tick().await;
            let found = lookup_host((name.as_str(), 8080)).await;
            let found = found.into_iter().flatten().map(|it| it.ip().to_string());
            if found.collect::<Vec<_>>() == status.pod_ips {
                break;
            }
        }
    };
    let leads = timeout(NAMED, leads).await;
    leads.unwrap_or_else(|_| panic!("{name} does not lead to {:?}", status.pod_ips));
    name
}

/// Waits until a sandbox is ready at these addresses alone.
async fn serving_at(story: &Story, name: &str, wanted: &[String]) -> Sandbox {
    let there = |it: &Sandbox| addresses(it) == wanted;
    story.until(name, &format!("at {wanted:?}"), there).await;
    story.until_ready_is(name, "True", READY).await
}

/// Waits until a sandbox is ready at an address that is not one of these.
async fn own_again(story: &Story, name: &str, shared: &[String]) {
    let there = |it: &Sandbox| !addresses(it).is_empty() && addresses(it) != shared;
    story.until(name, "at its own address", there).await;
    story.until_ready_is(name, "True", READY).await;
}

/// The status of a request, and what was said.
fn get(url: &str, host: Option<&str>) -> (String, String) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "10"])
        .args(["--write-out", "\n%{http_code}", url]);
    if let Some(host) = host {
        curl.args(["--header", &format!("Host: {host}")]);
    }
    let output = curl.output().expect("curl");
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    let (body, status) = told.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

/// What `kubectl mote exec` prints, by gRPC and the router.
fn exec(story: &Story, name: &str, line: &str) -> String {
    let test = std::env::current_exe().unwrap();
    let mut path = OsString::from(test.ancestors().nth(2).unwrap());
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let output = Command::new("kubectl")
        .env("PATH", path)
        .args(["mote", "-n", &story.namespace, "exec", name, line])
        .output()
        .expect("kubectl");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A pool of sessions on this node, with a service each.
async fn pooled(story: &Story, name: &str, mut template: Value) {
    template["spec"]["service"] = json!(true);
    story.create::<SandboxTemplate>(template).await;
    story.create::<SandboxWarmPool>(pool(name, name, 0)).await;
}

#[tokio::test]
async fn sessions_that_share_an_address_answer_by_their_names() {
    let _alone = alone().await;
    let story = Story::begin("shared").await;
    let [_, node] = two_nodes();
    for name in ["a", "b"] {
        story
            .create::<Sandbox>(served(name, session_on(&node)))
            .await;
    }
    let before = addresses(&story.until_ready_is("a", "True", READY).await);
    execute(&before[0], "sh -c 'echo kept > file'").unwrap();

    let shared = readdress(&node, "shared");
    let own = [internal(&node)];
    let a = service(&serving_at(&story, "a", &own).await).await;
    let b = service(&serving_at(&story, "b", &own).await).await;
    for name in ["a-session", "b-session"] {
        let leads = |it: &EndpointSlice| {
            let endpoints = it.endpoints.as_deref().unwrap_or_default();
            endpoints[0].addresses == own
        };
        story.until(name, "led to the node", leads).await;
    }
    assert_eq!(execute(&a, "cat file").unwrap(), "kept\n");
    assert_eq!(execute(&b, "ls").unwrap(), "");
    let file = format!("http://{a}:8080/v1/files/file");
    assert_eq!(get(&file, None), ("200".to_owned(), "kept\n".to_owned()));

    story.create::<Sandbox>(sandbox("pod", patience())).await;
    story.until_ready_is("pod", "True", READY).await;
    // Its side stays open until the answer has come.
    let ask = format!(
        "mkfifo f && {{ nc -w 5 {a} 8080 <f & exec 3>f; \
         printf 'GET /v1/health HTTP/1.1\\r\\nHost: {a}:8080\\r\\nConnection: close\\r\\n\\r\\n' >&3; wait; }}"
    );
    let shell = ["exec", "pod", "--", "sh", "-c", &ask];
    let told = kubectl(&[&["-n", story.namespace.as_str()][..], &shell].concat());
    assert!(told.starts_with("HTTP/1.1 200"), "{told}");

    assert_eq!(exec(&story, "a", "cat file"), "kept\n");
    assert_eq!(exec(&story, "b", "ls; echo b | tee file"), "b\n");
    let health = format!("http://{}:8080/v1/health", own[0]);
    let (namespace, none) = (&story.namespace, format!("c.{}", story.namespace));
    for host in [None, Some("a"), Some(none.as_str())] {
        let (status, said) = get(&health, host);
        assert!(
            status == "421" && said.contains(TOLD),
            "{host:?}: {status} {said}"
        );
    }
    assert_eq!(get(&health, Some(&format!("a.{namespace}"))).0, "200");

    drop(shared);
    own_again(&story, "a", &own).await;
    let after = addresses(&story.get::<Sandbox>("a").await);
    assert_eq!(execute(&after[0], "cat file").unwrap(), "kept\n");
    assert_eq!(exec(&story, "a", "cat file"), "kept\n");
    story.end().await;
}

#[tokio::test]
async fn at_a_shared_address_each_template_lets_in_whom_its_policy_names() {
    let _alone = alone().await;
    let story = Story::begin("shared").await;
    let [_, node] = two_nodes();
    let shared = readdress(&node, "shared");
    let own = [internal(&node)];
    pooled(&story, "closed", template("closed", session_on(&node))).await;
    pooled(&story, "open", open_template("open", session_on(&node))).await;
    for name in ["closed", "open"] {
        story.create::<SandboxClaim>(claim(name, name)).await;
    }
    let closed = service(&serving_at(&story, "closed", &own).await).await;
    let open = service(&serving_at(&story, "open", &own).await).await;
    let health = |name: &str| get(&format!("http://{name}:8080/v1/health"), None);
    assert_eq!(health(&open).0, "200");
    // Only the router is let in. The others do not hear whether there is one.
    let (status, said) = health(&closed);
    assert!(status == "421" && said.contains(TOLD), "{status} {said}");
    let nobody = get(
        &format!("http://{}:8080/v1/health", own[0]),
        Some("nobody.nowhere"),
    );
    assert_eq!((status, said), nobody);
    assert_eq!(
        exec(&story, "closed", "echo by the router"),
        "by the router\n"
    );

    let word =
        |words: &[&str]| -> Vec<String> { words.iter().map(|it| (*it).to_owned()).collect() };
    let by_service = sdk("service", &story.namespace, "open");
    assert_eq!(
        by_service,
        word(&["commands", "files", "sandboxd", "service"])
    );
    let by_router = sdk("tunnel", &story.namespace, "closed");
    assert_eq!(by_router, word(&["commands", "files", "tunnel"]));
    drop(shared);
    own_again(&story, "open", &own).await;
    story.end().await;
}
