//! Who makes a request.

use std::fmt;
use std::str::FromStr;

use http::HeaderMap;

/// The name of the request header and gRPC metadata entry that carries
/// [`mote_api::CallOptions`] as JSON.
pub const CALL_HEADER: &str = "mote-call";
/// The name of the response header, or gRPC trailer, that carries a
/// [`mote_api::Outcome`] as JSON.
pub const OUTCOME_HEADER: &str = "mote-outcome";

/// Who makes a request and on behalf of which trace. The listener puts it
/// into the request's extensions; without, the caller is nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// A name that the listener vouches for, or where the connection is from.
    pub who: String,
    /// The caller's place in its trace, if it told.
    pub trace: Option<TraceParent>,
}

/// The header, or gRPC metadata entry, by which a caller tells its place in a
/// trace.
const TRACE_HEADER: &str = "traceparent";
/// Bytes of a `traceparent` of version 00: `00-` trace `-` span `-` flags.
const TRACE_BYTES: usize = 55;

/// The `traceparent` header of the W3C Trace Context recommendation, level 1.
///
/// As text: `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// 16 bytes, not all zero.
    pub trace: u128,
    /// The caller's span: 8 bytes, not all zero.
    pub span: u64,
    /// Whether the caller records this trace.
    pub sampled: bool,
}

/// A text is no `traceparent`. The text itself is a stranger's and not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no traceparent; send 00-TRACE-SPAN-FLAGS in 32, 16 and 2 lower-case hexadecimal digits, with neither TRACE nor SPAN all zero"
)]
pub struct TraceParentError;

impl TraceParent {
    /// The caller's place in its trace. As the recommendation asks, what is
    /// malformed, or there more than once, counts as not there.
    pub fn of_headers(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACE_HEADER).iter();
        let (first, second) = (values.next()?, values.next());
        if second.is_some() {
            return None;
        }
        first.to_str().ok()?.parse().ok()
    }
}

impl FromStr for TraceParent {
    type Err = TraceParentError;

    /// Reads [`TRACE_BYTES`] and no further: a later version may only append.
    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        let (known, rest) = text.split_at_checked(TRACE_BYTES).ok_or(TraceParentError)?;
        let mut parts = known.split('-');
        let mut part = |digits| hex(parts.next(), digits).ok_or(TraceParentError);
        let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let whole = match version {
            0 => rest.is_empty(),
            // Never a version, so that it can say that there is none.
            0xff => false,
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        if !whole || trace == 0 || span == 0 {
            return Err(TraceParentError);
        }
        Ok(Self {
            trace,
            span: u64::try_from(span).map_err(|_| TraceParentError)?,
            sampled: flags & 1 == 1,
        })
    }
}

/// The number that just so many lower-case digits stand for.
fn hex(part: Option<&str>, digits: usize) -> Option<u128> {
    let part = part.filter(|part| part.len() == digits)?;
    let lower = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    part.bytes()
        .all(lower)
        .then(|| u128::from_str_radix(part, 16).ok())?
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            trace,
            span,
            sampled,
        } = self;
        write!(f, "00-{trace:032x}-{span:016x}-{:02x}", u8::from(*sampled))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn parsed(text: &str) -> Option<TraceParent> {
        text.parse().ok()
    }

    #[test]
    fn a_traceparent_is_read_and_written_alike() {
        let text = format!("00-{TRACE}-{SPAN}-01");
        let parent = parsed(&text).unwrap();
        assert_eq!(parent.trace, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(parent.span, 0x00f0_67aa_0ba9_02b7);
        assert!(parent.sampled);
        assert_eq!(parent.to_string(), text);
    }

    #[test]
    fn only_the_last_flag_is_known() {
        for (flags, sampled) in [("00", false), ("02", false), ("03", true), ("ff", true)] {
            let parent = parsed(&format!("00-{TRACE}-{SPAN}-{flags}"));
            assert_eq!(
                parent.map(|parent| parent.sampled),
                Some(sampled),
                "{flags}"
            );
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        for rest in ["", "-", "-what-the-future-holds", "-ä"] {
            assert!(parsed(&format!("cc-{TRACE}-{SPAN}-01{rest}")).is_some());
        }
        for bad in [
            format!("cc-{TRACE}-{SPAN}-01.more"),
            format!("cc-{TRACE}-{SPAN}-01ä"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("ff-{TRACE}-{SPAN}-01-more"),
        ] {
            assert_eq!(parsed(&bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let (no_trace, no_span) = ("0".repeat(32), "0".repeat(16));
        for bad in [
            String::new(),
            "-".repeat(TRACE_BYTES),
            "0".repeat(TRACE_BYTES),
            "ä".repeat(TRACE_BYTES),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-001"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-0g"),
            format!("00-{TRACE}-{SPAN}-+1"),
            format!(" 00-{TRACE}-{SPAN}-01"),
            format!("00_{TRACE}_{SPAN}_01"),
            format!("00-{no_trace}-{SPAN}-01"),
            format!("00-{TRACE}-{no_span}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{SPAN}-{TRACE}-01"),
            format!("00-{}-{SPAN}-01", "ä".repeat(16)),
        ] {
            assert_eq!(parsed(&bad), None, "{bad}");
        }
    }

    #[test]
    fn a_header_counts_if_it_is_there_once_and_well_formed() {
        let good = HeaderValue::from_str(&format!("00-{TRACE}-{SPAN}-01")).unwrap();
        let mut headers = HeaderMap::new();
        assert_eq!(TraceParent::of_headers(&headers), None);
        headers.append(TRACE_HEADER, good.clone());
        assert!(TraceParent::of_headers(&headers).is_some());
        headers.append(TRACE_HEADER, good);
        assert_eq!(TraceParent::of_headers(&headers), None);
        let bytes = HeaderValue::from_bytes(&[0xff; TRACE_BYTES]).unwrap();
        headers.insert(TRACE_HEADER, bytes);
        assert_eq!(TraceParent::of_headers(&headers), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}") {
            let _ = parsed(&text);
        }

        #[test]
        fn nothing_near_a_traceparent_makes_it_panic(
            text in "[0-9a-fF]{2}-[0-9a-g]{31,33}-[0-9a-g]{15,17}-[0-9a-z]{1,3}.{0,9}"
        ) {
            if let Some(parent) = parsed(&text) {
                prop_assert_eq!(parsed(&parent.to_string()), Some(parent));
            }
        }

        #[test]
        fn what_is_written_is_read_again(trace in 1u128.., span in 1u64.., sampled: bool) {
            let parent = TraceParent { trace, span, sampled };
            prop_assert_eq!(parsed(&parent.to_string()), Some(parent));
        }
    }
}
