//! What node hosts say of themselves, asked as the controller asks them.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ListParams};
use mote_rpc::v1::node_service_client::NodeServiceClient;
use mote_rpc::v1::watch_event::Event;
use mote_rpc::v1::{Session, WatchRequest};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use crate::authority::Authority;

const SYSTEM: &str = "agent-sandbox-system";
/// A node host answers in milliseconds, or is not there.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who may ask node hosts.
pub struct Hosts {
    client: Client,
    tls: ClientTlsConfig,
}

impl Hosts {
    /// Makes a certificate of the cluster's authority, as an administrator can.
    pub async fn open(client: &Client) -> Self {
        let authority = Authority::of_cluster(client).await;
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(authority.certificates()))
            .identity(authority.controller())
            .domain_name("mote-node");
        Self {
            client: client.clone(),
            tls,
        }
    }

    /// Every session of every node host, with its node.
    ///
    /// # Errors
    /// One of them, or the API server, does not answer.
    pub async fn sessions(&self) -> anyhow::Result<Vec<(String, Session)>> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), SYSTEM);
        let hosts = pods
            .list(&ListParams::default().labels("app=mote-node"))
            .await?;
        let mut all = Vec::new();
        for pod in hosts {
            let node = pod.spec.and_then(|spec| spec.node_name).unwrap_or_default();
            let address = pod.status.and_then(|status| status.pod_ip);
            let address =
                address.ok_or_else(|| anyhow::anyhow!("the host of {node} has no address"))?;
            let told = tokio::time::timeout(PATIENCE, self.told(&address)).await;
            let told = told.map_err(|_| anyhow::anyhow!("the host of {node} is silent"))??;
            all.extend(told.into_iter().map(|session| (node.clone(), session)));
        }
        Ok(all)
    }

    async fn told(&self, address: &str) -> anyhow::Result<Vec<Session>> {
        let endpoint = Endpoint::from_shared(format!("https://{address}:7443"))?;
        let channel = endpoint.tls_config(self.tls.clone())?.connect().await?;
        let watch = NodeServiceClient::new(channel)
            .watch(WatchRequest {})
            .await?;
        let (mut events, mut sessions) = (watch.into_inner(), Vec::new());
        while let Some(event) = events.message().await? {
            match event.event {
                Some(Event::Session(session)) => sessions.push(session),
                Some(Event::Listed(_)) => return Ok(sessions),
                Some(Event::Node(_) | Event::Deleted(_)) | None => {}
            }
        }
        anyhow::bail!("it ended before it had listed its sessions")
    }
}
