//! A running program's life: its output told, its end seen or made.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mote_api::{End, Outcome, StreamUsage, Usage};
use mote_surface::{CallerGone, Control, Event, EventSender, Exit, Signal};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;
use tokio::time::{Instant, timeout};

use crate::program::Program;
use crate::programs::Place;
use crate::spawn::Output;
use crate::usage;

/// How long the output of an ended program is waited for, if something that
/// it started holds it open.
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// What clients of sandboxd know as the exit code of a program that a signal
/// ended.
const SIGNALLED: i32 = -1;

/// A running program, and who hears of it.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) pid: Pid,
    pub(crate) child: Child,
    pub(crate) program: Arc<Program>,
    pub(crate) output: Output,
    pub(crate) sender: EventSender,
    /// How long it may run; `Duration::MAX` is for ever.
    pub(crate) limit: Duration,
    /// Most bytes in one piece of output.
    pub(crate) chunk: usize,
    /// Tells when any child of ours ends.
    pub(crate) children: tokio::signal::unix::Signal,
    pub(crate) place: Place,
}

/// Why a program ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cause {
    Itself,
    Deadline,
    CallerGone,
}

#[derive(Debug, Default)]
struct Written {
    stdout: AtomicU64,
    stderr: AtomicU64,
}

impl Watch {
    /// Tells of the program until it has ended.
    pub(crate) async fn run(self) {
        let Self {
            pid,
            mut child,
            program,
            output,
            sender,
            limit,
            chunk,
            children,
            place,
        } = self;
        let started = Instant::now();
        let written = Written::default();
        let mut exited = pin!(exited(pid, children));
        let mut telling = pin!(output.tell(&sender, chunk, &written));
        let mut all_told = false;
        let watching = async {
            loop {
                tokio::select! {
                    () = &mut exited => return Cause::Itself,
                    () = sender.closed() => return Cause::CallerGone,
                    () = &mut telling, if !all_told => all_told = true,
                }
            }
        };
        let mut cause = timeout(limit, watching).await.unwrap_or(Cause::Deadline);
        if cause != Cause::Itself {
            end(&program);
            exited.await;
        }
        let used = usage::used(pid);
        let usage = Usage {
            wall: started.elapsed(),
            cpu: used.cpu,
            peak_memory_bytes: used.peak_memory_bytes,
            ..Usage::default()
        };
        if cause != Cause::CallerGone && !all_told {
            tokio::select! {
                () = telling => {}
                gone = timeout(DRAIN_TIME, sender.closed()) => if gone.is_ok() {
                    cause = Cause::CallerGone;
                    end(&program);
                }
            }
        }
        program.forget();
        let status = child.wait().await;
        drop(place);
        if cause != Cause::CallerGone {
            // The caller may be gone by now: then nobody hears, as it should be.
            let _ = sender.push(Event::Exit(exit(cause, status, usage, &written)));
        }
    }
}

fn end(program: &Program) {
    if let Err(error) = program.signal(Signal::Kill) {
        tracing::warn!(%error, "failed to end a program");
    }
}

/// Waits until the process has ended, and leaves it to be waited for: as long
/// as it is, its number is its own.
async fn exited(pid: Pid, mut children: tokio::signal::unix::Signal) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    while let Ok(None) = waitid(WaitId::Pid(pid), options) {
        if children.recv().await.is_none() {
            return;
        }
    }
}

fn exit(
    cause: Cause,
    status: io::Result<std::process::ExitStatus>,
    usage: Usage,
    written: &Written,
) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    let status = status.unwrap_or_default();
    // As a shell: 128 and the signal.
    let shell = status.signal().map_or(0, |signal| 128 + signal);
    let code = u8::try_from(status.code().unwrap_or(shell)).unwrap_or(u8::MAX);
    let end = match cause {
        Cause::Deadline => End::Deadline,
        Cause::Itself | Cause::CallerGone => End::Exited { code },
    };
    let stream = |bytes: &AtomicU64| StreamUsage {
        bytes: bytes.load(Relaxed),
        spilled_to: None,
    };
    let outcome = Outcome {
        exit_code: end.exit_code(),
        hint: end.hint(),
        end,
        usage,
        stdout: stream(&written.stdout),
        stderr: stream(&written.stderr),
        denied: Vec::new(),
        limits_hit: Vec::new(),
        transaction: None,
    };
    Exit {
        code: status.code().unwrap_or(SIGNALLED),
        outcome: Box::new(outcome),
    }
}

impl Output {
    /// Tells of all output, in the order in which it arrives.
    async fn tell(self, sender: &EventSender, chunk: usize, written: &Written) {
        let Written { stdout, stderr } = written;
        // Whether it ended or the caller has gone: nothing more is to be told.
        let _ = match self {
            Self::Terminal(pty) => pass_on(pty, chunk, stdout, sender, Event::Stdout).await,
            Self::Streams(out, err) => tokio::try_join!(
                pass_on(out, chunk, stdout, sender, Event::Stdout),
                pass_on(err, chunk, stderr, sender, Event::Stderr),
            )
            .map(drop),
        };
    }
}

/// Tells of all that comes from `source`. A terminal's end is an error.
async fn pass_on(
    mut source: impl AsyncRead + Unpin,
    chunk: usize,
    written: &AtomicU64,
    sender: &EventSender,
    event: fn(Bytes) -> Event,
) -> Result<(), CallerGone> {
    loop {
        let mut bytes = BytesMut::with_capacity(chunk);
        let read = (&mut source).take(chunk as u64).read_buf(&mut bytes).await;
        if !read.is_ok_and(|read| read > 0) {
            return Ok(());
        }
        written.fetch_add(bytes.len() as u64, Relaxed);
        sender.send(event(bytes.freeze())).await?;
    }
}
