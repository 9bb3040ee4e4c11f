//! The router in the cluster: the way to sandboxes of either tier.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use futures_util::future::join_all;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use mote_controller::crd::Sandbox;
use mote_e2e::{Story, busybox, sandbox};
use serde_json::{Value, json};

const NAMESPACE: &str = "agent-sandbox-system";

/// A way into the cluster, as the SDK makes one. Closed when dropped.
struct Tunnel {
    child: Child,
    /// kubectl tells of each connection, and ends when nobody listens.
    _said: BufReader<ChildStdout>,
    address: String,
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl Tunnel {
    fn open() -> Self {
        let mut child = Command::new("kubectl")
            .args([
                "port-forward",
                "-n",
                NAMESPACE,
                "svc/sandbox-router-svc",
                ":8080",
            ])
            .stdout(Stdio::piped())
            .spawn()
            .expect("kubectl");
        let mut said = String::new();
        let mut lines = BufReader::new(child.stdout.take().expect("stdout"));
        lines.read_line(&mut said).expect("a line");
        let address = said
            .split_whitespace()
            .nth(2)
            .expect("Forwarding from ADDRESS");
        Self {
            child,
            _said: lines,
            address: address.to_owned(),
            client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
        }
    }

    /// Asks a sandbox of the story for its page.
    async fn ask(&self, story: &Story, id: &str, more: &[(&str, &str)]) -> (StatusCode, String) {
        let mut request = Request::get(format!("http://{}/", self.address))
            .header("x-sandbox-id", id)
            .header("x-sandbox-namespace", &story.namespace);
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::new()).expect("a request");
        let response = self.client.request(request).await.expect("an answer");
        let status = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        (status, String::from_utf8_lossy(&body).trim().to_owned())
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pod whose page is its name.
fn page() -> Value {
    let serve =
        "mkdir /tmp/www && hostname >/tmp/www/index.html && exec httpd -f -p 8888 -h /tmp/www";
    json!({
        "terminationGracePeriodSeconds": 1,
        "containers": [{
            "name": "main",
            "image": busybox(),
            "imagePullPolicy": "IfNotPresent",
            "command": ["/bin/sh", "-c", serve],
            "readinessProbe": { "tcpSocket": { "port": 8888 }, "periodSeconds": 1 },
        }],
    })
}

fn address(sandbox: &Sandbox) -> String {
    sandbox.status.as_ref().expect("a status").pod_ips[0].clone()
}

fn answered(page: &str) -> (StatusCode, String) {
    (StatusCode::OK, page.to_owned())
}

#[tokio::test]
async fn a_sandbox_is_reached_by_its_name_and_at_addresses_that_sandboxes_report() {
    let story = Story::begin("router").await;
    for name in ["s", "t"] {
        story.create::<Sandbox>(sandbox(name, page())).await;
    }
    story.until_ready_is("s", "True", "DependenciesReady").await;
    let other = story.until_ready_is("t", "True", "DependenciesReady").await;
    let tunnel = Tunnel::open();
    assert_eq!(tunnel.ask(&story, "s", &[]).await, answered("s"));
    let uid = other.uid().expect("a UID");
    let by_uid = [("x-sandbox-uid", uid.as_str())];
    assert_eq!(tunnel.ask(&story, "s", &by_uid).await, answered("t"));
    let reported = address(&other);
    let by_address = [("x-sandbox-pod-ip", reported.as_str())];
    assert_eq!(tunnel.ask(&story, "s", &by_address).await, answered("t"));
    // A pod that is no sandbox: the router itself.
    let pods: Api<Pod> = Api::namespaced(story.client.clone(), NAMESPACE);
    let routers = ListParams::default().labels("app=sandbox-router");
    let router = pods.list(&routers).await.expect("a list").items.remove(0);
    let foreign = router.status.and_then(|it| it.pod_ip).expect("an address");
    let elsewhere = [("x-sandbox-pod-ip", foreign.as_str())];
    assert_eq!(tunnel.ask(&story, "s", &elsewhere).await, answered("s"));
    story.delete::<Sandbox>("s").await;
    story.until_gone::<Sandbox>("s").await;
    let (status, said) = tunnel.ask(&story, "s", &[]).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert_eq!(
        said,
        r#"{"detail":"Could not connect to the backend sandbox: s"}"#
    );
    story.end().await;
}

#[tokio::test]
async fn traffic_wakes_a_sandbox_that_permits_it_and_does_so_once() {
    let story = Story::begin("router").await;
    story.create::<Sandbox>(sandbox("s", page())).await;
    story.until_ready_is("s", "True", "DependenciesReady").await;
    let suspend = json!({ "spec": { "operatingMode": "Suspended" } });
    story.patch::<Sandbox>("s", suspend).await;
    story.until_ready_is("s", "False", "SandboxSuspended").await;
    story.until_gone::<Pod>("s").await;
    let tunnel = Tunnel::open();
    let (status, said) = tunnel.ask(&story, "s", &[]).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(said.contains("Sandbox s is suspended."), "{said}");
    let permit = json!({ "metadata": { "annotations": { "mote.dev/wake-on-traffic": "true" } } });
    let before = story.patch::<Sandbox>("s", permit).await;
    let asked = (0..50).map(|_| tunnel.ask(&story, "s", &[]));
    for answer in join_all(asked).await {
        assert_eq!(answer, answered("s"));
    }
    let after = story.get::<Sandbox>("s").await;
    let generation = |it: &Sandbox| it.metadata.generation.expect("a generation");
    assert_eq!(generation(&after), generation(&before) + 1);
    story.end().await;
}
