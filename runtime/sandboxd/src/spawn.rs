//! Starts a program: in a group of its own, with three streams or a terminal.

use std::io;
use std::path::Path;
use std::process::Stdio;

use mote_surface::{Command, StartError, TerminalSize, Unavailable};
use pty_process::{OwnedReadPty, Size};
use rustix::process::Pid;
use tokio::process::{Child, ChildStderr, ChildStdout};
use tokio::sync::Mutex;

use crate::program::{Input, Program, Terminal};

/// A program that was started.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) pid: Pid,
    pub(crate) child: Child,
    pub(crate) program: Program,
    pub(crate) output: Output,
}

/// Where its output comes from.
#[derive(Debug)]
pub(crate) enum Output {
    Streams(ChildStdout, ChildStderr),
    Terminal(OwnedReadPty),
}

/// Starts a program whose working directory is below `root`.
pub(crate) fn spawn(command: &Command, root: &Path) -> Result<Spawned, StartError> {
    let (name, arguments) = command
        .argv
        .split_first()
        .ok_or_else(|| StartError::Invalid("command is required".to_owned()))?;
    let directory = root.join(&command.cwd);
    let mut process = tokio::process::Command::new(name);
    process
        .args(arguments)
        .envs(command.env.iter().map(|(name, value)| (name, value)))
        .current_dir(&directory)
        .kill_on_drop(true);
    let spawned = match command.terminal {
        None => with_streams(process, command.stdin),
        Some(size) => with_terminal(process, size),
    };
    spawned.map_err(|error| why(&error, name, &directory))
}

fn with_streams(mut process: tokio::process::Command, stdin: bool) -> io::Result<Spawned> {
    let mut child = process
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::Error::other("the process has no output"));
    };
    let input = match child.stdin.take() {
        Some(pipe) if stdin => Input::Pipe(Mutex::new(Some(pipe))),
        // A closed pipe is as empty as /dev/null, which an image may lack.
        _ => Input::None,
    };
    spawned(child, input, Output::Streams(stdout, stderr))
}

fn with_terminal(process: tokio::process::Command, size: TerminalSize) -> io::Result<Spawned> {
    let (pty, pts) = pty_process::open().map_err(io_error)?;
    pty.resize(Size::new(size.rows, size.cols))
        .map_err(io_error)?;
    // Leads a session, and so a group, of its own.
    let child = pty_process::Command::from(process)
        .spawn(pts)
        .map_err(io_error)?;
    let (read, write) = pty.into_split();
    let input = Input::Terminal(Terminal::new(write));
    spawned(child, input, Output::Terminal(read))
}

fn spawned(child: Child, input: Input, output: Output) -> io::Result<Spawned> {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    let pid = pid
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other("the process has no number"))?;
    let program = Program::new(pid, input);
    Ok(Spawned {
        pid,
        child,
        program,
        output,
    })
}

fn io_error(error: pty_process::Error) -> io::Error {
    match error {
        pty_process::Error::Io(error) => error,
        pty_process::Error::Rustix(error) => error.into(),
        error => io::Error::other(error.to_string()),
    }
}

/// Why a program did not start, in the words of Go's `os/exec`.
fn why(error: &io::Error, name: &str, directory: &Path) -> StartError {
    use io::ErrorKind::{ArgumentListTooLong, NotFound, OutOfMemory, PermissionDenied, WouldBlock};
    match error.kind() {
        // The system does not say which of the two is missing.
        NotFound if !directory.exists() => {
            let directory = directory.display();
            StartError::NotFound(format!("chdir {directory}: no such file or directory"))
        }
        NotFound if name.contains('/') => {
            StartError::NotFound(format!("fork/exec {name}: no such file or directory"))
        }
        NotFound => StartError::NotFound(format!(
            "exec: {name:?}: executable file not found in $PATH"
        )),
        PermissionDenied => StartError::Denied(format!("fork/exec {name}: permission denied")),
        ArgumentListTooLong => StartError::Invalid(format!(
            "fork/exec {name}: argument list too long; write data to a file, or to stdin"
        )),
        WouldBlock | OutOfMemory => StartError::Busy(format!(
            "fork/exec {name}: {error}; try again when other programs have ended"
        )),
        _ => {
            tracing::error!(program = name, %error, "failed to start a program");
            StartError::Host
        }
    }
}

/// The daemon is ending.
pub(crate) fn ending() -> Unavailable {
    Unavailable::NotNow("sandboxd is shutting down".to_owned())
}
