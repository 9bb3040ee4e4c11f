//! A sandbox's own log: one line for each call, kept with its files.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use mote_api::Outcome;
use mote_surface::Command;
use serde::Serialize;

/// Bytes after which the log is begun anew; one older file is kept. Some two
/// thousand calls each.
const MAX_LOG_BYTES: u64 = 512 * 1024;
/// Bytes of a call's arguments that are logged.
const MAX_ARGV_BYTES: usize = 1024;

/// What is logged of a call. The sandbox's owner reads it, so the arguments
/// are there in full, up to a ceiling.
#[derive(Debug, Serialize)]
pub(crate) struct LogLine {
    at: String,
    who: String,
    argv: Vec<String>,
}

/// The same once the call has ended.
#[derive(Debug, Serialize)]
struct Ended<'a> {
    #[serde(flatten)]
    call: &'a LogLine,
    exit_code: u8,
    reason: &'static str,
    wall_us: u64,
}

impl LogLine {
    pub(crate) fn new(command: &Command) -> Self {
        let mut room = MAX_ARGV_BYTES;
        // Of an interpreter that outlives calls, the rest is ours.
        let words = match command.lifetime {
            Some(_) => command.argv.get(..1).unwrap_or_default(),
            None => &command.argv,
        };
        let argv = words.iter().map_while(|word| {
            let shown: String = word
                .char_indices()
                .take_while(|(at, character)| at + character.len_utf8() <= room)
                .map(|(_, character)| character)
                .collect();
            let more = room > 0;
            room = room.saturating_sub(word.len().max(1));
            more.then_some(shown)
        });
        Self {
            at: Timestamp::now().to_string(),
            who: command.caller.who.clone(),
            argv: argv.collect(),
        }
    }

    /// Adds it to the log at `path`. A log that cannot be written, as that of
    /// a deleted sandbox, stops no call.
    pub(crate) fn write(&self, path: &Path, outcome: &Outcome) {
        let line = Ended {
            call: self,
            exit_code: outcome.exit_code,
            reason: outcome.end.reason(),
            wall_us: u64::try_from(outcome.usage.wall.as_micros()).unwrap_or(u64::MAX),
        };
        if let Err(error) = line.append(path) {
            tracing::debug!(path = %path.display(), %error, "failed to log a call");
        }
    }
}

impl Ended<'_> {
    fn append(&self, path: &Path) -> io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(&line)?;
        if file.metadata()?.len() > MAX_LOG_BYTES {
            fs::rename(path, older(path))?;
        }
        Ok(())
    }
}

/// Where the log before the one at `path` is.
fn older(path: &Path) -> PathBuf {
    path.with_extension("older.jsonl")
}

/// All that is kept of a log.
///
/// # Errors
/// It cannot be read. One that is not there yet is empty.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    for path in [older(path), path.to_owned()] {
        match fs::read(path) {
            Ok(bytes) => all.extend(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}
