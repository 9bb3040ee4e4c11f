//! Starts itself with a long argument and a long variable: BYTES.

use probes::bindings::mote::sandbox::process::{Command, Input, Output};
use probes::child::{start, wait};

fn main() -> std::process::ExitCode {
    let bytes: usize = probes::argument(1);
    if bytes == 0 {
        return std::process::ExitCode::SUCCESS;
    }
    let program = std::env::args().next().unwrap_or_default();
    let started = start(&Command {
        argv: vec![program, "0".to_owned(), "x".repeat(bytes)],
        env: vec![("LONG".to_owned(), "x".repeat(bytes))],
        cwd: "/".to_owned(),
        preopens: None,
        stdin: Input::Empty,
        stdout: Output::Inherited,
        stderr: Output::Inherited,
    });
    probes::report(started.map(|child| format!("the child {}", wait(&child).1)))
}
