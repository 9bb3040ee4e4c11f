//! What the process was given, and its end.

use rquickjs::function::Func;
use rquickjs::{Ctx, Object, Result};

use crate::bindings::wasi::cli::{
    environment, exit, terminal_stderr, terminal_stdin, terminal_stdout,
};

/// The working directory where the host names none.
const ROOT: &str = "/";

/// Puts the functions below, and `argv`, `env` and `cwd`, on `native`.
pub fn install<'js>(native: &Object<'js>) -> Result<()> {
    native.set("argv", environment::get_arguments())?;
    native.set(
        "cwd",
        environment::initial_cwd().unwrap_or_else(|| ROOT.to_owned()),
    )?;
    native.set("env", Func::from(env))?;
    native.set(
        "exit",
        Func::from(|status: u8| exit::exit_with_code(status)),
    )?;
    native.set("isTerminal", Func::from(is_terminal))?;
    native.set("linearMemory", Func::from(linear_memory))
}

/// The environment as an object.
fn env<'js>(ctx: Ctx<'js>) -> Result<Object<'js>> {
    let env = Object::new(ctx)?;
    for (name, value) in environment::get_environment() {
        env.set(name, value)?;
    }
    Ok(env)
}

/// Whether standard input, output or error (0, 1, 2) is a terminal.
fn is_terminal(fd: u32) -> bool {
    match fd {
        0 => terminal_stdin::get_terminal_stdin().is_some(),
        1 => terminal_stdout::get_terminal_stdout().is_some(),
        2 => terminal_stderr::get_terminal_stderr().is_some(),
        _ => false,
    }
}

/// Bytes of linear memory: the process's resident set, as it were.
fn linear_memory() -> f64 {
    const PAGE_BYTES: usize = 64 << 10; // fixed by WebAssembly
    (core::arch::wasm32::memory_size(0) * PAGE_BYTES) as f64
}
