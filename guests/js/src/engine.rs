//! The JavaScript engine: one runtime, one context, for one program.

use rquickjs::{CatchResultExt, Context, Ctx, Runtime, Value};

use crate::{library, modules, native};

/// How much shadow stack a program may use before it gets a `RangeError`. The
/// host gives 4 MiB of native stack, of which a call takes at most 2.5 times
/// as much as of this one (`toolchain/cc` sees to that).
const STACK_BYTES: usize = 1536 << 10;

/// Allocations between two cycle collections, at first. Reference counting
/// frees most; the collector's default of 256 KiB would run several times
/// while a program of the usual size starts.
const COLLECT_AFTER_BYTES: usize = 4 << 20;

/// Runs the program that the arguments name. Returns only when it could not
/// be started; the text says why.
pub fn run() -> Result<(), String> {
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    runtime.set_max_stack_size(STACK_BYTES);
    runtime.set_gc_threshold(COLLECT_AFTER_BYTES);
    runtime.set_host_promise_rejection_tracker(Some(Box::new(|ctx, promise, reason, handled| {
        report_rejection(&ctx, promise, reason, handled);
    })));
    modules::install(&runtime);
    let context = Context::full(&runtime).map_err(|error| error.to_string())?;
    context.with(|ctx| {
        let started = native::create(&ctx).and_then(|native| library::start(&ctx, native));
        started.catch(&ctx).map_err(|error| error.to_string())
    })
}

/// Tells the library of a promise rejected without a handler, or of a handler
/// that came late.
fn report_rejection<'js>(ctx: &Ctx<'js>, promise: Value<'js>, reason: Value<'js>, handled: bool) {
    let told = library::hook(ctx, "rejection")
        .and_then(|hook| hook.call::<_, ()>((promise, reason, handled)));
    if told.is_err() {
        // The hook only appends to a list: what it throws is a full stack or
        // memory, which the program meets by itself.
        ctx.catch();
    }
}
