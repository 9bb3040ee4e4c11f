//! [bashkit](https://docs.rs/bashkit), with the changes in `patches/`; each
//! patch opens with its reason. `build.rs` makes it.
#![allow(warnings, clippy::all, reason = "foreign code")]

include!(concat!(env!("OUT_DIR"), "/bashkit/src/lib.rs"));
