//! Tells what a context's program wrote from what its driver tells us.
//!
//! Both come on the same streams, so that children and libraries, which write
//! to the streams directly, need no help. A program can tell lies in the
//! driver's name: about itself, which it could in any other way.

use bytes::{Buf, Bytes, BytesMut};

/// What the driver puts before a line for us; the character is "record
/// separator", which text does not hold.
const MARK: &[u8] = b"\x1emote:";
/// Longest line of the driver, in bytes: four texts of 32,768 characters, of
/// which JSON makes up to 12 bytes each, and some.
pub(super) const MAX_LINE_BYTES: usize = 2 * 1024 * 1024;

/// A piece of a stream.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    /// The program wrote it.
    Output(Bytes),
    /// The driver told it.
    Line(Bytes),
}

/// The driver's line does not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// One stream, cut into pieces.
#[derive(Debug, Default)]
pub(super) struct Frames {
    held: BytesMut,
    in_line: bool,
    /// Bytes of `held` that are known to hold no line's end.
    searched: usize,
}

impl Frames {
    /// Adds what came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next piece, if all of it is there.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, TooLong> {
        if self.in_line {
            return self.line();
        }
        let (output, marked) = match find(&self.held, MARK) {
            Some(at) => (at, true),
            None => (self.held.len() - begun(&self.held), false),
        };
        if output > 0 {
            return Ok(Some(Piece::Output(self.held.split_to(output).freeze())));
        }
        if !marked {
            return Ok(None);
        }
        self.held.advance(MARK.len());
        self.in_line = true;
        self.searched = 0;
        self.line()
    }

    /// What is held back at the stream's end.
    pub(super) fn rest(&mut self) -> Bytes {
        match self.in_line {
            true => Bytes::new(),
            false => self.held.split().freeze(),
        }
    }

    fn line(&mut self) -> Result<Option<Piece>, TooLong> {
        let fresh = self.held.get(self.searched..).unwrap_or_default();
        let Some(at) = fresh.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.held.len();
            return match self.searched > MAX_LINE_BYTES {
                true => Err(TooLong),
                false => Ok(None),
            };
        };
        let line = self.held.split_to(self.searched + at).freeze();
        self.held.advance(1);
        self.in_line = false;
        match line.len() > MAX_LINE_BYTES {
            true => Err(TooLong),
            false => Ok(Some(Piece::Line(line))),
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// How many bytes at the end may be the beginning of a mark.
fn begun(bytes: &[u8]) -> usize {
    (1..MARK.len())
        .rev()
        .find(|length| {
            MARK.get(..*length)
                .is_some_and(|part| bytes.ends_with(part))
        })
        .unwrap_or(0)
}

/// Holds a stream to telling the same in whatever chunks it comes; for
/// [`crate::fuzzing`].
pub(crate) fn check(stream: &[u8]) {
    let read = |chunk: usize| {
        let mut frames = Frames::default();
        let (mut output, mut lines) = (Vec::new(), Vec::new());
        for bytes in stream.chunks(chunk) {
            frames.push(bytes);
            while let Ok(Some(piece)) = frames.next() {
                match piece {
                    Piece::Output(bytes) => output.extend_from_slice(&bytes),
                    Piece::Line(line) => lines.push(line),
                }
            }
        }
        output.extend_from_slice(&frames.rest());
        (output, lines)
    };
    assert_eq!(read(1), read(MAX_LINE_BYTES));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All output and all lines of a stream that comes in such chunks.
    fn read(chunks: &[&[u8]]) -> (Vec<u8>, Vec<Bytes>) {
        let mut frames = Frames::default();
        let (mut output, mut lines) = (Vec::new(), Vec::new());
        for chunk in chunks {
            frames.push(chunk);
            while let Some(piece) = frames.next().unwrap() {
                match piece {
                    Piece::Output(bytes) => output.extend_from_slice(&bytes),
                    Piece::Line(line) => lines.push(line),
                }
            }
        }
        output.extend_from_slice(&frames.rest());
        (output, lines)
    }

    #[test]
    fn lines_of_the_driver_are_taken_out_of_the_output() {
        let (output, lines) = read(&[b"a\n\x1emote:{}\nb\x1emote:1\n\x1emote:2\n"]);
        assert_eq!(output, b"a\nb");
        assert_eq!(lines, ["{}", "1", "2"]);
    }

    #[test]
    fn what_only_begins_as_a_mark_is_output() {
        let (output, lines) = read(&[b"\x1e", b"mo", b"re\x1e\x1emote"]);
        assert_eq!(output, b"\x1emore\x1e\x1emote");
        assert!(lines.is_empty());
    }

    #[test]
    fn a_line_is_bounded() {
        let mut frames = Frames::default();
        frames.push(MARK);
        frames.push(&vec![b'x'; MAX_LINE_BYTES]);
        assert_eq!(frames.next(), Ok(None));
        frames.push(b"x");
        assert_eq!(frames.next(), Err(TooLong));
        assert!(frames.rest().is_empty());
    }

    proptest! {
        #[test]
        fn where_a_stream_is_cut_does_not_matter(
            parts in prop::collection::vec(prop_oneof![
                Just(&b"\x1emote:"[..]), Just(&b"\n"[..]), Just(&b"\x1emo"[..]), Just(&b"text"[..]),
            ], 0..12),
            size in 1_usize..9,
        ) {
            let stream = parts.concat();
            let chunks: Vec<&[u8]> = stream.chunks(size).collect();
            prop_assert_eq!(read(&chunks), read(&[&stream]));
        }
    }
}
