//! A running program, as its callers reach it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use mote_surface::{Control, NoTerminal, Signal, TerminalSize};
use pty_process::{OwnedWritePty, Size};
use rustix::io::Errno;
use rustix::process::{Pid, kill_process_group};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::process::ChildStdin;
use tokio::sync::{Mutex as TurnMutex, watch};

/// Ctrl-D: what a terminal takes for end-of-file.
const END_OF_FILE: u8 = 4;

/// A running program, or one that has ended.
#[derive(Debug)]
pub(crate) struct Program {
    /// The group it leads; `None` once it was waited for, when the number may
    /// be somebody else's.
    group: Mutex<Option<Pid>>,
    input: Input,
    ended: watch::Sender<bool>,
}

/// Where its input goes.
#[derive(Debug)]
pub(crate) enum Input {
    None,
    /// `None` after end-of-file. Whoever holds the lock writes.
    Pipe(TurnMutex<Option<ChildStdin>>),
    Terminal(Terminal),
}

/// The master's end of a terminal.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// Held for one call to the system at a time: a writer who waits must not
    /// keep others from resizing.
    pty: Mutex<OwnedWritePty>,
    /// Whether end-of-file was written. Whoever holds the lock writes.
    ended: TurnMutex<bool>,
}

impl Program {
    pub(crate) fn new(group: Pid, input: Input) -> Self {
        Self {
            group: Mutex::new(Some(group)),
            input,
            ended: watch::Sender::new(false),
        }
    }

    /// From now on signals do nothing and input goes nowhere: the program is
    /// about to be waited for.
    pub(crate) fn forget(&self) {
        *self.group.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.ended.send_replace(true);
    }

    /// Does `work` unless the program ends before.
    async fn while_running(
        &self,
        work: impl Future<Output = io::Result<()>> + Send,
    ) -> io::Result<()> {
        let mut ended = self.ended.subscribe();
        tokio::select! {
            biased;
            done = work => done,
            _ = ended.wait_for(|ended| *ended) => Err(closed()),
        }
    }
}

fn closed() -> io::Error {
    io::Error::new(
        io::ErrorKind::BrokenPipe,
        "the process does not read any more",
    )
}

#[async_trait]
impl Control for Program {
    async fn write(&self, bytes: Bytes) -> io::Result<()> {
        self.while_running(self.input.write(bytes)).await
    }

    async fn end_input(&self) -> io::Result<()> {
        let ended = self.while_running(self.input.end()).await;
        // It closes its input itself when it ends.
        ended.or_else(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Ok(()),
            _ => Err(error),
        })
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let signal = match signal {
            Signal::Int => rustix::process::Signal::INT,
            Signal::Kill => rustix::process::Signal::KILL,
            Signal::Term => rustix::process::Signal::TERM,
        };
        let group = self.group.lock().unwrap_or_else(PoisonError::into_inner);
        match group.map(|group| kill_process_group(group, signal)) {
            None | Some(Ok(()) | Err(Errno::SRCH)) => Ok(()),
            Some(Err(error)) => Err(error.into()),
        }
    }

    fn resize(&self, size: TerminalSize) -> Result<(), NoTerminal> {
        match &self.input {
            Input::Terminal(terminal) if !*self.ended.borrow() => terminal.resize(size),
            _ => Err(NoTerminal),
        }
    }
}

impl Input {
    async fn write(&self, bytes: Bytes) -> io::Result<()> {
        match self {
            Self::None => Err(closed()),
            Self::Pipe(pipe) => match &mut *pipe.lock().await {
                Some(pipe) => pipe.write_all(&bytes).await,
                None => Err(closed()),
            },
            Self::Terminal(terminal) => {
                let ended = terminal.ended.lock().await;
                match *ended {
                    true => Err(closed()),
                    false => terminal.write(&bytes).await,
                }
            }
        }
    }

    async fn end(&self) -> io::Result<()> {
        match self {
            Self::None => {}
            Self::Pipe(pipe) => drop(pipe.lock().await.take()),
            Self::Terminal(terminal) => {
                let mut ended = terminal.ended.lock().await;
                if !std::mem::replace(&mut *ended, true) {
                    terminal.write(&[END_OF_FILE]).await?;
                }
            }
        }
        Ok(())
    }
}

impl Terminal {
    pub(crate) fn new(pty: OwnedWritePty) -> Self {
        Self {
            pty: Mutex::new(pty),
            ended: TurnMutex::new(false),
        }
    }

    async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = poll_fn(|context| {
                let mut pty = self.pty.lock().unwrap_or_else(PoisonError::into_inner);
                Pin::new(&mut *pty).poll_write(context, bytes)
            });
            bytes = bytes.get(written.await?..).unwrap_or_default();
        }
        Ok(())
    }

    fn resize(&self, size: TerminalSize) -> Result<(), NoTerminal> {
        let pty = self.pty.lock().unwrap_or_else(PoisonError::into_inner);
        let resized = pty.resize(Size::new(size.rows, size.cols));
        resized.map_err(|_| NoTerminal)
    }
}
