//! Bodies that are read whole before anything is done.

use std::error::Error as _;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::LengthLimitError;

/// Time in which a body that is read whole has to be there: they have two
/// megabytes at most, and a caller that stalls would hold its connection, of
/// which there are few for all sandboxes.
const BODY_TIME: Duration = Duration::from_secs(30);

/// A body was not read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than it may be, in bytes.
    #[error("the request's body has more than {0} bytes; send less")]
    TooLong(usize),
    /// It keeps its reader waiting.
    #[error("the request's body did not come within {0:?}; send it again")]
    TooSlow(Duration),
    /// It ended too early, or is malformed; most likely nobody reads this.
    #[error("failed to read the request's body: {0}")]
    Broken(axum::Error),
}

/// Reads a body of at most `most` bytes, for half a minute at most.
///
/// # Errors
/// It is longer, or slower, or breaks.
pub async fn read_body(body: Body, most: usize) -> Result<Bytes, BodyError> {
    read_within(body, most, BODY_TIME).await
}

async fn read_within(body: Body, most: usize, time: Duration) -> Result<Bytes, BodyError> {
    let read = tokio::time::timeout(time, axum::body::to_bytes(body, most));
    let read = read.await.map_err(|_| BodyError::TooSlow(time))?;
    read.map_err(|error| {
        let too_long = error
            .source()
            .is_some_and(|source| source.is::<LengthLimitError>());
        match too_long {
            true => BodyError::TooLong(most),
            false => BodyError::Broken(error),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt, stream};

    use super::*;

    const SHORT: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn a_body_is_read_up_to_the_bound_and_no_further() {
        let read = read_body("body".into(), 4).await;
        assert_eq!(read.unwrap(), "body");
        let read = read_body("body".into(), 3).await;
        assert!(matches!(read, Err(BodyError::TooLong(3))));
    }

    #[tokio::test]
    async fn a_body_that_stalls_is_given_up() {
        let byte = stream::iter([Ok::<_, Infallible>("{")]);
        let stalled = Body::from_stream(byte.chain(stream::pending()));
        let read = read_within(stalled, 1000, SHORT).await;
        assert!(matches!(read, Err(BodyError::TooSlow(SHORT))));
    }

    #[tokio::test]
    async fn a_body_that_breaks_is_told_from_a_long_one() {
        let broken = Body::from_stream(stream::iter([Err::<&str, _>("gone")]));
        let read = read_body(broken, 1000).await;
        assert!(matches!(read, Err(BodyError::Broken(_))));
    }
}
