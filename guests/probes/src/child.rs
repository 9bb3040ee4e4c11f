//! Children of a probe: the probe itself, with other arguments.

use crate::bindings::mote::sandbox::process::{
    Child, Command, ExitStatus, Input, Output, SpawnError, spawn,
};

/// Starts this very probe with `args`. Its output is ours.
pub fn again(args: &[&str], stdin: Input) -> Result<Child, String> {
    let program = std::env::args().next().unwrap_or_default();
    let argv = std::iter::once(program)
        .chain(args.iter().map(|arg| (*arg).to_owned()))
        .collect();
    start(&Command {
        argv,
        env: Vec::new(),
        cwd: "/".to_owned(),
        preopens: None,
        stdin,
        stdout: Output::Inherited,
        stderr: Output::Inherited,
    })
}

/// Starts a command; what went wrong in one line.
pub fn start(command: &Command) -> Result<Child, String> {
    spawn(command).map_err(|error| match error {
        SpawnError::NotFound(what) => format!("not-found: {what}"),
        SpawnError::NotExecutable(why) => format!("not-executable: {why}"),
        SpawnError::Limit(which) => format!("limit: {which}"),
        SpawnError::Invalid(why) => format!("invalid: {why}"),
    })
}

/// Waits for the end of a child: its exit status, or why it was ended.
pub fn wait(child: &Child) -> (u8, String) {
    let ended = child.subscribe();
    loop {
        match child.status() {
            Some(ExitStatus::Exited(code)) => return (code, format!("exited with {code}")),
            Some(ExitStatus::Ended((code, why))) => return (code, why),
            None => ended.block(),
        }
    }
}
