//! Something else in the place of a node's host: a pod that only waits, on the
//! network of the node on which the stories run, and a port that they serve.

use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, PostParams};
use mote_rpc::v1::node_service_server::{NodeService, NodeServiceServer};
use mote_rpc::v1::watch_event::Event;
use mote_rpc::v1::{
    DeleteRequest, DeleteResponse, EnsureRequest, EnsureResponse, NodeInfo, PoliceRequest,
    PoliceResponse, WatchEvent, WatchRequest,
};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use crate::kubectl::{kubectl, run};
use crate::manifest::patience;
use crate::nodes::{Undo, nodes, without_host};

const SYSTEM: &str = "agent-sandbox-system";
const POD: &str = "mote-node-stand-in";
/// The port on which the controller calls a node host.
const RPC: u16 = 7443;
/// How long the node's own host may keep the port: it ends at once.
const LEFT: Duration = Duration::from_secs(30);
/// How often the port is tried. Nothing tells that it is free.
const LOOK: Duration = Duration::from_millis(100);

/// A node whose host was sent away, and the pod in its place. When this is
/// dropped, the host comes back.
#[must_use = "the host comes back at once"]
pub struct StandIn {
    node: String,
    address: IpAddr,
    // The pod goes before the host comes.
    _pod: Undo,
    _host: Undo,
}

/// The node with a host on whose network the stories run, and its address.
///
/// # Panics
/// They run elsewhere: this is for a cluster of our own.
pub async fn own_node() -> (String, IpAddr) {
    for node in nodes() {
        let path = r#"jsonpath={.status.addresses[?(@.type=="InternalIP")].address}"#;
        let told = kubectl(&["get", "node", &node, "-o", path]);
        let first = told.split(' ').next().unwrap_or_default();
        let address: IpAddr = first.parse().expect("an address");
        if TcpListener::bind((address, 0)).await.is_ok() {
            return (node, address);
        }
    }
    panic!("stories do not run on the network of a node: this needs `make cluster-up`");
}

impl StandIn {
    /// Takes the place of the host of our own node.
    pub async fn begin(client: &Client) -> Self {
        let (node, address) = own_node().await;
        let host = without_host(&node);
        let uid = kubectl(&["get", "node", &node, "-o", "jsonpath={.metadata.uid}"]);
        let mut spec = patience();
        spec["nodeName"] = json!(node);
        spec["hostNetwork"] = json!(true);
        let pod = json!({
            "metadata": {
                "name": POD,
                "labels": { "app": "mote-node" },
                // The DaemonSet would take it for its own, and away.
                "ownerReferences": [{
                    "apiVersion": "v1", "kind": "Node", "name": node, "uid": uid, "controller": true,
                }],
            },
            "spec": spec,
        });
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        let pods: Api<Pod> = Api::namespaced(client.clone(), SYSTEM);
        let made = pods.create(&PostParams::default(), &pod).await;
        made.expect("a pod in the host's place");
        let gone = ["-n", SYSTEM, "delete", "pod", POD, "--ignore-not-found"];
        let pod = Undo::by(move || drop(run(&gone)));
        let runs = ["-n", SYSTEM, "wait", "--for=condition=Ready", "pod", POD];
        kubectl(&[&runs[..], &["--timeout=60s"]].concat());
        Self {
            node,
            address,
            _pod: pod,
            _host: host,
        }
    }

    /// Answers the controller as a host of this version that shows this
    /// certificate.
    pub async fn serve(&self, card: Identity, version: &str) -> Served {
        let mut looks = interval(LOOK);
        let free = async {
            loop {
                looks.tick().await;
                if let Ok(listener) = TcpListener::bind((self.address, RPC)).await {
                    return listener;
                }
            }
        };
        let listener = timeout(LEFT, free).await.expect("a host that has ended");
        let told = Told(NodeInfo {
            name: self.node.clone(),
            version: version.to_owned(),
            ..NodeInfo::default()
        });
        let router = Server::builder()
            .tls_config(ServerTlsConfig::new().identity(card))
            .expect("a certificate")
            .add_service(NodeServiceServer::new(told));
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let incoming = TcpListenerStream::new(listener);
        let task = tokio::spawn(router.serve_with_incoming_shutdown(incoming, stopped));
        Served { stop, task }
    }
}

/// Whoever answers in the host's place.
#[must_use = "it is to end"]
pub struct Served {
    stop: CancellationToken,
    task: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Served {
    /// Ends it, and frees its port.
    pub async fn end(self) {
        self.stop.cancel();
        let ended = self.task.await.expect("no panic");
        ended.expect("an orderly end");
    }
}

/// Tells of itself and of nothing else.
struct Told(NodeInfo);

#[tonic::async_trait]
impl NodeService for Told {
    type WatchStream = tokio_stream::Once<Result<WatchEvent, Status>>;

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let event = Some(Event::Node(self.0.clone()));
        Ok(Response::new(tokio_stream::once(Ok(WatchEvent { event }))))
    }

    async fn ensure(&self, _: Request<EnsureRequest>) -> Result<Response<EnsureResponse>, Status> {
        Err(unasked())
    }

    async fn delete(&self, _: Request<DeleteRequest>) -> Result<Response<DeleteResponse>, Status> {
        Err(unasked())
    }

    async fn police(&self, _: Request<PoliceRequest>) -> Result<Response<PoliceResponse>, Status> {
        Err(unasked())
    }
}

fn unasked() -> Status {
    Status::unimplemented("nobody should ask this of a host that is not listened to")
}
