//! What `mote serve` adds to the protocols: sandboxes that come and go,
//! quotas, addresses, and what it tells of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

mod addressing;
mod auth;
mod bodies;
mod events;
mod folders;
mod gate;
mod ghosts;
mod lifecycle;
mod observed;
mod options;
mod own;
mod quota;
mod restart;
