//! Connections to sandboxes: dialled, kept for a while, and used again.

mod dial;
mod idle;
mod shared;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::headers::Protocol;
use crate::relay::Relay;
use crate::resolve::Place;
pub use dial::DialError;
pub(crate) use dial::prepare;
use idle::Idle;
pub use shared::Lease;
use shared::Shared;

/// Bytes of one head, and of what is read of a body at once.
pub(crate) const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Bytes that one stream of HTTP/2 may have on the way to us, and as many from
/// us: with both of its sides, a request holds half a mebibyte at most. At the
/// half millisecond that a cluster's network takes, that is 250 MB a second.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 128 * 1024;
/// Requests that one connection of HTTP/2 may have open: a gateway puts those of
/// many clients on one.
pub(crate) const MAX_STREAMS: u32 = 1_024;
/// Bytes that one connection of HTTP/2 may have on the way to us: as many as its
/// streams, so that those which stand still do not hold up the others. What is
/// held in all is bounded by the requests that run.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = MAX_STREAMS * STREAM_WINDOW_BYTES;
/// How often connections that nobody needs any more are looked for. A fraction
/// of the time after which they are not needed.
const SWEEP: Duration = Duration::from_secs(2);

/// All connections to sandboxes.
#[derive(Debug)]
pub struct Upstreams {
    loopback: bool,
    idle: Mutex<Idle<http1::SendRequest<Relay>>>,
    shared: Shared,
}

impl Answered {
    /// Whether the connection becomes another protocol's.
    pub fn switches(&self) -> bool {
        self.response.status() == StatusCode::SWITCHING_PROTOCOLS
    }
}

/// A connection that takes a request.
#[derive(Debug)]
pub struct Sender {
    place: Place,
    line: Line,
    /// Whether it was there before, and may have ended without our knowing.
    pub reused: bool,
}

#[derive(Debug)]
enum Line {
    Http1(http1::SendRequest<Relay>),
    Http2(Lease),
}

impl Sender {
    /// Where it leads.
    pub fn place(&self) -> &Place {
        &self.place
    }
}

/// A request that got no response.
#[derive(Debug)]
pub struct Unanswered {
    /// What went wrong.
    pub error: hyper::Error,
    /// The request, if nothing of it was sent.
    pub unsent: Option<Request<Relay>>,
}

/// A response, and what its connection is held by until it has ended.
#[derive(Debug)]
pub struct Answered {
    /// The response.
    pub response: Response<Incoming>,
    /// Keeps a shared connection from being given up.
    pub lease: Option<Lease>,
}

impl Upstreams {
    /// None yet. `loopback` permits this machine's own addresses.
    pub fn new(loopback: bool) -> Arc<Self> {
        let upstreams = Arc::new(Self {
            loopback,
            idle: Mutex::new(Idle::default()),
            shared: Shared::default(),
        });
        tokio::spawn(sweep(Arc::downgrade(&upstreams)));
        upstreams
    }

    /// A connection to the place; a `fresh` one was not used before.
    ///
    /// # Errors
    /// Nobody answers there.
    pub async fn sender(
        &self,
        place: &Place,
        protocol: Protocol,
        fresh: bool,
    ) -> Result<Sender, DialError> {
        let (line, reused) = match protocol {
            Protocol::Http1 => self.http1(place, fresh).await?,
            Protocol::Http2 => {
                let (lease, reused) = self.shared.lease(place, self.loopback).await?;
                (Line::Http2(lease), reused)
            }
        };
        let place = place.clone();
        Ok(Sender {
            place,
            line,
            reused,
        })
    }

    async fn http1(&self, place: &Place, fresh: bool) -> Result<(Line, bool), DialError> {
        let kept = if fresh {
            None
        } else {
            let open = |it: &http1::SendRequest<Relay>| it.is_ready();
            self.idle().take(place, Instant::now(), open)
        };
        if let Some(kept) = kept {
            return Ok((Line::Http1(kept), true));
        }
        let stream = dial::dial(place, self.loopback).await?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD_BYTES)
            .handshake(TokioIo::new(stream))
            .await?;
        // Whoever waits for a response hears of its end too.
        tokio::spawn(connection.with_upgrades());
        Ok((Line::Http1(sender), false))
    }

    /// Sends a request and waits for the head of its response.
    ///
    /// # Errors
    /// There was none.
    pub async fn send(
        self: &Arc<Self>,
        sender: Sender,
        request: Request<Relay>,
    ) -> Result<Answered, Unanswered> {
        match sender.line {
            Line::Http1(mut line) => {
                let response = line.try_send_request(request).await.map_err(unanswered)?;
                self.keep(sender.place, line);
                let lease = None;
                Ok(Answered { response, lease })
            }
            Line::Http2(lease) => {
                let sent = lease.sender().try_send_request(request).await;
                let response = sent.map_err(unanswered)?;
                let lease = Some(lease);
                Ok(Answered { response, lease })
            }
        }
    }

    /// Takes a connection back once its response has ended.
    fn keep(self: &Arc<Self>, place: Place, mut line: http1::SendRequest<Relay>) {
        if line.is_ready() {
            return self.idle().put(place, line, Instant::now());
        }
        let this = Arc::downgrade(self);
        tokio::spawn(async move {
            // It is never ready again where it became another protocol's.
            if line.ready().await.is_ok()
                && let Some(this) = this.upgrade()
            {
                this.idle().put(place, line, Instant::now());
            }
        });
    }

    fn idle(&self) -> MutexGuard<'_, Idle<http1::SendRequest<Relay>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unanswered(mut failed: TrySendError<Request<Relay>>) -> Unanswered {
    Unanswered {
        unsent: failed.take_message(),
        error: failed.into_error(),
    }
}

/// Ends connections that were not used for a while, as long as there is someone
/// who could use them.
async fn sweep(upstreams: Weak<Upstreams>) {
    let mut ticks = interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(upstreams) = upstreams.upgrade() else {
            return;
        };
        let now = Instant::now();
        upstreams.idle().sweep(now);
        upstreams.shared.sweep(now);
    }
}
