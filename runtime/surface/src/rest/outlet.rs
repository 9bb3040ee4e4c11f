//! A body whose source does not wait for ever: while a client does not read,
//! nobody asks its body for more, and it would keep its file and its thread.

use std::io;

use axum::body::{Body, Bytes};
use futures_util::stream;
use tokio::sync::mpsc;

use crate::patience::{Patience, TooSlow};

/// Chunks that are ready before the network takes them, beside the one that
/// is being made.
const CHUNKS_AHEAD: usize = 1;

/// Where the chunks of a body are put.
pub(super) struct Outlet {
    chunks: mpsc::Sender<Bytes>,
    patience: Patience,
}

/// An outlet and the body that comes out of it. The body ends with an error
/// unless the outlet is finished.
pub(super) fn outlet(patience: Patience) -> (Outlet, Body) {
    let (chunks, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let body = Body::from_stream(stream::unfold(Some(receiver), next));
    (Outlet { chunks, patience }, body)
}

/// An empty chunk says that the body is whole.
async fn next(
    receiver: Option<mpsc::Receiver<Bytes>>,
) -> Option<(io::Result<Bytes>, Option<mpsc::Receiver<Bytes>>)> {
    let mut receiver = receiver?;
    match receiver.recv().await {
        Some(end) if end.is_empty() => None,
        Some(chunk) => Some((Ok(chunk), Some(receiver))),
        None => Some((Err(io::ErrorKind::BrokenPipe.into()), None)),
    }
}

impl Outlet {
    /// Puts a chunk, which is not empty, as soon as the client has taken most
    /// of those before.
    ///
    /// # Errors
    /// The client has gone, or takes too little.
    pub(super) async fn put(&mut self, chunk: Bytes) -> io::Result<()> {
        let bytes = chunk.len();
        match self.patience.wait(self.chunks.send(chunk)).await {
            Ok(Ok(())) => {
                self.patience.credit(bytes);
                Ok(())
            }
            Ok(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(TooSlow) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Completes once the client has gone.
    pub(super) async fn left(&self) {
        self.chunks.closed().await;
    }

    /// Says that the body is whole.
    ///
    /// # Errors
    /// Those of [`Outlet::put`].
    pub(super) async fn finish(mut self) -> io::Result<()> {
        self.put(Bytes::new()).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn what_is_put_comes_out_and_the_end_is_told() {
        let (mut outlet, body) = outlet(Patience::new(Duration::from_secs(30)));
        let put = async {
            outlet.put("a".into()).await.unwrap();
            outlet.put("b".into()).await.unwrap();
            outlet.finish().await.unwrap();
        };
        let (read, ()) = tokio::join!(body.collect(), put);
        assert_eq!(read.unwrap().to_bytes(), "ab");
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (mut outlet, body) = outlet(Patience::new(Duration::from_millis(1)));
        outlet.put("a".into()).await.unwrap();
        let error = outlet.put("b".into()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(outlet);
        assert!(body.collect().await.is_err());
    }

    #[tokio::test]
    async fn a_client_that_goes_is_noticed() {
        let (mut outlet, body) = outlet(Patience::new(Duration::from_secs(30)));
        outlet.put("a".into()).await.unwrap();
        let (put, ()) = tokio::join!(outlet.put("b".into()), async { drop(body) });
        assert_eq!(put.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
