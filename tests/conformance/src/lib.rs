//! Speaks a sandbox's protocols from outside, as its clients do, and holds it
//! to what they expect.
//!
//! ```text
//! tests/conformance  every row of the protocols ─┐            ┌─ mote-sandboxd │ mote serve
//! tests/robust       what hostile clients do    ─┼─► Target ──┤
//! tests/clients      programs of other people   ─┘            └─ whatever MOTE_CONFORMANCE_* names
//! tests/node         what a node host adds     ───► Node ────── mote serve, one for each test
//! ```
//!
//! To judge another implementation, name its addresses and its root:
//!
//! ```text
//! MOTE_CONFORMANCE_GRPC=127.0.0.1:9090 MOTE_CONFORMANCE_REST=127.0.0.1:8080 \
//! MOTE_CONFORMANCE_RUNTIME=127.0.0.1:8888 MOTE_CONFORMANCE_ROOT=/workspace \
//!     cargo test --release -p mote-conformance --test conformance process::
//! ```

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "used by tests alone, which may stop at what they did not expect"
)]

mod deadline;
pub mod fuzz;
mod grpc;
mod http;
mod node;
mod sandboxd;
mod server;
mod started;
mod target;

pub use deadline::{PATIENCE, run, within};
pub use grpc::{Client, Ended, argv, sh};
pub use http::{Ask, Http, Reply, read_reply};
pub use node::{Node, node};
pub use sandboxd::Sandboxd;
pub use server::binary;
pub use started::{Piece, Started};
pub use target::{Endpoint, Target};
