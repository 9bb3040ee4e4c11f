//! The guests that the host's tests run, by name.
//!
//! The list of probes is made from their sources. A test target that says
//!
//! ```ignore
//! macro_rules! assert_test_exists {
//!     ($name:ident) => {
//!         use self::$name as _;
//!     };
//! }
//! mote_artifacts::foreach_probe!(assert_test_exists);
//! ```
//!
//! does not compile while a probe is without a test of its name.

#![forbid(unsafe_code)]

/// A guest that does one thing a sandbox has to bound or refuse.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// Its claim.
    pub name: &'static str,
    /// The component, on the host.
    pub file: &'static str,
}

/// The probes, one constant each.
pub mod probes {
    use super::Probe;

    include!(concat!(env!("OUT_DIR"), "/probes.rs"));
}

/// Where the guests lie that are no probes.
pub mod folders {
    include!(concat!(env!("OUT_DIR"), "/folders.rs"));
}
