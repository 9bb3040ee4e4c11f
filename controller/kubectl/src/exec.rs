//! `kubectl mote exec`: one program in a sandbox.

mod container;
mod door;
mod stdin;

use std::time::Duration;

use mote_client::screen;

use crate::args::{ClusterArgs, ExecArgs};
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::find::find;
use crate::signals::Signals;
use crate::way::Way;

/// How long a program may take to end once we passed on a signal, or its time
/// is up: as long as sandboxd gives what it started.
const GRACE: Duration = Duration::from_secs(2);
/// What a shell reports where the time was up.
const EXIT_TIME: u8 = 124;

/// One checked call.
#[derive(Debug, PartialEq)]
struct Program {
    argv: Vec<String>,
    env: Vec<(String, String)>,
    workdir: Option<String>,
    /// Pass stdin on.
    stdin: bool,
    /// Give it our terminal.
    terminal: bool,
    time: Option<Duration>,
}

/// Runs a program in a sandbox; gives its exit status.
pub(crate) async fn exec(args: ExecArgs, cluster: &ClusterArgs) -> Result<u8, Failure> {
    let program = checked(&args, screen::is_there()).map_err(Failure::Usage)?;
    let mut signals = Signals::listen()?;
    let way = async {
        let cluster = Cluster::connect(cluster).await?;
        let sandbox = find(&cluster, &args.sandbox).await?;
        Way::to(&cluster, &sandbox, args.container.as_deref()).await
    };
    let way = tokio::select! {
        way = way => way?,
        number = signals.next() => return Err(Failure::Signal(number)),
    };
    match way {
        Way::Door(door) | Way::Pod(door, _) => door::run(&door, &program, &mut signals).await,
        Way::Container(pod) => container::run(&pod, &program, &mut signals).await,
    }
}

fn checked(args: &ExecArgs, has_terminal: bool) -> Result<Program, Vec<String>> {
    let mut mistakes = Vec::new();
    let mut env = Vec::new();
    for text in &args.env {
        match variable(text) {
            Ok(pair) => env.push(pair),
            Err(why) => mistakes.push(format!("-e {text}: {why}")),
        }
    }
    if args.tty && !has_terminal {
        mistakes.push("-t: stdin and stdout are no terminal; leave -t out".to_owned());
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    Ok(Program {
        argv: mote_client::words::argv(args.command.clone()),
        env,
        workdir: args.workdir.clone(),
        stdin: args.stdin || args.tty,
        terminal: args.tty,
        time: args.timeout,
    })
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, value.to_owned()),
        None => {
            let value = std::env::var(text);
            let unset = "it is not set here, or no text; write NAME=VALUE, or leave it out";
            (text, value.map_err(|_| unset.to_owned())?)
        }
    };
    if name.is_empty() || name.contains('\0') || value.contains('\0') {
        return Err("it is no variable; write NAME=VALUE".to_owned());
    }
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(command: &[&str]) -> ExecArgs {
        ExecArgs {
            sandbox: "s".parse().unwrap(),
            stdin: false,
            tty: false,
            workdir: None,
            env: Vec::new(),
            timeout: None,
            container: None,
            command: command.iter().map(|word| (*word).to_owned()).collect(),
        }
    }

    #[test]
    fn one_word_is_a_shell_line_and_several_are_an_argv() {
        let argv = |command: &[&str]| checked(&args(command), false).unwrap().argv;
        assert_eq!(argv(&["a | b"]), ["sh", "-c", "a | b"]);
        assert_eq!(argv(&["js", "-e", "1"]), ["js", "-e", "1"]);
    }

    #[test]
    fn all_mistakes_are_named_at_once() {
        let mut wrong = args(&["ls"]);
        wrong.tty = true;
        wrong.env = ["=x", "MOTE_NO_SUCH_VARIABLE", "A=b=c"]
            .map(str::to_owned)
            .into();
        assert_eq!(checked(&wrong, false).unwrap_err().len(), 3);
        wrong.env.drain(..2);
        let program = checked(&wrong, true).unwrap();
        assert_eq!(program.env, [("A".to_owned(), "b=c".to_owned())]);
        assert!(program.stdin && program.terminal);
    }
}
