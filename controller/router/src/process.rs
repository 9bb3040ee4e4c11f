//! The process around the proxy: ports, log, cluster, signals.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use kube::Client;
use mote_process::{Listen, told_to_end};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tracing_subscriber::EnvFilter;

use crate::authorize::Gate;
use crate::directory::Directory;
use crate::metrics::{Census, Metrics};
use crate::options::{Authorization, Options};
use crate::proxy::{Cluster, Proxy};
use crate::review::Reviews;
use crate::sandbox::Trust;
use crate::wake::{Resumer, Wakes};
use crate::{listen, review, watch};

/// What `/healthz` says, as that of the router which this one replaces.
const ALIVE: &str = r#"{"status":"ok"}"#;
/// How long connections are still taken after the process is told to end: those
/// who send them hear of it a little later.
const LINGER: Duration = Duration::from_secs(3);

/// Does what the words of this process ask for. Everything asynchronous is
/// polled in here: whatever crate does that compiles all of it.
pub fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(options)),
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mote-router: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Passes requests on until a signal ends it.
///
/// # Errors
/// What keeps it from beginning: a port that is taken, no API server, no tokens.
pub async fn run(options: Options) -> anyhow::Result<()> {
    start_log(&options);
    let listener = open(&options.http_bind_address, "requests").await?;
    let listener = listener.context("--http-bind-address is 0: requests need a port")?;
    let metrics_listener = open(&options.metrics_bind_address, "metrics").await?;
    let probes_listener = open(&options.health_probe_bind_address, "probes").await?;
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let client = client(&options).await?;
    let gate = gate(&options, client.as_ref())?;
    let cluster = client
        .filter(|_| options.cache_enabled)
        .map(|client| cluster(&options, client, &metrics, &mut registry));
    let ending = Arc::new(AtomicBool::new(false));
    if let Some(listener) = metrics_listener {
        tracing::info!(metrics = %listener.local_addr()?, "serving metrics");
        tokio::spawn(mote_process::metrics(listener, registry));
    }
    if let Some(listener) = probes_listener {
        tracing::info!(health = %listener.local_addr()?, "answering probes");
        let (directory, ending) = (
            cluster.as_ref().map(|it| it.directory.clone()),
            ending.clone(),
        );
        tokio::spawn(mote_process::probes(listener, ALIVE, move || {
            unready(directory.as_ref(), &ending)
        }));
    }
    let told = told_to_end()?;
    tracing::info!(requests = %listener.local_addr()?, "taking requests");
    let proxy = Proxy::new(options.settings(), cluster, gate, metrics);
    let shutdown = async {
        told.await;
        ending.store(true, Ordering::Relaxed);
        let _ = timeout(LINGER, std::future::pending::<()>()).await;
    };
    listen::serve(listener, proxy, options.limits(), shutdown).await;
    Ok(())
}

fn unready(directory: Option<&Directory>, ending: &AtomicBool) -> Option<&'static str> {
    if ending.load(Ordering::Relaxed) {
        return Some("draining");
    }
    let filled = directory.is_none_or(Directory::is_filled);
    (!filled).then_some("the sandboxes are not listed yet")
}

fn start_log(options: &Options) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if options.log_json {
        log.json().init();
    } else {
        log.with_ansi(false).init();
    }
}

async fn open(address: &Listen, what: &str) -> anyhow::Result<Option<TcpListener>> {
    let listener = address.open().await;
    listener.with_context(|| format!("{what} at {address}"))
}

fn gate(options: &Options, client: Option<&Client>) -> anyhow::Result<Gate> {
    match options.authorization {
        Authorization::AllowAll => {
            tracing::warn!(
                "whoever reaches this port reaches every sandbox; --authorization=token asks for a token"
            );
            Ok(Gate::Open)
        }
        Authorization::Token => {
            let file = options.authorization_token_file.clone();
            Gate::of_file(file.context("--authorization-token-file is missing")?)
        }
        Authorization::TokenReview => {
            let client = client.context("--authorization=tokenreview needs a cluster")?;
            let audiences = options.authorization_audiences.clone();
            let client = client.clone();
            let reviews = Reviews::new(review::Cluster { client, audiences }, review::ASK_TIME);
            Ok(Gate::Reviews(Arc::new(reviews)))
        }
    }
}

/// Speaks to the API server, if anything needs it.
async fn client(options: &Options) -> anyhow::Result<Option<Client>> {
    if !options.cache_enabled && options.authorization != Authorization::TokenReview {
        return Ok(None);
    }
    let config = mote_process::config(options.kubeconfig.as_deref()).await?;
    Ok(Some(Client::try_from(config)?))
}

/// Begins to watch the sandboxes.
fn cluster(
    options: &Options,
    client: Client,
    metrics: &Metrics,
    registry: &mut Registry,
) -> Cluster {
    let directory = Directory::default();
    registry.register_collector(Box::new(Census(directory.clone())));
    let trust = Trust {
        cluster_domain: options.cluster_domain.clone(),
        loopback: options.allow_loopback_pod_ip,
    };
    tokio::spawn(watch::keep(client.clone(), directory.clone(), trust));
    let resumer = Arc::new(Resumer(client));
    let wakes = Wakes::new(resumer, directory.clone(), metrics.clone());
    Cluster { directory, wakes }
}
