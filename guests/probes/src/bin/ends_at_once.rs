//! Does nothing: what a call costs besides its program.

fn main() {}
