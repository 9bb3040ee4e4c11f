//! The `mote` command as its users meet it: real processes, the real userland.
//!
//! One module per subject. A new file here is a module only once it has its
//! line below.

mod harness;
