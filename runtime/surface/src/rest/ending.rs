//! Uploads of a sandbox that is suspended or deleted end with it: else their
//! callers would write into it for as long as they like.

use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use futures_util::{StreamExt, future, stream};
use tokio_util::sync::CancellationToken;

use crate::backend::{Backend, Unavailable};

/// The uploads of a sandbox that are on their way.
#[derive(Debug, Default)]
pub(crate) struct Uploads(Mutex<CancellationToken>);

impl Uploads {
    /// Ends all that have begun.
    pub(crate) fn end(&self) {
        // Whatever it was, it is whole.
        let mut token = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *token).cancel();
    }

    /// One begins. To be asked for before the sandbox admits it, so that no
    /// end is missed.
    pub(crate) fn begin(&self) -> Ending {
        let token = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ending(token.clone())
    }
}

/// Tells an upload of its sandbox's end.
#[derive(Debug)]
pub(crate) struct Ending(CancellationToken);

/// A body was broken off by us.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox was stopped")]
struct Stopped;

impl Ending {
    /// The body, which fails once the sandbox is stopped.
    pub(crate) fn cut(&self, body: Body) -> Body {
        let token = self.0.clone();
        let stopped = stream::once(async move { token.is_cancelled() })
            .filter_map(|stopped| future::ready(stopped.then(|| Err(axum::Error::new(Stopped)))));
        let body = body.into_data_stream();
        let body = body.take_until(self.0.clone().cancelled_owned());
        Body::from_stream(body.chain(stopped))
    }

    /// Why an upload that failed did so, if it was for its sandbox.
    pub(crate) fn why<E: From<Unavailable>>(&self, backend: &impl Backend, error: E) -> E {
        if !self.0.is_cancelled() {
            return error;
        }
        let resumed = || {
            let text = "the sandbox was stopped while it took the file; send it again";
            Unavailable::NotNow(text.to_owned())
        };
        backend.health().err().unwrap_or_else(resumed).into()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_body_of_a_stopped_sandbox_fails_and_does_not_end() {
        let uploads = Uploads::default();
        let (begun, whole) = (uploads.begin(), uploads.begin());
        let stalled = stream::iter([Ok::<_, Infallible>("x")]).chain(stream::pending());
        let mut body = begun.cut(Body::from_stream(stalled)).into_data_stream();
        assert_eq!(body.next().await.unwrap().unwrap(), "x");
        let read = whole.cut(Body::from("all of it")).collect().await;
        assert_eq!(read.unwrap().to_bytes(), "all of it");
        uploads.end();
        assert!(body.next().await.unwrap().is_err());
        let later = uploads.begin().cut(Body::from("more")).collect().await;
        assert!(later.is_ok());
    }
}
