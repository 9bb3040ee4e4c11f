//! The terminal of the call, if it has one.

use std::sync::Arc;

use crate::bindings::mote::sandbox::terminal;
use crate::bindings::wasi::cli::{terminal_stderr, terminal_stdin, terminal_stdout};
use crate::bindings::wasi::io::poll::Pollable;
use crate::reactor;

/// Characters in a line, and lines.
pub fn size() -> Option<(u16, u16)> {
    terminal::size()
}

/// Whether standard input, output and error are the terminal.
pub fn streams() -> [bool; 3] {
    [
        is_stdin(),
        terminal_stdout::get_terminal_stdout().is_some(),
        terminal_stderr::get_terminal_stderr().is_some(),
    ]
}

/// Whether standard input is the terminal.
pub fn is_stdin() -> bool {
    terminal_stdin::get_terminal_stdin().is_some()
}

/// The variables that tell its size.
pub fn variables() -> Vec<(String, String)> {
    let Some((columns, lines)) = size() else {
        return Vec::new();
    };
    vec![
        ("COLUMNS".to_owned(), columns.to_string()),
        ("LINES".to_owned(), lines.to_string()),
    ]
}

/// Takes the terminal's interrupts, as long as it is there. The wait must go
/// first.
pub struct Interrupts {
    pollable: Arc<Pollable>,
    taken: terminal::Interrupts,
}

impl Interrupts {
    /// From now on.
    pub fn new() -> Self {
        let taken = terminal::Interrupts::new();
        Self {
            pollable: Arc::new(taken.subscribe()),
            taken,
        }
    }

    /// Waits for the next one.
    pub async fn next(&self) {
        while !self.taken.take() {
            reactor::ready(&self.pollable).await;
        }
    }
}
