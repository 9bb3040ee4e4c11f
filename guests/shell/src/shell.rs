//! One run of the shell, from its arguments to its exit status.

mod interactive;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bashkit::hooks::HookAction;
use bashkit::{Bash, BashBuilder, Error, ExecOptions, normalize_path};

use crate::bindings::wasi::cli::{environment, stderr, stdin, stdout};
use crate::commands;
use crate::files::Files;
use crate::invocation::{self, Invocation, Script};
use crate::process::Program;
use crate::programs::{COMPONENTS, Resolver};
use crate::streams::{Input, Output};
use crate::{limits, reactor, terminal};

/// Status of a shell that was called the wrong way, or whose script is wrong.
const USAGE_STATUS: u8 = 2;

/// Status of a script that was ended by a ceiling of the shell's own.
const LIMIT_STATUS: u8 = 1;

/// Status of a shell whose standard output nobody reads any more: SIGPIPE.
const BROKEN_PIPE_STATUS: u8 = 141;

/// Status of a fault of the shell itself (`EX_SOFTWARE` of sysexits).
const FAULT_STATUS: u8 = 70;

/// Who the user is if the host does not say.
const USER: &str = "user";

/// What the sandbox calls itself.
const HOST_NAME: &str = "mote";

/// Runs the shell; the exit status is the script's.
pub fn run() -> u8 {
    bashkit::time::set_timer(reactor::sleep);
    let streams = Streams {
        stdin: Input::new(stdin::get_stdin()),
        stdout: Output::new(stdout::get_stdout()),
        stderr: Output::new(stderr::get_stderr()),
    };
    let status = reactor::block_on(async {
        match invocation::parse(environment::get_arguments().into_iter()) {
            Ok(invocation) => Shell::new(&streams, &invocation).run().await,
            Err(wrong) => streams.fail(&wrong, USAGE_STATUS).await,
        }
    });
    // What nobody reads any more needs no flush.
    let _ = streams.stdout.flush().and(streams.stderr.flush());
    status.unwrap_or(FAULT_STATUS)
}

/// The shell's own standard streams.
struct Streams {
    stdin: Input,
    stdout: Output,
    stderr: Output,
}

impl Streams {
    /// Prints a line on standard error. If nobody reads that, nobody is told.
    async fn fail(&self, line: &str, status: u8) -> u8 {
        let _ = self.stderr.write_all(format!("{line}\n").as_bytes()).await;
        status
    }
}

/// A shell about to run a script.
struct Shell<'a> {
    streams: &'a Streams,
    invocation: &'a Invocation,
    files: Arc<Files>,
    home: PathBuf,
    cwd: PathBuf,
    bash: Bash,
    /// Set once the script said `exit`.
    left: Arc<AtomicBool>,
}

impl<'a> Shell<'a> {
    fn new(streams: &'a Streams, invocation: &'a Invocation) -> Self {
        let files = Arc::new(Files::preopened());
        let env = environment::get_environment();
        let value = |name: &str| {
            env.iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.clone())
        };
        let cwd = PathBuf::from(environment::initial_cwd().unwrap_or_else(|| "/".to_owned()));
        let home = PathBuf::from(value("HOME").unwrap_or_else(|| "/".to_owned()));
        let user = value("USER").unwrap_or_else(|| USER.to_owned());
        let left = Arc::new(AtomicBool::new(false));
        let leave = Arc::clone(&left);
        let bash = builder(&files, env)
            .username(user)
            .cwd(&cwd)
            .on_exit(Box::new(move |event| {
                leave.store(true, Ordering::Relaxed);
                HookAction::Continue(event)
            }))
            .build();
        Self {
            streams,
            invocation,
            files,
            home,
            cwd,
            bash,
            left,
        }
    }

    async fn run(mut self) -> u8 {
        if self.invocation.script == Script::Stdin && terminal::is_stdin() {
            return self.converse().await;
        }
        let script = match self.script().await {
            Ok(script) => script,
            Err((what, status)) => {
                return self
                    .streams
                    .fail(&format!("{}: {what}", self.invocation.name), status)
                    .await;
            }
        };
        if let Some(prelude) = self.prelude() {
            self.execute(&prelude, ExecOptions::new()).await;
        }
        let options = ExecOptions::new()
            .arg0(&self.invocation.name)
            .positional(&self.invocation.args);
        let options = if self.invocation.script == Script::Stdin {
            options.stdin("")
        } else {
            options
        };
        self.execute(&format!("{}{script}", self.set()), options)
            .await
    }

    /// The text to run, or why there is none and the status that says so.
    async fn script(&self) -> Result<String, (String, u8)> {
        let bytes = match &self.invocation.script {
            Script::Text(text) => return Ok(text.clone()),
            Script::File(name) => self
                .files
                .read(&normalize_path(&self.cwd.join(name)))
                .map_err(|error| {
                    (
                        format!("{name}: {error}"),
                        if error.kind() == io::ErrorKind::NotFound {
                            127
                        } else {
                            126
                        },
                    )
                })?,
            Script::Stdin => self
                .standard_input()
                .await
                .map_err(|error| (error.to_string(), USAGE_STATUS))?,
        };
        if bytes.contains(&0) {
            return Err(("cannot execute binary file".to_owned(), 126));
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// All of standard input, as a script.
    async fn standard_input(&self) -> io::Result<Vec<u8>> {
        let mut script = Vec::new();
        loop {
            let bytes = self.streams.stdin.read().await?;
            if bytes.is_empty() {
                return Ok(script);
            }
            script.extend_from_slice(&bytes);
            if script.len() > limits::SCRIPT_BYTES {
                let text = format!(
                    "the script on standard input is longer than {} bytes",
                    limits::SCRIPT_BYTES
                );
                return Err(io::Error::other(text));
            }
        }
    }

    /// What runs before the script and shapes how it is read: options of
    /// `shopt`, and the login file.
    fn prelude(&self) -> Option<String> {
        let mut lines: Vec<String> = self
            .invocation
            .shopt
            .chunks(2)
            .map(|words| format!("shopt {}", quote(words)))
            .collect();
        if self.invocation.login {
            let files =
                [".bash_profile", ".bash_login", ".profile"].map(|name| self.home.join(name));
            let file = files
                .into_iter()
                .find(|file| self.files.head(file, 0).is_ok());
            lines.extend(
                file.map(|file| format!(". {}", quote(&[file.to_string_lossy().into_owned()]))),
            );
        }
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// The options of `set` as a command in front of the script, on its first
    /// line so that it keeps its line numbers.
    fn set(&self) -> String {
        match self.invocation.set.as_slice() {
            [] => String::new(),
            words => format!("set {} || exit {USAGE_STATUS}; ", quote(words)),
        }
    }

    /// Runs a text; gives the status it ends with.
    async fn execute(&mut self, script: &str, options: ExecOptions) -> u8 {
        let streams = self.streams;
        let execution = self.bash.execute(script).options(options);
        let result = execution
            .stdin_fn(async || Ok(streams.stdin.read().await?))
            .stdout_fn(async |bytes: Vec<u8>| Ok(streams.stdout.write_all(&bytes).await?))
            .stderr_fn(async |bytes: Vec<u8>| {
                // If nobody reads it, the script goes on.
                let _ = streams.stderr.write_all(&bytes).await;
                Ok(())
            })
            .await;
        match result {
            // As the kernel keeps it: one byte.
            Ok(result) => result.exit_code as u8,
            Err(error) => self.report(&error, script).await,
        }
    }

    /// Says why a script ended before its end.
    async fn report(&self, error: &Error, script: &str) -> u8 {
        let name = &self.invocation.name;
        if let Error::Io(error) = error
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            return BROKEN_PIPE_STATUS;
        }
        let who = if matches!(self.invocation.script, Script::Text(_)) {
            format!("{name}: -c")
        } else {
            name.clone()
        };
        if let Some(text) = error.syntax_report(&who, script) {
            return self.streams.fail(text.trim_end(), USAGE_STATUS).await;
        }
        self.streams
            .fail(&format!("{name}: {error}"), LIMIT_STATUS)
            .await
    }
}

/// bashkit with what this shell adds to it.
fn builder(files: &Arc<Files>, env: Vec<(String, String)>) -> BashBuilder {
    let mut builder = commands::install(Bash::builder())
        .fs(Arc::clone(files) as Arc<dyn bashkit::FileSystem>)
        .hostname(HOST_NAME)
        .limits(limits::execution())
        .session_limits(limits::session())
        .memory_limits(limits::memory())
        .command_resolver(Arc::new(Resolver::new(Arc::clone(files))));
    for name in COMPONENTS {
        builder = builder.command(*name, Program::new(vec![(*name).to_owned()]));
    }
    for (name, value) in terminal::variables().into_iter().chain(env) {
        builder = builder.env(name, value);
    }
    // Whatever the environment says of it.
    for (fd, there) in (0..).zip(terminal::streams()) {
        builder = builder.tty(fd, there);
    }
    builder
}

/// `words` as the shell reads them back.
fn quote(words: &[String]) -> String {
    let words: Vec<String> = words
        .iter()
        .map(|word| format!("'{}'", word.replace('\'', r"'\''")))
        .collect();
    words.join(" ")
}
