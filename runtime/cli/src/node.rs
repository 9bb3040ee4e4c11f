//! `mote node`: a node host of a Kubernetes cluster.
//!
//! ```text
//! controller ── --listen, mutual TLS ──► Rpc ──► Node ◄── Server ◄── sandboxes' own addresses: anybody
//! kubelet, Prometheus ── --metrics ──────┘
//! ```

mod config;
mod folder;
mod memory;
mod prefix;
mod seed;
mod signals;

use std::net::SocketAddr;

use anyhow::Context;
use mote_node::{Identity, Node, Rpc, SandboxPort, Server};
use mote_surface::listen::ListenLimits;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::args::PlacesArgs;
use crate::failure::Failure;
use crate::{log, report};

use config::Config;
pub(crate) use config::NodeArgs;
pub(crate) use folder::{FolderArgs, give as give_folder};
use signals::Stops;

/// Serves until it is told to stop; gives the exit status.
pub(crate) fn node(args: NodeArgs, places: &PlacesArgs) -> Result<u8, Failure> {
    log::serve(args.log_format);
    signals::raise_open_files();
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
    let identity = identity.map_err(|error| Failure::Host(error.into()))?;
    let own = bind(config.listen, "--listen").await?;
    let page = bind(config.metrics, "--metrics").await?;
    let doors = open_doors(config.prefix.addr()).await?;
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
    let timekeeper = tokio::spawn({
        let node = node.clone();
        async move {
            // Time goes on while programs are compiled.
            tokio::join!(node.make_ready(), node.keep_time());
        }
    });
    let listening = format!("listening on {}, metrics on {}\n", at(&own)?, at(&page)?);
    report::print(listening.as_bytes())?;
    let stopped = || rest.stop.clone().cancelled_owned();
    rest.tasks
        .spawn(rpc.clone().serve(own, identity, stopped()));
    rest.tasks.spawn(rpc.clone().serve_page(page, stopped()));
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

async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).await;
    Ok(listener.with_context(|| {
        format!("failed to listen on {address}; stop what does, or name another with {flag}")
    })?)
}

/// A listener for each port of sandboxes' own addresses. It hears all of the
/// machine's addresses; what is no sandbox's is turned away.
async fn open_doors(prefix: std::net::IpAddr) -> Result<Vec<(SandboxPort, TcpListener)>, Failure> {
    let mut doors = Vec::new();
    for port in SandboxPort::ALL {
        let address = SocketAddr::new(prefix::any(prefix), port.number());
        let listener = TcpListener::bind(address).await;
        let listener = listener.with_context(|| {
            format!("failed to listen on {address} for sandboxes; stop what does on this machine")
        })?;
        doors.push((port, listener));
    }
    Ok(doors)
}
