//! A call's standard streams, and the caller's reach into it.
//!
//! ```text
//! three streams:  stdin ◄─ pipe ◄─ write        stdout, stderr ─► Lane ─► events
//! a terminal:     stdin ◄─ pipe ◄─ lines ◄─ LineDiscipline ◄─ write
//!                          echo, and both outputs ─► Lane ─► events, as stdout
//! ```

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use mote_host::{Input, Output, PipeWriter, Sink, Streams, Terminal, line_pipe, pipe};
use mote_surface::{Command, Control, Event, EventSender, NoTerminal, Signal, TerminalSize};
use tokio::sync::Notify;

use crate::terminal::{Action, INTERRUPT, LineDiscipline};

/// Bytes that a program may write to a terminal at a time: with a carriage
/// return before each line feed they are at most what one event takes.
const TERMINAL_WRITE_BYTES: usize = 32 * 1024;

/// Connects a program to its caller.
pub(super) fn connect(command: &Command, sender: &EventSender) -> (Streams, Arc<Reach>) {
    let (stdin, input) = if command.stdin {
        // At a terminal a read gets one line, and Ctrl-D ends one input.
        let (writer, reader) = match command.terminal {
            Some(_) => line_pipe(),
            None => pipe(),
        };
        (Some(writer), Input::Pipe(reader))
    } else {
        (None, Input::Empty)
    };
    let terminal = command
        .terminal
        .map(|TerminalSize { cols, rows }| Terminal::new(cols, rows));
    let lane = |stream| {
        let (sender, stream) = (
            sender.clone(),
            if terminal.is_some() {
                Stream::Terminal
            } else {
                stream
            },
        );
        Output::Sink(Arc::new(Lane { sender, stream }))
    };
    let streams = Streams {
        stdin: input,
        stdout: lane(Stream::Stdout),
        stderr: lane(Stream::Stderr),
        terminal: terminal.clone(),
    };
    let reach = Reach {
        stdin: Mutex::new(stdin),
        signalled: Notify::new(),
        terminal: terminal.map(|terminal| Typing {
            terminal,
            screen: sender.clone(),
            discipline: tokio::sync::Mutex::new(LineDiscipline::new()),
        }),
    };
    (streams, Arc::new(reach))
}

/// Which of the caller's streams something is for.
#[derive(Clone, Copy)]
enum Stream {
    Stdout,
    Stderr,
    /// Both are one, and lines end as a screen needs it.
    Terminal,
}

impl Stream {
    fn event(self, bytes: Bytes) -> Event {
        match self {
            Self::Stdout => Event::Stdout(bytes),
            Self::Stderr => Event::Stderr(bytes),
            Self::Terminal => Event::Stdout(LineDiscipline::output(&bytes).into()),
        }
    }
}

/// One output stream among the caller's events.
struct Lane {
    sender: EventSender,
    stream: Stream,
}

#[async_trait]
impl Sink for Lane {
    fn room(&self) -> Option<usize> {
        let room = self.sender.room()?;
        Some(match self.stream {
            Stream::Terminal => room.min(TERMINAL_WRITE_BYTES),
            Stream::Stdout | Stream::Stderr => room,
        })
    }

    async fn ready(&self) {
        self.sender.ready().await;
    }

    fn push(&self, bytes: Bytes) {
        // Who has gone ends the program; nothing else is to be done.
        let _ = self.sender.push(self.stream.event(bytes));
    }
}

/// The caller's reach into a running program.
pub(super) struct Reach {
    /// None once it has been ended, or if there never was one.
    stdin: Mutex<Option<PipeWriter>>,
    signalled: Notify,
    terminal: Option<Typing>,
}

/// The keyboard's side of a terminal.
struct Typing {
    terminal: Terminal,
    screen: EventSender,
    /// Held while keys are handed on, so that two writers do not mix lines.
    discipline: tokio::sync::Mutex<LineDiscipline>,
}

impl Reach {
    /// Completes once a signal has come that ends the program.
    pub(super) async fn signalled(&self) {
        self.signalled.notified().await;
    }

    /// Something for its standard error.
    pub(super) fn stderr(&self, bytes: Bytes) -> Event {
        let stream = match self.terminal {
            Some(_) => Stream::Terminal,
            None => Stream::Stderr,
        };
        stream.event(bytes)
    }

    fn stdin(&self) -> MutexGuard<'_, Option<PipeWriter>> {
        self.stdin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn give(&self, bytes: &[u8]) -> io::Result<()> {
        let stdin = self.stdin().clone();
        let stdin = stdin.ok_or(io::ErrorKind::BrokenPipe)?;
        stdin.write_all(bytes).await
    }

    async fn type_in(&self, typing: &Typing, keys: &[u8]) -> io::Result<()> {
        let mut discipline = match typing.discipline.try_lock() {
            Ok(discipline) => discipline,
            // A line waits for a program that does not read, and a person
            // wants out.
            Err(_) if keys.contains(&INTERRUPT) => {
                typing.terminal.interrupt();
                return Ok(());
            }
            Err(_) => typing.discipline.lock().await,
        };
        for action in discipline.input(keys) {
            match action {
                Action::Echo(shown) => {
                    let _ = typing.screen.send(Event::Stdout(shown.into())).await;
                }
                Action::Line(line) => self.give(&line).await?,
                Action::End => {
                    let stdin = self.stdin().clone();
                    stdin.ok_or(io::ErrorKind::BrokenPipe)?.end_line().await?;
                }
                Action::Interrupt => typing.terminal.interrupt(),
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reach").finish_non_exhaustive()
    }
}

#[async_trait]
impl Control for Reach {
    async fn write(&self, bytes: Bytes) -> io::Result<()> {
        match &self.terminal {
            Some(typing) => self.type_in(typing, &bytes).await,
            None => self.give(&bytes).await,
        }
    }

    async fn end_input(&self) -> io::Result<()> {
        drop(self.stdin().take());
        Ok(())
    }

    /// Wasm programs have no handlers: every signal ends them. At a terminal
    /// the first is as Ctrl-C, which an interactive shell outlives.
    fn signal(&self, signal: Signal) -> io::Result<()> {
        match (&self.terminal, signal) {
            (Some(typing), Signal::Int) => typing.terminal.interrupt(),
            _ => self.signalled.notify_one(),
        }
        Ok(())
    }

    fn resize(&self, TerminalSize { cols, rows }: TerminalSize) -> Result<(), NoTerminal> {
        let typing = self.terminal.as_ref().ok_or(NoTerminal)?;
        typing.terminal.resize(cols, rows);
        Ok(())
    }
}
