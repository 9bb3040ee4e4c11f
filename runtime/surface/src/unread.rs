//! Answers that nobody reads. Over HTTP/2 a client can ask for hundreds at
//! once, answer our pings, and take no byte of them: all would wait in our
//! memory for as long as the client likes.
//!
//! ```text
//! answer ─► Held ─ taken, dropped ─► given back
//!             └─ too much is held ─► the connection of the oldest is closed
//! ```
//!
//! An answer that is read is held for microseconds, so that the oldest is that
//! of a client which does not read, whoever needs the room.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use http::Response;
use http_body::{Frame, SizeHint};
use tokio_util::sync::CancellationToken;

use crate::events::EVENT_BYTES;
use crate::listen::Begun;

/// Bytes of answers that may wait to be taken, of all connections together:
/// thirty of the largest, or what eight thousand callers wait for at once.
const UNREAD_BYTES: usize = 512 << 20;
/// What may wait behind the piece of an answer that was handed on last: what a
/// program may write ahead.
const ANSWER_BYTES: usize = EVENT_BYTES;

/// The answers that wait to be taken; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Unread {
    most: usize,
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    bytes: usize,
    last: u64,
    /// By the order in which they began to wait.
    answers: BTreeMap<u64, Answer>,
}

#[derive(Debug)]
struct Answer {
    bytes: usize,
    connection: CancellationToken,
}

/// What waits of one answer, until dropped.
#[derive(Debug)]
struct Held {
    unread: Unread,
    number: u64,
}

impl Unread {
    /// Those of this process.
    pub(crate) fn of_all() -> Self {
        static ALL: LazyLock<Unread> = LazyLock::new(|| Unread::at_most(UNREAD_BYTES));
        ALL.clone()
    }

    fn at_most(most: usize) -> Self {
        Self {
            most,
            table: Arc::default(),
        }
    }

    /// The response, whose pieces are counted from here on until they are
    /// taken; `connection` is cancelled if others need their room. Its request
    /// is under way until then.
    pub(crate) fn count(
        self,
        response: Response<Body>,
        connection: CancellationToken,
        begun: Begun,
    ) -> Response<Body> {
        if response.body().is_end_stream() {
            return response;
        }
        response.map(|inner| {
            Body::new(Counted {
                inner,
                source: None,
                unread: self,
                connection,
                begun: Arc::new(begun),
            })
        })
    }

    fn hold(&self, bytes: usize, connection: &CancellationToken) -> Held {
        let mut table = self.lock();
        table.last += 1;
        let number = table.last;
        let answer = Answer {
            bytes,
            connection: connection.clone(),
        };
        table.bytes += bytes;
        table.answers.insert(number, answer);
        let mut closed = Vec::new();
        while table.bytes > self.most && table.answers.len() > 1 {
            let Some((_, oldest)) = table.answers.pop_first() else {
                break;
            };
            table.bytes -= oldest.bytes;
            closed.push(oldest.connection);
        }
        drop(table);
        for connection in closed {
            connection.cancel();
        }
        Held {
            unread: self.clone(),
            number,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Each change leaves the sum and the answers in step.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut table = self.unread.lock();
        if let Some(answer) = table.answers.remove(&self.number) {
            table.bytes -= answer.bytes;
        }
    }
}

/// A piece of an answer, which is counted until the last of it is sent:
/// HTTP/2 takes whole pieces long before the client has room for them, and the
/// body may be gone by then.
struct Piece {
    bytes: Bytes,
    _held: Held,
    _begun: Arc<Begun>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A body that counts its pieces.
struct Counted {
    inner: Body,
    /// Counts what may wait behind the piece that was handed on last, until
    /// another is asked for.
    source: Option<Held>,
    unread: Unread,
    connection: CancellationToken,
    begun: Arc<Begun>,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.source = None;
        let next = ready!(Pin::new(&mut self.inner).poll_frame(context));
        let Some(Ok(frame)) = next else {
            return Poll::Ready(next);
        };
        let frame = frame.map_data(|bytes| {
            self.source = Some(self.unread.hold(ANSWER_BYTES, &self.connection));
            let held = self.unread.hold(bytes.len(), &self.connection);
            Bytes::from_owner(Piece {
                bytes,
                _held: held,
                _begun: Arc::clone(&self.begun),
            })
        });
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::listen::Work;

    const PIECE: usize = 1000;

    fn room_for(answers: usize) -> Unread {
        Unread::at_most(answers * (PIECE + ANSWER_BYTES))
    }

    /// An answer of which one piece waits to be sent, and its connection.
    async fn answer(unread: &Unread) -> (Body, Bytes, CancellationToken) {
        let connection = CancellationToken::new();
        let response = Response::new(Body::from(vec![b'x'; PIECE]));
        let counted = unread
            .clone()
            .count(response, connection.clone(), Work::none().begin());
        let mut body = counted.into_body();
        let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
        (body, piece, connection)
    }

    #[tokio::test]
    async fn the_oldest_answer_goes_when_there_is_no_room_for_a_new_one() {
        let unread = room_for(2);
        let (first, second) = (answer(&unread).await, answer(&unread).await);
        assert!(!first.2.is_cancelled());
        let third = answer(&unread).await;
        assert!(first.2.is_cancelled());
        assert!(!second.2.is_cancelled() && !third.2.is_cancelled());
    }

    #[tokio::test]
    async fn a_piece_is_counted_until_it_is_sent_though_its_body_has_gone() {
        let unread = room_for(1);
        let (body, piece, _) = answer(&unread).await;
        drop(body);
        assert_eq!(unread.lock().bytes, PIECE);
        drop(piece);
        assert_eq!(unread.lock().bytes, 0);
    }

    #[tokio::test]
    async fn answers_that_are_read_take_no_room() {
        let unread = room_for(1);
        for _ in 0..3 {
            let (mut body, piece, connection) = answer(&unread).await;
            drop(piece);
            assert!(body.frame().await.is_none());
            assert!(!connection.is_cancelled());
        }
        assert_eq!(unread.lock().bytes, 0);
    }

    #[test]
    fn a_body_keeps_its_length() {
        let response = Response::new(Body::from("four"));
        let counted = room_for(1).count(response, CancellationToken::new(), Work::none().begin());
        assert_eq!(counted.body().size_hint().exact(), Some(4));
    }
}
