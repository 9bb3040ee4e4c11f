//! Runs other components of the sandbox as commands of the shell.
//!
//! A child's three streams move at once, a chunk at a time: none waits for the
//! end of another. What nobody reads any more ends the child, and a child that
//! does not read ends nobody.

use std::collections::BTreeMap;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use bashkit::{
    Command, CommandContext, CommandInput, CommandOutput, CommandStatus, Error, Result, async_trait,
};
use futures_util::future::{join, select};

use crate::bindings::mote::sandbox::process::{self, Child, ExitStatus, SpawnError};
use crate::reactor;
use crate::streams::{Input, Output};
use crate::terminal;

/// Status of a command that is there and cannot be run.
const NOT_EXECUTABLE: i32 = 126;

/// Status of a command that is not there.
const NOT_FOUND: i32 = 127;

/// Status of a command whose output nobody reads any more: SIGPIPE.
const BROKEN_PIPE: i32 = 141;

/// A component, with the words that come before the arguments.
pub struct Program {
    words: Vec<String>,
}

impl Program {
    /// What `words`, followed by a command's arguments, runs.
    pub fn new(words: Vec<String>) -> Self {
        Self { words }
    }
}

#[async_trait]
impl Command for Program {
    async fn execute(&self, context: CommandContext<'_>) -> Result<CommandStatus> {
        // A program at the terminal reads there itself: what it does not ask
        // for is left for the shell.
        let own = terminal::is_stdin() && context.stdin.is_shells_own().await;
        let child = process::spawn(&process::Command {
            argv: self.words.iter().chain(context.args).cloned().collect(),
            env: context
                .env
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect::<BTreeMap<_, _>>()
                .into_iter()
                .collect(),
            cwd: context.cwd.to_string_lossy().into_owned(),
            preopens: None,
            stdin: if own {
                process::Input::Inherited
            } else {
                process::Input::Piped
            },
            stdout: process::Output::Piped,
            stderr: process::Output::Piped,
        });
        match child {
            Ok(child) => run(&child, &context).await,
            Err(error) => refuse(&error, &context).await,
        }
    }
}

/// Reports a command that did not start.
async fn refuse(error: &SpawnError, context: &CommandContext<'_>) -> Result<CommandStatus> {
    let (name, shell) = (context.name, context.diagnostic);
    let (status, text) = match error {
        SpawnError::NotFound(_) => (
            NOT_FOUND,
            format!(
                "{shell}{name}: command not found\n\
                 mote: {name} is not in the wasm tier; run this in a pod (a whole operating system) instead\n"
            ),
        ),
        SpawnError::NotExecutable(why) => (
            NOT_EXECUTABLE,
            format!("{shell}{name}: cannot execute: {why}\n"),
        ),
        SpawnError::Limit(what) => (
            NOT_EXECUTABLE,
            format!("{shell}{name}: cannot start: {what}\n"),
        ),
        SpawnError::Invalid(why) => (
            NOT_EXECUTABLE,
            format!("{shell}{name}: cannot start: {why}\n"),
        ),
    };
    context.stderr.write_all(text.as_bytes()).await?;
    Ok(CommandStatus::with_code(status))
}

/// Sees a child through to its end.
async fn run(child: &Child, context: &CommandContext<'_>) -> Result<CommandStatus> {
    let (stdout, stderr) = (
        child.take_stdout().map(Input::new),
        child.take_stderr().map(Input::new),
    );
    let stdin = child.take_stdin().map(Output::new);
    let work = async {
        let outputs = join(
            drain(stdout, &context.stdout, child),
            drain(stderr, &context.stderr, child),
        );
        let (out, err) = outputs.await;
        Ok((out? || err?, end(child).await))
    };
    // The child's end is the end of its input, too: waiting for more of that
    // would keep the shell after the child has gone.
    let feed = feed(stdin, &context.stdin);
    let (broken, status) = select(pin!(work), pin!(feed)).await.factor_first().0?;
    if broken {
        return Ok(CommandStatus::with_code(BROKEN_PIPE));
    }
    match status {
        ExitStatus::Exited(code) => Ok(CommandStatus::with_code(code.into())),
        ExitStatus::Ended((code, text)) => {
            let line = format!("{}{}: {text}\n", context.diagnostic, context.name);
            context.stderr.write_all(line.as_bytes()).await?;
            Ok(CommandStatus::with_code(code.into()))
        }
    }
}

/// Waits until a child has ended; says how.
async fn end(child: &Child) -> ExitStatus {
    let pollable = Arc::new(child.subscribe());
    loop {
        match child.status() {
            Some(status) => return status,
            None => reactor::ready(&pollable).await,
        }
    }
}

/// Hands the command's input to the child; never comes back.
async fn feed(to: Option<Output>, from: &CommandInput) -> Result<(bool, ExitStatus)> {
    if let Some(to) = to {
        // Room first: what the child has no room for stays with the shell.
        while to.room().await.is_ok() {
            match from.read_chunk().await? {
                Some(bytes) if to.write_all(&bytes).await.is_ok() => {}
                _ => break,
            }
        }
    }
    std::future::pending().await
}

/// Moves one of the child's outputs on to its end; true if nobody reads it.
async fn drain(from: Option<Input>, to: &CommandOutput, child: &Child) -> Result<bool> {
    let Some(from) = from else { return Ok(false) };
    loop {
        let bytes = from.read().await.map_err(Error::Io)?;
        if bytes.is_empty() {
            return Ok(false);
        }
        match to.write_all(&bytes).await {
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                child.kill();
                return Ok(true);
            }
            result => result?,
        }
    }
}
