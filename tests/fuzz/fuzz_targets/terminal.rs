//! The line discipline of a terminal. Its file is taken alone, for the rest of
//! its package needs the engine.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../../runtime/node/src/terminal.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod terminal;

use terminal::{Action, LineDiscipline};

/// As in Linux, with the line's end.
const LINE_BYTES: usize = 4096;

fuzz_target!(|keys: &[u8]| {
    let mut terminal = LineDiscipline::new();
    for action in keys.chunks(7).flat_map(|keys| terminal.input(keys)) {
        if let Action::Line(line) = action {
            assert!(line.len() <= LINE_BYTES, "{}", line.len());
        }
    }
    let shown = LineDiscipline::output(keys);
    let feeds = keys.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(shown.len(), keys.len() + feeds);
});
