//! What `mote serve` and `mote node` have in common: a process that listens
//! until it is told to end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context;
use mote_node::{Node, SandboxPort};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::failure::Failure;

/// The signals that ask for the end.
pub(crate) struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    /// Watches for them from now on.
    pub(crate) fn watch() -> Result<Self, Failure> {
        let watch = |kind| signal(kind).context("failed to watch for signals");
        Ok(Self {
            terminate: watch(SignalKind::terminate())?,
            interrupt: watch(SignalKind::interrupt())?,
        })
    }

    /// The next of them.
    pub(crate) async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Each live sandbox takes a few handles; the soft limit is made for programs
/// that select over them.
pub(crate) fn raise_open_files() {
    let now = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: now.maximum,
        ..now
    };
    if let Err(errno) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%errno, "failed to raise the number of open files");
    }
}

/// Compiles what sandboxes run, and keeps their time, until it is aborted.
pub(crate) fn keep_time(node: &Node) -> JoinHandle<()> {
    let node = node.clone();
    tokio::spawn(async move {
        // Time goes on while programs are compiled.
        tokio::join!(node.make_ready(), node.keep_time());
    })
}

/// Listens; `advice` ends the sentence that says it failed.
pub(crate) async fn bind(address: SocketAddr, advice: &str) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).await;
    Ok(listener.with_context(|| format!("failed to listen on {address}{advice}"))?)
}

/// A listener for each port of sandboxes' own addresses. It hears all of the
/// machine's addresses; what is no sandbox's is turned away.
pub(crate) async fn open_doors(
    prefix: IpAddr,
    advice: &str,
) -> Result<Vec<(SandboxPort, TcpListener)>, Failure> {
    let mut doors = Vec::new();
    for port in SandboxPort::ALL {
        let address = SocketAddr::new(any(prefix), port.number());
        doors.push((port, bind(address, advice).await?));
    }
    Ok(doors)
}

/// Every address of the machine, of the family of this one.
fn any(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}
