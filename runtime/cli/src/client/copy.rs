//! `mote cp`.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use futures_util::StreamExt;
use mote_client::archive::{self, ChunkReader};
use mote_client::listing::is_listing;
use reqwest::{Body, Method, Response, Url};
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::io::ReaderStream;

use crate::client::api::{Api, ApiError};
use crate::client::args::CopyArgs;
use crate::client::parse;
use crate::client::place::{Place, Remote, place};
use crate::client::server::{self, Server};
use crate::failure::{Failure, say};
use crate::{paths, stop};

/// The permissions that a mode may name: no set-user-id, no sticky bit.
const PERMISSIONS: u32 = 0o777;
/// Of a new file, before the user's umask.
const NEW_FILE: u32 = 0o666;

/// Bytes that are read at once: enough that a copy costs few calls.
const READ_BYTES: usize = 256 << 10;

/// One checked copy.
#[derive(Debug, PartialEq)]
enum Copy {
    In(Source, Remote),
    Out(Remote, Sink),
}

/// What is copied into a sandbox.
#[derive(Debug, PartialEq)]
enum Source {
    Path(PathBuf),
    Stdin,
}

/// Where what a sandbox holds is copied to.
#[derive(Debug, PartialEq)]
enum Sink {
    Path(PathBuf),
    Stdout,
}

/// Copies files into a sandbox, or out of it.
pub(crate) fn copy(args: CopyArgs) -> Result<u8, Failure> {
    let (server, copy) = checked(&args).map_err(Failure::Usage)?;
    stop::until_signal(async {
        let api = Api::new(server)?;
        match copy {
            Copy::In(from, to) => copy_in(&api, from, to).await?,
            Copy::Out(from, to) => copy_out(&api, &from, to).await?,
        }
        Ok(0)
    })
}

fn checked(args: &CopyArgs) -> Result<(Server, Copy), Vec<String>> {
    let mut mistakes = Vec::new();
    let mut side = |text| {
        let place = place(text);
        place.map_err(|mistake| mistakes.push(mistake)).ok()
    };
    let sides = side(&args.from).zip(side(&args.to));
    let copy = sides.and_then(|sides| {
        let copy = between(sides);
        copy.map_err(|mistake| mistakes.push(mistake)).ok()
    });
    let server = server::server(&args.server, &mut mistakes);
    parse::checked(server.zip(copy), mistakes)
}

fn between(sides: (Place, Place)) -> Result<Copy, String> {
    match sides {
        (Place::Here(from), Place::There(to)) => Ok(Copy::In(Source::Path(from), to)),
        (Place::Stream, Place::There(to)) if to.path.folder => {
            Err(format!("{to}: stdin has no name of its own; name the file"))
        }
        (Place::Stream, Place::There(to)) => Ok(Copy::In(Source::Stdin, to)),
        (Place::There(from), Place::Here(to)) => Ok(Copy::Out(from, Sink::Path(to))),
        (Place::There(from), Place::Stream) => Ok(Copy::Out(from, Sink::Stdout)),
        (Place::There(from), Place::There(to)) => Err(format!(
            "{from} and {to} are both in sandboxes; copy to here first, or through `mote cp {from} -`"
        )),
        (Place::Here(_) | Place::Stream, Place::Here(_) | Place::Stream) => {
            Err("neither side is in a sandbox; write one as NAME:PATH".to_owned())
        }
    }
}

fn at_fault(path: &Path, error: &io::Error) -> Failure {
    Failure::Files(vec![format!(
        "{}: {}",
        path.display(),
        paths::reason(error)
    )])
}

async fn copy_in(api: &Api, from: Source, to: Remote) -> Result<(), Failure> {
    let Source::Path(path) = from else {
        let body = stream(tokio::io::stdin());
        return put(api, api.url(&to.path.url_path()), &to, body).await;
    };
    let meta = tokio::fs::metadata(&path).await;
    let meta = meta.map_err(|error| at_fault(&path, &error))?;
    if meta.is_dir() {
        return put_folder(api, path, &to).await;
    }
    let to = match path.file_name().and_then(|name| name.to_str()) {
        Some(name) if to.path.folder => to.join(name).map_err(|why| Failure::Usage(vec![why]))?,
        _ => to,
    };
    let file = tokio::fs::File::open(&path).await;
    let file = file.map_err(|error| at_fault(&path, &error))?;
    let mut url = api.url(&to.path.url_path());
    let mode = format!("0{:03o}", meta.permissions().mode() & PERMISSIONS);
    url.query_pairs_mut().append_pair("mode", &mode);
    put(api, url, &to, stream(file)).await
}

fn stream(from: impl AsyncRead + Send + 'static) -> Body {
    Body::wrap_stream(ReaderStream::with_capacity(from, READ_BYTES))
}

async fn put(api: &Api, url: Url, to: &Remote, body: Body) -> Result<(), Failure> {
    let during = |error: ApiError| error.during(&format!("write {to}"));
    // A server that refuses while it is still sent to may be heard to hang up
    // before it is heard to say why.
    api.sandbox(&to.id).await.map_err(during)?;
    let request = api.files(Method::PUT, &to.id, url).body(body);
    api.answer(request).await.map(drop).map_err(during)
}

async fn put_folder(api: &Api, folder: PathBuf, to: &Remote) -> Result<(), Failure> {
    let (sender, chunks) = mpsc::channel(archive::CHUNKS_UNDER_WAY);
    let shown = folder.clone();
    let packed = tokio::task::spawn_blocking(move || {
        let packed = archive::pack(&folder, Path::new(""), sender.clone());
        if packed.is_err() {
            // Without this, what is sent would seem to be whole.
            let _ = sender.blocking_send(Err(io::Error::other(archive::BROKEN_OFF)));
        }
        packed
    });
    let body = Body::wrap_stream(ReceiverStream::new(chunks));
    let sent = put(api, archive_url(api, to), to, body).await;
    match packed.await.context("failed to read a folder")? {
        Ok(left_out) => sent.map(|()| tell(&left_out)),
        // The server went away first, and that is what there is to tell.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => sent,
        Err(error) => Err(at_fault(&shown, &error)),
    }
}

fn archive_url(api: &Api, remote: &Remote) -> Url {
    let mut url = api.url(&remote.path.url_path());
    url.query_pairs_mut().append_pair("archive", "tar");
    url
}

fn tell(left_out: &[PathBuf]) {
    for path in left_out {
        say(&format!(
            "{}: left out, as it is no file, no folder and no link within the folder",
            path.display()
        ));
    }
}

async fn copy_out(api: &Api, from: &Remote, to: Sink) -> Result<(), Failure> {
    let response = get(api, from, api.url(&from.path.url_path())).await?;
    let listing = is_listing(response.headers());
    match to {
        Sink::Stdout if listing => Err(Failure::Files(vec![format!(
            "{from}: is a folder, and stdout is none; name a folder to copy it to"
        )])),
        Sink::Stdout => pass(api, from, response, tokio::io::stdout()).await,
        Sink::Path(path) if listing => {
            drop(response);
            let response = get(api, from, archive_url(api, from)).await?;
            take_folder(api, from, response, path).await
        }
        Sink::Path(path) => take_file(api, from, response, path).await,
    }
}

async fn get(api: &Api, from: &Remote, url: Url) -> Result<Response, Failure> {
    let answer = api.answer(api.files(Method::GET, &from.id, url)).await;
    answer.map_err(|error| error.during(&format!("read {from}")))
}

/// Writes an answer's body to `to`.
async fn pass(
    api: &Api,
    from: &Remote,
    mut response: Response,
    mut to: impl AsyncWrite + Unpin,
) -> Result<(), Failure> {
    loop {
        let chunk = response.chunk().await;
        let chunk = chunk.map_err(|error| api.lost(&error).during(&format!("read {from}")))?;
        let Some(chunk) = chunk else { break };
        to.write_all(&chunk).await.map_err(unwritten)?;
    }
    to.flush().await.map_err(unwritten)
}

fn unwritten(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::BrokenPipe,
        _ => Failure::Host(anyhow!("failed to write what was copied: {error}")),
    }
}

/// Writes a file beside its place first: what breaks off replaces nothing.
async fn take_file(
    api: &Api,
    from: &Remote,
    response: Response,
    to: PathBuf,
) -> Result<(), Failure> {
    let to = destination(from, to);
    let special = to.metadata().is_ok_and(|meta| !meta.is_file());
    if special {
        let file = tokio::fs::OpenOptions::new().write(true).open(&to).await;
        let file = file.map_err(|error| at_fault(&to, &error))?;
        return pass(api, from, response, file).await;
    }
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    let draft = tempfile::Builder::new()
        .permissions(Permissions::from_mode(NEW_FILE))
        .tempfile_in(folder.unwrap_or_else(|| Path::new(".")))
        .map_err(|error| at_fault(&to, &error))?;
    let (file, path) = draft.into_parts();
    let mut file = tokio::fs::File::from_std(file);
    pass(api, from, response, &mut file).await?;
    let draft = NamedTempFile::from_parts(file.into_std().await, path);
    let kept = draft.persist(&to).map(drop);
    kept.map_err(|error| at_fault(&to, &error.error))
}

/// A folder stands for the file of the same name in it.
fn destination(from: &Remote, to: PathBuf) -> PathBuf {
    match from.path.name() {
        Some(name) if to.is_dir() => to.join(name),
        _ => to,
    }
}

async fn take_folder(
    api: &Api,
    from: &Remote,
    response: Response,
    to: PathBuf,
) -> Result<(), Failure> {
    let (sender, chunks) = mpsc::channel(archive::CHUNKS_UNDER_WAY);
    let shown = to.clone();
    let unpacked =
        tokio::task::spawn_blocking(move || archive::unpack(ChunkReader::new(chunks), &to));
    let mut body = response.bytes_stream();
    let mut broken = None;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| {
            broken = Some(api.lost(&error));
            io::Error::other(archive::BROKEN_OFF)
        });
        if sender.send(chunk).await.is_err() {
            break;
        }
    }
    drop(sender);
    let unpacked = unpacked.await.context("failed to write a folder")?;
    match (broken, unpacked) {
        (Some(error), _) => Err(error.during(&format!("read {from}"))),
        (None, Ok(left_out)) => {
            tell(&left_out);
            Ok(())
        }
        (None, Err(error)) => Err(at_fault(&shown, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::args::ServerArgs;

    fn copied(from: &str, to: &str) -> Result<Copy, Vec<String>> {
        let args = CopyArgs {
            from: from.into(),
            to: to.into(),
            server: ServerArgs::default(),
        };
        checked(&args).map(|(_, copy)| copy)
    }

    #[test]
    fn just_one_side_is_in_a_sandbox() {
        assert!(matches!(
            copied("x", "a:b"),
            Ok(Copy::In(Source::Path(_), _))
        ));
        assert!(matches!(copied("-", "a:b"), Ok(Copy::In(Source::Stdin, _))));
        assert!(matches!(
            copied("a:b", "x"),
            Ok(Copy::Out(_, Sink::Path(_)))
        ));
        assert!(matches!(copied("a:b", "-"), Ok(Copy::Out(_, Sink::Stdout))));
        for (from, to, why) in [
            ("x", "y", "neither side"),
            ("-", "-", "neither side"),
            ("a:b", "c:d", "both in sandboxes"),
            ("-", "a:", "has no name of its own"),
            ("a:/etc/x", "y", "not below /workspace"),
        ] {
            let mistakes = copied(from, to).unwrap_err();
            assert!(mistakes[0].contains(why), "{mistakes:?}");
        }
    }

    #[test]
    fn a_file_keeps_its_name_in_a_folder() {
        let Ok(Copy::Out(from, _)) = copied("a:b/c.txt", ".") else {
            panic!("this is a copy out")
        };
        let folder = tempfile::tempdir().unwrap();
        let inside = destination(&from, folder.path().to_owned());
        assert_eq!(inside, folder.path().join("c.txt"));
        let other = folder.path().join("other");
        assert_eq!(destination(&from, other.clone()), other);
    }
}
