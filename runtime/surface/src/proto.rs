//! The generated messages, client and server of `process.v1`.

#![allow(
    missing_docs,
    unreachable_pub,
    unused_lifetimes,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::or_fun_call,
    reason = "generated; the .proto file has the documentation"
)]

tonic::include_proto!("process.v1");

/// The service's description, for server reflection.
pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("process");
