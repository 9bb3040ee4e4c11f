//! `?archive=tar`: a folder and all below it, there and back.

use std::io::{self, BufReader, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use http::header::CONTENT_TYPE;
use http::{StatusCode, Uri};
use tokio::runtime::Handle;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::outlet::{Outlet, outlet};
use super::reply::Refusal;
use super::upload::blocking;
use super::uri::query;
use crate::files::{FileError, Files};
use crate::patience::{PATIENCE, Patience, TooSlow};

/// How many archives are on their way at once, over all sandboxes; more wait.
/// Each holds a thread for as long as its caller takes, and of these there
/// are 512 for everything that blocks.
const ARCHIVES: usize = 64;
/// How many of them one sandbox may have, so that no sandbox has them all:
/// there and back, twice.
const ARCHIVES_OF_SANDBOX: usize = 4;
/// How long an archive waits for another one to end: as long as files wait
/// for a transaction, and shorter than clients do.
const PLACE_WAIT: Duration = Duration::from_secs(30);
/// Bytes of an archive that are sent at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// Room for the archives of one sandbox.
#[derive(Debug)]
pub(crate) struct Archives(Arc<Semaphore>);

impl Default for Archives {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ARCHIVES_OF_SANDBOX)))
    }
}

/// Whether an archive is asked for.
pub(super) fn asked(uri: &Uri) -> Result<bool, Refusal> {
    match query(uri, "archive").as_deref() {
        None => Ok(false),
        Some("tar") => Ok(true),
        Some(other) => Err(Refusal::invalid(format!(
            "archive {other:?} is unknown; ask for tar"
        ))),
    }
}

/// Room for an archive, until dropped.
pub(super) struct Place {
    _of_sandbox: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

/// Waits for room for one archive more. Nothing of the sandbox is to be held
/// meanwhile.
pub(super) async fn place(archives: &Archives) -> Result<Place, Refusal> {
    static ALL: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(ARCHIVES)));
    place_within(archives, &ALL, PLACE_WAIT).await
}

async fn place_within(
    archives: &Archives,
    all: &Arc<Semaphore>,
    wait: Duration,
) -> Result<Place, Refusal> {
    let places = async {
        // In this order: who waits for its own sandbox keeps others from nothing.
        let of_sandbox = Arc::clone(&archives.0).acquire_owned().await?;
        let of_all = Arc::clone(all).acquire_owned().await?;
        Ok::<_, AcquireError>(Place {
            _of_sandbox: of_sandbox,
            _of_all: of_all,
        })
    };
    match tokio::time::timeout(wait, places).await {
        Ok(Ok(place)) => Ok(place),
        // Nobody closes them.
        Ok(Err(_)) | Err(_) => Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "UNAVAILABLE",
            format!(
                "too many archives are on their way; none ended within {wait:?}: try again later"
            ),
        )),
    }
}

/// Sends the folder at `path`. A failure on the way breaks the connection.
pub(super) fn send(place: Option<Place>, files: Files, path: PathBuf) -> Response {
    let body = match place {
        Some(place) => packed(place, files, path),
        // Only the head was asked for.
        None => Body::empty(),
    };
    ([(CONTENT_TYPE, "application/x-tar")], body).into_response()
}

fn packed(place: Place, files: Files, path: PathBuf) -> Body {
    let (outlet, body) = outlet(Patience::new(PATIENCE));
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let mut out = Out {
            outlet,
            runtime: Handle::current(),
            buffer: Vec::new(),
        };
        let packed = files.pack(&path, &mut out).map_err(io::Error::other);
        if let Err(error) = packed.and_then(|()| out.finish()) {
            tracing::info!(%error, "an archive was broken off");
        }
    });
    body
}

/// Takes the archive that `body` is to the folder `path`.
pub(super) async fn receive(
    place: Place,
    files: Files,
    path: String,
    body: Body,
) -> Result<(), Refusal> {
    let (body, slow) = patient(body, Patience::new(PATIENCE));
    let reader = SyncIoBridge::new(StreamReader::new(Box::pin(body)));
    // An archive is read in blocks of 512 bytes.
    let reader = BufReader::with_capacity(CHUNK_BYTES, reader);
    let unpacked = blocking(move || {
        let _place = place;
        files.unpack(&path, reader)
    })
    .await;
    match slow.load(Relaxed) {
        true => unpacked.map_err(|_| Refusal::idle()),
        false => unpacked,
    }
}

/// A body that fails once it is too slow, and then says so.
fn patient(
    body: Body,
    patience: Patience,
) -> (impl Stream<Item = io::Result<Bytes>>, Arc<AtomicBool>) {
    let slow = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&slow);
    let start = (body.into_data_stream(), patience, told);
    let body = stream::unfold(start, |(mut body, mut patience, slow)| async move {
        let next = match patience.next(&mut body).await {
            Ok(next) => next?.map_err(io::Error::other),
            Err(TooSlow) => {
                slow.store(true, Relaxed);
                Err(io::ErrorKind::TimedOut.into())
            }
        };
        Some((next, (body, patience, slow)))
    });
    (body, slow)
}

/// Gathers what is written, and waits for the network to take it.
struct Out {
    outlet: Outlet,
    runtime: Handle,
    buffer: Vec<u8>,
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > CHUNK_BYTES {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK_BYTES));
        self.runtime.block_on(self.outlet.put(chunk.into()))
    }
}

impl Out {
    fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.runtime.block_on(self.outlet.finish())
    }
}

/// A file where an archive needs a folder.
pub(super) fn no_folder() -> Refusal {
    FileError::Archive("only a directory is sent as an archive".to_owned()).into()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::StreamExt;

    use super::*;

    const SHORT: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn one_sandbox_does_not_have_all_places() {
        let all = Arc::new(Semaphore::new(ARCHIVES_OF_SANDBOX + 1));
        let (greedy, other) = (Archives::default(), Archives::default());
        let mut held = Vec::new();
        for _ in 0..ARCHIVES_OF_SANDBOX {
            held.push(place_within(&greedy, &all, SHORT).await.ok().unwrap());
        }
        let refused = place_within(&greedy, &all, SHORT).await.err().unwrap();
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        held.push(place_within(&other, &all, SHORT).await.ok().unwrap());
        assert!(place_within(&other, &all, SHORT).await.is_err());
        held.clear();
        assert!(place_within(&greedy, &all, SHORT).await.is_ok());
    }

    #[tokio::test]
    async fn an_archive_that_stalls_is_told_to_be_slow() {
        let byte = stream::iter([Ok::<_, Infallible>("x")]).chain(stream::pending());
        let (body, slow) = patient(Body::from_stream(byte), Patience::new(SHORT));
        let mut body = Box::pin(body);
        assert_eq!(body.next().await.unwrap().unwrap(), "x");
        assert!(!slow.load(Relaxed));
        let error = body.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(slow.load(Relaxed));
    }
}
