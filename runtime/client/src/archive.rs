//! Folders as tar archives, to and from a sandbox.
//!
//! ```text
//! folder ─ thread ─► tar ─ channel ─► request body
//! answer body ─ channel ─► tar ─ thread ─► folder
//! ```

mod unpack;

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes};
use tar::Builder;
use tokio::sync::mpsc;

pub use unpack::unpack;

/// Bytes of an archive that are handed over at once.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks under way: the one that is sent, and the next.
pub const CHUNKS_UNDER_WAY: usize = 2;
/// Why an archive that breaks off is broken.
pub const BROKEN_OFF: &str = "the other side broke off";

/// A part of an archive, or why there is no more.
pub type Chunk = io::Result<Bytes>;

/// Writes the content of `folder` as an archive, in which it is at `place`;
/// an empty one is the archive's own top. Links stay links; what is neither
/// file, folder nor link is left out, and returned.
///
/// # Errors
/// A file cannot be read, or nobody takes the archive any more.
pub fn pack(folder: &Path, place: &Path, to: mpsc::Sender<Chunk>) -> io::Result<Vec<PathBuf>> {
    let mut builder = builder(to);
    let mut left_out = Vec::new();
    if !place.as_os_str().is_empty() {
        builder.append_dir(place, folder)?;
    }
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(folder.join(&below))? {
            let entry = entry?;
            let (path, name) = (entry.path(), below.join(entry.file_name()));
            let kind = entry.file_type()?;
            if kind.is_dir() {
                builder.append_dir(place.join(&name), &path)?;
                folders.push(name);
            } else if kind.is_file() || kind.is_symlink() {
                builder.append_path_with_name(&path, place.join(&name))?;
            } else {
                left_out.push(path);
            }
        }
    }
    builder.into_inner()?.flush()?;
    Ok(left_out)
}

/// Writes one file as an archive, in which it is at `place`.
///
/// # Errors
/// The file cannot be read, or nobody takes the archive any more.
pub fn pack_file(file: &Path, place: &Path, to: mpsc::Sender<Chunk>) -> io::Result<()> {
    let mut builder = builder(to);
    builder.append_file(place, &mut fs::File::open(file)?)?;
    builder.into_inner()?.flush()
}

fn builder(to: mpsc::Sender<Chunk>) -> Builder<ChunkWriter> {
    let mut builder = Builder::new(ChunkWriter::new(to));
    builder.follow_symlinks(false);
    builder
}

/// Hands on what is written, a chunk at a time.
struct ChunkWriter {
    to: mpsc::Sender<Chunk>,
    held: Vec<u8>,
}

impl ChunkWriter {
    fn new(to: mpsc::Sender<Chunk>) -> Self {
        let held = Vec::with_capacity(CHUNK_BYTES);
        Self { to, held }
    }
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.held.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        let room = CHUNK_BYTES - self.held.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.held.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let chunk = std::mem::replace(&mut self.held, Vec::with_capacity(CHUNK_BYTES));
        if chunk.is_empty() {
            return Ok(());
        }
        let sent = self.to.blocking_send(Ok(chunk.into()));
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, BROKEN_OFF))
    }
}

/// Reads what is handed on, on a thread that may block.
#[derive(Debug)]
pub struct ChunkReader {
    from: mpsc::Receiver<Chunk>,
    held: Bytes,
}

impl ChunkReader {
    /// Reads what comes out of `from`.
    pub fn new(from: mpsc::Receiver<Chunk>) -> Self {
        let held = Bytes::new();
        Self { from, held }
    }
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.held.is_empty() {
            match self.from.blocking_recv() {
                Some(chunk) => self.held = chunk?,
                None => return Ok(0),
            }
        }
        let count = self.held.len().min(buffer.len());
        let (into, _) = buffer.split_at_mut(count);
        self.held.copy_to_slice(into);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::thread;

    use super::*;

    fn through(pack: impl FnOnce(mpsc::Sender<Chunk>) + Send, to: &Path) {
        let (sender, receiver) = mpsc::channel(CHUNKS_UNDER_WAY);
        thread::scope(|scope| {
            scope.spawn(|| pack(sender));
            let left_out = unpack(ChunkReader::new(receiver), to).unwrap();
            assert!(left_out.is_empty(), "{left_out:?}");
        });
    }

    #[test]
    fn a_folder_goes_through_an_archive_unchanged() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(from.path().join("a/b")).unwrap();
        fs::create_dir(from.path().join("empty")).unwrap();
        let big: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
        fs::write(from.path().join("a/b/big"), &big).unwrap();
        symlink("b/big", from.path().join("a/link")).unwrap();
        for place in ["", "p/q"] {
            through(
                |to| {
                    let left_out = pack(from.path(), Path::new(place), to).unwrap();
                    assert!(left_out.is_empty());
                },
                to.path(),
            );
            let top = to.path().join(place);
            assert_eq!(fs::read(top.join("a/link")).unwrap(), big);
            assert!(top.join("empty").is_dir());
            let link = fs::read_link(top.join("a/link")).unwrap();
            assert_eq!(link, Path::new("b/big"));
        }
    }

    #[test]
    fn a_file_goes_through_an_archive_by_another_name() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = from.path().join("a");
        fs::write(&file, "text").unwrap();
        through(
            |to| pack_file(&file, Path::new("x/b"), to).unwrap(),
            to.path(),
        );
        assert_eq!(fs::read(to.path().join("x/b")).unwrap(), b"text");
    }

    #[test]
    fn chunks_of_any_size_are_one_stream_and_a_lost_one_is_an_error() {
        let (to, from) = mpsc::channel(CHUNKS_UNDER_WAY);
        let sending = thread::spawn(move || {
            for chunk in [&b""[..], b"ab", b"", b"c"] {
                to.blocking_send(Ok(Bytes::from_static(chunk))).unwrap();
            }
            to.blocking_send(Err(io::Error::other("lost"))).unwrap();
        });
        let mut reader = ChunkReader::new(from);
        let mut three = [0; 3];
        reader.read_exact(&mut three).unwrap();
        assert_eq!(&three, b"abc");
        assert!(reader.read(&mut three).is_err());
        sending.join().unwrap();
    }
}
