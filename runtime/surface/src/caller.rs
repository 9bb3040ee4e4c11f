//! Who makes a request.

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

/// The `traceparent` header of the W3C Trace Context recommendation, level 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// 16 bytes, not all zero.
    pub trace: u128,
    /// The caller's span: 8 bytes, not all zero.
    pub span: u64,
    /// Whether the caller records this trace.
    pub sampled: bool,
}
