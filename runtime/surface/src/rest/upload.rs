//! A request's body as a file.

use axum::body::{Body, Bytes};
use futures_util::Stream;
use http::{HeaderMap, Uri};

use super::reply::Refusal;
use super::uri::query;
use crate::files::{FileError, Files, Upload};
use crate::multipart::{Form, FormError, Part};
use crate::patience::{PATIENCE, Patience, TooSlow};

/// Bytes that are gathered before they are written at once, so that passing
/// them to another thread costs little.
const BATCH_BYTES: usize = 256 * 1024;
/// Permission bits of a file whose caller names none.
const MODE: u32 = 0o644;

/// Writes the body, or its part named `file`, to `path`.
pub(super) async fn put(
    files: Files,
    path: String,
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
) -> Result<(), Refusal> {
    let mode = mode(uri)?;
    let (checked, asked) = (files.clone(), path.clone());
    blocking(move || checked.vacant(&asked)).await?;
    let mut patience = Patience::new(PATIENCE);
    match Form::of(headers, body).map_err(invalid)? {
        Ok(form) => {
            let part = file_part(form, &mut patience).await?;
            let upload = blocking(move || files.upload(&path, mode)).await?;
            write(upload, part, patience).await
        }
        Err(body) => {
            let upload = blocking(move || files.upload(&path, mode)).await?;
            write(upload, body.into_data_stream(), patience).await
        }
    }
}

/// Runs what blocks on the disk where it disturbs nobody.
pub(super) async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, Refusal> {
    let ran = tokio::task::spawn_blocking(run).await;
    let ran = ran.map_err(|error| Refusal::internal(error.to_string()))?;
    ran.map_err(Refusal::from)
}

/// The permission bits that the query names: `^0[0-7]{3}$`.
fn mode(uri: &Uri) -> Result<u32, Refusal> {
    let Some(text) = query(uri, "mode") else {
        return Ok(MODE);
    };
    let octal = |byte| matches!(byte, b'0'..=b'7');
    let good = text.len() == 4 && text.starts_with('0') && text.bytes().all(octal);
    let mode = good.then(|| u32::from_str_radix(&text, 8).ok()).flatten();
    mode.ok_or_else(|| Refusal::invalid(format!("mode {text:?} must match ^0[0-7]{{3}}$")))
}

/// Reads up to the part named `file`.
async fn file_part(mut form: Form, patience: &mut Patience) -> Result<Part, Refusal> {
    loop {
        let part = patience.wait(form.next()).await?.map_err(invalid)?;
        let Some(mut part) = part else {
            let message = "multipart body is missing the required \"file\" part";
            return Err(Refusal::invalid(message));
        };
        if part.name() == Some("file") {
            return Ok(part);
        }
        while let Some(skipped) = patience.next(&mut part).await? {
            skipped.map_err(invalid)?;
        }
    }
}

/// Writes all of `body`; fails if it is too slow.
pub(crate) async fn write<E: std::fmt::Display>(
    mut upload: Upload,
    mut body: impl Stream<Item = Result<Bytes, E>> + Unpin + Send,
    mut patience: Patience,
) -> Result<(), Refusal> {
    loop {
        let mut batch = Vec::new();
        let mut gathered = 0;
        while gathered < BATCH_BYTES {
            let Some(bytes) = patience.next(&mut body).await? else {
                break;
            };
            let bytes = bytes.map_err(|error| broken(&error))?;
            gathered += bytes.len();
            batch.push(bytes);
        }
        if gathered == 0 {
            return blocking(move || upload.finish()).await;
        }
        upload = blocking(move || {
            batch.iter().try_for_each(|bytes| upload.write(bytes))?;
            Ok(upload)
        })
        .await?;
    }
}

impl From<TooSlow> for Refusal {
    fn from(TooSlow: TooSlow) -> Self {
        Self::idle()
    }
}

fn invalid(error: FormError) -> Refusal {
    Refusal::invalid(error.to_string())
}

/// The body ended too early; most likely nobody reads this.
fn broken(error: &impl std::fmt::Display) -> Refusal {
    Refusal::internal(format!("failed to write file contents: {error}"))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use futures_util::{StreamExt, stream};

    use super::*;
    use crate::testing::{Account, TestBackend};

    type Chunk = Result<Bytes, Infallible>;

    /// One chunk, and then silence.
    fn stalled() -> impl Stream<Item = Chunk> + Unpin + Send {
        let chunk = Bytes::from(vec![b'x'; BATCH_BYTES]);
        stream::iter([Ok(chunk)]).chain(stream::pending())
    }

    fn entries(backend: &TestBackend) -> usize {
        std::fs::read_dir(backend.path()).unwrap().count()
    }

    #[tokio::test]
    async fn a_body_that_stalls_is_given_up_and_leaves_nothing() {
        let account = Account::new(1 << 20, 10);
        let backend = TestBackend::with_quota(account.clone());
        let upload = backend.raw_files().upload("f", MODE).unwrap();
        let error = write(upload, stalled(), Patience::new(Duration::from_millis(1))).await;
        assert_eq!(error.unwrap_err().status, http::StatusCode::REQUEST_TIMEOUT);
        assert_eq!((account.used(), entries(&backend)), ((0, 0), 0));
    }

    #[tokio::test]
    async fn a_request_that_is_dropped_leaves_nothing() {
        let account = Account::new(1 << 20, 10);
        let backend = TestBackend::with_quota(account.clone());
        let upload = backend.raw_files().upload("f", MODE).unwrap();
        let (written, reached) = tokio::sync::oneshot::channel();
        let silent = stream::once(async {
            written.send(()).unwrap();
            std::future::pending().await
        });
        let body = stalled().take(1).chain(silent);
        let mut writing = Box::pin(write(upload, Box::pin(body), Patience::new(PATIENCE)));
        tokio::select! {
            _ = &mut writing => panic!("the body did not end"),
            _ = reached => {}
        }
        assert_eq!(account.used(), (BATCH_BYTES as u64, 1));
        drop(writing);
        assert_eq!((account.used(), entries(&backend)), ((0, 0), 0));
    }

    #[tokio::test]
    async fn a_body_that_breaks_leaves_the_old_file() {
        let backend = TestBackend::new();
        std::fs::write(backend.path().join("f"), "old").unwrap();
        let upload = backend.raw_files().upload("f", MODE).unwrap();
        let body = stream::iter([Ok(Bytes::from("new")), Err("gone")]);
        assert!(write(upload, body, Patience::new(PATIENCE)).await.is_err());
        assert_eq!(std::fs::read(backend.path().join("f")).unwrap(), b"old");
        assert_eq!(entries(&backend), 1);
    }
}
