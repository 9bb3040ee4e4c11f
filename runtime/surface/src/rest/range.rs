//! The `Range` header, read as Go's `http.ServeContent` does.

use std::ops::Range;

/// Most ranges of one answer. Each costs a read and a header of its own; who
/// asks for more gets the whole file, as HTTP allows.
const MOST_RANGES: usize = 256;

/// A range that cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RangeError {
    /// It is none.
    #[error("invalid range")]
    Invalid,
    /// All of it is past the end.
    #[error("invalid range: failed to overlap")]
    Beyond,
}

/// Which parts of a file of `size` bytes are asked for. Empty is all of it.
pub(super) fn parse(header: &str, size: u64) -> Result<Vec<Range<u64>>, RangeError> {
    if header.is_empty() {
        return Ok(Vec::new());
    }
    let list = header.strip_prefix("bytes=").ok_or(RangeError::Invalid)?;
    let mut ranges = Vec::new();
    let mut beyond = false;
    for text in list.split(',').map(trim).filter(|text| !text.is_empty()) {
        let (start, end) = text.split_once('-').ok_or(RangeError::Invalid)?;
        match one(trim(start), trim(end), size)? {
            Some(range) => ranges.push(range),
            None => beyond = true,
        }
    }
    // Clients ask empty files for their first bytes, and mean all there is.
    if beyond && ranges.is_empty() && size > 0 {
        return Err(RangeError::Beyond);
    }
    // More than the whole file is an attack, or an error; the file will do.
    let sum = ranges.iter().fold(0, |sum: u64, range| {
        sum.saturating_add(range.end - range.start)
    });
    if sum > size || ranges.len() > MOST_RANGES {
        ranges.clear();
    }
    Ok(ranges)
}

/// `None` if it begins past the end.
fn one(start: &str, end: &str, size: u64) -> Result<Option<Range<u64>>, RangeError> {
    if start.is_empty() {
        return match end.starts_with('-') {
            true => Err(RangeError::Invalid),
            false => number(end).map(|last| Some(size.saturating_sub(last)..size)),
        };
    }
    let start = number(start)?;
    if start >= size {
        return Ok(None);
    }
    if end.is_empty() {
        return Ok(Some(start..size));
    }
    let last = number(end)?;
    if last < start {
        return Err(RangeError::Invalid);
    }
    Ok(Some(start..last.saturating_add(1).min(size)))
}

/// What Go's `ParseInt` takes, if it is not negative.
fn number(text: &str) -> Result<u64, RangeError> {
    let number: i64 = text.parse().map_err(|_| RangeError::Invalid)?;
    u64::try_from(number).map_err(|_| RangeError::Invalid)
}

/// Takes away what Go's `textproto.TrimString` does.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ends(range: &Range<u64>) -> (u64, u64) {
        (range.start, range.end)
    }

    #[test]
    fn ranges_are_read_as_go_reads_them() {
        use RangeError::{Beyond, Invalid};
        for (header, expected) in [
            ("", Ok(vec![])),
            ("bytes=0-4", Ok(vec![(0, 5)])),
            ("bytes=2-", Ok(vec![(2, 10)])),
            ("bytes=-3", Ok(vec![(7, 10)])),
            ("bytes=-300", Ok(vec![(0, 10)])),
            ("bytes=5-1000", Ok(vec![(5, 10)])),
            ("bytes=+1-+2", Ok(vec![(1, 3)])),
            ("bytes= 0 - 1 ,\t5-6", Ok(vec![(0, 2), (5, 7)])),
            ("bytes=0-1,,20-30", Ok(vec![(0, 2)])),
            ("bytes=0-9,0-9", Ok(vec![])),
            ("bytes=", Ok(vec![])),
            ("bytes=-0", Ok(vec![(10, 10)])),
            ("bytes=10-", Err(Beyond)),
            ("bytes=20-1", Err(Beyond)),
            ("bytes=5-4", Err(Invalid)),
            ("bytes=-", Err(Invalid)),
            ("bytes=--1", Err(Invalid)),
            ("bytes=a-b", Err(Invalid)),
            ("bytes=1", Err(Invalid)),
            ("bytes=1-2-3", Err(Invalid)),
            ("Bytes=0-1", Err(Invalid)),
            ("bytes=9223372036854775808-", Err(Invalid)),
        ] {
            let parsed =
                parse(header, 10).map(|ranges| ranges.iter().map(ends).collect::<Vec<_>>());
            assert_eq!(parsed, expected, "{header}");
        }
        assert_eq!(parse("bytes=0-4", 0), Ok(vec![]));
    }

    #[test]
    fn ranges_are_counted() {
        let header = |count: usize| format!("bytes={}", vec!["0-0"; count].join(","));
        let parsed = |count| parse(&header(count), 1000).map(|ranges| ranges.len());
        assert_eq!(parsed(MOST_RANGES), Ok(MOST_RANGES));
        assert_eq!(parsed(MOST_RANGES + 1), Ok(0));
    }

    /// What one well-formed range asks for.
    #[derive(Clone, Debug)]
    enum Asked {
        Between(u64, u64),
        From(u64),
        Last(u64),
    }

    fn asked() -> impl Strategy<Value = Asked> {
        let at = 0..40_u64;
        prop_oneof![
            (at.clone(), at.clone()).prop_map(|(from, more)| Asked::Between(from, from + more)),
            at.clone().prop_map(Asked::From),
            at.prop_map(Asked::Last),
        ]
    }

    impl Asked {
        fn text(&self) -> String {
            match self {
                Self::Between(from, to) => format!("{from}-{to}"),
                Self::From(from) => format!("{from}-"),
                Self::Last(last) => format!("-{last}"),
            }
        }

        /// The bytes of a file that it stands for, one by one.
        fn bytes(&self, size: u64) -> Vec<u64> {
            (0..size)
                .filter(|at| match self {
                    Self::Between(from, to) => (from..=to).contains(&at),
                    Self::From(from) => at >= from,
                    Self::Last(last) => at + last >= size,
                })
                .collect()
        }
    }

    proptest! {
        #[test]
        fn ranges_hold_the_bytes_that_were_asked_for(
            asked in prop::collection::vec(asked(), 1..5),
            size in 1..32_u64,
        ) {
            let texts: Vec<_> = asked.iter().map(Asked::text).collect();
            let parsed = parse(&format!("bytes={}", texts.join(",")), size);
            let model: Vec<u64> = asked.iter().flat_map(|asked| asked.bytes(size)).collect();
            match parsed {
                Ok(ranges) if ranges.is_empty() => prop_assert!(model.len() as u64 > size),
                Ok(ranges) => {
                    prop_assert_eq!(ranges.into_iter().flatten().collect::<Vec<_>>(), model);
                }
                Err(error) => {
                    prop_assert_eq!(error, RangeError::Beyond);
                    prop_assert!(model.is_empty());
                }
            }
        }

        #[test]
        fn nothing_makes_it_panic_or_pass_the_end(header in "(bytes=)?[-+, 0-9]{0,24}", size: u64) {
            for range in parse(&header, size).unwrap_or_default() {
                prop_assert!(range.start <= range.end && range.end <= size);
            }
        }
    }
}
