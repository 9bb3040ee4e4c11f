//! The router between real clients and real servers, over sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

mod errors;
mod grpc;
mod http1;
mod limits;
mod strangers;
mod streams;
mod upgrade;
mod waking;
mod world;
