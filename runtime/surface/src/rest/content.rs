//! A file as an answer, as Go's `http.ServeContent` gives it.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, LAST_MODIFIED,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::condition::{Verdict, last_modified, weigh};
use super::outlet::{Outlet, outlet};
use super::range::{self, RangeError};
use super::reply::text;
use crate::files::Opened;
use crate::patience::{PATIENCE, Patience};

/// What a file is to HTTP: bytes of which we know nothing.
const KIND: &str = "application/octet-stream";
/// Bytes that are read at once. Large enough that passing them between
/// threads costs little, and small enough for thousands of slow readers.
const CHUNK_BYTES: u64 = 256 * 1024;
/// Most bytes that are read before the answer begins, so that it leaves in
/// one piece and without another thread.
const SMALL_BYTES: u64 = 64 * 1024;

/// Answers a GET, or a HEAD, of `opened`. Blocks on the disk if it is small.
pub(crate) fn serve(head: bool, headers: &HeaderMap, opened: Opened) -> Response {
    let modified = opened.modified;
    let mut response = match weigh(headers, modified) {
        Verdict::NotModified => status(StatusCode::NOT_MODIFIED),
        Verdict::Failed => {
            let mut response = status(StatusCode::PRECONDITION_FAILED);
            set(&mut response, CONTENT_TYPE, KIND);
            response
        }
        Verdict::Content(header) => match range::parse(header, opened.size) {
            Ok(ranges) => content(head, &ranges, opened),
            Err(error) => return unsatisfiable(error, opened.size),
        },
    };
    if let Some(modified) = last_modified(modified) {
        let date = httpdate::fmt_http_date(modified);
        set(&mut response, LAST_MODIFIED, &date);
    }
    response
}

fn unsatisfiable(error: RangeError, size: u64) -> Response {
    let mut response = text(StatusCode::RANGE_NOT_SATISFIABLE, &error.to_string());
    if error == RangeError::Beyond {
        set(&mut response, CONTENT_RANGE, &format!("bytes */{size}"));
    }
    response
}

fn content(head: bool, ranges: &[Range<u64>], opened: Opened) -> Response {
    let size = opened.size;
    let mut response = status(match ranges {
        [] => StatusCode::OK,
        _ => StatusCode::PARTIAL_CONTENT,
    });
    let mut kind = KIND.to_owned();
    let parts = match ranges {
        [] => vec![Part::File(0..size)],
        [range] => {
            set(&mut response, CONTENT_RANGE, &content_range(range, size));
            vec![Part::File(range.clone())]
        }
        ranges => {
            let boundary = boundary();
            kind = format!("multipart/byteranges; boundary={boundary}");
            multipart(ranges, size, &boundary)
        }
    };
    let length: u64 = parts.iter().map(Part::length).sum();
    set(&mut response, CONTENT_TYPE, &kind);
    set(&mut response, ACCEPT_RANGES, "bytes");
    set(&mut response, CONTENT_LENGTH, &length.to_string());
    if !head {
        *response.body_mut() = body(opened, parts);
    }
    response
}

/// A piece of an answer's body.
enum Part {
    Text(Bytes),
    File(Range<u64>),
}

impl Part {
    fn length(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::File(range) => range.end - range.start,
        }
    }

    /// The same in pieces that are read at once.
    fn chunks(self) -> Box<dyn Iterator<Item = Self> + Send> {
        match self {
            Self::Text(_) => Box::new(std::iter::once(self)),
            Self::File(range) => {
                let starts = range.clone().step_by(CHUNK_BYTES as usize);
                Box::new(starts.map(move |start| {
                    Self::File(start..start.saturating_add(CHUNK_BYTES).min(range.end))
                }))
            }
        }
    }
}

fn multipart(ranges: &[Range<u64>], size: u64, boundary: &str) -> Vec<Part> {
    let mut parts = Vec::with_capacity(ranges.len() * 2 + 1);
    let mut before = "";
    for range in ranges {
        let at = content_range(range, size);
        let head =
            format!("{before}--{boundary}\r\nContent-Range: {at}\r\nContent-Type: {KIND}\r\n\r\n");
        parts.push(Part::Text(head.into()));
        parts.push(Part::File(range.clone()));
        before = "\r\n";
    }
    parts.push(Part::Text(format!("\r\n--{boundary}--\r\n").into()));
    parts
}

/// As Go writes it, also for an empty range.
fn content_range(range: &Range<u64>, size: u64) -> String {
    let last = i128::from(range.end) - 1;
    format!("bytes {}-{last}/{size}", range.start)
}

/// 60 digits by chance, so that no file can hold them on purpose.
fn boundary() -> String {
    let chance = |_| format!("{:015x}", RandomState::new().build_hasher().finish() >> 4);
    (0..4).map(chance).collect()
}

/// Reads the parts as the network takes them.
fn body(opened: Opened, parts: Vec<Part>) -> Body {
    if let [Part::File(range)] = &*parts
        && range.end - range.start <= SMALL_BYTES
        && let Ok(bytes) = read(&opened.file, range)
    {
        return Body::from(bytes);
    }
    let (outlet, body) = outlet(Patience::new(PATIENCE));
    tokio::spawn(async move {
        if let Err(error) = send(Arc::new(opened), parts, outlet).await {
            tracing::debug!(%error, "a file was broken off");
        }
    });
    body
}

async fn send(opened: Arc<Opened>, parts: Vec<Part>, mut outlet: Outlet) -> io::Result<()> {
    for part in parts.into_iter().flat_map(Part::chunks) {
        outlet
            .put(read_part(Arc::clone(&opened), part).await?)
            .await?;
    }
    outlet.finish().await
}

async fn read_part(opened: Arc<Opened>, part: Part) -> io::Result<Bytes> {
    match part {
        Part::Text(text) => Ok(text),
        Part::File(range) => {
            tokio::task::spawn_blocking(move || read(&opened.file, &range)).await?
        }
    }
}

/// Fails, and so ends the connection, if the file was cut short meanwhile: it
/// is too late for another answer.
fn read(file: &File, range: &Range<u64>) -> io::Result<Bytes> {
    let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes.into())
}

fn status(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Sets a header to what we wrote ourselves.
fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::StreamExt;

    use super::*;
    use crate::files::Found;
    use crate::testing::{Account, TestBackend};

    /// A file of so many bytes in a sandbox, open; and the account of that.
    fn opened(size: u64) -> (TestBackend, Arc<Account>, Opened) {
        let account = Account::new(1 << 30, 10);
        let backend = TestBackend::with_quota(account.clone());
        let file = File::create(backend.path().join("f")).unwrap();
        file.set_len(size).unwrap();
        let Found::File(opened) = backend.raw_files().find("f").unwrap() else {
            panic!("it is a file");
        };
        (backend, account, opened)
    }

    #[tokio::test]
    async fn a_file_that_nobody_takes_is_closed() {
        let (_backend, account, opened) = opened(CHUNK_BYTES * 8);
        let (outlet, _unread) = outlet(Patience::new(Duration::from_millis(1)));
        let parts = vec![Part::File(0..CHUNK_BYTES * 8)];
        let error = send(Arc::new(opened), parts, outlet).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(account.open(), 0);
    }

    #[tokio::test]
    async fn a_file_is_held_until_the_last_of_it_was_taken() {
        let (_backend, account, opened) = opened(CHUNK_BYTES * 8);
        let mut body = body(opened, vec![Part::File(0..CHUNK_BYTES * 8)]).into_data_stream();
        let mut taken = 0;
        // Two chunks are on their way at most.
        while taken < CHUNK_BYTES * 5 {
            assert_eq!(account.open(), 1, "after {taken} bytes");
            taken += body.next().await.unwrap().unwrap().len() as u64;
        }
        drop(body);
        account.all_closed().await;
    }
}
