//! The `If-…` headers, read as Go's `http.ServeContent` does for content
//! without an entity tag.
//!
//! The reference gives none, so a caller that names one never means ours.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};

use super::range::trim;

/// What is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    /// The content, or these ranges of it if the text is not empty.
    Content(&'a str),
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// Weighs the conditions of a GET or HEAD against when the file was written.
pub(super) fn weigh(headers: &HeaderMap, modified: SystemTime) -> Verdict<'_> {
    let modified = seconds(modified);
    let passes = match get(headers, &IF_MATCH) {
        "" => since(headers, &IF_UNMODIFIED_SINCE, modified).is_none_or(|date| modified <= date),
        tags => any_tag(tags),
    };
    if !passes {
        return Verdict::Failed;
    }
    let unchanged = match get(headers, &IF_NONE_MATCH) {
        "" => since(headers, &IF_MODIFIED_SINCE, modified).is_some_and(|date| modified <= date),
        tags => any_tag(tags),
    };
    if unchanged {
        return Verdict::NotModified;
    }
    let same = match get(headers, &IF_RANGE) {
        "" => true,
        tag if scan_tag(tag).is_some() => false,
        date => httpdate::parse_http_date(date).is_ok_and(|date| seconds(date) == modified),
    };
    Verdict::Content(if same { get(headers, &RANGE) } else { "" })
}

/// When a file was written, as far as HTTP tells it: not if it is the epoch,
/// which stands for a time that nobody set.
pub(super) fn last_modified(modified: SystemTime) -> Option<SystemTime> {
    (modified != SystemTime::UNIX_EPOCH).then_some(modified)
}

fn get<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    let value = headers.get(name).map(http::HeaderValue::to_str);
    value.and_then(Result::ok).unwrap_or_default()
}

fn since(headers: &HeaderMap, name: &HeaderName, modified: u64) -> Option<u64> {
    let date = httpdate::parse_http_date(get(headers, name)).ok()?;
    (modified != 0).then(|| seconds(date))
}

/// Whole seconds, which is all that HTTP's dates tell.
fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.as_ref().map_or(0, Duration::as_secs)
}

/// Whether a list of entity tags has a `*` before it becomes malformed.
fn any_tag(mut tags: &str) -> bool {
    loop {
        tags = trim(tags);
        if let Some(rest) = tags.strip_prefix(',') {
            tags = rest;
        } else if tags.starts_with('*') {
            return true;
        } else if let Some(rest) = scan_tag(tags) {
            tags = rest;
        } else {
            return false;
        }
    }
}

/// What follows the entity tag that `text` begins with.
fn scan_tag(text: &str) -> Option<&str> {
    let text = trim(text);
    let text = text.strip_prefix("W/").unwrap_or(text);
    let (tag, rest) = text.strip_prefix('"')?.split_once('"')?;
    let good = |byte| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..);
    tag.bytes().all(good).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT.
    const MODIFIED: u64 = 784_111_777;
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        pairs.iter().map(header).collect()
    }

    #[test]
    fn conditions_are_weighed_as_go_does() {
        use Verdict::{Content, Failed, NotModified};
        const R: (&str, &str) = ("range", "bytes=0-1");
        // Half a second later than the header can say.
        let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(MODIFIED * 1000 + 500);
        for (pairs, expected) in [
            (&[][..], Content("")),
            (&[R], Content("bytes=0-1")),
            (&[("if-modified-since", BEFORE)], Content("")),
            (&[("if-modified-since", SAME)], NotModified),
            (&[("if-modified-since", AFTER), R], NotModified),
            (&[("if-modified-since", "yesterday")], Content("")),
            (&[("if-unmodified-since", BEFORE)], Failed),
            (&[("if-unmodified-since", SAME)], Content("")),
            (&[("if-unmodified-since", "never")], Content("")),
            (&[("if-match", "*")], Content("")),
            (&[("if-match", "\"a\"")], Failed),
            (&[("if-match", "\"a\", W/\"b\",*")], Content("")),
            (&[("if-match", "a, *")], Failed),
            (
                &[("if-match", "*"), ("if-unmodified-since", BEFORE)],
                Content(""),
            ),
            (&[("if-none-match", "*")], NotModified),
            (&[("if-none-match", "\"a\"")], Content("")),
            (
                &[("if-none-match", "\"a\""), ("if-modified-since", SAME)],
                Content(""),
            ),
            (&[("if-range", SAME), R], Content("bytes=0-1")),
            (&[("if-range", AFTER), R], Content("")),
            (&[("if-range", "\"tag\""), R], Content("")),
            (&[("if-range", "W/\"tag\""), R], Content("")),
            (&[("if-range", "nonsense"), R], Content("")),
        ] {
            assert_eq!(weigh(&headers(pairs), modified), expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_file_of_the_epoch_has_no_date() {
        let epoch = SystemTime::UNIX_EPOCH;
        for name in ["if-modified-since", "if-unmodified-since"] {
            assert_eq!(
                weigh(&headers(&[(name, SAME)]), epoch),
                Verdict::Content("")
            );
        }
        assert_eq!(last_modified(epoch), None);
    }
}
