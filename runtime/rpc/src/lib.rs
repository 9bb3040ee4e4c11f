//! What the controller and node hosts say to each other.

#![forbid(unsafe_code)]

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
