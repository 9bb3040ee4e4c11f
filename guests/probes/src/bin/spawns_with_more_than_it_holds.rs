//! Starts itself with a preopen: GUEST-PATH, which the child then lists.

use probes::bindings::mote::sandbox::process::{Command, Input, Output};
use probes::child::{start, wait};

fn main() -> std::process::ExitCode {
    let path: String = probes::argument(1);
    if std::env::args().nth(2).is_some() {
        let listed = std::fs::read_dir(&path).map(Iterator::count);
        return probes::report(listed.map(|count| format!("the child sees {count} entries")));
    }
    let program = std::env::args().next().unwrap_or_default();
    let started = start(&Command {
        argv: vec![program, path.clone(), "child".to_owned()],
        env: Vec::new(),
        cwd: "/".to_owned(),
        preopens: Some(vec![path]),
        stdin: Input::Empty,
        stdout: Output::Inherited,
        stderr: Output::Inherited,
    });
    match started {
        Ok(child) => wait(&child).0.into(),
        Err(why) => probes::report::<&str, _>(Err(why)),
    }
}
