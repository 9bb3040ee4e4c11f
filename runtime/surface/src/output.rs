//! What a program wrote and how it ended, collected for one answer.

use bytes::Bytes;

use crate::backend::Running;
use crate::events::{Event, Exit};

/// Most output in an answer, in bytes as JSON has them, of both streams
/// together: the Go SDK reads 16 MiB of JSON in all.
const MAX_OUTPUT_BYTES: usize = 8 * 1024 * 1024;

/// What a program wrote and how it ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// `None` if nobody knows: its host failed.
    pub(crate) exit: Option<Exit>,
}

/// Runs a program to its end. What it writes past the bound is dropped, and
/// the end of `stderr` says so: it may have work to do besides.
pub(crate) async fn collect(mut running: Running) -> Output {
    let mut streams = Streams::default();
    let mut exit = None;
    while let Some(event) = running.events.recv().await {
        match event {
            Event::Stdout(bytes) => streams.take(bytes, |streams| &mut streams.stdout),
            Event::Stderr(bytes) => streams.take(bytes, |streams| &mut streams.stderr),
            Event::Exit(told) => exit = Some(told),
        }
    }
    streams.into_output(exit)
}

#[derive(Debug, Default)]
struct Streams {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// Bytes of both as JSON has them.
    taken: usize,
    cut: bool,
}

impl Streams {
    fn take(&mut self, bytes: Bytes, stream: fn(&mut Self) -> &mut Vec<u8>) {
        let fits = bytes.iter().take_while(|byte| {
            let taken = self.taken + json_bytes(**byte);
            let fits = taken <= MAX_OUTPUT_BYTES;
            self.taken = if fits { taken } else { MAX_OUTPUT_BYTES };
            fits
        });
        let kept = fits.count();
        let kept = bytes.get(..kept).unwrap_or(&bytes);
        self.cut |= kept.len() < bytes.len();
        stream(self).extend_from_slice(kept);
    }

    fn into_output(self, exit: Option<Exit>) -> Output {
        let mut stderr = text(self.stderr);
        if self.cut {
            let note = format!(
                "Output cut after {MAX_OUTPUT_BYTES} bytes; write to a file, or filter with head, tail or grep"
            );
            line(&mut stderr, &note);
        }
        Output {
            stdout: text(self.stdout),
            stderr,
            exit,
        }
    }
}

/// What a byte of text takes in JSON: a control character six, what is escaped
/// by a backslash two.
fn json_bytes(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        ..0x20 => 6,
        0x20.. => 1,
    }
}

/// Adds a note on a line of its own.
pub(crate) fn line(stderr: &mut String, note: &str) {
    if !stderr.is_empty() && !stderr.ends_with('\n') {
        stderr.push('\n');
    }
    stderr.push_str(note);
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_makes_longer_counts_as_long() {
        let mut streams = Streams::default();
        streams.take(vec![1; MAX_OUTPUT_BYTES].into(), |s| &mut s.stdout);
        assert_eq!(streams.stdout.len(), MAX_OUTPUT_BYTES / 6);
        assert!(streams.cut);
    }

    #[test]
    fn output_up_to_the_bound_is_whole_and_past_it_is_cut_with_a_note() {
        let mut streams = Streams::default();
        streams.take(vec![b'x'; MAX_OUTPUT_BYTES].into(), |s| &mut s.stdout);
        streams.take(Bytes::new(), |s| &mut s.stderr);
        assert!(!streams.cut);
        streams.take(Bytes::from_static(b"y"), |s| &mut s.stderr);
        let output = streams.into_output(None);
        assert_eq!(output.stdout.len(), MAX_OUTPUT_BYTES);
        assert!(output.stderr.starts_with("Output cut after 8388608 bytes"));
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(text(b"a\xff\xc3".to_vec()), "a\u{fffd}\u{fffd}");
    }
}
