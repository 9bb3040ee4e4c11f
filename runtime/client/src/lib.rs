//! What the commands that use sandboxes have in common, wherever the sandbox
//! is and however it is reached: `mote` and `kubectl mote` say and do the same.
//!
//! ```text
//! process   a program in a sandbox, by the protocol process.v1
//! archive   a folder as a tar archive, to and from a sandbox
//! listing   what a folder of a sandbox holds
//! path      a file of a sandbox's workspace
//! words     what was typed to be run
//! table     columns for people       text      sizes, times, one line
//! screen    our terminal, while it belongs to somebody else
//! ```

#![forbid(unsafe_code)]

pub mod archive;
pub mod listing;
pub mod path;
pub mod process;
pub mod screen;
pub mod table;
pub mod text;
pub mod words;
