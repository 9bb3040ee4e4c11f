//! A controller as a process of the test, in place of the one in the cluster.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::runtime::wait::{await_condition, conditions};
use serde_json::json;
use tempfile::NamedTempFile;

use crate::Scrape;

const NAMESPACE: &str = "agent-sandbox-system";
const NAME: &str = "agent-sandbox-controller";
/// How long the controller in the cluster may take to leave: its own time for
/// passes that run, and the kubelet's.
const LEAVING: Duration = Duration::from_secs(60);

/// While it is held, the controller in the cluster does not run. Given back by
/// [`Only::give_back`]; a test that fails leaves the cluster without one, and
/// the next run brings it back.
pub struct Only {
    deployments: Api<Deployment>,
}

impl Only {
    /// Scales the Deployment to zero and waits until its pods are gone.
    pub async fn take(client: &Client) -> Self {
        let only = Self {
            deployments: Api::namespaced(client.clone(), NAMESPACE),
        };
        only.scale(0).await;
        let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
        let labels = ListParams::default().labels(&format!("app={NAME}"));
        for pod in pods.list(&labels).await.expect("a list") {
            let (name, uid) = (
                pod.metadata.name.expect("a name"),
                pod.metadata.uid.expect("a UID"),
            );
            let gone = await_condition(pods.clone(), &name, conditions::is_deleted(&uid));
            tokio::time::timeout(LEAVING, gone)
                .await
                .expect("the controller leaves")
                .expect("watched");
        }
        // Whoever leads next need not wait for a lease nobody renews.
        let leases: Api<Lease> = Api::namespaced(client.clone(), NAMESPACE);
        let _ = leases
            .delete("a3317529.agent-sandbox.x-k8s.io", &Default::default())
            .await;
        only
    }

    /// Brings the controller in the cluster back.
    pub async fn give_back(self) {
        self.scale(1).await;
    }

    async fn scale(&self, replicas: u32) {
        let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
        self.deployments
            .patch(NAME, &PatchParams::default(), &patch)
            .await
            .expect("scaled");
    }
}

/// A running `mote-controller`. Killed when dropped.
pub struct ControllerProcess {
    child: Child,
    metrics: String,
    _kubeconfig: NamedTempFile,
}

impl ControllerProcess {
    /// Starts one that speaks to the API server of `kubeconfig` and waits until
    /// it says that it leads. `arguments` come after those that are needed.
    pub fn start(kubeconfig: &str, arguments: &[&str]) -> Self {
        let mut file = NamedTempFile::new().expect("a file");
        file.write_all(kubeconfig.as_bytes()).expect("written");
        let program = std::env::var("MOTE_CONTROLLER")
            .expect("MOTE_CONTROLLER names the controller's binary");
        let mut child = Command::new(program)
            .args(["--extensions", "--leader-elect=false"])
            .args([
                "--metrics-bind-address=127.0.0.1:0",
                "--health-probe-bind-address=127.0.0.1:0",
            ])
            .args(arguments)
            .env("KUBECONFIG", file.path())
            .env("RUST_LOG", "info")
            .stderr(Stdio::piped())
            .spawn()
            .expect("a controller");
        let lines = BufReader::new(child.stderr.take().expect("stderr")).lines();
        let metrics = until_leading(lines);
        Self {
            child,
            metrics,
            _kubeconfig: file,
        }
    }

    /// Its `/metrics`, as now.
    pub async fn metrics(&self) -> Scrape {
        let connector = hyper_util::client::legacy::connect::HttpConnector::new();
        let client: hyper_util::client::legacy::Client<_, String> =
            hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
                .build(connector);
        let uri = format!("http://{}/metrics", self.metrics)
            .parse()
            .expect("a URI");
        let answer = client.get(uri).await.expect("an answer");
        let page = http_body_util::BodyExt::collect(answer.into_body())
            .await
            .expect("a page")
            .to_bytes();
        Scrape::new(String::from_utf8_lossy(&page))
    }

    /// Resident memory, in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .expect("its status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("VmRSS");
        line.trim()
            .trim_end_matches(" kB")
            .parse::<u64>()
            .expect("a number")
            * 1024
    }

    /// Ends it at once, as a crash would.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for ControllerProcess {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads the log until the controller leads; gives back where its metrics are.
/// The rest of the log goes to the test's own output.
fn until_leading(
    mut lines: impl Iterator<Item = std::io::Result<String>> + Send + 'static,
) -> String {
    let mut metrics = None;
    let mut before = Vec::new();
    for line in lines.by_ref().map_while(Result::ok) {
        if let Some((_, address)) = line.split_once("metrics=") {
            metrics = address
                .split_whitespace()
                .next()
                .map(|it| it.trim_matches('"').to_owned());
        }
        let leads = line.contains("reconciling");
        before.push(line);
        if leads {
            std::thread::spawn(move || {
                lines
                    .map_while(Result::ok)
                    .for_each(|line| eprintln!("controller: {line}"))
            });
            return metrics.unwrap_or_else(|| panic!("the address of the metrics in {before:#?}"));
        }
    }
    panic!("the controller ended: {before:#?}");
}
