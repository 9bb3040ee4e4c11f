//! A program of a pod that speaks nothing of ours, as `kubectl exec` has it.

use futures_util::{Sink, SinkExt};
use kube::api::TerminalSize;
use mote_client::screen::{self, Raw};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use super::stdin::Stdin;
use super::{EXIT_TIME, Program};
use crate::container::{Container, Streams, exit_code};
use crate::failure::Failure;
use crate::print::write;
use crate::signals::Signals;

/// Bytes of output that are passed on at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Runs it to its end; gives its exit status.
pub(super) async fn run(
    pod: &Container,
    program: &Program,
    signals: &mut Signals,
) -> Result<u8, Failure> {
    let work = to_its_end(pod, program);
    let timed = async {
        let Some(time) = program.time else {
            return work.await;
        };
        timeout(time, work).await.unwrap_or_else(|_| {
            let why = "the time was up; nobody ended the program, which Kubernetes cannot";
            Err(Failure::Declined(why.to_owned(), EXIT_TIME))
        })
    };
    tokio::select! {
        ended = timed => ended,
        number = signals.next() => Err(Failure::Signal(number)),
    }
}

async fn to_its_end(pod: &Container, program: &Program) -> Result<u8, Failure> {
    let streams = Streams {
        stdin: program.stdin,
        terminal: program.terminal,
    };
    let mut process = pod.start(&command(program), streams).await?;
    let raw = program.terminal.then(Raw::enter).transpose();
    let _raw =
        raw.map_err(|error| Failure::Lost(format!("failed to set up the terminal: {error}")))?;
    if let Some(sizes) = process.terminal_size() {
        tokio::spawn(resizes(sizes));
    }
    if let Some(stdin) = process.stdin() {
        tokio::spawn(feed(stdin));
    }
    let status = process.take_status();
    tokio::try_join!(
        pass(process.stdout(), tokio::io::stdout()),
        pass(process.stderr(), tokio::io::stderr()),
    )?;
    let status = match status {
        Some(status) => status.await,
        None => None,
    };
    exit_code(status.as_ref())
}

/// Kubernetes knows neither a working folder nor variables: the usual programs
/// set them.
fn command(program: &Program) -> Vec<String> {
    let mut command = Vec::new();
    if let Some(folder) = &program.workdir {
        let enter = ["sh", "-c", r#"cd -- "$0" && exec "$@""#, folder];
        command.extend(enter.map(str::to_owned));
    }
    if !program.env.is_empty() {
        command.push("env".to_owned());
        let pairs = program.env.iter();
        command.extend(pairs.map(|(name, value)| format!("{name}={value}")));
    }
    command.extend(program.argv.iter().cloned());
    command
}

async fn feed(mut to: impl AsyncWrite + Unpin) {
    let mut stdin = Stdin::new();
    while let Some(bytes) = stdin.next().await {
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
    // Nobody is left to tell.
    let _ = to.shutdown().await;
}

/// Tells the size of our terminal, now and whenever it changes.
async fn resizes<E>(mut sizes: impl Sink<TerminalSize, Error = E> + Unpin) {
    let Ok(mut changes) = signal(SignalKind::window_change()) else {
        return;
    };
    loop {
        let (width, height) = screen::dimensions();
        let told = sizes.send(TerminalSize { width, height }).await;
        if told.is_err() || changes.recv().await.is_none() {
            return;
        }
    }
}

async fn pass(
    from: Option<impl AsyncRead + Unpin>,
    mut to: impl AsyncWrite + Unpin,
) -> Result<(), Failure> {
    let Some(mut from) = from else { return Ok(()) };
    let mut buffer = vec![0; CHUNK_BYTES];
    // The connection's own end tells of what broke it.
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        write(&mut to, buffer.get(..count).unwrap_or_default()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_and_variables_are_set_by_programs() {
        let mut program = Program {
            argv: vec!["ls".to_owned(), "-l".to_owned()],
            env: Vec::new(),
            workdir: None,
            stdin: false,
            terminal: false,
            time: None,
        };
        assert_eq!(command(&program), ["ls", "-l"]);
        program.env.push(("A".to_owned(), "b c".to_owned()));
        program.workdir = Some("/x".to_owned());
        assert_eq!(
            command(&program),
            [
                "sh",
                "-c",
                r#"cd -- "$0" && exec "$@""#,
                "/x",
                "env",
                "A=b c",
                "ls",
                "-l"
            ]
        );
    }
}
