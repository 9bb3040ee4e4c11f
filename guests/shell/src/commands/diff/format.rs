//! How changes are written: as GNU's plain, unified and context formats.

use std::fmt::Write as _;
use std::ops::Range;

use super::changes::Change;

/// What stands below a last line that has no end.
const NO_NEWLINE: &str = "\\ No newline at end of file";

/// The two texts and what differs.
pub struct Difference<'a> {
    /// Lines of the old text, without their ends.
    pub old: &'a [&'a [u8]],
    /// Lines of the new text.
    pub new: &'a [&'a [u8]],
    /// Whether the last line of each lacks its end.
    pub unended: [bool; 2],
    /// What differs.
    pub changes: &'a [Change],
}

impl Difference<'_> {
    fn line(&self, out: &mut Vec<u8>, sign: &str, which: usize, index: usize) {
        let lines = if which == 0 { self.old } else { self.new };
        let line = lines.get(index).copied().unwrap_or_default();
        out.extend_from_slice(sign.as_bytes());
        out.extend_from_slice(line);
        out.push(b'\n');
        if index + 1 == lines.len() && self.unended[which] {
            out.extend_from_slice(NO_NEWLINE.as_bytes());
            out.push(b'\n');
        }
    }

    /// `diff`'s own format.
    pub fn plain(&self, out: &mut Vec<u8>) {
        for Change { old, new } in self.changes {
            let letter = match (old.is_empty(), new.is_empty()) {
                (true, _) => 'a',
                (_, true) => 'd',
                _ => 'c',
            };
            out.extend(format!("{}{letter}{}\n", comma(old), comma(new)).into_bytes());
            old.clone().for_each(|index| self.line(out, "< ", 0, index));
            if letter == 'c' {
                out.extend_from_slice(b"---\n");
            }
            new.clone().for_each(|index| self.line(out, "> ", 1, index));
        }
    }

    /// `-u`, with so many lines around.
    pub fn unified(&self, out: &mut Vec<u8>, around: usize) {
        for hunk in self.hunks(around) {
            let (old, new) = self.extent(hunk, around);
            let header = format!("@@ -{} +{} @@\n", length(&old), length(&new));
            out.extend(header.into_bytes());
            let mut at = old.start;
            for change in hunk {
                (at..change.old.start).for_each(|index| self.line(out, " ", 0, index));
                change
                    .old
                    .clone()
                    .for_each(|index| self.line(out, "-", 0, index));
                change
                    .new
                    .clone()
                    .for_each(|index| self.line(out, "+", 1, index));
                at = change.old.end;
            }
            (at..old.end).for_each(|index| self.line(out, " ", 0, index));
        }
    }

    /// `-c`, with so many lines around.
    pub fn context(&self, out: &mut Vec<u8>, around: usize) {
        for hunk in self.hunks(around) {
            let (old, new) = self.extent(hunk, around);
            let header = format!("***************\n*** {} ****\n", comma_or_last(&old));
            out.extend(header.into_bytes());
            self.half(out, hunk, &old, 0);
            out.extend(format!("--- {} ----\n", comma_or_last(&new)).into_bytes());
            self.half(out, hunk, &new, 1);
        }
    }

    /// The lines of one text in a hunk of `-c`; none if none of them changes.
    fn half(&self, out: &mut Vec<u8>, hunk: &[Change], extent: &Range<usize>, which: usize) {
        let of = |change: &Change| match which {
            0 => (change.old.clone(), change.new.is_empty()),
            _ => (change.new.clone(), change.old.is_empty()),
        };
        if hunk.iter().all(|change| of(change).0.is_empty()) {
            return;
        }
        let mut at = extent.start;
        for change in hunk {
            let (range, alone) = of(change);
            (at..range.start).for_each(|index| self.line(out, "  ", which, index));
            let sign = match (alone, which) {
                (false, _) => "! ",
                (true, 0) => "- ",
                _ => "+ ",
            };
            range
                .clone()
                .for_each(|index| self.line(out, sign, which, index));
            at = range.end;
        }
        (at..extent.end).for_each(|index| self.line(out, "  ", which, index));
    }

    /// Changes that are so close that what is around them touches.
    fn hunks(&self, around: usize) -> Vec<&[Change]> {
        self.changes
            .chunk_by(|one, next| next.old.start - one.old.end <= 2 * around)
            .collect()
    }

    /// The lines that a hunk covers, those around included.
    fn extent(&self, hunk: &[Change], around: usize) -> (Range<usize>, Range<usize>) {
        let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else {
            return (0..0, 0..0);
        };
        let before = around.min(first.old.start);
        let after = around.min(self.old.len() - last.old.end);
        (
            first.old.start - before..last.old.end + after,
            first.new.start - before..last.new.end + after,
        )
    }
}

/// `3` or `3,5`; for no lines, the one before.
fn comma(range: &Range<usize>) -> String {
    match range.len() {
        0 => range.start.to_string(),
        1 => range.end.to_string(),
        _ => format!("{},{}", range.start + 1, range.end),
    }
}

/// As `comma`, but what `-c` shows where there is one line or none.
fn comma_or_last(range: &Range<usize>) -> String {
    if range.len() > 1 {
        return comma(range);
    }
    range.end.to_string()
}

/// `3` or `3,2`: where it starts and how many lines it has.
fn length(range: &Range<usize>) -> String {
    let mut text = String::new();
    // A string takes whatever is written to it.
    let _ = match range.len() {
        0 => write!(text, "{},0", range.start),
        1 => write!(text, "{}", range.end),
        count => write!(text, "{},{count}", range.start + 1),
    };
    text
}
