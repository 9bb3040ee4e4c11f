//! What `util.inspect` sees of a value and a program does not.

use rquickjs::function::Func;
use rquickjs::promise::PromiseState;
use rquickjs::{Array, Ctx, Object, Promise, Proxy, Result, Value, qjs};

/// Puts the functions below on `native`.
pub fn install<'js>(native: &Object<'js>) -> Result<()> {
    native.set("classOf", Func::from(class_of))?;
    native.set("promiseDetails", Func::from(promise_details))?;
    native.set("proxyDetails", Func::from(proxy_details))
}

/// The number of an object's class in the engine: `[[Class]]`, as it were.
/// Which number is which class, the library learns from examples.
fn class_of(value: Value<'_>) -> u32 {
    // SAFETY: reads a field of a live value; for what is no object the engine
    // returns an invalid class.
    unsafe { qjs::JS_GetClassID(value.as_raw()) }
}

/// `[state, result]` of a promise; the state is -1 rejected, 0 pending, 1 done.
fn promise_details<'js>(ctx: Ctx<'js>, promise: Promise<'js>) -> Result<Array<'js>> {
    let state = match promise.state() {
        PromiseState::Pending => 0,
        PromiseState::Resolved => 1,
        PromiseState::Rejected => -1,
    };
    let details = Array::new(ctx.clone())?;
    details.set(0, state)?;
    if state != 0 {
        // SAFETY: the promise is live and settled; the result is ours.
        let result = unsafe {
            let raw = qjs::JS_PromiseResult(ctx.as_raw().as_ptr(), promise.as_raw());
            Value::from_raw(ctx.clone(), raw)
        };
        details.set(1, result)?;
    }
    Ok(details)
}

/// `[target, handler]` of a proxy; none for anything else.
fn proxy_details<'js>(ctx: Ctx<'js>, value: Value<'js>) -> Result<Option<Array<'js>>> {
    let Some(proxy) = Proxy::from_value(value).ok() else {
        return Ok(None);
    };
    let details = Array::new(ctx)?;
    details.set(0, proxy.target()?)?;
    details.set(1, proxy.handler()?)?;
    Ok(Some(details))
}
