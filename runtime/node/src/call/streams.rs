//! A call's standard streams, and the caller's reach into it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use mote_host::{Input, Output, PipeWriter, Sink, Streams, pipe};
use mote_surface::{Command, Control, Event, EventSender, NoTerminal, Signal, TerminalSize};
use tokio::sync::Notify;

/// Connects a program to its caller.
pub(super) fn connect(command: &Command, sender: &EventSender) -> (Streams, Arc<Reach>) {
    let (stdin, input) = if command.stdin {
        let (writer, reader) = pipe();
        (Some(writer), Input::Pipe(reader))
    } else {
        (None, Input::Empty)
    };
    let reach = Arc::new(Reach {
        stdin: Mutex::new(stdin),
        signalled: Notify::new(),
    });
    let output = |event| {
        let sender = sender.clone();
        Output::Sink(Arc::new(Lane { sender, event }))
    };
    let streams = Streams {
        stdin: input,
        stdout: output(Event::Stdout),
        stderr: output(Event::Stderr),
        terminal: None,
    };
    (streams, reach)
}

/// One output stream among the caller's events.
struct Lane {
    sender: EventSender,
    event: fn(Bytes) -> Event,
}

#[async_trait]
impl Sink for Lane {
    fn room(&self) -> Option<usize> {
        self.sender.room()
    }

    async fn ready(&self) {
        self.sender.ready().await;
    }

    fn push(&self, bytes: Bytes) {
        // Who has gone ends the program; nothing else is to be done.
        let _ = self.sender.push((self.event)(bytes));
    }
}

/// The caller's reach into a running program.
pub(super) struct Reach {
    /// None once it has been ended, or if there never was one.
    stdin: Mutex<Option<PipeWriter>>,
    signalled: Notify,
}

impl Reach {
    /// Completes once a signal has come that ends the program.
    pub(super) async fn signalled(&self) {
        self.signalled.notified().await;
    }

    /// Something for its standard error.
    pub(super) fn stderr(&self, bytes: Bytes) -> Event {
        Event::Stderr(bytes)
    }

    fn stdin(&self) -> std::sync::MutexGuard<'_, Option<PipeWriter>> {
        self.stdin.lock().unwrap_or_else(PoisonError::into_inner)
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
        let Some(stdin) = self.stdin().clone() else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        stdin.write_all(&bytes).await
    }

    async fn end_input(&self) -> io::Result<()> {
        drop(self.stdin().take());
        Ok(())
    }

    /// Wasm programs have no handlers: every signal ends them.
    fn signal(&self, _signal: Signal) -> io::Result<()> {
        self.signalled.notify_one();
        Ok(())
    }

    fn resize(&self, _size: TerminalSize) -> Result<(), NoTerminal> {
        Err(NoTerminal)
    }
}
