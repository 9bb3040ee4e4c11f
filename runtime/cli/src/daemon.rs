//! What `mote serve` and `mote node` have in common: a process that listens
//! until it is told to end.

use std::io;
use std::net::SocketAddr;

use anyhow::Context;
use mote_node::{AddressSource, Node, SandboxPort};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::failure::Failure;

/// Connections of one port that may wait to be taken, as tokio has it.
const BACKLOG: i32 = 1024;

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

/// A listener for each port of sandboxes' addresses, and for each family
/// that they have. It hears all of the machine's addresses of that family;
/// what is no sandbox's is turned away.
pub(crate) fn open_doors(
    addresses: AddressSource,
    advice: &str,
) -> Result<Vec<(SandboxPort, TcpListener)>, Failure> {
    let mut doors = Vec::new();
    for any in addresses.families() {
        for port in SandboxPort::ALL {
            let address = SocketAddr::new(any, port.number());
            let door = listen(address)
                .with_context(|| format!("failed to listen on {address}{advice}"))?;
            doors.push((port, door));
        }
    }
    Ok(doors)
}

/// Listens to one family alone: the other has a listener of its own, or nobody
/// has an address of it.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // As tokio's own: connections of before a restart may still be going.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
