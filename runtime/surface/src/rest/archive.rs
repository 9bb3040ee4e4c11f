//! `?archive=tar`: a folder and all below it, there and back.

use std::io::{self, BufReader, Write};
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use http::Uri;
use http::header::CONTENT_TYPE;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::reply::Refusal;
use super::upload::{IDLE, blocking};
use super::uri::query;
use crate::files::{FileError, Files};

/// How many archives are on their way at once, over all sandboxes; more wait.
/// Each holds a thread for as long as its caller takes, and of these there
/// are 512 for everything that blocks.
const ARCHIVES: usize = 64;
/// Bytes of an archive that are sent at once.
const CHUNK_BYTES: usize = 256 * 1024;
/// Chunks that are ready before the network takes them.
const CHUNKS_AHEAD: usize = 2;

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

/// Sends the folder at `path`. A failure on the way breaks the connection.
pub(super) async fn send(head: bool, files: Files, path: PathBuf) -> Response {
    let body = match head {
        true => Body::empty(),
        false => packed(files, path).await,
    };
    ([(CONTENT_TYPE, "application/x-tar")], body).into_response()
}

async fn packed(files: Files, path: PathBuf) -> Body {
    let permit = permit().await;
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let mut out = Out {
            sender,
            runtime: Handle::current(),
            buffer: Vec::new(),
        };
        let packed = files.pack(&path, &mut out).map_err(io::Error::other);
        if let Err(error) = packed.and_then(|()| out.send(Bytes::new())) {
            tracing::info!(%error, "an archive was broken off");
        }
    });
    Body::from_stream(stream::unfold(Some(receiver), next_chunk))
}

/// Ends with an error unless an empty chunk says that the archive is whole.
async fn next_chunk(
    receiver: Option<mpsc::Receiver<Bytes>>,
) -> Option<(io::Result<Bytes>, Option<mpsc::Receiver<Bytes>>)> {
    let mut receiver = receiver?;
    match receiver.recv().await {
        Some(end) if end.is_empty() => None,
        Some(chunk) => Some((Ok(chunk), Some(receiver))),
        None => Some((Err(io::ErrorKind::BrokenPipe.into()), None)),
    }
}

/// Takes the archive that `body` is to the folder `path`.
pub(super) async fn receive(files: Files, path: String, body: Body) -> Result<(), Refusal> {
    let permit = permit().await;
    let reader = SyncIoBridge::new(StreamReader::new(Box::pin(patient(body))));
    // An archive is read in blocks of 512 bytes.
    let reader = BufReader::with_capacity(CHUNK_BYTES, reader);
    blocking(move || {
        let _permit = permit;
        files.unpack(&path, reader)
    })
    .await
}

/// A body that fails once it keeps silent for [`IDLE`].
fn patient(body: Body) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold(body.into_data_stream(), |mut body| async {
        let next = match tokio::time::timeout(IDLE, body.next()).await {
            Ok(next) => next?.map_err(io::Error::other),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        Some((next, body))
    })
}

/// Waits until there is room for one archive more.
async fn permit() -> Option<OwnedSemaphorePermit> {
    static ROOM: std::sync::LazyLock<Arc<Semaphore>> =
        std::sync::LazyLock::new(|| Arc::new(Semaphore::new(ARCHIVES)));
    // It is never closed.
    Arc::clone(&ROOM).acquire_owned().await.ok()
}

/// Gathers what is written, and waits for the network to take it.
struct Out {
    sender: mpsc::Sender<Bytes>,
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
        self.send(chunk.into())
    }
}

impl Out {
    fn send(&self, chunk: Bytes) -> io::Result<()> {
        let sent = self.sender.send(chunk);
        let sent = async { tokio::time::timeout(IDLE, sent).await };
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// A file where an archive needs a folder.
pub(super) fn no_folder() -> Refusal {
    FileError::Archive("only a directory is sent as an archive".to_owned()).into()
}
