//! Files of this machine.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use mote_client::archive::{self, CHUNKS_UNDER_WAY, Chunk, ChunkReader};
use tempfile::NamedTempFile;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use crate::failure::Failure;
use crate::print::unwritten;

/// Of a new file, before the user's umask.
const NEW_FILE: u32 = 0o666;

/// A file of ours is at fault.
pub(super) fn at_fault(path: &Path, error: &io::Error) -> Failure {
    Failure::Refused(format!("{}: {error}", path.display()))
}

/// Writes what comes to a stream.
pub(super) async fn pass(
    mut from: impl Stream<Item = io::Result<Bytes>> + Unpin,
    mut to: impl AsyncWrite + Unpin,
    lost: impl Fn(&io::Error) -> Failure,
) -> Result<(), Failure> {
    while let Some(chunk) = from.next().await {
        let chunk = chunk.map_err(|error| lost(&error))?;
        to.write_all(&chunk).await.map_err(unwritten)?;
    }
    to.flush().await.map_err(unwritten)
}

/// Writes a file beside its place first: what breaks off replaces nothing.
pub(super) async fn take_file(
    from: impl Stream<Item = io::Result<Bytes>> + Unpin,
    to: &Path,
    lost: impl Fn(&io::Error) -> Failure,
) -> Result<(), Failure> {
    let special = to.metadata().is_ok_and(|meta| !meta.is_file());
    if special {
        let file = tokio::fs::OpenOptions::new().write(true).open(to).await;
        let file = file.map_err(|error| at_fault(to, &error))?;
        return pass(from, file, lost).await;
    }
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    let draft = tempfile::Builder::new()
        .permissions(Permissions::from_mode(NEW_FILE))
        .tempfile_in(folder.unwrap_or_else(|| Path::new(".")))
        .map_err(|error| at_fault(to, &error))?;
    let (file, path) = draft.into_parts();
    let mut file = tokio::fs::File::from_std(file);
    pass(from, &mut file, lost).await?;
    let draft = NamedTempFile::from_parts(file.into_std().await, path);
    let kept = draft.persist(to).map(drop);
    kept.map_err(|error| at_fault(to, &error.error))
}

/// A folder stands for the file of this name in it.
pub(super) fn destination(name: Option<&str>, to: &Path) -> PathBuf {
    match name {
        Some(name) if to.is_dir() => to.join(name),
        _ => to.to_owned(),
    }
}

/// Writes a folder that comes as an archive; gives what was left out.
pub(super) async fn take_folder(
    mut from: impl Stream<Item = io::Result<Bytes>> + Unpin,
    to: &Path,
    lost: impl Fn(&io::Error) -> Failure,
) -> Result<Vec<PathBuf>, Failure> {
    let (sender, chunks) = mpsc::channel(CHUNKS_UNDER_WAY);
    let folder = to.to_owned();
    let unpacked =
        tokio::task::spawn_blocking(move || archive::unpack(ChunkReader::new(chunks), &folder));
    let mut broken = None;
    while let Some(chunk) = from.next().await {
        let chunk = chunk.map_err(|error| {
            broken = Some(lost(&error));
            io::Error::other(archive::BROKEN_OFF)
        });
        if sender.send(chunk).await.is_err() {
            break;
        }
    }
    drop(sender);
    let unpacked = joined(unpacked.await)?;
    match (broken, unpacked) {
        (Some(failure), _) => Err(failure),
        (None, Ok(left_out)) => Ok(left_out),
        (None, Err(error)) => Err(at_fault(to, &error)),
    }
}

/// The end of an archive that a thread makes.
pub(super) struct Packing {
    done: JoinHandle<io::Result<Vec<PathBuf>>>,
    path: PathBuf,
}

/// Begins to make an archive of what is at `path`, on a thread.
pub(super) fn packed(
    path: &Path,
    pack: impl FnOnce(mpsc::Sender<Chunk>) -> io::Result<Vec<PathBuf>> + Send + 'static,
) -> (mpsc::Receiver<Chunk>, Packing) {
    let (sender, chunks) = mpsc::channel(CHUNKS_UNDER_WAY);
    let done = tokio::task::spawn_blocking(move || {
        let packed = pack(sender.clone());
        if packed.is_err() {
            // Without this, what is sent would seem to be whole.
            let _ = sender.blocking_send(Err(io::Error::other(archive::BROKEN_OFF)));
        }
        packed
    });
    let path = path.to_owned();
    (chunks, Packing { done, path })
}

impl Packing {
    /// Waits for the archive, which was `sent`; gives what was left out of it.
    pub(super) async fn end(self, sent: Result<(), Failure>) -> Result<Vec<PathBuf>, Failure> {
        match joined(self.done.await)? {
            Ok(left_out) => sent.map(|()| left_out),
            // The other side went away first, and that is what there is to tell.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                sent?;
                let why = "the other side took only a part of it";
                Err(Failure::Lost(format!("{}: {why}", self.path.display())))
            }
            Err(error) => Err(at_fault(&self.path, &error)),
        }
    }
}

fn joined<T>(done: Result<T, JoinError>) -> Result<T, Failure> {
    done.map_err(|error| Failure::Lost(format!("a thread failed: {error}")))
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn lost(error: &io::Error) -> Failure {
        Failure::Lost(error.to_string())
    }

    #[tokio::test]
    async fn what_breaks_off_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        std::fs::write(&file, "old").unwrap();
        let broken = stream::iter([
            Ok(Bytes::from_static(b"new")),
            Err(io::Error::other("lost")),
        ]);
        assert!(take_file(broken, &file, lost).await.is_err());
        assert_eq!(std::fs::read(&file).unwrap(), b"old");
        let whole = stream::iter([Ok(Bytes::from_static(b"new"))]);
        take_file(whole, &file, lost).await.unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_keeps_its_name_in_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let inside = destination(Some("c"), folder.path());
        assert_eq!(inside, folder.path().join("c"));
        let other = folder.path().join("other");
        assert_eq!(destination(Some("c"), &other), other);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_read_is_no_whole_archive() {
        let missing = Path::new("/no/such/folder");
        let (mut chunks, packing) = packed(missing, |to| archive::pack(missing, Path::new(""), to));
        assert!(chunks.recv().await.unwrap().is_err());
        let Err(Failure::Refused(why)) = packing.end(Ok(())).await else {
            panic!("it cannot be packed")
        };
        assert!(why.starts_with("/no/such/folder: "), "{why}");
    }
}
