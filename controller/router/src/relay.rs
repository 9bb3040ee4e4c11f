//! A body on its way through, frame by frame: nothing is gathered, and
//! trailers pass as they are.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::metrics::Flight;
use crate::pace::{Bound, Wait};
use crate::traffic::Begun;
use crate::upstream::Lease;

/// A body that comes on one connection and leaves on another.
#[derive(Debug)]
pub struct Relay {
    /// None where it is known to be empty.
    body: Option<Incoming>,
    bound: Bound,
    wait: Wait,
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

/// The time of an exchange ran out, or nothing of it moved for too long, and
/// the other side had not ended.
#[derive(Debug, thiserror::Error)]
#[error("the exchange took too long, or stood still for too long")]
pub struct Late;

impl Relay {
    /// A request's body. `sent` is told when it has gone.
    pub fn request(body: Incoming, bound: Bound, sent: CancellationToken) -> Self {
        Self {
            body: Some(body),
            bound,
            _sent: Some(sent.drop_guard()),
            ..Self::empty()
        }
    }

    /// The body of a request that has none.
    pub fn empty() -> Self {
        Self {
            body: None,
            bound: Bound::None,
            wait: Wait::default(),
            held: None,
            _sent: None,
        }
    }

    /// A response's body.
    pub fn response(body: Incoming, bound: Bound, held: Held) -> Self {
        Self {
            body: Some(body),
            bound,
            held: Some(held),
            ..Self::empty()
        }
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        if let Some(held) = &this.held {
            held.begun.taken();
        }
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(context);
        let late = match &polled {
            Poll::Pending => this.wait.is_over(&this.bound, context),
            Poll::Ready(Some(Ok(_))) => {
                this.bound.moved();
                // A time that was named is over for who sends a byte a minute too.
                this.bound.is_over()
            }
            Poll::Ready(_) => false,
        };
        match polled {
            Poll::Ready(None) => Poll::Ready(None),
            _ if late => Poll::Ready(Some(Err(Late.into()))),
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(held) = &this.held {
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
