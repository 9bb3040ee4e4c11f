//! The standard streams of this process, to and from the guest.
//!
//! ```text
//! fd 0 ── thread ──► pipe ──► guest ──► pipe ── thread ──► fd 1
//!                               └─────► pipe ── thread ──► fd 2
//! ```
//!
//! Each has a thread, because reading and writing may block for ever: the
//! guest's deadline and signals must not wait for it, nor must our own end
//! wait for a read.

use std::io::{IsTerminal, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;

use anyhow::Context;
use mote_host::{Capture, Input, Output, PIPE_BYTES, PipeReader, PipeWriter, Streams, pipe};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::failure::Failure;
use crate::stop::{Cause, Stop};

/// Bytes of each stream that `--json` keeps: more is no good as a string in
/// an object. What comes after is counted.
pub(crate) const CAPTURE_BYTES: usize = 1 << 20;

/// Resolves once a pump has written all it had, or could not. It gives back
/// its end of the pipe: as long as that is there, a guest whose output cannot
/// be written waits, and is ended before it can complain to anyone.
struct Drained(oneshot::Receiver<PipeReader>);

/// The threads that write what the guest writes. They are to be kept until the
/// guest has ended.
#[derive(Default)]
pub(crate) struct Pumps(Vec<Drained>);

impl Pumps {
    /// Waits until all output is written, or cannot be.
    pub(crate) async fn drained(self) {
        for Drained(done) in self.0 {
            // A pump that ended without a word has also ended.
            let _ = done.await;
        }
    }
}

/// Streams that pass everything through as it comes. Where output cannot be
/// written, `stop` is told.
pub(crate) fn pass_through(interactive: bool, stop: &Stop) -> Result<(Streams, Pumps), Failure> {
    let stdin = stdin(interactive)?;
    let ([stdout, stderr], pumps) = outputs(stop)?;
    let streams = Streams {
        stdin,
        stdout: Output::Pipe(stdout),
        stderr: Output::Pipe(stderr),
        terminal: None,
    };
    Ok((streams, pumps))
}

/// Pipes to our stdout and stderr. Where one cannot be written, `stop` is told.
pub(crate) fn outputs(stop: &Stop) -> Result<([PipeWriter; 2], Pumps), Failure> {
    let (writer, reader) = pipe();
    let out = std::io::stdout();
    let err = std::io::stderr();
    // Through one pipe where both go to one place: what is written first
    // comes first.
    if same_file(out.as_fd(), err.as_fd()) {
        let pumps = Pumps(vec![pump(reader, std::io::stdout, stop)?]);
        return Ok(([writer.clone(), writer], pumps));
    }
    let (err_writer, err_reader) = pipe();
    let pumps = Pumps(vec![
        pump(reader, std::io::stdout, stop)?,
        pump(err_reader, std::io::stderr, stop)?,
    ]);
    Ok(([writer, err_writer], pumps))
}

/// Streams whose output is kept, with what keeps stdout and stderr.
pub(crate) fn captured(interactive: bool) -> Result<(Streams, [Capture; 2]), Failure> {
    let kept = [Capture::new(CAPTURE_BYTES), Capture::new(CAPTURE_BYTES)];
    let [stdout, stderr] = kept.clone().map(Output::Capture);
    let streams = Streams {
        stdin: stdin(interactive)?,
        stdout,
        stderr,
        terminal: None,
    };
    Ok((streams, kept))
}

/// Our stdin, unless it is a terminal at which nobody expects to be asked.
fn stdin(interactive: bool) -> Result<Input, Failure> {
    if std::io::stdin().is_terminal() && !interactive {
        return Ok(Input::Empty);
    }
    read_stdin().map(Input::Pipe)
}

/// Our stdin. It is read only when whoever has the pipe asks for more than it
/// has: what a program leaves is for whoever has the same stdin next, as in a
/// shell's loop.
pub(crate) fn read_stdin() -> Result<PipeReader, Failure> {
    let mut from = std::io::stdin();
    let (writer, reader) = pipe();
    let runtime = Handle::current();
    spawn("stdin", move || {
        let mut buffer = vec![0; PIPE_BYTES];
        while runtime.block_on(writer.wanted()).is_ok() {
            // An error reads as the end of the input, as it does in a shell's
            // pipe.
            let Ok(count @ 1..) = from.read(&mut buffer) else {
                break;
            };
            let bytes = buffer.get(..count).unwrap_or_default();
            if runtime.block_on(writer.write_all(bytes)).is_err() {
                break;
            }
        }
    })?;
    Ok(reader)
}

/// Writes what comes out of `reader`, on a thread.
fn pump<W: Write>(
    reader: PipeReader,
    to: impl FnOnce() -> W + Send + 'static,
    stop: &Stop,
) -> Result<Drained, Failure> {
    let (done, drained) = oneshot::channel();
    let runtime = Handle::current();
    let stop = stop.clone();
    spawn("output", move || {
        let mut to = to();
        while let Some(bytes) = runtime.block_on(reader.read()) {
            if let Err(error) = to.write_all(&bytes).and_then(|()| to.flush()) {
                stop.ask(Cause::Output(error));
                break;
            }
        }
        // Nobody waits any more where the last output was given up.
        let _ = done.send(reader);
    })?;
    Ok(Drained(drained))
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    Ok(thread.map(drop).context("failed to start a thread")?)
}

/// Whether both are one open file, pipe or terminal.
fn same_file(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> bool {
    match (rustix::fs::fstat(a), rustix::fs::fstat(b)) {
        (Ok(a), Ok(b)) => (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino),
        _ => false,
    }
}
