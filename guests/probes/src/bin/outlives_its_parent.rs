//! Leaves a child behind that appends to a file without end: PATH.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::ExitCode;

use probes::bindings::mote::sandbox::process::{Command, Input, Output};

fn append(path: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    println!("ready");
    loop {
        file.write_all(b"x")?;
    }
}

fn main() -> ExitCode {
    let path: String = probes::argument(1);
    if std::env::args().nth(2).is_some() {
        return probes::report(append(&path).map(|()| "stopped"));
    }
    let program = std::env::args().next().unwrap_or_default();
    let started = probes::child::start(&Command {
        argv: vec![program, path, "child".to_owned()],
        env: Vec::new(),
        cwd: "/".to_owned(),
        preopens: None,
        stdin: Input::Empty,
        stdout: Output::Piped,
        stderr: Output::Inherited,
    });
    // It has begun to write once it says so; then its handle is dropped by
    // nobody but the end of this instance.
    let said = started.and_then(|child| {
        let stdout = child.take_stdout().ok_or("no stdout")?;
        let bytes = stdout
            .blocking_read(64)
            .map_err(|error| error.to_string())?;
        std::mem::forget(child);
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    });
    probes::report(said)
}
