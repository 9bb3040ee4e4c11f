//! Doors for fuzzers to what reads bytes from outside and cannot be reached by
//! a request alone. No part of the interface.

/// What a context's program wrote tells the same in whatever chunks it comes.
///
/// # Panics
/// It does not.
pub fn frames(bytes: &[u8]) {
    crate::contexts::check_frames(bytes);
}
