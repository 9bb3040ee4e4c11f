//! `mote:sandbox/terminal`: how large the terminal of a call is, and Ctrl-C.
//!
//! ```text
//! Ctrl-C ─► Terminal::interrupt ─┬─► the latest program that takes interrupts
//!                                └─► nobody does: the call ends
//! ```

use async_trait::async_trait;
use tokio::sync::watch;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::cli::terminal_input::TerminalInput;
use wasmtime_wasi::p2::bindings::cli::terminal_output::TerminalOutput;
use wasmtime_wasi::p2::bindings::cli::{terminal_stderr, terminal_stdin, terminal_stdout};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use crate::instance::State;
use crate::stdio::StdioView;
use bindings::mote::sandbox::terminal::{self as wit, Host, HostInterrupts};

mod bindings {
    #![allow(missing_docs, clippy::all, reason = "generated")]
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package mote:host;
            world host { import mote:sandbox/terminal@0.1.0; }
        ",
        world: "mote:host/host",
        imports: { default: trappable },
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "mote:sandbox/terminal.interrupts": crate::terminal::Interrupts,
        },
        require_store_data_send: true,
    });
}

/// The terminal of one call, as whoever holds its other side sees it. Clones
/// are the same terminal.
#[derive(Clone, Debug)]
pub struct Terminal(watch::Sender<Condition>);

#[derive(Debug)]
struct Condition {
    cols: u16,
    rows: u16,
    /// Those who take interrupts, the latest last.
    takers: Vec<Taker>,
    /// The number of the next taker.
    next: u64,
    /// An interrupt came that nobody takes.
    ended: bool,
}

#[derive(Debug)]
struct Taker {
    number: u64,
    interrupted: bool,
}

impl Condition {
    fn taker(&self, number: u64) -> Option<&Taker> {
        self.takers.iter().find(|taker| taker.number == number)
    }
}

impl Terminal {
    /// A terminal of so many characters across and down.
    pub fn new(cols: u16, rows: u16) -> Self {
        Self(watch::Sender::new(Condition {
            cols,
            rows,
            takers: Vec::new(),
            next: 0,
            ended: false,
        }))
    }

    /// Changes its size. Programs see it when they next ask.
    pub fn resize(&self, cols: u16, rows: u16) {
        self.0
            .send_modify(|now| (now.cols, now.rows) = (cols, rows));
    }

    /// Ctrl-C: an interactive shell ends what it runs; where there is none,
    /// the call ends as if cancelled.
    pub fn interrupt(&self) {
        self.0.send_modify(|now| match now.takers.last_mut() {
            Some(taker) => taker.interrupted = true,
            None => now.ended = true,
        });
    }

    /// Waits for an interrupt that nobody takes.
    pub(crate) async fn ended(&self) {
        // It fails once there is no sender, and `self` is one.
        let _ = self.0.subscribe().wait_for(|now| now.ended).await;
    }

    fn size(&self) -> (u16, u16) {
        let now = self.0.borrow();
        (now.cols, now.rows)
    }
}

/// A guest takes interrupts as long as it holds this.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Interrupts(Option<Taking>);

/// A place among those who take the interrupts of a terminal.
struct Taking {
    terminal: Terminal,
    changes: watch::Receiver<Condition>,
    number: u64,
}

impl Taking {
    fn new(terminal: &Terminal) -> Self {
        let mut number = 0;
        terminal.0.send_modify(|now| {
            number = now.next;
            now.next += 1;
            now.takers.push(Taker {
                number,
                interrupted: false,
            });
        });
        Self {
            terminal: terminal.clone(),
            changes: terminal.0.subscribe(),
            number,
        }
    }

    fn take(&self) -> bool {
        let mut was = false;
        self.terminal.0.send_if_modified(|now| {
            let taker = now.takers.iter_mut().find(|t| t.number == self.number);
            was = taker.is_some_and(|taker| std::mem::take(&mut taker.interrupted));
            was
        });
        was
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        self.terminal
            .0
            .send_modify(|now| now.takers.retain(|taker| taker.number != self.number));
    }
}

#[async_trait]
impl Pollable for Interrupts {
    async fn ready(&mut self) {
        let Some(taking) = &mut self.0 else {
            return std::future::pending().await;
        };
        let number = taking.number;
        let came = |now: &Condition| now.taker(number).is_some_and(|taker| taker.interrupted);
        // It fails once there is no sender; `taking` holds one.
        let _ = taking.changes.wait_for(came).await;
    }
}

/// A guest's view of the terminal of its call.
pub(crate) struct TerminalView<'a> {
    terminal: Option<&'a Terminal>,
    table: &'a mut ResourceTable,
}

struct HasTerminal;

impl HasData for HasTerminal {
    type Data<'a> = TerminalView<'a>;
}

/// Offers the interface to guests.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wit::add_to_linker::<State, HasTerminal>(linker, |state| TerminalView {
        terminal: state.scope.terminal.as_ref(),
        table: &mut state.table,
    })
}

impl Host for TerminalView<'_> {
    fn size(&mut self) -> wasmtime::Result<Option<(u16, u16)>> {
        Ok(self.terminal.map(Terminal::size))
    }
}

impl HostInterrupts for TerminalView<'_> {
    fn new(&mut self) -> wasmtime::Result<Resource<Interrupts>> {
        let interrupts = Interrupts(self.terminal.map(Taking::new));
        Ok(self.table.push(interrupts)?)
    }

    fn subscribe(
        &mut self,
        interrupts: Resource<Interrupts>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, interrupts)
    }

    fn take(&mut self, interrupts: Resource<Interrupts>) -> wasmtime::Result<bool> {
        let interrupts = self.table.get(&interrupts)?;
        Ok(interrupts.0.as_ref().is_some_and(Taking::take))
    }

    fn drop(&mut self, interrupts: Resource<Interrupts>) -> wasmtime::Result<()> {
        self.table.delete(interrupts)?;
        Ok(())
    }
}

/// Which of a program's standard streams are its call's terminal.
#[derive(Clone, Copy, Default)]
pub(crate) struct OnTerminal {
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

impl OnTerminal {
    /// All of them, or none where there is no terminal.
    pub(crate) fn all(there_is_one: bool) -> Self {
        Self {
            stdin: there_is_one,
            stdout: there_is_one,
            stderr: there_is_one,
        }
    }
}

impl terminal_stdin::Host for StdioView<'_> {
    fn get_terminal_stdin(&mut self) -> wasmtime::Result<Option<Resource<TerminalInput>>> {
        let on = self.stdio.on_terminal.stdin;
        Ok(on.then(|| self.table.push(TerminalInput)).transpose()?)
    }
}

impl terminal_stdout::Host for StdioView<'_> {
    fn get_terminal_stdout(&mut self) -> wasmtime::Result<Option<Resource<TerminalOutput>>> {
        let on = self.stdio.on_terminal.stdout;
        Ok(on.then(|| self.table.push(TerminalOutput)).transpose()?)
    }
}

impl terminal_stderr::Host for StdioView<'_> {
    fn get_terminal_stderr(&mut self) -> wasmtime::Result<Option<Resource<TerminalOutput>>> {
        let on = self.stdio.on_terminal.stderr;
        Ok(on.then(|| self.table.push(TerminalOutput)).transpose()?)
    }
}
