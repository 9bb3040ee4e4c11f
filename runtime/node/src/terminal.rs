//! The line discipline of a terminal, as Linux's N_TTY in canonical mode: what
//! is typed becomes lines, can be corrected until it is one, and is shown.
//!
//! ```text
//! keys ─► input ─┬─► Echo       to the screen
//!                ├─► Line       to the program
//!                ├─► End        end-of-file for who reads next
//!                └─► Interrupt  Ctrl-C
//! what the program writes ─► output ─► the screen
//! ```
//!
//! It does no input or output itself.

/// Longest line in bytes with its end, as in Linux. What is typed past it is
/// dropped, so that a line can still be ended.
const MAX_LINE_BYTES: usize = 4096;
/// Columns from one tab stop to the next.
const TAB_COLUMNS: usize = 8;

/// Ctrl-C.
pub(crate) const INTERRUPT: u8 = 0x03;
const END: u8 = 0x04;
const BELL: u8 = 0x07;
const BACKSPACE: u8 = 0x08;
const KILL_LINE: u8 = 0x15;
const ERASE_WORD: u8 = 0x17;
const DELETE: u8 = 0x7f;
/// Takes the last column off the screen.
const RUB_OUT: &[u8] = b"\x08 \x08";

/// What follows from keys, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Show this.
    Echo(Vec<u8>),
    /// Give the program this: a line with its end, or what Ctrl-D handed over
    /// of one.
    Line(Vec<u8>),
    /// Give whoever reads next end-of-file. Nothing is lost by it: more lines
    /// may follow.
    End,
    /// Interrupt what runs in the foreground.
    Interrupt,
}

/// The state of a terminal: the line that is being typed.
#[derive(Debug, Default)]
pub(crate) struct LineDiscipline {
    line: Vec<u8>,
}

impl LineDiscipline {
    /// A terminal at which nothing was typed yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// What follows from these keys. A character may come in parts.
    pub(crate) fn input(&mut self, keys: &[u8]) -> Vec<Action> {
        let mut actions = Actions::default();
        for key in keys {
            self.key(*key, &mut actions);
        }
        actions.finish()
    }

    /// What the screen is to show where a program wrote `bytes`: a line feed
    /// goes to the start of the next line.
    pub(crate) fn output(bytes: &[u8]) -> Vec<u8> {
        let mut shown = Vec::with_capacity(bytes.len());
        for byte in bytes {
            if *byte == b'\n' {
                shown.push(b'\r');
            }
            shown.push(*byte);
        }
        shown
    }

    fn key(&mut self, key: u8, actions: &mut Actions) {
        match key {
            b'\r' | b'\n' => {
                self.line.push(b'\n');
                actions.echo(b"\r\n");
                actions.then(Action::Line(std::mem::take(&mut self.line)));
            }
            INTERRUPT => {
                self.line.clear();
                actions.echo(b"^C");
                actions.then(Action::Interrupt);
            }
            END if self.line.is_empty() => actions.then(Action::End),
            END => actions.then(Action::Line(std::mem::take(&mut self.line))),
            BACKSPACE | DELETE => self.erase_to(self.before_last(), actions),
            ERASE_WORD => self.erase_to(self.before_word(), actions),
            KILL_LINE => self.erase_to(0, actions),
            // Room for its end stays.
            _ if self.line.len() + 1 >= MAX_LINE_BYTES => actions.echo(&[BELL]),
            _ => self.append(key, actions),
        }
    }

    fn append(&mut self, key: u8, actions: &mut Actions) {
        match key {
            b'\t' => {
                let column = columns(&self.line);
                let spaces = TAB_COLUMNS - column % TAB_COLUMNS;
                actions.echo(&vec![b' '; spaces]);
            }
            0..b' ' => actions.echo(&[b'^', key + b'@']),
            _ => actions.echo(&[key]),
        }
        self.line.push(key);
    }

    /// Where the last character begins.
    fn before_last(&self) -> usize {
        let begins = |byte: &u8| !is_continuation(*byte);
        self.line.iter().rposition(begins).unwrap_or(0)
    }

    /// Where the last word begins.
    fn before_word(&self) -> usize {
        let blank = |byte: &u8| byte.is_ascii_whitespace();
        let word_end = self.line.iter().rposition(|byte| !blank(byte));
        let word = self.line.get(..word_end.map_or(0, |last| last + 1));
        let gap = word.and_then(|word| word.iter().rposition(blank));
        gap.map_or(0, |gap| gap + 1)
    }

    fn erase_to(&mut self, length: usize, actions: &mut Actions) {
        let before = columns(&self.line);
        self.line.truncate(length);
        let gone = before.saturating_sub(columns(&self.line));
        actions.echo(&RUB_OUT.repeat(gone));
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// Columns that a line takes as it was echoed. A character takes one, as for
/// Linux.
fn columns(line: &[u8]) -> usize {
    line.iter().fold(0, |column, byte| match byte {
        b'\t' => column + TAB_COLUMNS - column % TAB_COLUMNS,
        0..b' ' => column + 2,
        byte if is_continuation(*byte) => column,
        _ => column + 1,
    })
}

/// Actions so far, and what is to be shown before the next.
#[derive(Default)]
struct Actions {
    done: Vec<Action>,
    echo: Vec<u8>,
}

impl Actions {
    fn echo(&mut self, bytes: &[u8]) {
        self.echo.extend_from_slice(bytes);
    }

    fn then(&mut self, action: Action) {
        self.flush();
        self.done.push(action);
    }

    fn flush(&mut self) {
        if !self.echo.is_empty() {
            self.done.push(Action::Echo(std::mem::take(&mut self.echo)));
        }
    }

    fn finish(mut self) -> Vec<Action> {
        self.flush();
        self.done
    }
}

#[cfg(test)]
mod tests;
