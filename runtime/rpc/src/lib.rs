//! What the controller and node hosts say to each other.

#![forbid(unsafe_code)]

pub mod rules;

/// The generated messages, client and server of `mote.node.v1`.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_lifetimes,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::or_fun_call,
    reason = "generated; the .proto file has the documentation"
)]
pub mod v1 {
    tonic::include_proto!("mote.node.v1");
}

/// Sessions that one request may name.
pub const MAX_SESSIONS: usize = 256;

/// Bytes of one request that a node host reads: 256 sessions with 32 KiB of
/// environment each, or one with all the files that it may be given.
pub const MAX_REQUEST_BYTES: usize = 8 << 20;

/// Bytes that a session takes in a [`v1::EnsureRequest`], or a policy in a
/// [`v1::PoliceRequest`].
pub fn bytes_in_request(part: &impl prost::Message) -> usize {
    prost::encoding::message::encoded_len(PARTS, part)
}

/// The number of the field of what a request is made of.
const PARTS: u32 = 1;

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn a_request_is_as_long_as_its_parts_together() {
        let session = |name: &str| v1::SessionSpec {
            name: name.to_owned(),
            ..v1::SessionSpec::default()
        };
        let sessions = vec![session(""), session("a"), session(&"b".repeat(300))];
        let bytes = sessions.iter().map(bytes_in_request).sum::<usize>();
        assert_eq!(v1::EnsureRequest { sessions }.encoded_len(), bytes);

        let policy = |name: &str| v1::Policy {
            name: name.to_owned(),
            ..v1::Policy::default()
        };
        let policies = vec![policy("a"), policy(&"b".repeat(300))];
        let bytes = policies.iter().map(bytes_in_request).sum::<usize>();
        assert_eq!(v1::PoliceRequest { policies }.encoded_len(), bytes);
    }
}
