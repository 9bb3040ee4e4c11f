//! An answer that is followed until it has been sent.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Response, StatusCode};
use hyper::body::{Body as _, Frame, SizeHint};

use super::FileTimer;

impl FileTimer {
    /// The request ends when the body of `answer` has been sent.
    pub(crate) fn follow(self, answer: Response<Body>) -> Response<Body> {
        let (head, body) = answer.into_parts();
        let length = head.headers.get(CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let mut followed = Followed {
            rest: length.or_else(|| body.size_hint().exact()),
            body,
            status: head.status,
            timer: Some(self),
        };
        // Nobody asks for the body of such an answer.
        let empty = followed.rest == Some(0) || followed.body.is_end_stream();
        if empty || followed.is_for_head() {
            followed.sent();
        }
        Response::from_parts(head, Body::new(followed))
    }
}

/// A body, and the timer of its request until it has been sent.
struct Followed {
    body: Body,
    /// Bytes to come, where that is known: a connection does not ask for more,
    /// not even whether there is more.
    rest: Option<u64>,
    status: StatusCode,
    timer: Option<FileTimer>,
}

impl Followed {
    fn is_for_head(&self) -> bool {
        self.timer.as_ref().is_some_and(FileTimer::is_head)
    }

    fn sent(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.finish(self.status);
        }
    }
}

impl hyper::body::Body for Followed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let sent = match &frame {
            None => true,
            Some(Err(_)) => false,
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                self.rest = self.rest.map(|rest| rest.saturating_sub(bytes));
                self.rest == Some(0) || self.body.is_end_stream()
            }
        };
        if sent {
            self.sent();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
