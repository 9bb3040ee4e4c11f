//! `mote serve`: a node host without Kubernetes.

mod config;
mod token;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context;
use mote_node::{Node, NodeConfig, SandboxPort, Server};
use mote_surface::listen::ListenLimits;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::args::PlacesArgs;
use crate::failure::Failure;
use crate::{log, report};

pub(crate) use config::ServeArgs;

/// Serves until it is told to stop; gives the exit status.
pub(crate) fn serve(args: ServeArgs, places: &PlacesArgs) -> Result<u8, Failure> {
    log::serve(args.log_format);
    raise_open_files();
    let config = config::check(args, places)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start")?;
    runtime.block_on(run(config.listen, config.node))?;
    // Guests that are left give way at the next tick.
    runtime.shutdown_background();
    Ok(0)
}

/// Each live sandbox takes a few handles; the soft limit is made for programs
/// that select over them.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: now.maximum,
        ..now
    };
    if let Err(errno) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%errno, "failed to raise the number of open files");
    }
}

async fn run(listen: SocketAddr, config: NodeConfig) -> Result<(), Failure> {
    let stop = CancellationToken::new();
    let mut stops = stop_signals()?;
    let prefix = config.addresses;
    let listener = bind(listen).await?;
    let doors = match prefix {
        None => Vec::new(),
        Some(prefix) => open_doors(prefix.addr()).await?,
    };
    let node = Node::open(config).map_err(|error| Failure::Host(error.into()))?;
    let server = Server::new(node.clone());
    let limits = ListenLimits::default();
    let tasks = TaskTracker::new();
    for (port, door) in doors {
        let (server, stop) = (server.clone(), stop.clone());
        tasks.spawn(async move {
            let stopped = stop.cancelled_owned();
            server.serve_sandboxes(door, port, limits, stopped).await;
        });
    }
    let timekeeper = tokio::spawn({
        let node = node.clone();
        async move {
            // Time goes on while programs are compiled.
            tokio::join!(node.make_ready(), node.keep_time());
        }
    });
    let bound = listener.local_addr().context("failed to listen")?;
    report::print(format!("listening on http://{bound}\n").as_bytes())?;
    let own = server.serve(listener, limits, stop.clone().cancelled_owned());
    tasks.spawn(own);
    tasks.close();
    stops.recv().await;
    let ended = async {
        node.stop().await;
        stop.cancel();
        tasks.wait().await;
    };
    tokio::select! {
        () = ended => {}
        // Whoever asks twice does not want to wait for others.
        _ = stops.recv() => {}
    }
    timekeeper.abort();
    Ok(())
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).await;
    Ok(listener.with_context(|| {
        format!("failed to listen on {address}; stop what does, or name another with --listen")
    })?)
}

/// A listener for each port of sandboxes' own addresses. It hears all of the
/// machine's addresses; what is no sandbox's is not answered.
async fn open_doors(prefix: IpAddr) -> Result<Vec<(SandboxPort, TcpListener)>, Failure> {
    let any = match prefix {
        IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let mut doors = Vec::new();
    for port in SandboxPort::ALL {
        let address = SocketAddr::new(any, port.number());
        doors.push((port, bind(address).await?));
    }
    Ok(doors)
}

/// The signals that ask for the end.
struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    /// The next of them.
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn stop_signals() -> Result<Stops, Failure> {
    let watch = |kind| signal(kind).context("failed to watch for signals");
    Ok(Stops {
        terminate: watch(SignalKind::terminate())?,
        interrupt: watch(SignalKind::interrupt())?,
    })
}
