//! When the lines of a log were written: in a file beside each of the log's, a
//! record for every piece that began a line. The log itself is as the command
//! wrote it, and as a node host without such files left it.
//!
//! ```text
//! record: place in the file (8 bytes) · microseconds since 1970 (8 bytes)
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// Bytes of one record.
const RECORD_BYTES: u64 = 16;
/// Records of one file, after which the log is begun anew as if it were full: a
/// command may write a byte at a time. A quarter of a mebibyte, half of what
/// the log may have.
pub(super) const MAX_RECORDS: u64 = 16 * 1024;

/// What begins at this place of a file was written then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) place: u64,
    pub(super) time: Timestamp,
}

impl Record {
    fn to_bytes(self) -> [u8; RECORD_BYTES as usize] {
        let [place, time] = [self.place, self.time.as_microsecond().cast_unsigned()];
        let mut bytes = [0; RECORD_BYTES as usize];
        let (first, last) = bytes.split_at_mut(8);
        first.copy_from_slice(&place.to_le_bytes());
        last.copy_from_slice(&time.to_le_bytes());
        bytes
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        let (place, time) = bytes.split_at_checked(8)?;
        let time = i64::from_le_bytes(time.try_into().ok()?);
        Some(Self {
            place: u64::from_le_bytes(place.try_into().ok()?),
            time: Timestamp::from_microsecond(time).ok()?,
        })
    }
}

/// The records of one file of a log. Their places never go back.
#[derive(Debug)]
pub(super) struct Times(PathBuf);

impl Times {
    /// Those of the log's file at `log`.
    pub(super) fn of(log: &Path) -> Self {
        Self(log.with_extension("times"))
    }

    /// Adds one, and tells how many there are then.
    pub(super) fn append(&self, record: Record) -> io::Result<u64> {
        let mut options = OpenOptions::new();
        let options = options.create(true).append(true).mode(0o600);
        let mut file = options.open(&self.0)?;
        let bytes = file.metadata()?.len();
        let torn = bytes % RECORD_BYTES;
        if torn > 0 {
            file.set_len(bytes - torn)?;
        }
        file.write_all(&record.to_bytes())?;
        Ok(bytes / RECORD_BYTES + 1)
    }

    /// Makes them fit a file of the log that has `length` bytes, the last of
    /// which were written `then`; tells how many there are.
    pub(super) fn fit(&self, length: u64, then: Timestamp) -> io::Result<u64> {
        let Some(records) = self.open()? else {
            return self.begin(length, then);
        };
        let kept = records.partition_point(|it| it.place <= length)?;
        if kept < records.count {
            let file = OpenOptions::new().write(true).open(&self.0)?;
            file.set_len(kept * RECORD_BYTES)?;
        }
        match kept {
            0 => self.begin(length, then),
            kept => Ok(kept),
        }
    }

    /// Of what was written without them, only the end is known.
    fn begin(&self, length: u64, then: Timestamp) -> io::Result<u64> {
        let first = Record {
            place: 0,
            time: then,
        };
        if length > 0 {
            self.append(first)
        } else {
            Ok(0)
        }
    }

    /// Those that hold for `from..to`, and maybe others before.
    pub(super) fn between(&self, from: u64, to: u64) -> io::Result<Vec<Record>> {
        let Some(records) = self.open()? else {
            return Ok(Vec::new());
        };
        let first = records.partition_point(|it| it.place <= from)?;
        let end = records.partition_point(|it| it.place < to)?;
        records.read(first.saturating_sub(1), end)
    }

    /// Forgets them.
    pub(super) fn clear(&self) -> io::Result<()> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes them those of another file, which has none.
    pub(super) fn move_to(&self, other: &Self) -> io::Result<()> {
        match fs::rename(&self.0, &other.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn open(&self) -> io::Result<Option<Open>> {
        let file = match File::open(&self.0) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let count = file.metadata()?.len() / RECORD_BYTES;
        Ok(Some(Open { file, count }))
    }
}

/// Records that are read where they are.
struct Open {
    file: File,
    count: u64,
}

impl Open {
    /// How many at the beginning are so.
    fn partition_point(&self, is_so: impl Fn(Record) -> bool) -> io::Result<u64> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            let read = self.read(middle, middle + 1)?;
            match read.first().is_some_and(|it| is_so(*it)) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }

    /// What makes no sense is left out.
    fn read(&self, from: u64, to: u64) -> io::Result<Vec<Record>> {
        let bytes = to.saturating_sub(from).min(MAX_RECORDS) * RECORD_BYTES;
        let mut bytes = vec![0; usize::try_from(bytes).unwrap_or_default()];
        self.file.read_exact_at(&mut bytes, from * RECORD_BYTES)?;
        let records = bytes.chunks_exact(RECORD_BYTES as usize);
        Ok(records.filter_map(Record::of).collect())
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn at(place: u64, second: i64) -> Record {
        let time = Timestamp::from_second(second).unwrap();
        Record { place, time }
    }

    fn times(folder: &TempDir, records: &[Record]) -> Times {
        let times = Times::of(&folder.path().join("a.log"));
        for (n, record) in records.iter().enumerate() {
            assert_eq!(times.append(*record).unwrap(), n as u64 + 1);
        }
        times
    }

    #[test]
    fn what_holds_for_a_part_of_a_log_is_found() {
        let folder = TempDir::new().unwrap();
        let all = [at(0, 1), at(10, 2), at(20, 3), at(30, 4)];
        let times = times(&folder, &all);
        assert_eq!(times.between(0, 99).unwrap(), all);
        assert_eq!(times.between(10, 20).unwrap(), all[1..2]);
        assert_eq!(times.between(15, 31).unwrap(), all[1..]);
        assert_eq!(times.between(99, 100).unwrap(), all[3..]);
        let none = Times::of(&folder.path().join("b.log"));
        assert_eq!(none.between(0, 99).unwrap(), []);
    }

    #[test]
    fn what_a_crash_left_is_made_to_fit() {
        let folder = TempDir::new().unwrap();
        let times = times(&folder, &[at(0, 1), at(10, 2), at(20, 3)]);
        let then = Timestamp::from_second(9).unwrap();
        // A record came to the disk, and what it is about did not.
        assert_eq!(times.fit(15, then).unwrap(), 2);
        assert_eq!(times.between(0, 99).unwrap(), [at(0, 1), at(10, 2)]);
        // Half a record.
        let mut file = OpenOptions::new().append(true).open(&times.0).unwrap();
        file.write_all(&[7; 5]).unwrap();
        assert_eq!(times.fit(15, then).unwrap(), 2);
        assert_eq!(times.append(at(15, 4)).unwrap(), 3);
        assert_eq!(times.between(12, 99).unwrap(), [at(10, 2), at(15, 4)]);
    }

    #[test]
    fn what_was_written_without_times_has_that_of_its_end() {
        let folder = TempDir::new().unwrap();
        let times = times(&folder, &[]);
        let then = Timestamp::from_second(9).unwrap();
        assert_eq!(times.fit(0, then).unwrap(), 0);
        assert_eq!(times.fit(40, then).unwrap(), 1);
        assert_eq!(times.between(5, 99).unwrap(), [at(0, 9)]);
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        let folder = TempDir::new().unwrap();
        let times = times(&folder, &[at(0, 1)]);
        let mut file = OpenOptions::new().append(true).open(&times.0).unwrap();
        file.write_all(&[0x7f; RECORD_BYTES as usize]).unwrap();
        assert_eq!(times.between(0, u64::MAX).unwrap(), [at(0, 1)]);
    }
}
