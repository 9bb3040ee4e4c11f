//! Other programs of the sandbox, run beside this one.

use std::cell::RefCell;

use rquickjs::function::Func;
use rquickjs::{ArrayBuffer, Ctx, Exception, IntoJs, Null, Object, Result, TypedArray, Value};

use super::bytes;
use crate::bindings::mote::sandbox::process::{
    self, Child, Command, ExitStatus, Input, Output, SpawnError,
};
use crate::bindings::wasi::io::poll::Pollable;
use crate::bindings::wasi::io::streams::{InputStream, OutputStream, StreamError};

/// What one read takes: as much as a pipe holds.
const READ_BYTES: u64 = 64 << 10;

/// A child and our ends of its pipes; a stream goes when it is closed.
struct Running {
    // Dropped before the child, whose streams they are.
    stdin: Option<OutputStream>,
    stdout: Option<InputStream>,
    stderr: Option<InputStream>,
    child: Child,
}

thread_local! {
    /// Children by handle; one that was let go leaves its place.
    static CHILDREN: RefCell<Vec<Option<Running>>> = const { RefCell::new(Vec::new()) };
}

/// Puts the functions below on `native`.
pub fn install<'js>(native: &Object<'js>) -> Result<()> {
    native.set("childStart", Func::from(start))?;
    native.set("childWrite", Func::from(write))?;
    native.set(
        "childEndInput",
        Func::from(|handle: usize| with(handle, |running| running.stdin = None)),
    )?;
    native.set("childRead", Func::from(read))?;
    native.set("childStatus", Func::from(status))?;
    native.set(
        "childKill",
        Func::from(|handle: usize| with(handle, |running| running.child.kill())),
    )?;
    native.set("childForget", Func::from(forget))
}

/// Runs `action` on a child; nothing when it was let go.
fn with<T>(handle: usize, action: impl FnOnce(&mut Running) -> T) -> Option<T> {
    CHILDREN.with_borrow_mut(|children| children.get_mut(handle)?.as_mut().map(action))
}

/// Starts a child and returns its handle. `stdio` says of each standard
/// stream `pipe`, `inherit` or `ignore`. Throws `kind: text` of a refusal.
fn start(
    ctx: Ctx<'_>,
    argv: Vec<String>,
    env: Vec<Vec<String>>,
    cwd: String,
    stdio: Vec<String>,
) -> Result<usize> {
    let output = |stream: &str| match stream {
        "pipe" => Output::Piped,
        "inherit" => Output::Inherited,
        _ => Output::Discarded,
    };
    let [stdin, stdout, stderr] =
        [0, 1, 2].map(|index| stdio.get(index).map_or("ignore", String::as_str));
    let command = Command {
        argv,
        env: env
            .into_iter()
            .filter_map(|pair| <[String; 2]>::try_from(pair).ok())
            .map(Into::into)
            .collect(),
        cwd,
        preopens: None,
        stdin: match stdin {
            "pipe" => Input::Piped,
            "inherit" => Input::Inherited,
            _ => Input::Empty,
        },
        stdout: output(stdout),
        stderr: output(stderr),
    };
    let child = process::spawn(&command).map_err(|error| {
        let text = match error {
            SpawnError::NotFound(text) => format!("not-found: {text}"),
            SpawnError::NotExecutable(text) => format!("not-executable: {text}"),
            SpawnError::Limit(text) => format!("limit: {text}"),
            SpawnError::Invalid(text) => format!("invalid: {text}"),
        };
        Exception::throw_message(&ctx, &text)
    })?;
    let running = Running {
        stdin: child.take_stdin(),
        stdout: child.take_stdout(),
        stderr: child.take_stderr(),
        child,
    };
    Ok(CHILDREN.with_borrow_mut(|children| {
        let free = children
            .iter()
            .position(Option::is_none)
            .unwrap_or_else(|| {
                children.push(None);
                children.len() - 1
            });
        children[free] = Some(running);
        free
    }))
}

/// Writes what the child's standard input takes now; none when it is closed.
fn write<'js>(handle: usize, view: TypedArray<'js, u8>) -> Option<u32> {
    with(handle, |running| {
        let stdin = running.stdin.as_ref()?;
        let written = stdin.check_write().and_then(|room| {
            let chunk = bytes(&view);
            let chunk = chunk
                .get(..room.min(chunk.len() as u64) as usize)
                .unwrap_or_default();
            stdin.write(chunk)?;
            // Only starts to write out: the child may be slow to take it.
            stdin.flush().map(|()| chunk.len() as u32)
        });
        if written.is_err() {
            running.stdin = None;
        }
        written.ok()
    })?
}

/// What the child wrote since, to `stdout` (1) or `stderr` (2): an ArrayBuffer,
/// empty when there is nothing yet; null at the end.
fn read<'js>(ctx: Ctx<'js>, handle: usize, fd: u32) -> Result<Value<'js>> {
    let read = with(handle, |running| {
        let stream = if fd == 1 {
            &mut running.stdout
        } else {
            &mut running.stderr
        };
        match stream.as_ref()?.read(READ_BYTES) {
            Ok(chunk) => Some(chunk),
            Err(StreamError::Closed | StreamError::LastOperationFailed(_)) => {
                *stream = None;
                None
            }
        }
    });
    match read.flatten() {
        Some(chunk) => ArrayBuffer::new(ctx.clone(), chunk)?.into_js(&ctx),
        None => Null.into_js(&ctx),
    }
}

/// `[status, text]` of a child that ended, the text empty when it ended by
/// itself; none while it runs.
fn status<'js>(ctx: Ctx<'js>, handle: usize) -> Result<Option<Vec<Value<'js>>>> {
    let ended = with(handle, |running| running.child.status()).flatten();
    let (status, text) = match ended {
        None => return Ok(None),
        Some(ExitStatus::Exited(status)) => (status, String::new()),
        Some(ExitStatus::Ended(ended)) => ended,
    };
    Ok(Some(vec![status.into_js(&ctx)?, text.into_js(&ctx)?]))
}

/// Lets a child go; one that still runs ends.
fn forget(handle: usize) {
    CHILDREN.with_borrow_mut(|children| {
        if let Some(place) = children.get_mut(handle) {
            *place = None;
        }
    });
}

/// Every event of the children that one could wait for.
pub fn pollables() -> Vec<Pollable> {
    CHILDREN.with_borrow(|children| {
        let running = children.iter().flatten();
        running
            .flat_map(|running| {
                let outputs = [&running.stdout, &running.stderr]
                    .into_iter()
                    .flatten()
                    .map(InputStream::subscribe);
                let ended = running
                    .child
                    .status()
                    .is_none()
                    .then(|| running.child.subscribe());
                outputs.chain(ended).collect::<Vec<_>>()
            })
            .collect()
    })
}
