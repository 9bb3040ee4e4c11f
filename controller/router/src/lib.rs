//! The way to a sandbox, for those who know its name: an HTTP reverse proxy,
//! one for both tiers.
//!
//! ```text
//!  client ──X-Sandbox-*──► listen ─► proxy ─► target ─► resolve ─► upstream ──► sandbox
//!                                     │                   │                     (pod or wasm)
//!                                     │               directory ◄─watch── API server
//!                                     └────── wake ──────────────patch─────►
//! ```
//!
//! Pure are the steps that decide: [`target`] reads headers, [`resolve`] finds
//! the way, [`headers`] says what becomes of them. Bodies pass frame by frame.
#![forbid(unsafe_code)]

pub mod authorize;
pub mod crowd;
pub mod directory;
pub mod headers;
pub mod listen;
pub mod memo;
pub mod metrics;
pub mod options;
pub mod pace;
pub mod process;
pub mod proxy;
pub mod refusal;
pub mod relay;
pub mod resolve;
pub mod review;
pub mod sandbox;
pub mod target;
pub mod traffic;
pub mod turns;
pub mod upstream;
pub mod wake;
pub mod watch;
