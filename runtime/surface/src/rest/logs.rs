//! `/v1/logs`: what the sandbox's own command wrote.

mod stamps;

use std::io;

use axum::Extension;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{StatusCode, Uri};
use jiff::{SignedDuration, Timestamp};

use super::outlet::{Outlet, outlet};
use super::reply::Refusal;
use super::uri;
use crate::backend::{Backend, LOG_PIECE_BYTES, Log, LogSpan};
use crate::patience::{PATIENCE, Patience};
use stamps::{STAMPED_BYTES, Stamps};

/// What is asked for of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    /// Only so many lines from the end.
    tail: Option<u64>,
    /// Only what was written then or later.
    since: Option<Timestamp>,
    /// What is written from now on, too.
    follow: bool,
    /// Each line with the time when it was written.
    timestamps: bool,
}

impl Asked {
    fn of(uri: &Uri, now: Timestamp) -> Result<Self, Refusal> {
        let tail = uri::query(uri, "tail").map(|text| {
            let lines = text.parse();
            lines.map_err(|_| Refusal::invalid(format!("tail {text:?} must be a number of lines")))
        });
        let since = uri::query(uri, "since").map(|text| {
            since(&text, now).ok_or_else(|| {
                Refusal::invalid(format!(
                    "since {text:?} must be seconds, such as 90, or a time, such as 2026-01-02T03:04:05Z"
                ))
            })
        });
        Ok(Self {
            tail: tail.transpose()?,
            since: since.transpose()?,
            follow: uri::flag(uri, "follow")?,
            timestamps: uri::flag(uri, "timestamps")?,
        })
    }
}

/// So many seconds ago, or a time of RFC 3339.
fn since(text: &str, now: Timestamp) -> Option<Timestamp> {
    let Ok(seconds) = text.parse::<f64>() else {
        return text.parse().ok();
    };
    let span = SignedDuration::try_from_secs_f64(seconds).ok();
    let span = span.filter(|span| !span.is_negative())?;
    // Before there were clocks, nothing was written.
    Some(now.checked_sub(span).unwrap_or(Timestamp::MIN))
}

pub(super) async fn logs<B: Backend>(Extension(backend): Extension<B>, uri: Uri) -> Response {
    match answer(&backend, &uri).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

async fn answer<B: Backend>(backend: &B, uri: &Uri) -> Result<Response, Refusal> {
    let asked = Asked::of(uri, Timestamp::now())?;
    let log = backend.log().ok_or_else(none)?;
    let begin = begin(&*log, &asked).await.map_err(failed)?;
    let (outlet, body) = outlet(Patience::new(PATIENCE));
    tokio::spawn(async move {
        // Who has gone, and who is too slow, sees that it broke off.
        if let Err(error) = send(&*log, begin, &asked, outlet).await {
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

/// Where what is asked for begins.
async fn begin(log: &dyn Log, asked: &Asked) -> io::Result<u64> {
    let span = log.span().await?;
    let since = match asked.since {
        Some(time) => log.since(time).await?,
        None => span.start,
    };
    let tail = match asked.tail {
        Some(lines) => last(log, span, lines).await?,
        None => span.start,
    };
    Ok(since.max(tail))
}

/// Where the last lines begin.
async fn last(log: &dyn Log, span: LogSpan, lines: u64) -> io::Result<u64> {
    let LogSpan { start, end } = span;
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

async fn send(log: &dyn Log, begin: u64, asked: &Asked, mut outlet: Outlet) -> io::Result<()> {
    let mut place = begin;
    let mut stamps = asked.timestamps.then(Stamps::default);
    loop {
        let (at, bytes) = log.piece(place).await?;
        place = at + bytes.len() as u64;
        if !bytes.is_empty() {
            match &mut stamps {
                Some(stamps) => stamped(log, at, &bytes, stamps, &mut outlet).await?,
                None => outlet.put(bytes).await?,
            }
            continue;
        }
        let more = asked.follow
            && tokio::select! {
                more = log.grown(place) => more,
                () = outlet.left() => false,
            };
        if !more {
            return outlet.finish().await;
        }
    }
}

/// Sends bytes of this place with the times of their lines.
async fn stamped(
    log: &dyn Log,
    place: u64,
    bytes: &[u8],
    stamps: &mut Stamps,
    outlet: &mut Outlet,
) -> io::Result<()> {
    let moments = log.moments(place, place + bytes.len() as u64).await?;
    let mut place = place;
    for some in bytes.chunks(STAMPED_BYTES) {
        outlet
            .put(stamps.stamp(place, some, &moments).into())
            .await?;
        place += some.len() as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use bytes::Bytes;

    use super::*;
    use crate::backend::Moment;

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

        /// A byte a second, and each begins a line.
        async fn since(&self, time: Timestamp) -> io::Result<u64> {
            let place = u64::try_from(time.as_second()).unwrap();
            Ok(place.max(self.0))
        }

        async fn moments(&self, from: u64, to: u64) -> io::Result<Vec<Moment>> {
            let moment = |place| Moment {
                place,
                time: second(place),
            };
            Ok((from..to).map(moment).collect())
        }

        async fn grown(&self, _beyond: u64) -> bool {
            false
        }
    }

    fn second(second: u64) -> Timestamp {
        Timestamp::from_second(second.try_into().unwrap()).unwrap()
    }

    const ALL: Asked = Asked {
        tail: None,
        since: None,
        follow: false,
        timestamps: false,
    };

    async fn tail(text: &str, lines: u64) -> String {
        let log = Text(1000, text.into());
        let asked = Asked {
            tail: Some(lines),
            ..ALL
        };
        let begin = begin(&log, &asked).await.unwrap();
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

    #[tokio::test]
    async fn of_the_last_lines_and_those_since_then_the_fewer_are_told() {
        let log = Text(1000, "a\nb\nc\n".into());
        let begin = async |tail, since: Option<u64>| {
            let since = since.map(second);
            let asked = Asked { tail, since, ..ALL };
            begin(&log, &asked).await.unwrap()
        };
        assert_eq!(begin(None, None).await, 1000);
        assert_eq!(begin(None, Some(3)).await, 1000);
        assert_eq!(begin(None, Some(1004)).await, 1004);
        assert_eq!(begin(Some(2), Some(1004)).await, 1004);
        assert_eq!(begin(Some(1), Some(1002)).await, 1004);
    }

    #[test]
    fn what_is_asked_for_is_read_from_the_query() {
        let now = second(1_000);
        let asked = |query: &str| Asked::of(&format!("/v1/logs{query}").parse().unwrap(), now);
        assert_eq!(asked("").unwrap(), ALL);
        let each = Asked {
            tail: Some(5),
            since: Some(second(910)),
            follow: true,
            timestamps: true,
        };
        let query = "?tail=5&since=90&follow=1&timestamps=true";
        assert_eq!(asked(query).unwrap(), each);
        for (text, time) in [
            ("0", Some(second(1_000))),
            ("0.5", Some("1970-01-01T00:16:39.5Z".parse().unwrap())),
            ("1e12", Some(Timestamp::MIN)),
            ("1970-01-01T00:10:00Z", Some(second(600))),
            ("1970-01-01T02:10:00%2B02:00", Some(second(600))),
            ("1970-01-01", None),
            ("-1", None),
            ("inf", None),
            ("NaN", None),
            ("5m", None),
        ] {
            let since = asked(&format!("?since={text}")).map(|asked| asked.since);
            assert_eq!(since.ok().flatten(), time, "{text}");
        }
        for wrong in ["?tail=-1", "?tail=x", "?follow=maybe", "?timestamps=2"] {
            assert!(asked(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn what_is_sent_comes_to_its_end_and_tells_so() {
        use http_body_util::BodyExt;

        let log: Arc<dyn Log> = Arc::new(Text(3, b"a\nb\n".to_vec()));
        for follow in [false, true] {
            for (timestamps, text) in [
                (false, "a\nb\n"),
                (
                    true,
                    "1970-01-01T00:00:03.000000Z a\n1970-01-01T00:00:05.000000Z b\n",
                ),
            ] {
                let asked = Asked {
                    follow,
                    timestamps,
                    ..ALL
                };
                let (outlet, body) = outlet(Patience::new(PATIENCE));
                let sent = send(&*log, 0, &asked, outlet);
                let (read, sent) = tokio::join!(body.collect(), sent);
                assert_eq!(read.unwrap().to_bytes(), text);
                assert!(sent.is_ok());
            }
        }
    }
}
