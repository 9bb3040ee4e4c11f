//! What the router adds to a request.
fn main() {}
