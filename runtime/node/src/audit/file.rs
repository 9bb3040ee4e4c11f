//! The files of the audit log: lines are only ever added, and the oldest go
//! when there are too many.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// The file that is written. Older ones have `.1`, `.2` … after it.
const NAME: &str = "audit.jsonl";

/// How much of the log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rotation {
    /// A file that would become larger is put aside: 64 MiB, some 100,000
    /// calls, can still be searched by hand.
    pub(crate) file_bytes: u64,
    /// Files that were put aside and are kept, at least 1: with 3 the log
    /// takes 256 MiB at most, and whoever ships it has time to.
    pub(crate) kept: u32,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            file_bytes: 64 << 20,
            kept: 3,
        }
    }
}

/// The audit log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuditError {
    /// Its file cannot be used.
    #[error(
        "failed to open the audit log {}; give mote a state folder that it may write", path.display()
    )]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its writer cannot run.
    #[error("failed to start the writer of the audit log")]
    Thread(#[source] io::Error),
}

/// The files of the log in one folder.
#[derive(Debug)]
pub(super) struct Files {
    path: PathBuf,
    rotation: Rotation,
    /// `None` after a failure: what was written of a line then is only known
    /// when the file is opened again.
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    file: File,
    bytes: u64,
}

impl Files {
    /// Continues the log in this folder, or begins it.
    pub(super) fn open(folder: &Path, rotation: Rotation) -> Result<Self, AuditError> {
        let path = folder.join(NAME);
        match Current::open(&path) {
            Ok(current) => Ok(Self {
                path,
                rotation,
                current: Some(current),
            }),
            Err(source) => Err(AuditError::Open { path, source }),
        }
    }

    /// The file that is written.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds whole lines.
    ///
    /// # Errors
    /// They are not there, or not all of them.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut current = match self.current.take() {
            Some(current) => current,
            None => Current::open(&self.path)?,
        };
        let length = lines.len() as u64;
        if current.bytes > 0 && current.bytes.saturating_add(length) > self.rotation.file_bytes {
            current.file.sync_data()?;
            self.put_aside()?;
            current = Current::open(&self.path)?;
        }
        current.file.write_all(lines)?;
        current.bytes += length;
        self.current = Some(current);
        Ok(())
    }

    /// Waits until the disk has what was written.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.current
            .as_ref()
            .map_or(Ok(()), |current| current.file.sync_data())
    }

    /// Each file gets the name of the next older one; the oldest goes.
    fn put_aside(&self) -> io::Result<()> {
        for age in (1..self.rotation.kept).rev() {
            match fs::rename(self.aged(age), self.aged(age + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, self.aged(1))
    }

    fn aged(&self, age: u32) -> PathBuf {
        self.path.with_file_name(format!("{NAME}.{age}"))
    }
}

impl Current {
    /// Opens the file to add lines. If its last line has no end, it gets one:
    /// the writer was stopped in the middle.
    fn open(path: &Path) -> io::Result<Self> {
        let flags =
            OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        // Who called what is nobody else's business.
        let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?;
        let mut file = File::from(file);
        let mut bytes = file.metadata()?.len();
        if let Some(last) = bytes.checked_sub(1) {
            let mut end = [0];
            file.read_exact_at(&mut end, last)?;
            if end != *b"\n" {
                file.write_all(b"\n")?;
                bytes += 1;
            }
        }
        Ok(Self { file, bytes })
    }
}
