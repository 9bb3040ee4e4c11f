//! The parser that the variable `PARSER` names: see `mote_conformance::fuzz`.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mote_conformance::fuzz::PARSERS;

static PARSER: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let wanted = std::env::var("PARSER").expect("PARSER names one of mote_conformance::fuzz");
    let found = PARSERS.iter().find(|(name, _)| *name == wanted);
    found.unwrap_or_else(|| panic!("there is no parser {wanted}")).1
});

fuzz_target!(|bytes: &[u8]| PARSER(bytes));
