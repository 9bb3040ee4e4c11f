//! `/v1/logs`: what the sandbox's own command wrote.

use std::io;

use axum::Extension;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{StatusCode, Uri};

use super::outlet::{Outlet, outlet};
use super::reply::Refusal;
use super::uri;
use crate::backend::{Backend, LOG_PIECE_BYTES, Log, LogSpan};
use crate::patience::{PATIENCE, Patience};

/// What is asked for of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    /// Only so many lines from the end.
    tail: Option<u64>,
    /// What is written from now on, too.
    follow: bool,
}

impl Asked {
    fn of(uri: &Uri) -> Result<Self, Refusal> {
        let tail = uri::query(uri, "tail").map(|text| {
            let lines = text.parse();
            lines.map_err(|_| Refusal::invalid(format!("tail {text:?} must be a number of lines")))
        });
        Ok(Self {
            tail: tail.transpose()?,
            follow: uri::flag(uri, "follow")?,
        })
    }
}

pub(super) async fn logs<B: Backend>(Extension(backend): Extension<B>, uri: Uri) -> Response {
    match answer(&backend, &uri).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

async fn answer<B: Backend>(backend: &B, uri: &Uri) -> Result<Response, Refusal> {
    let asked = Asked::of(uri)?;
    let log = backend.log().ok_or_else(none)?;
    let begin = begin(&*log, asked.tail).await.map_err(failed)?;
    let (outlet, body) = outlet(Patience::new(PATIENCE));
    tokio::spawn(async move {
        // Who has gone, and who is too slow, sees that it broke off.
        if let Err(error) = send(&*log, begin, asked.follow, outlet).await {
            tracing::debug!(%error, "a log broke off");
        }
    });
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((StatusCode::OK, headers, body).into_response())
}

fn none() -> Refusal {
    let why =
        "the sandbox has no command of its own, and so no log; what a call writes is in its answer";
    Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", why)
}

fn failed(error: io::Error) -> Refusal {
    tracing::error!(%error, "failed to read a log");
    Refusal::internal("the log cannot be read; the sandbox host's own log says why")
}

/// Where the last `tail` lines begin.
async fn begin(log: &dyn Log, tail: Option<u64>) -> io::Result<u64> {
    let LogSpan { start, end } = log.span().await?;
    let Some(lines) = tail else {
        return Ok(start);
    };
    if lines == 0 {
        return Ok(end);
    }
    let (mut behind, mut left) = (end, lines);
    while behind > start {
        let from = behind.saturating_sub(LOG_PIECE_BYTES as u64).max(start);
        let piece = read(log, from, behind).await?;
        for (at, byte) in piece.iter().enumerate().rev() {
            let place = from + at as u64;
            // The feed that ends the last line begins no other.
            if *byte != b'\n' || place + 1 == end {
                continue;
            }
            left -= 1;
            if left == 0 {
                return Ok(place + 1);
            }
        }
        behind = from;
    }
    Ok(start)
}

/// What is kept between two places; of what is no longer kept, nothing.
async fn read(log: &dyn Log, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let (mut place, mut all) = (from, Vec::new());
    while place < to {
        let (at, bytes) = log.piece(place).await?;
        if at != place || bytes.is_empty() {
            break;
        }
        let most = usize::try_from(to - place).unwrap_or(usize::MAX);
        all.extend(bytes.iter().take(most));
        place += bytes.len() as u64;
    }
    Ok(all)
}

async fn send(log: &dyn Log, begin: u64, follow: bool, mut outlet: Outlet) -> io::Result<()> {
    let mut place = begin;
    loop {
        let (at, bytes) = log.piece(place).await?;
        place = at + bytes.len() as u64;
        if !bytes.is_empty() {
            outlet.put(bytes).await?;
            continue;
        }
        let more = follow
            && tokio::select! {
                more = log.grown(place) => more,
                () = outlet.left() => false,
            };
        if !more {
            return outlet.finish().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use bytes::Bytes;

    use super::*;

    /// A log of this text, of which some is no longer kept.
    #[derive(Debug)]
    struct Text(u64, Vec<u8>);

    #[async_trait]
    impl Log for Text {
        async fn span(&self) -> io::Result<LogSpan> {
            Ok(LogSpan {
                start: self.0,
                end: self.0 + self.1.len() as u64,
            })
        }

        async fn piece(&self, from: u64) -> io::Result<(u64, Bytes)> {
            let from = from.max(self.0);
            let begin = usize::try_from(from - self.0).unwrap();
            let left = self.1.iter().skip(begin).take(LOG_PIECE_BYTES);
            Ok((from, left.copied().collect()))
        }

        async fn grown(&self, _beyond: u64) -> bool {
            false
        }
    }

    async fn tail(text: &str, lines: u64) -> String {
        let log = Text(1000, text.into());
        let begin = begin(&log, Some(lines)).await.unwrap();
        let end = log.span().await.unwrap().end;
        String::from_utf8(read(&log, begin, end).await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn the_last_lines_are_found_from_the_end() {
        for (lines, told) in [(0, ""), (1, "c\n"), (2, "b\nc\n"), (9, "a\nb\nc\n")] {
            assert_eq!(tail("a\nb\nc\n", lines).await, told);
        }
        assert_eq!(tail("a\nb", 1).await, "b", "the last may be unfinished");
        assert_eq!(tail("a\n\n", 1).await, "\n");
        assert_eq!(tail("", 1).await, "");
    }

    #[tokio::test]
    async fn a_line_may_be_longer_than_what_is_read_at_once() {
        let long = "x".repeat(2 * LOG_PIECE_BYTES + 7);
        let text = format!("a\n{long}\nc\n");
        assert_eq!(tail(&text, 2).await, format!("{long}\nc\n"));
    }

    #[test]
    fn what_is_asked_for_is_read_from_the_query() {
        let asked = |query: &str| Asked::of(&format!("/v1/logs{query}").parse().unwrap());
        let plain = Asked {
            tail: None,
            follow: false,
        };
        assert_eq!(asked("").unwrap(), plain);
        let both = Asked {
            tail: Some(5),
            follow: true,
        };
        assert_eq!(asked("?tail=5&follow=1").unwrap(), both);
        for wrong in ["?tail=-1", "?tail=x", "?follow=maybe"] {
            assert!(asked(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn what_is_sent_comes_to_its_end_and_tells_so() {
        use http_body_util::BodyExt;

        let log: Arc<dyn Log> = Arc::new(Text(3, b"a\nb\n".to_vec()));
        for follow in [false, true] {
            let (outlet, body) = outlet(Patience::new(PATIENCE));
            let sent = send(&*log, 0, follow, outlet);
            let (read, sent) = tokio::join!(body.collect(), sent);
            assert_eq!(read.unwrap().to_bytes(), "a\nb\n");
            assert!(sent.is_ok());
        }
    }
}
