//! `mote node`: a node host of a Kubernetes cluster.
//!
//! ```text
//! controller ── --listen, mutual TLS ──► Rpc ──► Node ◄── Server ◄── sandboxes' own addresses: anybody
//! Prometheus ── --metrics ───────────────┤
//! kubelet ── --probes ───────────────────┘
//! ```

mod authorities;
mod config;
mod folder;
mod memory;
mod prefix;
mod seed;

use std::net::SocketAddr;

use anyhow::Context;
use mote_node::{Identity, IdentityError, Node, Rpc, Server};
use mote_surface::listen::ListenLimits;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::args::PlacesArgs;
use crate::daemon::{self, Stops};
use crate::failure::Failure;
use crate::{log, report};

use config::Config;
pub(crate) use config::NodeArgs;
pub(crate) use folder::{FolderArgs, give as give_folder};

/// What to do where a port of sandboxes is taken, which has no flag.
const DOOR_TAKEN: &str = " for sandboxes; stop what does on this machine";

/// Serves until it is told to stop; gives the exit status.
pub(crate) fn node(args: NodeArgs, places: &PlacesArgs) -> Result<u8, Failure> {
    log::serve(args.log_format);
    daemon::raise_open_files();
    let config = config::check(args, places)?;
    if let Some(compiled) = &config.compiled {
        let copied = seed::copy(compiled, &config.node.host.cache);
        let copied = copied.with_context(|| {
            format!("failed to copy the compiled code of {}", compiled.display())
        })?;
        tracing::info!(target: "mote_node", copied, "compiled code that came with the program");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start")?;
    runtime.block_on(run(config))?;
    // Guests that are left give way at the next tick.
    runtime.shutdown_background();
    Ok(0)
}

async fn run(config: Config) -> Result<(), Failure> {
    let mut stops = Stops::watch()?;
    let identity = Identity::open(config.files, &config.client);
    let identity = identity.map_err(unknown)?;
    let own = daemon::bind(config.listen, &taken("--listen")).await?;
    let page = daemon::bind(config.metrics, &taken("--metrics")).await?;
    let probes = daemon::bind(config.probes, &taken("--probes")).await?;
    let doors = daemon::open_doors(config.node.addresses, DOOR_TAKEN)?;
    let node = Node::open(config.node).map_err(|error| Failure::Host(error.into()))?;
    let rpc = Rpc::new(node.clone(), config.rpc);
    let (calls, rest) = (Tasks::default(), Tasks::default());
    let limits = ListenLimits {
        drain_time: config.drain,
        ..ListenLimits::default()
    };
    let server = Server::like_pods(node.clone());
    for (port, door) in doors {
        let stopped = calls.stop.clone().cancelled_owned();
        let served = server.clone().serve_sandboxes(door, port, limits, stopped);
        calls.tasks.spawn(served);
    }
    let timekeeper = daemon::keep_time(&node);
    let listening = format!(
        "listening on {}, metrics on {}, probes on {}\n",
        at(&own)?,
        at(&page)?,
        at(&probes)?
    );
    report::print(listening.as_bytes())?;
    let stopped = || rest.stop.clone().cancelled_owned();
    rest.tasks
        .spawn(rpc.clone().serve(own, identity, stopped()));
    rest.tasks.spawn(rpc.clone().serve_page(page, stopped()));
    rest.tasks
        .spawn(rpc.clone().serve_probes(probes, stopped()));
    stops.recv().await;
    tracing::info!(target: "mote_node", seconds = config.drain.as_secs(), "stopping; calls that run may end first");
    rpc.drain();
    let ended = async {
        calls.end().await;
        node.stop().await;
        rest.end().await;
    };
    tokio::select! {
        () = ended => {}
        // Whoever asks twice does not want to wait for others.
        () = stops.recv() => {}
    }
    timekeeper.abort();
    node.flush().await;
    Ok(())
}

/// What is served until it is stopped.
#[derive(Default)]
struct Tasks {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Tasks {
    async fn end(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn at(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    Ok(listener.local_addr().context("failed to listen")?)
}

/// The node cannot say who it is.
fn unknown(error: IdentityError) -> Failure {
    let error = match error {
        IdentityError::Client(_) => error.into(),
        IdentityError::File { .. } | IdentityError::Content { .. } => anyhow::Error::from(error)
            .context("no certificates to answer a controller with; wait until the controller has issued them into the node's Secret, or name others with --tls-cert, --tls-key and --tls-ca"),
    };
    Failure::Host(error)
}

/// What to do where the address of a flag is taken.
fn taken(flag: &str) -> String {
    format!("; stop what does, or name another with {flag}")
}
