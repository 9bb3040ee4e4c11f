//! Our terminal, while it belongs to somebody else.

use std::io::{self, IsTerminal, Write};

use anyhow::Context;
use crossterm::cursor::{Hide, Show};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};

use crate::failure::Failure;

/// Keys go through as they are pressed, Ctrl-C too. Dropping it gives the
/// terminal back.
#[derive(Debug)]
pub(crate) struct Raw(());

impl Raw {
    pub(crate) fn enter() -> Result<Self, Failure> {
        enable_raw_mode().context("failed to set up the terminal")?;
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
pub(crate) struct Page {
    _raw: Raw,
}

impl Page {
    pub(crate) fn enter() -> Result<Self, Failure> {
        let raw = Raw::enter()?;
        execute!(io::stdout(), EnterAlternateScreen, Hide)
            .context("failed to set up the terminal")?;
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
pub(crate) fn is_there() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Characters across and down; what terminals have been for long, where it
/// does not say.
pub(crate) fn dimensions() -> (u16, u16) {
    match size() {
        Ok((cols @ 1.., rows @ 1..)) => (cols, rows),
        _ => (80, 24),
    }
}
