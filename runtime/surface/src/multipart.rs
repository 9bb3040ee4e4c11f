//! A form with files, read part by part in bounded memory.
//!
//! The parser takes all that is there whenever it is asked, and searches it
//! for the end of a part's headers. So what it is given comes frame by frame,
//! and ends with an error once it took too much without telling of anything.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, BodyDataStream, Bytes};
use futures_util::{Stream, StreamExt};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// Most bytes, but for one frame, between two things that a form tells: the
/// headers of a part, and what comes before the first. Browsers send hundreds.
const SILENCE_BYTES: usize = 64 * 1024;

/// A form as it comes in.
pub(crate) struct Form {
    parser: multer::Multipart<'static>,
    silence: Arc<AtomicUsize>,
}

/// One part of a form. While it is there, the form waits.
pub(crate) struct Part {
    field: multer::Field<'static>,
    silence: Arc<AtomicUsize>,
}

/// What is no form, or no longer.
#[derive(Debug, thiserror::Error)]
#[error("invalid multipart body: {0}")]
pub(crate) struct FormError(#[from] multer::Error);

/// A form told nothing for too long.
#[derive(Debug, thiserror::Error)]
#[error("a part has more than {SILENCE_BYTES} bytes of headers")]
struct TooSilent;

impl Form {
    /// The form that `body` is. `None` if it says to be something else.
    ///
    /// # Errors
    /// It says to be one, and not what parts it.
    pub(crate) fn of(headers: &HeaderMap, body: Body) -> Result<Result<Self, Body>, FormError> {
        let kind = headers
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        let boundary = match kind.map(multer::parse_boundary) {
            None | Some(Err(multer::Error::NoMultipart | multer::Error::DecodeContentType(_))) => {
                return Ok(Err(body));
            }
            Some(boundary) => boundary?,
        };
        let silence = Arc::new(AtomicUsize::new(0));
        let frames = Frames {
            body: body.into_data_stream(),
            silence: Arc::clone(&silence),
            rest: false,
        };
        let parser = multer::Multipart::new(frames, boundary);
        Ok(Ok(Self { parser, silence }))
    }

    /// The next part; the one before must have been read to its end.
    pub(crate) async fn next(&mut self) -> Result<Option<Part>, FormError> {
        let field = self.parser.next_field().await?;
        self.silence.store(0, Ordering::Relaxed);
        let silence = Arc::clone(&self.silence);
        Ok(field.map(|field| Part { field, silence }))
    }
}

impl Part {
    /// The name of the form's field.
    pub(crate) fn name(&self) -> Option<&str> {
        self.field.name()
    }

    /// The file's name, if it is one.
    pub(crate) fn file_name(&self) -> Option<&str> {
        self.field.file_name()
    }
}

impl Stream for Part {
    type Item = Result<Bytes, FormError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.field.poll_next_unpin(cx);
        if polled.is_ready() {
            self.silence.store(0, Ordering::Relaxed);
        }
        polled.map_err(FormError)
    }
}

/// A body that lets go of one frame at a time.
struct Frames {
    body: BodyDataStream,
    silence: Arc<AtomicUsize>,
    /// Whether a frame was just given.
    rest: bool,
}

impl Stream for Frames {
    type Item = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.rest) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.silence.load(Ordering::Relaxed) > SILENCE_BYTES {
            return Poll::Ready(Some(Err(TooSilent.into())));
        }
        let polled = self.body.poll_next_unpin(cx);
        if let Poll::Ready(Some(Ok(bytes))) = &polled {
            self.rest = true;
            self.silence.fetch_add(bytes.len(), Ordering::Relaxed);
        }
        polled.map_err(Into::into)
    }
}
