//! What `util.inspect` sees of a value and a program does not.

use std::ffi::c_int;

use rquickjs::function::Func;
use rquickjs::promise::PromiseState;
use rquickjs::{Array, Ctx, Object, Promise, Proxy, Result, Value, qjs};

/// Puts the functions below on `native`.
pub fn install<'js>(native: &Object<'js>) -> Result<()> {
    native.set("classOf", Func::from(class_of))?;
    native.set("iteratorRest", Func::from(iterator_rest))?;
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

unsafe extern "C" {
    /// Added to the engine by `toolchain/engine_edits.py`.
    fn JS_CopyMapIterator(
        ctx: *mut qjs::JSContext,
        iterator: qjs::JSValue,
        kind: *mut c_int,
    ) -> qjs::JSValue;
}

/// `[kind, copy]` of an iterator of a map or set which has something left: the
/// copy stands where it stands; the kind is 0 keys, 1 values, 2 entries.
fn iterator_rest<'js>(ctx: Ctx<'js>, iterator: Value<'js>) -> Result<Option<Array<'js>>> {
    let mut kind = 0;
    // SAFETY: the value is live; the copy it returns is ours.
    let copy = unsafe {
        let raw = JS_CopyMapIterator(ctx.as_raw().as_ptr(), iterator.as_raw(), &mut kind);
        if qjs::JS_IsException(raw) {
            return Err(rquickjs::Error::Exception);
        }
        Value::from_raw(ctx.clone(), raw)
    };
    if copy.is_undefined() {
        return Ok(None);
    }
    let details = Array::new(ctx)?;
    details.set(0, kind)?;
    details.set(1, copy)?;
    Ok(Some(details))
}
