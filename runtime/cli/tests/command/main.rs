//! The `mote` command as its users meet it: real processes, the real userland.
//!
//! One module per subject. A new file here is tested only once it has its
//! line below.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it did not expect"
)]

mod bounds;
mod cache;
mod faults;
mod flags;
mod harness;
mod inspect;
mod js;
mod node;
mod programs;
mod python;
mod readme;
mod serve;
mod shell;
mod terminal;
