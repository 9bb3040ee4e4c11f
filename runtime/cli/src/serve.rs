//! `mote serve`: a node host without Kubernetes.

mod config;
mod token;

use std::net::SocketAddr;

use anyhow::Context;
use mote_node::{Node, NodeConfig, Server};
use mote_surface::listen::ListenLimits;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::args::PlacesArgs;
use crate::daemon::{self, Stops};
use crate::failure::Failure;
use crate::{log, report};

pub(crate) use config::ServeArgs;

/// What to do where an address is taken.
const TAKEN: &str = "; stop what does, or name another with --listen";

/// Serves until it is told to stop; gives the exit status.
pub(crate) fn serve(args: ServeArgs, places: &PlacesArgs) -> Result<u8, Failure> {
    log::serve(args.log_format);
    daemon::raise_open_files();
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

async fn run(listen: SocketAddr, config: NodeConfig) -> Result<(), Failure> {
    let stop = CancellationToken::new();
    let mut stops = Stops::watch()?;
    let listener = daemon::bind(listen, TAKEN).await?;
    let doors = daemon::open_doors(config.addresses, TAKEN)?;
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
    let timekeeper = daemon::keep_time(&node);
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
        () = stops.recv() => {}
    }
    timekeeper.abort();
    node.flush().await;
    Ok(())
}
