//! Connections of controllers: taken, shaken hands with, counted.
//!
//! ```text
//! accepted ─ Handshakes: so many at once ─► a controller's ─ place ─► service
//!               └─ past it, the oldest of whoever has most ─► refused
//! ```

mod handshakes;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::Sender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::identity::{Identity, Stranger};
use crate::audit::{Brake, Entry, Refusal};
use crate::metrics::{Connection as Counted, Refused, Surface};
use crate::observe::Observer;
use crate::sandbox::Shared;
use handshakes::Handshakes;

/// Connections of controllers at once: each has one or two. More are closed.
const MAX_CONNECTIONS: usize = 64;
/// Connections at once whose peers have not shown yet who they are.
const MAX_HANDSHAKES: usize = 128;
/// Time in which a peer has to have shown who it is.
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// How long to wait after the system had no room for a connection, rather
/// than ask again at once: handles are freed by connections that end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Takes connections for as long as it is polled; those that may ask are sent
/// on.
pub(super) async fn accept(
    listener: TcpListener,
    identity: Identity,
    shared: Arc<Shared>,
    taken: Sender<Connection>,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let identity = Arc::new(identity);
    let handshakes = Handshakes::at_most(MAX_HANDSHAKES);
    let strangers = Arc::new(Strangers {
        shared,
        brake: Brake::new(),
    });
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "failed to take a connection of a controller");
                sleep_until(Instant::now() + ACCEPT_PAUSE).await;
                continue;
            }
        };
        let handshake = handshakes.begin(peer.ip().to_canonical());
        let (identity, taken) = (Arc::clone(&identity), taken.clone());
        let (strangers, places) = (Arc::clone(&strangers), Arc::clone(&places));
        tokio::spawn(async move {
            let counted = strangers.shared.observer.metrics.connection();
            let let_in = let_in(stream, &identity, places);
            let let_in = handshake.within(HANDSHAKE_TIME, let_in).await;
            match let_in {
                Ok((stream, place)) => {
                    let peer = Peer {
                        name: identity.client(),
                        address: peer,
                    };
                    let connection = Connection {
                        stream,
                        peer,
                        _held: (place, counted),
                    };
                    // An error only says that the node goes down.
                    let _ = taken.send(connection).await;
                }
                Err(error) => strangers.note(peer, &error),
            }
        });
    }
}

/// Tells of connections that did not show that they are a controller's.
struct Strangers {
    shared: Arc<Shared>,
    brake: Brake,
}

impl Strangers {
    fn note(&self, peer: SocketAddr, error: &io::Error) {
        let reason = Refused::Unauthorized;
        let Observer { metrics, audit } = &self.shared.observer;
        metrics.refused(reason);
        audit.write(&Entry::Refused(Refusal {
            who: &peer.ip().to_string(),
            sandbox: None,
            surface: Surface::Api,
            reason,
        }));
        // The audit log has no room for the why, by which certificates that
        // have expired are found out.
        if self.brake.admits() {
            let why = Stranger::from(error);
            tracing::warn!(%peer, %why, "a connection was refused");
        }
    }
}

/// Finds out who it is, and takes a place if there is one.
async fn let_in(
    stream: TcpStream,
    identity: &Arc<Identity>,
    places: Arc<Semaphore>,
) -> io::Result<(TlsStream<TcpStream>, OwnedSemaphorePermit)> {
    let stream = shake(stream, identity).await?;
    let place = places.try_acquire_owned().map_err(|_| {
        io::Error::other(format!(
            "it is a controller's, and {MAX_CONNECTIONS} of theirs are open, which is the most; see who makes them"
        ))
    })?;
    Ok((stream, place))
}

async fn shake(stream: TcpStream, identity: &Arc<Identity>) -> io::Result<TlsStream<TcpStream>> {
    // Small answers would wait for the client's acknowledgement.
    stream.set_nodelay(true)?;
    let config = identity.current().await;
    TlsAcceptor::from(config).accept(stream).await
}

/// A connection of a controller.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    _held: (OwnedSemaphorePermit, Counted),
}

/// Who is at the other end; in the extensions of its requests.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    name: Arc<str>,
    address: SocketAddr,
}

impl Peer {
    /// As the audit log has it.
    pub(super) fn who(&self) -> String {
        format!("{}@{}", self.name, self.address.ip())
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
