//! The cluster that is asked.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::client::UpgradeConnectionError;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::args::ClusterArgs;
use crate::failure::Failure;
use crate::objects::{self, ClaimObject, SandboxObject};
use mote_client::text::chain;

/// How long the API server may take for an answer, as kubectl's users know it
/// from its own requests.
const ANSWER: Duration = Duration::from_secs(30);

/// A cluster, and what was typed of how it is used.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) client: Client,
    /// Where sandboxes are that are named.
    pub(crate) namespace: String,
    /// Where the router is.
    pub(crate) router_namespace: String,
    /// Where a token for the router is.
    pub(crate) router_token_file: Option<PathBuf>,
}

impl Cluster {
    /// Reads how the cluster is reached; nothing is asked yet.
    pub(crate) async fn connect(args: &ClusterArgs) -> Result<Self, Failure> {
        let config = config(args).await?;
        let namespace = args.namespace.clone();
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config)
            .map_err(|error| Failure::Lost(format!("failed to set up: {}", chain(&error))))?;
        Ok(Self {
            client,
            namespace,
            router_namespace: args.router_namespace.clone(),
            router_token_file: args.router_token_file.clone(),
        })
    }

    /// Sandboxes of a namespace.
    pub(crate) fn sandboxes(&self) -> Api<SandboxObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &objects::sandboxes())
    }

    /// Sandboxes of all namespaces.
    pub(crate) fn all_sandboxes(&self) -> Api<SandboxObject> {
        Api::all_with(self.client.clone(), &objects::sandboxes())
    }

    /// Claims of a namespace.
    pub(crate) fn claims(&self) -> Api<ClaimObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &objects::claims())
    }

    /// Pods of a namespace.
    pub(crate) fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.client.clone(), namespace)
    }
}

async fn config(args: &ClusterArgs) -> Result<Config, Failure> {
    let unread = |error: &(dyn std::error::Error + 'static)| {
        Failure::Lost(format!(
            "no cluster is known: {}; name a file with --kubeconfig or KUBECONFIG",
            chain(error)
        ))
    };
    let options = KubeConfigOptions {
        context: args.context.clone(),
        cluster: args.cluster.clone(),
        user: args.user.clone(),
    };
    let chosen = args.context.is_some() || args.cluster.is_some() || args.user.is_some();
    let mut config = match &args.kubeconfig {
        Some(file) => {
            let file = Kubeconfig::read_from(file).map_err(|error| unread(&error))?;
            let config = Config::from_custom_kubeconfig(file, &options).await;
            config.map_err(|error| unread(&error))?
        }
        None if chosen => {
            let config = Config::from_kubeconfig(&options).await;
            config.map_err(|error| unread(&error))?
        }
        // Also the service account of a pod in which this runs.
        None => Config::infer().await.map_err(|error| unread(&error))?,
    };
    if args.act_as.is_some() {
        config.auth_info.impersonate.clone_from(&args.act_as);
        config.auth_info.impersonate_groups = Some(args.act_as_groups.clone());
    }
    Ok(config)
}

/// One thread: we mostly wait.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| Failure::Lost(format!("failed to start: {error}")))
}

/// Why the API server gave nothing.
#[derive(Debug)]
pub(crate) enum Denied {
    /// There is no such object.
    Missing,
    /// We may not; in its words.
    Forbidden(String),
    /// Anything else that it answered.
    Refused(String),
    /// It did not answer.
    Lost(String),
}

impl Denied {
    /// What it means that `action`, such as `read sandbox work`, did not happen.
    pub(crate) fn during(self, action: &str) -> Failure {
        match self {
            Self::Missing => Failure::Refused(format!(
                "failed to {action}: the API server does not know it; is Agent Sandbox installed?"
            )),
            Self::Forbidden(why) => Failure::Refused(format!(
                "failed to {action}: {why}; whoever administers the cluster may grant it"
            )),
            Self::Refused(why) => Failure::Refused(format!("failed to {action}: {why}")),
            Self::Lost(why) => Failure::Lost(format!("failed to {action}: {why}")),
        }
    }
}

impl From<kube::Error> for Denied {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 404 => match &status.details {
                // It says which object where the kind is known.
                Some(details) if !details.name.is_empty() => Self::Missing,
                _ => Self::Refused(format!(
                    "{}; the cluster has no such kind of object: install Agent Sandbox there",
                    status.message
                )),
            },
            kube::Error::Api(status) if status.code == 403 => {
                Self::Forbidden(status.message.clone())
            }
            kube::Error::Api(status) => Self::Refused(status.message.clone()),
            kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) => {
                match status.as_u16() {
                    403 => Self::Forbidden("the API server forbids it".to_owned()),
                    404 => Self::Missing,
                    _ => Self::Lost(format!("the API server answered {status}")),
                }
            }
            error => Self::Lost(format!("no answer from the cluster: {}", chain(&error))),
        }
    }
}

/// An answer of the API server, in time.
pub(crate) async fn answer<T>(
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Denied> {
    match timeout(ANSWER, request).await {
        Ok(answer) => answer.map_err(Denied::from),
        Err(_) => Err(Denied::Lost(format!(
            "the API server gave no answer within {ANSWER:?}; try again"
        ))),
    }
}
