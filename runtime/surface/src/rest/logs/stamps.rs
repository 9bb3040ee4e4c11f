//! Puts before each line of a log when it was written.

use std::fmt::Write;

use jiff::Timestamp;

use crate::backend::Moment;

/// Bytes that are stamped at once: a stamp is longer than most lines, and than an
/// empty one by far.
pub(super) const STAMPED_BYTES: usize = 4 * 1024;

/// How far a log is stamped.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    /// The place that comes next, unless it is no longer kept.
    next: Option<u64>,
    /// Whether a line was begun and has not ended.
    in_line: bool,
}

impl Stamps {
    /// The bytes from this place on, with stamps. What went before may be lost:
    /// then a line begins here.
    pub(super) fn stamp(&mut self, place: u64, bytes: &[u8], moments: &[Moment]) -> Vec<u8> {
        let mut stamped = Vec::with_capacity(2 * bytes.len());
        if self.in_line && self.next != Some(place) {
            stamped.push(b'\n');
            self.in_line = false;
        }
        let mut here = place;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !self.in_line {
                stamped.extend_from_slice(stamp(here, moments).as_bytes());
            }
            stamped.extend_from_slice(line);
            self.in_line = !line.ends_with(b"\n");
            here += line.len() as u64;
        }
        self.next = Some(here);
        stamped
    }
}

/// When what is at this place was written, as `kubectl logs` tells it.
fn stamp(place: u64, moments: &[Moment]) -> String {
    let after = moments.partition_point(|it| it.place <= place);
    let moment = moments.get(after.saturating_sub(1));
    // A log without times at all is one whose disk was full.
    let time = moment.map_or(Timestamp::UNIX_EPOCH, |it| it.time);
    let mut text = String::with_capacity(32);
    // Strings take all that is written to them.
    let _ = write!(text, "{time:.6} ");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(place: u64, second: i64) -> Moment {
        let time = Timestamp::from_second(second).unwrap();
        Moment { place, time }
    }

    fn text(bytes: Vec<u8>) -> String {
        let text = String::from_utf8(bytes).unwrap();
        text.replace("1970-01-01T00:00:", "")
    }

    #[test]
    fn each_line_bears_the_time_of_its_first_byte() {
        let moments = [at(0, 1), at(4, 2)];
        let mut stamps = Stamps::default();
        let first = stamps.stamp(0, b"a\nb\nc", &moments);
        assert_eq!(text(first), "01.000000Z a\n01.000000Z b\n02.000000Z c");
        let last = stamps.stamp(5, b"d\n\n", &[at(4, 2), at(7, 3)]);
        assert_eq!(text(last), "d\n03.000000Z \n");
    }

    #[test]
    fn a_line_whose_end_is_no_longer_kept_ends_all_the_same() {
        let mut stamps = Stamps::default();
        let first = stamps.stamp(0, b"a", &[at(0, 1)]);
        assert_eq!(text(first), "01.000000Z a");
        let next = stamps.stamp(100, b"b\n", &[at(90, 2)]);
        assert_eq!(text(next), "\n02.000000Z b\n");
    }

    #[test]
    fn a_time_is_told_to_the_microsecond() {
        let time = "2026-01-02T03:04:05.678901Z".parse().unwrap();
        let moment = Moment { place: 0, time };
        assert_eq!(stamp(9, &[moment]), "2026-01-02T03:04:05.678901Z ");
        assert_eq!(stamp(9, &[]), "1970-01-01T00:00:00.000000Z ");
    }
}
