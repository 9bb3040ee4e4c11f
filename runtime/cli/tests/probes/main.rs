//! Every power a guest could use was tried: granted it works, ungranted it is
//! denied; at the limit it succeeds, over the limit it is reported.
//!
//! A test module is named after the probe it runs, and a probe without one
//! does not compile.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test may stop at what it did not expect, and is a crate of its own"
)]

mod calls;
mod capabilities;
#[path = "../command/harness.rs"]
mod command;
mod disk;
mod files;
mod harness;
mod hostile;
mod limits;
mod modules;
mod readonly;
mod spawn;
mod tools;

use calls::*;
use capabilities::*;
use disk::*;
use files::*;
use limits::*;
use modules::*;
use readonly::*;
use spawn::*;

macro_rules! assert_test_exists {
    ($name:ident) => {
        #[expect(unused_imports, reason = "naming it is the point")]
        use self::$name as _;
    };
}

mote_artifacts::foreach_probe!(assert_test_exists);
