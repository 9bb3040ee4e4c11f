//! What a session's command wrote: its last bytes, in two files beside the
//! session's own. They outlive the node host, go with the session, and do not
//! count towards its quota. On disk, for most logs are never read, and a node
//! has ten thousand sessions.
//!
//! ```text
//! start … turn: command.older.log     turn … end: command.log
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use mote_surface::{LOG_PIECE_BYTES, LogSpan};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// Bytes after which the log is begun anew; one older file is kept. Together a
/// tenth of what the kubelet keeps: there are a hundred times more sessions.
const MAX_FILE_BYTES: u64 = 512 * 1024;
/// Logs that are written at once, over all sessions: on a slow disk they would
/// take all the threads that wait for files, which calls need too.
const WRITERS: usize = 16;

static WRITER: Semaphore = Semaphore::const_new(WRITERS);

/// The log of one session.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    kept: Mutex<Option<Kept>>,
    /// What is there to be read.
    told: watch::Sender<Told>,
}

/// Places are counted in bytes, from the first that the node host found.
#[derive(Debug)]
struct Kept {
    start: u64,
    turn: u64,
    end: u64,
    /// Open once something was written.
    file: Option<File>,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    end: u64,
    /// Whether more may come.
    grows: bool,
}

impl Log {
    /// The log at `path`, and at the one beside it.
    pub(crate) fn new(path: PathBuf) -> Self {
        let told = Told {
            end: 0,
            grows: false,
        };
        Self {
            path,
            kept: Mutex::default(),
            told: watch::Sender::new(told),
        }
    }

    /// Somebody writes, or nobody does any more.
    pub(crate) fn grows(&self, grows: bool) {
        self.told.send_modify(|told| told.grows = grows);
    }

    /// Adds what was written, and waits for the disk.
    pub(crate) async fn write(self: &Arc<Self>, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        // It is never closed.
        let _turn = WRITER.acquire().await;
        let log = Arc::clone(self);
        if let Err(error) = tokio::task::spawn_blocking(move || log.keep(&bytes)).await {
            tracing::error!(path = %self.path.display(), %error, "failed to keep what a command wrote");
        }
    }

    /// Adds what was written. What cannot be kept, as that of a session that
    /// was deleted, stops no command.
    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.kept();
        let written = self
            .look(&mut kept)
            .and_then(|kept| self.append(kept, bytes));
        match written {
            Ok(end) => self.told.send_modify(|told| told.end = end),
            Err(error) => {
                tracing::debug!(path = %self.path.display(), %error, "failed to keep what a command wrote");
            }
        }
    }

    fn append(&self, kept: &mut Kept, bytes: &[u8]) -> io::Result<u64> {
        let file = match &mut kept.file {
            Some(file) => file,
            none => none.insert(
                OpenOptions::new()
                    .create(true)
                    .append(true)
                    .mode(0o600)
                    .open(&self.path)?,
            ),
        };
        let written = file.write_all(bytes);
        // On a full disk, a part of it.
        kept.end = kept.turn + file.metadata()?.len();
        if kept.end - kept.turn > MAX_FILE_BYTES {
            kept.start = match fs::rename(&self.path, self.older()) {
                Ok(()) => kept.turn,
                // It is bounded all the same.
                Err(_) => {
                    file.set_len(0)?;
                    kept.end
                }
            };
            (kept.turn, kept.file) = (kept.end, None);
        }
        written.map(|()| kept.end)
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        // What a writer left half done is a piece of a log.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept, as an earlier node host left it at first.
    fn look<'a>(&self, kept: &'a mut Option<Kept>) -> io::Result<&'a mut Kept> {
        if kept.is_none() {
            let turn = length(&self.older())?;
            let end = turn + length(&self.path)?;
            self.told.send_modify(|told| told.end = end);
            *kept = Some(Kept {
                start: 0,
                turn,
                end,
                file: None,
            });
        }
        kept.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn older(&self) -> PathBuf {
        self.path.with_extension("older.log")
    }

    fn span(&self) -> io::Result<LogSpan> {
        let mut kept = self.kept();
        let kept = self.look(&mut kept)?;
        Ok(LogSpan {
            start: kept.start,
            end: kept.end,
        })
    }

    fn piece(&self, from: u64) -> io::Result<(u64, Bytes)> {
        let mut kept = self.kept();
        let kept = self.look(&mut kept)?;
        let from = from.clamp(kept.start, kept.end);
        let (path, begin, end) = if from < kept.turn {
            (self.older(), kept.start, kept.turn)
        } else {
            (self.path.clone(), kept.turn, kept.end)
        };
        let most = usize::try_from(end - from).unwrap_or(usize::MAX);
        let mut bytes = vec![0; most.min(LOG_PIECE_BYTES)];
        if !bytes.is_empty() {
            // Under the lock: nobody takes the file away meanwhile.
            File::open(path)?.read_exact_at(&mut bytes, from - begin)?;
        }
        Ok((from, bytes.into()))
    }
}

fn length(path: &PathBuf) -> io::Result<u64> {
    match fs::metadata(path) {
        Ok(meta) => Ok(meta.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// A reader of a log.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    log: Arc<Log>,
    stopping: CancellationToken,
}

impl Reader {
    /// A reader that is let go when the node goes down.
    pub(crate) fn new(log: Arc<Log>, stopping: CancellationToken) -> Self {
        Self { log, stopping }
    }

    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Log) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let log = Arc::clone(&self.log);
        let looked = tokio::task::spawn_blocking(move || look(&log)).await;
        looked.map_err(io::Error::other)?
    }
}

#[async_trait]
impl mote_surface::Log for Reader {
    async fn span(&self) -> io::Result<LogSpan> {
        self.look(Log::span).await
    }

    async fn piece(&self, from: u64) -> io::Result<(u64, Bytes)> {
        self.look(move |log| log.piece(from)).await
    }

    async fn grown(&self, beyond: u64) -> bool {
        let mut told = self.log.told.subscribe();
        tokio::select! {
            more = told.wait_for(|told| told.end > beyond || !told.grows) => {
                more.is_ok_and(|told| told.end > beyond)
            }
            () = self.stopping.cancelled() => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use mote_surface::Log as _;
    use tempfile::TempDir;

    use super::*;

    fn log(folder: &TempDir) -> Log {
        Log::new(folder.path().join("command.log"))
    }

    /// All that is kept from a place on.
    fn read(log: &Log, from: u64) -> Vec<u8> {
        let (mut place, mut all) = (from, Vec::new());
        loop {
            let (at, bytes) = log.piece(place).unwrap();
            if bytes.is_empty() {
                return all;
            }
            place = at + bytes.len() as u64;
            all.extend_from_slice(&bytes);
        }
    }

    #[test]
    fn what_was_written_is_read_after_a_restart_too() {
        let folder = TempDir::new().unwrap();
        assert_eq!(read(&log(&folder), 0), b"");
        log(&folder).keep(b"one\n");
        let again = log(&folder);
        again.keep(b"two\n");
        assert_eq!(read(&again, 0), b"one\ntwo\n");
        assert_eq!(read(&again, 4), b"two\n");
        assert_eq!(read(&again, 99), b"");
    }

    #[test]
    fn only_the_last_of_it_is_kept_and_places_go_on() {
        let folder = TempDir::new().unwrap();
        let log = log(&folder);
        let (lines, line) = (30_000_usize, |n: usize| format!("{n:063}\n").into_bytes());
        for n in 0..lines {
            log.keep(&line(n));
        }
        let LogSpan { start, end } = log.span().unwrap();
        assert_eq!(end, lines as u64 * 64);
        let held = usize::try_from(end - start).unwrap();
        let most = usize::try_from(MAX_FILE_BYTES).unwrap();
        assert!((most..=2 * most + 64).contains(&held), "{held}");
        let all = read(&log, 0);
        assert_eq!(all.len(), held);
        assert!(all.ends_with(&line(lines - 1)));
        let on_disk = length(&log.path).unwrap() + length(&log.older()).unwrap();
        assert_eq!(on_disk, held as u64);
    }

    #[tokio::test]
    async fn who_follows_is_told_of_more_and_of_the_end() {
        let folder = TempDir::new().unwrap();
        let log = Arc::new(log(&folder));
        let stopping = CancellationToken::new();
        let reader = Reader::new(Arc::clone(&log), stopping.clone());
        log.grows(true);
        let (more, ()) = tokio::join!(reader.grown(0), log.write(b"x".to_vec()));
        assert!(more);
        let (more, ()) = tokio::join!(reader.grown(1), async { log.grows(false) });
        assert!(!more);
        assert!(reader.grown(0).await, "what is left is still read");
        log.grows(true);
        let (more, ()) = tokio::join!(reader.grown(1), async { stopping.cancel() });
        assert!(!more);
    }
}
