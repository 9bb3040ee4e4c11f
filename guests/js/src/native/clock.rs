//! Time that passes, and waiting without burning any.

use rquickjs::function::Func;
use rquickjs::{Object, Result};

use super::child;
use crate::bindings::wasi::cli::stdin::get_stdin;
use crate::bindings::wasi::clocks::monotonic_clock;
use crate::bindings::wasi::io::poll;

/// Nanoseconds of a millisecond.
const NANOS: f64 = 1e6;

/// Puts the functions below on `native`.
pub fn install<'js>(native: &Object<'js>) -> Result<()> {
    native.set("now", Func::from(|| monotonic_clock::now() as f64 / NANOS))?;
    native.set("hrtime", Func::from(|| monotonic_clock::now().to_string()))?;
    native.set("wait", Func::from(wait))
}

/// Waits until so many milliseconds have passed (negative: for ever), a child
/// has something to tell or, if `input` is set, standard input can be read.
/// Says whether it can.
fn wait(millis: f64, input: bool) -> bool {
    let timer =
        (millis >= 0.0).then(|| monotonic_clock::subscribe_duration((millis * NANOS) as u64));
    let stdin = input.then(get_stdin);
    let readable = stdin.as_ref().map(|stream| stream.subscribe());
    let children = child::pollables();
    let pollables: Vec<_> = readable.iter().chain(&timer).chain(&children).collect();
    if pollables.is_empty() {
        return false;
    }
    let ready = poll::poll(&pollables);
    input && ready.contains(&0)
}
