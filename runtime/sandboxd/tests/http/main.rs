//! The protocols over HTTP, asked of real processes without a socket.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it did not expect"
)]

mod contexts;
mod runtime;
mod sandbox;
