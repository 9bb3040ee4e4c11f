//! By sandboxd's files.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use futures_util::{Stream, StreamExt, TryStreamExt};
use http::{Method, Response};
use http_body_util::{BodyExt, BodyStream, StreamBody};
use hyper::body::{Frame, Incoming};
use mote_client::archive;
use mote_client::listing::is_listing;
use mote_client::path::WorkspacePath;
use tokio::io::AsyncRead;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::io::ReaderStream;

use super::{Copy, Remote, Sink, Source, local, tell};
use crate::door::Door;
use crate::failure::Failure;
use crate::rest::{Body, Rest, RestError, empty};

/// The permissions that a mode may name: no set-user-id, no sticky bit.
const PERMISSIONS: u32 = 0o777;
/// Bytes that are read at once: enough that a copy costs few calls.
const READ_BYTES: usize = 256 << 10;

/// What became of a copy.
pub(super) enum Done {
    Yes,
    /// It is of a folder, which this daemon neither takes nor gives.
    NoArchives,
}

/// Copies.
pub(super) async fn copy(door: &Door, copy: &Copy) -> Result<Done, Failure> {
    match copy {
        Copy::In(from, to) => copy_in(door, from, to).await,
        Copy::Out(from, to) => copy_out(door, from, to).await,
    }
}

/// A path of the workspace, and how it is called.
struct There<'a> {
    remote: &'a Remote,
    path: WorkspacePath,
}

impl<'a> There<'a> {
    fn of(remote: &'a Remote) -> Result<Self, Failure> {
        let path = WorkspacePath::new(&remote.path).map_err(|why| {
            Failure::Usage(vec![format!(
                "{remote}: {why}; copy it there first with kubectl mote exec"
            )])
        })?;
        Ok(Self { remote, path })
    }

    fn read(&self, error: RestError) -> Failure {
        error.during(&format!("read {}", self.remote))
    }

    fn write(&self, error: RestError) -> Failure {
        error.during(&format!("write {}", self.remote))
    }
}

async fn copy_in(door: &Door, from: &Source, to: &Remote) -> Result<Done, Failure> {
    let mut to = There::of(to)?;
    let Source::Path(path) = from else {
        let uri = to.path.url_path();
        put(door, &to, &uri, stream(tokio::io::stdin())).await?;
        return Ok(Done::Yes);
    };
    let meta = tokio::fs::metadata(path).await;
    let meta = meta.map_err(|error| local::at_fault(path, &error))?;
    if meta.is_dir() {
        return put_folder(door, path, &to).await;
    }
    if to.remote.folder || to.path.folder {
        let name = super::last(path).map_err(|why| Failure::Usage(vec![why]))?;
        to.path = to
            .path
            .join(name)
            .map_err(|why| Failure::Usage(vec![why]))?;
    }
    let file = tokio::fs::File::open(path).await;
    let file = file.map_err(|error| local::at_fault(path, &error))?;
    let mode = meta.permissions().mode() & PERMISSIONS;
    let uri = format!("{}?mode=0{mode:03o}", to.path.url_path());
    put(door, &to, &uri, stream(file)).await?;
    Ok(Done::Yes)
}

fn stream(from: impl AsyncRead + Send + 'static) -> Body {
    body(ReaderStream::with_capacity(from, READ_BYTES))
}

fn body(chunks: impl Stream<Item = archive::Chunk> + Send + 'static) -> Body {
    StreamBody::new(chunks.map_ok(Frame::data)).boxed_unsync()
}

async fn put(door: &Door, to: &There<'_>, uri: &str, body: Body) -> Result<(), Failure> {
    let request = door.request(Method::PUT, uri, body)?;
    let mut rest = door.rest().await.map_err(|error| to.write(error))?;
    let answer = rest.answer(request).await;
    answer.map(drop).map_err(|error| to.write(error))
}

async fn put_folder(door: &Door, folder: &Path, to: &There<'_>) -> Result<Done, Failure> {
    if !door.archives {
        return Ok(Done::NoArchives);
    }
    let source = folder.to_owned();
    let (chunks, packing) =
        local::packed(folder, move |to| archive::pack(&source, Path::new(""), to));
    let uri = format!("{}?archive=tar", to.path.url_path());
    let sent = put(door, to, &uri, body(ReceiverStream::new(chunks))).await;
    tell(&packing.end(sent).await?);
    Ok(Done::Yes)
}

async fn copy_out(door: &Door, from: &Remote, to: &Sink) -> Result<Done, Failure> {
    let from = There::of(from)?;
    let mut rest = door.rest().await.map_err(|error| from.read(error))?;
    let uri = from.path.url_path();
    let response = get(&mut rest, door, &from, &uri).await?;
    let listing = is_listing(response.headers());
    let lost =
        |error: &io::Error| Failure::Lost(format!("failed to read {}: {error}", from.remote));
    match to {
        Sink::Stdout if listing => Err(Failure::Refused(format!(
            "{}: is a folder, and stdout is none; name a folder to copy it to",
            from.remote
        ))),
        Sink::Path(_) if listing && !door.archives => Ok(Done::NoArchives),
        Sink::Path(path) if listing => {
            // A connection of its own, rather than wait for the listing's end.
            let mut rest = door.rest().await.map_err(|error| from.read(error))?;
            let uri = format!("{uri}?archive=tar");
            let response = get(&mut rest, door, &from, &uri).await?;
            tell(&local::take_folder(chunks(response), path, lost).await?);
            Ok(Done::Yes)
        }
        Sink::Path(path) => {
            let to = local::destination(from.path.name(), path);
            local::take_file(chunks(response), &to, lost).await?;
            Ok(Done::Yes)
        }
        Sink::Stdout => {
            local::pass(chunks(response), tokio::io::stdout(), lost).await?;
            Ok(Done::Yes)
        }
    }
}

async fn get(
    rest: &mut Rest,
    door: &Door,
    from: &There<'_>,
    uri: &str,
) -> Result<Response<Incoming>, Failure> {
    let request = door.request(Method::GET, uri, empty())?;
    rest.answer(request).await.map_err(|error| from.read(error))
}

fn chunks(response: Response<Incoming>) -> impl Stream<Item = archive::Chunk> + Unpin {
    let frames = BodyStream::new(response.into_body());
    let data = frames.filter_map(|frame| async {
        match frame {
            Ok(frame) => frame.into_data().ok().map(Ok),
            Err(error) => Some(Err(io::Error::other(error))),
        }
    });
    Box::pin(data)
}
