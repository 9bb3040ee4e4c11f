//! Makes a connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::resolve::{Host, Place};
use crate::target::is_dialled;

/// How long one attempt may take, names looked up and all their addresses
/// tried. Sandboxes are in the same cluster: an answer takes milliseconds, and
/// a packet that was lost is sent again after one second and after three.
pub(super) const DIAL_TIME: Duration = Duration::from_secs(5);
/// Addresses of one name that are tried. A headless service has as many as it
/// has pods, and a sandbox has one.
const MAX_ADDRESSES: usize = 4;

/// Silence after which the other side is asked whether it is still there, and
/// time between two such questions: what NAT and firewalls forget is older.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Time after which a side is given up that takes nothing of what is sent to it.
#[cfg(target_os = "linux")]
const UNTAKEN: Duration = Duration::from_secs(60);

/// Nobody answers.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// There was an error, or a refusal.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The name has no address that a sandbox can have.
    #[error("the name has no address of a sandbox")]
    NoAddress,
    /// There was nothing.
    #[error("no answer within {DIAL_TIME:?}")]
    Silent,
    /// The connection ended before it was used.
    #[error("{0}")]
    Handshake(#[from] hyper::Error),
}

impl DialError {
    /// One word for metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Silent => "timeout",
            Self::Io(_) | Self::NoAddress | Self::Handshake(_) => "dial",
        }
    }
}

/// Connects to the place.
pub(super) async fn dial(place: &Place, loopback: bool) -> Result<TcpStream, DialError> {
    let dialled = timeout(DIAL_TIME, try_dial(place, loopback)).await;
    dialled.unwrap_or(Err(DialError::Silent))
}

async fn try_dial(place: &Place, loopback: bool) -> Result<TcpStream, DialError> {
    let mut last = DialError::NoAddress;
    for address in addresses(place, loopback).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                prepare(&stream)?;
                return Ok(stream);
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// A service may have been made that names any machine: what no sandbox has is
/// not dialled.
async fn addresses(place: &Place, loopback: bool) -> io::Result<Vec<SocketAddr>> {
    let name = match &place.host {
        Host::Address(address) | Host::Session(address, _) => {
            return Ok(vec![SocketAddr::new(*address, place.port)]);
        }
        Host::Name(name) => name,
    };
    // With its last point, a name is whole: no search list is tried first.
    let found = lookup_host((format!("{name}."), place.port)).await?;
    let found = found.filter(|it| is_dialled(it.ip(), loopback));
    Ok(found.take(MAX_ADDRESSES).collect())
}

/// Sees to it that a side which has gone is noticed: by the kernel, without a
/// timer of ours.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    // Small answers would wait for the other side's acknowledgement.
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let alive = TcpKeepalive::new().with_time(KEEPALIVE);
    socket.set_tcp_keepalive(&alive.with_interval(KEEPALIVE))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNTAKEN))?;
    Ok(())
}
