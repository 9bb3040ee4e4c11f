//! A body on its way through, frame by frame: nothing is gathered, and
//! trailers pass as they are.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::metrics::Flight;
use crate::traffic::Begun;
use crate::upstream::Lease;

/// A body that comes on one connection and leaves on another.
#[derive(Debug)]
pub struct Relay {
    /// None where it is known to be empty.
    body: Option<Incoming>,
    until: Option<Instant>,
    /// Made when there is something to wait for, which often there is not.
    sleep: Option<Pin<Box<Sleep>>>,
    held: Option<Held>,
    /// Who sends a request drops it when it has gone.
    _sent: Option<DropGuard>,
}

/// What a response holds until it has ended.
#[derive(Debug)]
pub struct Held {
    /// Its place among the requests that run, and its measure.
    pub flight: Flight,
    /// Whether the client takes what is there.
    pub begun: Begun,
    /// Its share of a connection to the sandbox.
    pub lease: Option<Lease>,
}

/// The time of an exchange ran out, and the other side had not ended.
#[derive(Debug, thiserror::Error)]
#[error("the time for the whole exchange ran out")]
pub struct Late;

impl Relay {
    /// A request's body. It may take until then, if there is a then. `sent` is
    /// told when it has gone.
    pub fn request(body: Incoming, until: Option<Instant>, sent: CancellationToken) -> Self {
        Self {
            body: Some(body),
            until,
            _sent: Some(sent.drop_guard()),
            ..Self::empty()
        }
    }

    /// The body of a request that has none.
    pub fn empty() -> Self {
        Self {
            body: None,
            until: None,
            sleep: None,
            held: None,
            _sent: None,
        }
    }

    /// A response's body.
    pub fn response(body: Incoming, until: Option<Instant>, held: Held) -> Self {
        Self {
            body: Some(body),
            until,
            held: Some(held),
            ..Self::empty()
        }
    }

    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        let Some(until) = self.until else {
            return false;
        };
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(until)));
        sleep.as_mut().poll(context).is_ready()
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(held) = &self.held {
            held.begun.taken();
        }
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(context);
        // Who sends a byte a minute is never waited for, and is late all the same.
        let late = match polled {
            Poll::Pending => self.is_late(context),
            Poll::Ready(_) => self.until.is_some_and(|until| Instant::now() >= until),
        };
        match polled {
            Poll::Ready(None) => Poll::Ready(None),
            _ if late => Poll::Ready(Some(Err(Late.into()))),
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(held) = &self.held {
                    held.begun.handed();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let empty = SizeHint::with_exact(0);
        self.body.as_ref().map_or(empty, Body::size_hint)
    }
}
