//! Calls that have a terminal.

use std::time::Duration;

use mote_api::{Access, End, Grant, Grants, Invocation, Limits, Outcome, Preopen};
use mote_host::{
    Compiler, Host, HostConfig, Input, Output, PipeReader, PipeWriter, RunError, Streams, Terminal,
    line_pipe, pipe,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::harness::{shared_cache, userland, warm_cache};

/// Nothing here takes long; on a busy machine it may.
const PATIENCE: Duration = Duration::from_secs(60);

/// A call at a terminal, and who sits there.
struct Seat {
    terminal: Terminal,
    keys: PipeWriter,
    screen: PipeReader,
    shown: String,
    call: JoinHandle<Result<Outcome, RunError>>,
    _workspace: TempDir,
}

impl Seat {
    fn at(argv: &[&str]) -> Self {
        warm_cache();
        let workspace = tempfile::tempdir().unwrap();
        let session = host()
            .session(grants(&workspace), Limits::default())
            .unwrap();
        let terminal = Terminal::new(80, 24);
        let ((keys, stdin), (stdout, screen)) = (line_pipe(), pipe());
        let streams = Streams {
            stdin: Input::Pipe(stdin),
            stdout: Output::Pipe(stdout.clone()),
            stderr: Output::Pipe(stdout),
            terminal: Some(terminal.clone()),
        };
        let mut invocation = Invocation::new(argv.iter().copied());
        invocation.cwd = "/workspace".parse().unwrap();
        let call = async move {
            let never = std::future::pending();
            session.run_until(&invocation, streams, never).await
        };
        Self {
            terminal,
            keys,
            screen,
            shown: String::new(),
            call: tokio::spawn(call),
            _workspace: workspace,
        }
    }

    async fn types(&self, line: &str) {
        self.keys.write_all(line.as_bytes()).await.unwrap();
    }

    /// Waits until the screen shows `text`; what comes before it is forgotten.
    #[track_caller]
    fn shows(&mut self, text: &str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            while !self.shown.contains(text) {
                let more = tokio::time::timeout(PATIENCE, self.screen.read()).await;
                let Ok(Some(more)) = more else {
                    panic!("{caller}: no {text:?} after {:?}", self.shown);
                };
                self.shown.push_str(&String::from_utf8_lossy(&more));
            }
            let (_, rest) = self.shown.split_once(text).unwrap();
            self.shown = rest.to_owned();
        }
    }

    /// Types a line at the prompt and waits for what it says.
    #[track_caller]
    fn says(&mut self, line: &str, answer: &str) -> impl Future<Output = ()> {
        let (line, answer) = (format!("{line}\n"), answer.to_owned());
        async move {
            self.shows("$ ").await;
            self.types(&line).await;
            self.shows(&answer).await;
        }
    }

    async fn outcome(self) -> Outcome {
        let ended = tokio::time::timeout(PATIENCE, self.call).await;
        ended.unwrap().unwrap().unwrap()
    }
}

fn host() -> Host {
    let cache = shared_cache();
    let compiler = Compiler::new(env!("CARGO_BIN_EXE_mote"), Vec::<String>::new());
    let program = |name: &str| (name.to_owned(), userland().join(format!("{name}.wasm")));
    Host::open(HostConfig {
        scratch: std::env::temp_dir(),
        compiler: Compiler {
            args: vec![
                "compile-stdin".into(),
                cache.clone().into(),
                compiler.memory.as_u64().to_string().into(),
            ],
            ..compiler
        },
        cache,
        programs: ["sh", "js", "python3"].map(program).into(),
        slots: 8,
    })
    .unwrap()
}

fn grants(workspace: &TempDir) -> Grants {
    Grants::of([
        Grant::Preopen(Preopen {
            guest: "/workspace".parse().unwrap(),
            host: workspace.path().to_owned(),
            access: Access::ReadWrite,
        }),
        Grant::Clock(mote_api::Clock::Real),
        Grant::Random(mote_api::Random::Real),
    ])
    .unwrap()
}

#[tokio::test]
async fn a_shell_keeps_its_state_from_line_to_line() {
    let mut seat = Seat::at(&["sh"]);
    seat.says("x=1; f() { echo \"f $1\"; }; mkdir d; cd d; false", "")
        .await;
    seat.says("echo $? $x $PWD; f 2", "1 1 /workspace/d\nf 2\n")
        .await;
    seat.says("set -u; alias hi='echo aliased'", "").await;
    seat.says("hi $y", "y: unbound variable").await;
    seat.says("hi", "aliased\n").await;
    seat.says("PS1='\\w> '", "/workspace/d> ").await;
    seat.types("exit 3\n").await;
    assert_eq!(seat.outcome().await.exit_code, 3);
}

#[tokio::test]
async fn a_command_that_goes_on_is_asked_for() {
    let mut seat = Seat::at(&["bash", "-l"]);
    seat.says("for i in 1 2", "> ").await;
    seat.types("do echo \"it is $i\n").await;
    seat.shows("> ").await;
    seat.types("\"; done\n").await;
    seat.shows("it is 1\n\nit is 2\n").await;
    seat.says("cat <<E", "> ").await;
    seat.types("body\n").await;
    seat.shows("> ").await;
    seat.types("E\n").await;
    seat.shows("body\n").await;
    seat.says("fi", "syntax error near unexpected token").await;
    seat.says("echo $?", "2\n").await;
}

#[tokio::test]
async fn an_interrupt_ends_what_the_shell_runs_and_not_the_shell() {
    let mut seat = Seat::at(&["sh"]);
    seat.says("x=1; echo go; sleep 1000", "go\n").await;
    seat.terminal.interrupt();
    seat.says("echo after $? $x", "after 130 1\n").await;
    let python = "python3 -c 'import time; print(\"go\", flush=True); time.sleep(1000)'";
    seat.says(python, "go\n").await;
    seat.terminal.interrupt();
    seat.says("(cd /; y=2; echo go; sleep 1000)", "go\n").await;
    seat.terminal.interrupt();
    seat.says("echo $? [${y-}] $PWD", "130 [] /workspace\n")
        .await;
    seat.says("echo go; while :; do :; done", "go\n").await;
    seat.terminal.interrupt();
    seat.says("echo 'half", "> ").await;
    seat.terminal.interrupt();
    seat.says("echo whole", "whole\n").await;
}

#[tokio::test]
async fn the_size_is_what_it_is_now() {
    let mut seat = Seat::at(&["sh"]);
    let ask = "stty size; tput cols; echo $COLUMNS $LINES";
    seat.says(ask, "24 80\n80\n80 24\n").await;
    seat.terminal.resize(132, 50);
    seat.says("", "").await;
    seat.says(ask, "50 132\n132\n132 50\n").await;
    let python =
        "python3 -c 'import shutil, sys; print(*shutil.get_terminal_size(), sys.stdin.isatty())'";
    seat.says(python, "132 50 True\n").await;
}

#[tokio::test]
async fn standard_streams_are_the_terminal_just_if_there_is_one() {
    let mut seat = Seat::at(&[
        "sh",
        "-c",
        "tty; test -t 0 && [ -t 1 ] && [[ -t 2 ]] && echo on; stty size",
    ]);
    seat.shows("/dev/pts/0\non\n24 80\n").await;
    assert_eq!(seat.outcome().await.exit_code, 0);
    let mut seat = Seat::at(&[
        "python3",
        "-c",
        "import os; print([os.isatty(fd) for fd in (0, 1, 2)])",
    ]);
    seat.shows("[True, True, True]").await;
    let output = crate::harness::Mote::new().sh("tty; test -t 0 || echo off; stty size; tput cols");
    assert_eq!(output.stdout, "not a tty\noff\n80\n");
}

#[tokio::test]
async fn what_was_typed_ahead_is_for_who_reads_next() {
    let mut seat = Seat::at(&["sh"]);
    seat.types("read x\n").await;
    seat.types("one\n").await;
    seat.types("python3 -c 'print(input())'\n").await;
    seat.types("two\n").await;
    seat.types("cat\n").await;
    seat.types("three\n").await;
    seat.keys.end_line().await.unwrap();
    seat.types("echo $x\n").await;
    seat.shows("two\n").await;
    seat.shows("three\n").await;
    seat.shows("one\n").await;
    seat.types("(exit 4)\n").await;
    seat.keys.end_line().await.unwrap();
    assert_eq!(seat.outcome().await.exit_code, 4);
}

#[tokio::test]
async fn an_interrupt_that_nobody_takes_ends_the_call() {
    for argv in [
        &["sh", "-c", "echo go; sleep 1000"][..],
        &["sh", "-c", "echo go; while :; do :; done"],
        &[
            "python3",
            "-c",
            "import time; print('go', flush=True); time.sleep(1000)",
        ],
    ] {
        let mut seat = Seat::at(argv);
        seat.shows("go\n").await;
        seat.terminal.interrupt();
        assert_eq!(seat.outcome().await.end, End::Cancelled);
    }
}

#[tokio::test]
async fn a_shell_whose_terminal_goes_ends_in_the_midst_of_a_command() {
    let mut seat = Seat::at(&["sh"]);
    seat.says("if true", "> ").await;
    let Seat { keys, call, .. } = seat;
    drop(keys);
    let ended = tokio::time::timeout(PATIENCE, call).await;
    assert_eq!(ended.unwrap().unwrap().unwrap().exit_code, 2);
}
