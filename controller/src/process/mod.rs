//! The process around the controllers: flags, ports, log, lease, signals.

mod command;
mod duration;
pub mod flags;
mod lease;
mod log;
pub mod node_address;
mod options;
mod own;
mod table;

use std::future::Future;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::FutureExt;
use kube::client::ClientBuilder;
use kube::{Client, Config};
use mote_process::told_to_end;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use tower::limit::RateLimitLayer;

use crate::context::Context;
use crate::controllers::Controllers;
pub use command::main;
use lease::Candidate;
pub use mote_process::Listen;
pub use options::Options;

/// How long passes that run may take to end once the process is told to. The
/// pod has 30 s before it is killed, and the lease is still to be given back.
const ENDING: Duration = Duration::from_secs(20);
/// Why the process ends when it no longer leads.
const LOST: &str = "the lease was lost; this process ends so that there are not two";

/// Runs the controllers until a signal ends them.
///
/// # Errors
/// What keeps them from running: no API server, a port that is taken, a lease
/// that was lost.
pub async fn run(options: Options) -> anyhow::Result<()> {
    log::start(&options);
    if !options.ignored.is_empty() {
        let flags = options.ignored.join(" ");
        tracing::warn!(flags, "these flags are taken and have no effect here");
    }
    let metrics = options
        .metrics
        .open()
        .await
        .with_context(|| format!("metrics at {}", options.metrics))?;
    let health = options
        .health
        .open()
        .await
        .with_context(|| format!("probes at {}", options.health))?;
    let kubeconfig = Some(options.kubeconfig.as_path()).filter(|it| !it.as_os_str().is_empty());
    let config = mote_process::config(kubeconfig).await?;
    let client = client(config.clone(), options.qps, options.burst)?;
    let namespace = match options.lease_namespace.as_str() {
        "" => client.default_namespace().to_owned(),
        named => named.to_owned(),
    };
    let mut registry = Registry::default();
    own::register(&mut registry);
    let controllers = Controllers::new(
        client.clone(),
        options.settings.clone(),
        &namespace,
        &mut registry,
    );
    if let Some(listener) = metrics {
        tracing::info!(metrics = %listener.local_addr()?, "serving metrics");
        tokio::spawn(mote_process::metrics(listener, registry));
    }
    if let Some(listener) = health {
        tracing::info!(health = %listener.local_addr()?, "answering probes");
        let context = controllers.context.clone();
        tokio::spawn(mote_process::probes(listener, "ok", move || {
            unready(&context)
        }));
    }
    let told = told_to_end()?;
    if !options.leader_elect {
        return reconcile(
            controllers,
            std::future::ready(()),
            told,
            std::future::pending(),
        )
        .await;
    }
    let candidate = candidate(config, &namespace)?;
    let ended = reconcile(controllers, candidate.acquire(), told, candidate.hold()).await;
    if ended.is_ok() {
        // Only then does nothing of ours run any more; else the lease runs out.
        candidate.release().await;
    }
    ended
}

/// Reconciles from `lead` on, until told to end or until `lost`, which begins
/// with it.
async fn reconcile(
    controllers: Controllers,
    lead: impl Future<Output = ()> + Send,
    told: impl Future<Output = ()>,
    lost: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    let leads = CancellationToken::new();
    let lead = async {
        lead.await;
        leads.cancel();
        tracing::info!("this process leads: reconciling");
    };
    let mut lost = std::pin::pin!(async {
        leads.cancelled().await;
        lost.await;
    });
    let events = controllers.context.events.clone();
    let mut running = std::pin::pin!(controllers.run(lead, shutdown.clone()));
    tokio::select! {
        () = &mut running => bail!("the controllers ended by themselves"),
        // Whoever leads now must not be disturbed by passes of ours.
        () = &mut lost => bail!(LOST),
        () = told => {}
    }
    if !leads.is_cancelled() {
        // Nothing runs that could be finished, and leading must not begin now.
        return Ok(());
    }
    shutdown.cancel();
    let ending = async {
        running.await;
        events.flush().await;
    };
    tokio::select! {
        ended = tokio::time::timeout(ENDING, ending) => if ended.is_err() {
            tracing::warn!(?ENDING, "some passes or events did not end in time");
        },
        // The lease is renewed as long as passes run.
        () = &mut lost => bail!(LOST),
    }
    Ok(())
}

/// A client that asks no more often than the flags allow: `burst` requests in
/// the time that `qps` gives them.
fn client(config: Config, qps: f64, burst: u16) -> anyhow::Result<Client> {
    let builder = ClientBuilder::try_from(config)?;
    if qps <= 0.0 {
        return Ok(builder.build());
    }
    let requests = u64::from(burst.max(1));
    let time = Duration::try_from_secs_f64(f64::from(burst.max(1)) / qps)
        .context("--kube-api-qps is too small")?;
    Ok(builder
        .with_layer(&RateLimitLayer::new(requests, time))
        .build())
}

/// A candidate with a client of its own: a renewal does not queue behind
/// requests that keep to a rate, nor is it tried again when it is too late.
fn candidate(mut config: Config, namespace: &str) -> anyhow::Result<Candidate> {
    config.default_retry = false;
    let client = Client::try_from(config)?;
    let host =
        std::env::var("POD_NAME").or_else(|_| std::fs::read_to_string("/proc/sys/kernel/hostname"));
    let host = host.context("a name for the lease: set POD_NAME")?;
    let identity = format!("{}_{:016x}", host.trim(), rand::random::<u64>());
    Ok(Candidate::new(client, namespace, identity))
}

/// Why the process is not ready: whether it leads is another matter, and a
/// second one that waits is ready too.
fn unready(context: &Context) -> Option<&'static str> {
    let filled = Controllers::filled(context).now_or_never();
    filled.is_none().then_some("the caches are not filled yet")
}
