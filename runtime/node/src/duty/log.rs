//! What a session's command wrote: its last bytes, in two files beside the
//! session's own, and when their lines were begun, in two more. They outlive the node host, go with the session, and do not
//! count towards its quota. On disk, for most logs are never read, and a node
//! has ten thousand sessions.
//!
//! ```text
//! start … turn: command.older.log     turn … end: command.log
//!               command.older.times              command.times
//! ```

mod reader;
mod times;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use mote_surface::{LOG_PIECE_BYTES, LogSpan, Moment};
use tokio::sync::{Semaphore, watch};

pub(crate) use reader::Reader;
use times::{MAX_RECORDS, Record, Times};

/// Bytes after which the log is begun anew; one older file is kept. Together a
/// tenth of what the kubelet keeps: there are a hundred times more sessions.
const MAX_FILE_BYTES: u64 = 512 * 1024;
/// Lines that follow within this time have the time of the first: a command may
/// write a hundred thousand a second, and what is kept of it is to be text.
const NOTE_SPAN: SignedDuration = SignedDuration::from_millis(1);
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
    /// Whether what is written next begins a line.
    at_line: bool,
    /// The time that was last noted of the file.
    noted: Option<Timestamp>,
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
        if let Err(error) =
            tokio::task::spawn_blocking(move || log.keep(&bytes, Timestamp::now())).await
        {
            tracing::error!(path = %self.path.display(), %error, "failed to keep what a command wrote");
        }
    }

    /// Adds what was written. What cannot be kept, as that of a session that
    /// was deleted, stops no command.
    fn keep(&self, bytes: &[u8], now: Timestamp) {
        let mut kept = self.kept();
        let written = self
            .look(&mut kept)
            .and_then(|kept| self.append(kept, bytes, now));
        match written {
            Ok(end) => self.told.send_modify(|told| told.end = end),
            Err(error) => {
                tracing::debug!(path = %self.path.display(), %error, "failed to keep what a command wrote");
            }
        }
    }

    fn append(&self, kept: &mut Kept, bytes: &[u8], now: Timestamp) -> io::Result<u64> {
        let records = self.note(kept, bytes, now);
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
        let length = file.metadata()?.len();
        kept.end = kept.turn + length;
        kept.at_line = bytes.ends_with(b"\n");
        if written.is_err() {
            as_far_as_possible(Times::of(&self.path).fit(length, now));
        }
        if length > MAX_FILE_BYTES || records >= MAX_RECORDS {
            self.turn(kept)?;
        }
        written.map(|()| kept.end)
    }

    /// Notes when the first line that begins in `bytes` was written, before it
    /// is; tells how many notes there are. No file is without a time: one that
    /// begins amid a line has the line's.
    fn note(&self, kept: &mut Kept, bytes: &[u8], now: Timestamp) -> u64 {
        let times = Times::of(&self.path);
        let is_new = kept.end == kept.turn;
        if is_new && !kept.at_line {
            let time = kept.noted.unwrap_or(now);
            as_far_as_possible(times.append(Record { place: 0, time }));
        }
        let begins = match kept.at_line {
            true => Some(0),
            false => bytes
                .iter()
                .position(|byte| *byte == b'\n')
                .map(|at| at + 1),
        };
        let is_soon =
            |noted| (SignedDuration::ZERO..NOTE_SPAN).contains(&now.duration_since(noted));
        let begins = begins.filter(|at| *at < bytes.len());
        let Some(begins) = begins.filter(|_| is_new || !kept.noted.is_some_and(is_soon)) else {
            return 0;
        };
        kept.noted = Some(now);
        let record = Record {
            place: kept.end - kept.turn + begins as u64,
            time: now,
        };
        as_far_as_possible(times.append(record))
    }

    /// Begins the log anew, and keeps what there is as the older half.
    fn turn(&self, kept: &mut Kept) -> io::Result<()> {
        let (times, older) = (Times::of(&self.path), Times::of(&self.older()));
        // First, so that nobody finds them beside another file than theirs.
        as_far_as_possible(older.clear());
        kept.start = match fs::rename(&self.path, self.older()) {
            Ok(()) => {
                as_far_as_possible(times.move_to(&older));
                // What was not moved is of no file that there is.
                as_far_as_possible(times.clear());
                kept.turn
            }
            // It is bounded all the same.
            Err(_) => {
                as_far_as_possible(times.clear());
                if let Some(file) = &kept.file {
                    file.set_len(0)?;
                }
                kept.end
            }
        };
        (kept.turn, kept.file) = (kept.end, None);
        Ok(())
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        // What a writer left half done is a piece of a log.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept, as an earlier node host left it at first.
    fn look<'a>(&self, kept: &'a mut Option<Kept>) -> io::Result<&'a mut Kept> {
        if kept.is_none() {
            let older = Found::at(&self.older())?;
            let latest = Found::at(&self.path)?;
            let turn = older.length;
            let end = turn + latest.length;
            self.told.send_modify(|told| told.end = end);
            *kept = Some(Kept {
                start: 0,
                turn,
                end,
                file: None,
                noted: None,
                at_line: if end > turn {
                    latest.ends_line
                } else {
                    older.ends_line
                },
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

    /// Where the first line begins that was written at `time` or later.
    fn since(&self, time: Timestamp) -> io::Result<u64> {
        let moments = self.moments(0, u64::MAX)?;
        let mut kept = self.kept();
        let kept = self.look(&mut kept)?;
        let first = moments.iter().find(|it| it.time >= time);
        Ok(first.map_or(kept.end, |it| it.place.clamp(kept.start, kept.end)))
    }

    /// When the lines that begin in `from..to` were written.
    fn moments(&self, from: u64, to: u64) -> io::Result<Vec<Moment>> {
        let mut kept = self.kept();
        let kept = self.look(&mut kept)?;
        let mut all = Vec::new();
        for (path, base, end) in [
            (self.older(), kept.start, kept.turn),
            (self.path.clone(), kept.turn, kept.end),
        ] {
            let within = |place: u64| place.clamp(base, end) - base;
            if base == end {
                continue;
            }
            let records = Times::of(&path).between(within(from), within(to))?;
            all.extend(records.iter().map(|it| Moment {
                place: base + it.place,
                time: it.time,
            }));
        }
        Ok(all)
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

/// Without its times, a log is a log still.
fn as_far_as_possible<T: Default>(noted: io::Result<T>) -> T {
    noted.unwrap_or_else(|error| {
        tracing::debug!(%error, "failed to note when a command wrote");
        T::default()
    })
}

/// A file of a log, as an earlier node host left it.
struct Found {
    length: u64,
    /// Whether it ends with the end of a line; nothing does.
    ends_line: bool,
}

impl Found {
    /// The file at `path`, which knows then when it was written.
    fn at(path: &Path) -> io::Result<Self> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                as_far_as_possible(Times::of(path).clear());
                return Ok(Self {
                    length: 0,
                    ends_line: true,
                });
            }
            Err(error) => return Err(error),
        };
        let meta = file.metadata()?;
        let then = Timestamp::try_from(meta.modified()?);
        let then = then.unwrap_or(Timestamp::UNIX_EPOCH);
        as_far_as_possible(Times::of(path).fit(meta.len(), then));
        let mut last = [b'\n'];
        if let Some(at) = meta.len().checked_sub(1) {
            file.read_exact_at(&mut last, at)?;
        }
        Ok(Self {
            length: meta.len(),
            ends_line: last == *b"\n",
        })
    }
}

#[cfg(test)]
mod tests {
    use mote_surface::Log as _;
    use tempfile::TempDir;
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn length(path: &Path) -> u64 {
        fs::metadata(path).map_or(0, |meta| meta.len())
    }

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
        log(&folder).keep(b"one\n", at(1));
        let again = log(&folder);
        again.keep(b"two\n", at(2));
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
            log.keep(&line(n), at(i64::try_from(n).unwrap()));
        }
        let LogSpan { start, end } = log.span().unwrap();
        assert_eq!(end, lines as u64 * 64);
        let held = usize::try_from(end - start).unwrap();
        let most = usize::try_from(MAX_FILE_BYTES).unwrap();
        assert!((most..=2 * most + 64).contains(&held), "{held}");
        let all = read(&log, 0);
        assert_eq!(all.len(), held);
        assert!(all.ends_with(&line(lines - 1)));
        let on_disk = length(&log.path) + length(&log.older());
        assert_eq!(on_disk, held as u64);
    }

    /// What was written since then, by the log.
    fn since(log: &Log, second: i64) -> Vec<u8> {
        read(log, log.since(at(second)).unwrap())
    }

    #[test]
    fn what_was_written_since_then_begins_with_a_line() {
        let folder = TempDir::new().unwrap();
        let log = log(&folder);
        log.keep(b"one\ntw", at(10));
        log.keep(b"o", at(20));
        log.keep(b"\nthree\n", at(30));
        log.keep(b"four", at(40));
        let all = &b"one\ntwo\nthree\nfour"[..];
        assert_eq!(since(&log, 0), all);
        assert_eq!(since(&log, 10), all);
        assert_eq!(since(&log, 11), b"three\nfour", "two was begun before");
        assert_eq!(since(&log, 31), b"four");
        assert_eq!(since(&log, 41), b"");
        let again = super::tests::log(&folder);
        again.keep(b"th\nfive\n", at(50));
        assert_eq!(since(&again, 31), b"fourth\nfive\n");
        assert_eq!(since(&again, 50), b"five\n");
    }

    #[test]
    fn a_line_is_of_the_time_when_it_was_begun_whichever_file_it_is_in() {
        let folder = TempDir::new().unwrap();
        let log = log(&folder);
        let half = usize::try_from(MAX_FILE_BYTES).unwrap();
        log.keep(b"a\n", at(1));
        log.keep(&vec![b'x'; half], at(2));
        log.keep(b"y\nb\n", at(3));
        let times = |from, to| -> Vec<_> {
            let moments = log.moments(from, to).unwrap();
            moments.iter().map(|it| (it.place, it.time)).collect()
        };
        let turn = half as u64 + 2;
        let all = [(0, at(1)), (2, at(2)), (turn, at(2)), (turn + 2, at(3))];
        assert_eq!(times(0, u64::MAX), all);
        assert_eq!(times(turn, turn + 1), all[1..3], "its last half");
        assert_eq!(times(turn + 2, turn + 4)[1..], all[3..]);
    }

    #[test]
    fn a_line_without_an_end_has_its_time_however_much_of_it_is_kept() {
        let folder = TempDir::new().unwrap();
        let log = log(&folder);
        let half = vec![b'x'; usize::try_from(MAX_FILE_BYTES).unwrap() + 1];
        for second in 5..9 {
            log.keep(&half, at(second));
        }
        let kept = log.span().unwrap();
        let moments = log.moments(kept.start, kept.end).unwrap();
        assert!(moments.iter().all(|it| it.time == at(5)));
        assert!(!moments.is_empty());
        assert_eq!(since(&log, 5), read(&log, 0));
    }

    #[test]
    fn times_that_are_left_without_their_log_are_nobodys() {
        let folder = TempDir::new().unwrap();
        log(&folder).keep(b"one\ntwo\n", at(1));
        fs::remove_file(folder.path().join("command.log")).unwrap();
        let again = log(&folder);
        again.keep(b"three\n", at(7));
        let moments = again.moments(0, u64::MAX).unwrap();
        let moments: Vec<_> = moments.iter().map(|it| (it.place, it.time)).collect();
        assert_eq!(moments, [(0, at(7))]);
    }

    #[test]
    fn a_log_without_times_has_that_of_its_last_byte() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("command.log"), "one\ntwo\n").unwrap();
        let before = Timestamp::now() - jiff::SignedDuration::from_secs(60);
        let log = log(&folder);
        log.keep(b"three\n", at(4_000_000_000));
        assert_eq!(read(&log, log.since(before).unwrap()), b"one\ntwo\nthree\n");
        assert_eq!(since(&log, 4_000_000_000), b"three\n");
    }

    #[test]
    fn lines_that_follow_at_once_share_a_time() {
        let folder = TempDir::new().unwrap();
        let log = log(&folder);
        let micros = |micros| Timestamp::from_microsecond(micros).unwrap();
        for at in [0, 999, 1_000, 1_500, 500] {
            log.keep(b"x\n", micros(at));
        }
        let moments = log.moments(0, u64::MAX).unwrap();
        let times: Vec<_> = moments.iter().map(|it| (it.place, it.time)).collect();
        let noted = [(0, 0), (4, 1_000), (8, 500)];
        assert_eq!(times, noted.map(|(place, at)| (place, micros(at))));
    }

    #[test]
    fn a_command_that_writes_little_at_a_time_has_a_bounded_log_too() {
        let folder = TempDir::new().unwrap();
        let log = log(&folder);
        for n in 0..3 * MAX_RECORDS {
            log.keep(b"\n", at(i64::try_from(n).unwrap()));
        }
        let LogSpan { start, end } = log.span().unwrap();
        assert_eq!((end - start, end), (MAX_RECORDS, 3 * MAX_RECORDS));
        let times = |path: &Path| length(&path.with_extension("times"));
        assert!(times(&log.path) + times(&log.older()) <= 2 * 16 * MAX_RECORDS);
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
