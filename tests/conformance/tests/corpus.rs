//! What fuzzers keep, in `tests/fuzz/corpus`, breaks nothing.
#![allow(
    clippy::unwrap_used,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

use std::fs;
use std::path::Path;

use mote_conformance::fuzz::PARSERS;

#[test]
fn nothing_that_was_kept_breaks_a_parser() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, parse) in PARSERS {
        let mut inputs = 0;
        for entry in fs::read_dir(corpus.join(name)).unwrap() {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            parse(&fs::read(path).unwrap());
            inputs += 1;
        }
        assert_ne!(inputs, 0, "{name} has no corpus");
    }
}
