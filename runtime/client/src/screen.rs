//! Our terminal, while it belongs to somebody else.

use std::io::{self, IsTerminal, Write};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::style::Print;
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode, size,
};
use crossterm::{execute, queue};

/// Keys go through as they are pressed, Ctrl-C too. Dropping it gives the
/// terminal back.
#[derive(Debug)]
pub struct Raw(());

impl Raw {
    /// Takes the terminal.
    ///
    /// # Errors
    /// There is none, or it cannot be set up.
    pub fn enter() -> io::Result<Self> {
        enable_raw_mode()?;
        Ok(Self(()))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // There is nobody left to tell.
        let _ = disable_raw_mode();
    }
}

/// A page of its own, over what the terminal showed. Dropping it brings that
/// back.
#[derive(Debug)]
pub struct Page {
    _raw: Raw,
}

impl Page {
    /// Takes the terminal.
    ///
    /// # Errors
    /// There is none, or it cannot be set up.
    pub fn enter() -> io::Result<Self> {
        let raw = Raw::enter()?;
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        Ok(Self { _raw: raw })
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // As above.
        let _ = execute!(io::stdout(), Show, LeaveAlternateScreen);
        let _ = io::stdout().flush();
    }
}

/// Whether both stdin and stdout are a terminal.
pub fn is_there() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Characters across and down; what terminals have been for long, where it
/// does not say.
pub fn dimensions() -> (u16, u16) {
    match size() {
        Ok((cols @ 1.., rows @ 1..)) => (cols, rows),
        _ => (80, 24),
    }
}

/// The bytes that bring `lines` onto a page of `cols` and `rows`, as far as
/// they fit.
///
/// # Errors
/// None: memory takes it.
pub fn frame(lines: &[String], cols: u16, rows: u16) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    queue!(bytes, MoveTo(0, 0))?;
    for (row, line) in (0..rows).zip(lines) {
        let fits: String = line.chars().take(cols.into()).collect();
        let end = Clear(ClearType::UntilNewLine);
        queue!(bytes, MoveTo(0, row), Print(fits), end)?;
    }
    queue!(bytes, Clear(ClearType::FromCursorDown))?;
    bytes.flush()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_no_larger_than_the_page() {
        let lines = ["one line", "two", "three"].map(str::to_owned);
        let frame = String::from_utf8(frame(&lines, 3, 2).unwrap()).unwrap();
        assert!(frame.contains("one") && frame.contains("two"), "{frame:?}");
        assert!(
            !frame.contains("one line") && !frame.contains("three"),
            "{frame:?}"
        );
    }
}
