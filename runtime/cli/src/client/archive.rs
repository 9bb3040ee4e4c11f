//! Folders as tar archives, to and from a server.
//!
//! ```text
//! folder ─ thread ─► tar ─ channel ─► request body
//! answer body ─ channel ─► tar ─ thread ─► folder
//! ```

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes};
use tar::{Archive, Builder, EntryType};
use tokio::sync::mpsc;

/// Bytes of an archive that are handed over at once.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks under way: the one that is sent, and the next.
pub(crate) const CHUNKS_UNDER_WAY: usize = 2;
/// Why an archive that breaks off is broken.
pub(crate) const BROKEN_OFF: &str = "the other side broke off";

/// A part of an archive, or why there is no more.
pub(crate) type Chunk = io::Result<Bytes>;

/// Writes the content of `folder` as an archive. Links stay links; what is
/// neither file, folder nor link is left out, and named.
pub(crate) fn pack(folder: &Path, to: mpsc::Sender<Chunk>) -> io::Result<Vec<PathBuf>> {
    let mut builder = Builder::new(ChunkWriter::new(to));
    builder.follow_symlinks(false);
    let mut left_out = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(folder.join(&below))? {
            let entry = entry?;
            let (path, name) = (entry.path(), below.join(entry.file_name()));
            let kind = entry.file_type()?;
            if kind.is_dir() {
                builder.append_dir(&name, &path)?;
                folders.push(name);
            } else if kind.is_file() || kind.is_symlink() {
                builder.append_path_with_name(&path, &name)?;
            } else {
                left_out.push(path);
            }
        }
    }
    builder.into_inner()?.flush()?;
    Ok(left_out)
}

/// Writes what an archive holds into `folder`, and nothing outside of it: who
/// made the archive is not trusted. What is neither file, folder nor link, or
/// is named outside, is left out, and named.
pub(crate) fn unpack(from: mpsc::Receiver<Chunk>, folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)?;
    let mut archive = Archive::new(ChunkReader::new(from));
    archive.set_preserve_permissions(false);
    let mut left_out = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.into_owned();
        let known = match entry.header().entry_type() {
            EntryType::Regular | EntryType::Directory => true,
            EntryType::Symlink => link_stays(&name, entry.link_name()?.as_deref()),
            _ => false,
        };
        if !(known && entry.unpack_in(folder)?) {
            left_out.push(name);
        }
    }
    Ok(left_out)
}

/// Whether a link leads to a place in the folder: one that leads out would
/// make whoever opens it later leave it. One that goes up after it went down
/// may have gone down by another link.
fn link_stays(name: &Path, target: Option<&Path>) -> bool {
    use std::path::Component::{CurDir, Normal, ParentDir};
    let depth = name.components().filter(|part| matches!(part, Normal(_)));
    let mut depth = depth.count().saturating_sub(1);
    let Some(target) = target else { return false };
    let mut down = false;
    for part in target.components() {
        match part {
            Normal(_) => down = true,
            CurDir => {}
            ParentDir if depth > 0 && !down => depth -= 1,
            _ => return false,
        }
    }
    true
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

/// Reads what is handed on.
struct ChunkReader {
    from: mpsc::Receiver<Chunk>,
    held: Bytes,
}

impl ChunkReader {
    fn new(from: mpsc::Receiver<Chunk>) -> Self {
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

    use tar::Header;

    use super::*;

    fn header(kind: EntryType, size: u64) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o644);
        header
    }

    fn unpacked(archive: Vec<u8>, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let (to, from) = mpsc::channel(CHUNKS_UNDER_WAY);
        thread::scope(|scope| {
            scope.spawn(move || {
                // Chunks of odd sizes, one of them empty.
                for chunk in [&[][..]].into_iter().chain(archive.chunks(777)) {
                    let _ = to.blocking_send(Ok(Bytes::copy_from_slice(chunk)));
                }
            });
            unpack(from, folder)
        })
    }

    #[test]
    fn a_folder_goes_through_an_archive_unchanged() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(from.path().join("a/b")).unwrap();
        fs::create_dir(from.path().join("empty")).unwrap();
        let big: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
        fs::write(from.path().join("a/b/big"), &big).unwrap();
        symlink("b/big", from.path().join("a/link")).unwrap();
        let (sender, receiver) = mpsc::channel(CHUNKS_UNDER_WAY);
        thread::scope(|scope| {
            let packs = scope.spawn(|| pack(from.path(), sender));
            assert!(unpack(receiver, to.path()).unwrap().is_empty());
            assert!(packs.join().unwrap().unwrap().is_empty());
        });
        assert_eq!(fs::read(to.path().join("a/link")).unwrap(), big);
        assert!(to.path().join("empty").is_dir());
        let link = fs::read_link(to.path().join("a/link")).unwrap();
        assert_eq!(link, Path::new("b/big"));
    }

    #[test]
    fn nothing_is_written_outside_of_the_folder() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("in");
        let mut builder = Builder::new(Vec::new());
        let mut add = |kind, name: &str, link: Option<&str>, content: &[u8]| {
            let mut header = header(kind, content.len() as u64);
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            if let Some(link) = link {
                header.set_link_name(link).unwrap();
            }
            header.set_cksum();
            builder.append(&header, content).unwrap();
        };
        add(EntryType::Regular, "../up", None, b"x");
        add(EntryType::Symlink, "out", Some("/etc"), b"");
        add(EntryType::Symlink, "up", Some("a/../.."), b"");
        add(EntryType::Link, "hard", Some("/etc/passwd"), b"");
        add(EntryType::Fifo, "fifo", None, b"");
        add(EntryType::Regular, "out/file", None, b"y");
        add(EntryType::Regular, "/absolute", None, b"z");
        let left_out = unpacked(builder.into_inner().unwrap(), &folder).unwrap();
        let names: Vec<_> = left_out.iter().map(|name| name.to_str().unwrap()).collect();
        assert_eq!(names, ["../up", "out", "up", "hard", "fifo"]);
        assert!(!root.path().join("up").exists());
        // A folder of our own, as the link of that name was left out.
        assert_eq!(fs::read(folder.join("out/file")).unwrap(), b"y");
        assert_eq!(fs::read(folder.join("absolute")).unwrap(), b"z");
    }

    #[test]
    fn an_archive_that_breaks_off_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut builder = Builder::new(Vec::new());
        let mut header = header(EntryType::Regular, 2000);
        builder
            .append_data(&mut header, "a", &[7; 2000][..])
            .unwrap();
        let mut archive = builder.into_inner().unwrap();
        archive.truncate(1000);
        assert!(unpacked(archive, folder.path()).is_err());
        let (to, from) = mpsc::channel(CHUNKS_UNDER_WAY);
        to.blocking_send(Err(io::Error::other("lost"))).unwrap();
        assert!(unpack(from, folder.path()).is_err());
    }
}
