//! A request to run a program, checked and bounded.

use std::path::PathBuf;

use mote_api::CallOptions;
use tonic::{Request, Status};

use super::deadline::Deadline;
use super::status;
use crate::proto::{ProcessConfig, Pty};
use crate::{Backend, Caller, Command, TerminalSize, call};

/// Most bytes of arguments and variables together: what Linux takes by
/// default, a quarter of a stack of 8 MiB.
const MAX_ARGUMENT_BYTES: usize = 2 * 1024 * 1024;
/// The size of a terminal whose caller names none: that of a VT100.
const DEFAULT_TERMINAL: TerminalSize = TerminalSize { cols: 80, rows: 24 };

/// What every request has beside its message.
#[derive(Debug)]
pub(super) struct Envelope<B> {
    pub(super) backend: B,
    pub(super) deadline: Deadline,
    caller: Caller,
    options: CallOptions,
}

impl<B: Backend> Envelope<B> {
    /// Reads what came with a request.
    pub(super) fn open<T>(request: Request<T>) -> Result<(Self, T), Status> {
        let (metadata, extensions, message) = request.into_parts();
        let headers = metadata.into_headers();
        let options =
            call::options(&headers).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let envelope = Self {
            backend: extensions
                .get::<B>()
                .cloned()
                .ok_or_else(|| Status::internal("the listener names no sandbox"))?,
            deadline: Deadline::read(&headers)?,
            caller: extensions.get().cloned().unwrap_or_default(),
            options,
        };
        Ok((envelope, message))
    }

    /// The program to start.
    pub(super) async fn command(
        &self,
        config: Option<ProcessConfig>,
        terminal: Option<TerminalSize>,
        stdin: bool,
    ) -> Result<Command, Status> {
        let config = config.filter(|config| !config.command.is_empty());
        let config = config.ok_or_else(|| Status::invalid_argument("command is required"))?;
        check(&config)?;
        let cwd = config.cwd.as_deref().unwrap_or_default();
        Ok(Command {
            cwd: self.directory(cwd).await?,
            argv: config.command,
            env: config.env_vars.into_iter().collect(),
            terminal,
            stdin,
            lifetime: None,
            options: self.options.clone(),
            caller: self.caller.clone(),
        })
    }

    /// The working directory that the caller calls `path`.
    async fn directory(&self, path: &str) -> Result<PathBuf, Status> {
        if path.is_empty() {
            return Ok(PathBuf::new());
        }
        let files = self.backend.files().await;
        let files = files.map_err(|error| status::unavailable(&error))?;
        // A path may lead through thousands of folders. The files are let go
        // before the program is started, which may have to wait for that.
        let path = path.to_owned();
        let found = tokio::task::spawn_blocking(move || files.resolve(&path)).await;
        status::directory(found.map_err(|_| status::broken_off())?)
    }
}

/// Checks what a system would not take, or not as it is meant.
fn check(config: &ProcessConfig) -> Result<(), Status> {
    let invalid = |text: &str| Err(Status::invalid_argument(text));
    let (names, values) = (config.env_vars.keys(), config.env_vars.values());
    let mut bytes = 0;
    for text in config.command.iter().chain(names).chain(values) {
        bytes += text.len() + 1;
        if text.contains('\0') {
            return invalid("command and env_vars must not contain NUL bytes");
        }
    }
    if bytes > MAX_ARGUMENT_BYTES {
        return Err(Status::invalid_argument(format!(
            "command and env_vars have {bytes} bytes; at most {MAX_ARGUMENT_BYTES} are taken: write data to a file, or to stdin"
        )));
    }
    let is_name = |name: &String| !name.is_empty() && !name.contains('=');
    if !config.env_vars.keys().all(is_name) {
        return invalid("a name in env_vars must not be empty or contain '='");
    }
    Ok(())
}

/// The terminal that a caller asks for.
pub(super) fn terminal(pty: Pty) -> Result<TerminalSize, Status> {
    if pty.cols == 0 || pty.rows == 0 {
        return Ok(DEFAULT_TERMINAL);
    }
    size(pty.cols, pty.rows)
}

/// A size of a terminal.
pub(super) fn size(cols: u32, rows: u32) -> Result<TerminalSize, Status> {
    match (u16::try_from(cols), u16::try_from(rows)) {
        (Ok(cols), Ok(rows)) => Ok(TerminalSize { cols, rows }),
        _ => Err(Status::invalid_argument(format!(
            "cols and rows must be at most {}",
            u16::MAX
        ))),
    }
}
