//! What the engine can do with a text of JavaScript, beyond `eval`.

use std::ffi::CString;

use rquickjs::function::Func;
use rquickjs::{
    Ctx, Exception, Function, Module, Object, Promise, Result, String as JsString, Value, qjs,
};

use crate::native::utf8;

/// Puts the functions below on `native`.
pub fn install<'js>(native: &Object<'js>) -> Result<()> {
    native.set("compileFunction", Func::from(compile_function))?;
    native.set("runScript", Func::from(run_script))?;
    native.set("checkModule", Func::from(check_module))?;
    native.set("runModule", Func::from(run_module))?;
    native.set("importModule", Func::from(import_module))?;
    native.set("newRealm", Func::from(new_realm))?;
    native.set("runMicrotasks", Func::from(run_microtasks))?;
    native.set("collectGarbage", Func::from(|ctx: Ctx<'_>| ctx.run_gc()))
}

/// Runs a script that the build compiled.
pub fn run_bytecode<'js>(ctx: &Ctx<'js>, bytecode: &[u8]) -> Result<Value<'js>> {
    // SAFETY: the bytes are the build's own, made by the same engine; they
    // outlive the call, which copies what it keeps.
    unsafe {
        let context = ctx.as_raw().as_ptr();
        let flags = qjs::JS_READ_OBJ_BYTECODE as i32;
        let code = qjs::JS_ReadObject(context, bytecode.as_ptr(), bytecode.len() as _, flags);
        if qjs::JS_IsException(code) {
            return Err(rquickjs::Error::Exception);
        }
        value(ctx, qjs::JS_EvalFunction(context, code))
    }
}

/// A CommonJS module's function: the text with five parameters around it. The
/// text keeps its own line numbers.
fn compile_function<'js>(ctx: Ctx<'js>, source: JsString<'js>, name: String) -> Result<Value<'js>> {
    let mut text = b"(function (exports, require, module, __filename, __dirname) {\n".to_vec();
    text.extend(utf8(&source)?);
    text.extend(b"\n})");
    evaluate(&ctx, text, &name, 0, qjs::JS_EVAL_TYPE_GLOBAL)
}

/// Runs a text as a script of the global scope and returns its last value.
fn run_script<'js>(ctx: Ctx<'js>, source: JsString<'js>, name: String) -> Result<Value<'js>> {
    evaluate(&ctx, utf8(&source)?, &name, 1, qjs::JS_EVAL_TYPE_GLOBAL)
}

/// Throws what the text is not as a module: a SyntaxError.
fn check_module<'js>(ctx: Ctx<'js>, source: JsString<'js>, name: String) -> Result<()> {
    let flags = qjs::JS_EVAL_TYPE_MODULE | qjs::JS_EVAL_FLAG_COMPILE_ONLY;
    let name = format!("{name}?check");
    evaluate(&ctx, utf8(&source)?, &name, 1, flags).map(drop)
}

/// Runs a text as a module of its own; `deliver` becomes `import.meta.deliver`.
fn run_module<'js>(
    ctx: Ctx<'js>,
    source: String,
    name: String,
    deliver: Function<'js>,
) -> Result<Promise<'js>> {
    let module = Module::declare(ctx, name, source)?;
    module.meta()?.set("deliver", deliver)?;
    Ok(module.eval()?.1)
}

/// Imports a module by its resolved name.
fn import_module<'js>(ctx: Ctx<'js>, name: String) -> Result<Promise<'js>> {
    Module::import(&ctx, name)
}

/// Runs every job of promises that is ready.
fn run_microtasks(ctx: Ctx<'_>) {
    while ctx.execute_pending_job() {}
}

/// The global object of a new realm: the language afresh, and none of Node.
fn new_realm<'js>(ctx: Ctx<'js>) -> Result<Value<'js>> {
    // SAFETY: the new context belongs to the same runtime, so its objects may
    // be used from this one; whatever of it is referred to keeps it alive.
    unsafe {
        let realm = qjs::JS_NewContext(qjs::JS_GetRuntime(ctx.as_raw().as_ptr()));
        if realm.is_null() {
            return Err(Exception::throw_message(
                &ctx,
                "there is no memory for another realm",
            ));
        }
        let global = qjs::JS_GetGlobalObject(realm);
        qjs::JS_FreeContext(realm);
        value(&ctx, global)
    }
}

/// Compiles and runs `text`, whose first line is number `line`.
fn evaluate<'js>(
    ctx: &Ctx<'js>,
    mut text: Vec<u8>,
    name: &str,
    line: i32,
    flags: u32,
) -> Result<Value<'js>> {
    let length = text.len();
    // The engine wants a terminator after the text; a NUL inside is as good
    // to it as any other character.
    text.push(0);
    let name =
        CString::new(name).map_err(|_| Exception::throw_type(ctx, "a script's name has a NUL"))?;
    // SAFETY: text, name and options outlive the call and the text ends with
    // a NUL that its length does not count.
    unsafe {
        let mut options = qjs::JSEvalOptions {
            version: qjs::JS_EVAL_OPTIONS_VERSION as i32,
            eval_flags: flags as i32,
            filename: name.as_ptr(),
            line_num: line,
        };
        let context = ctx.as_raw().as_ptr();
        value(
            ctx,
            qjs::JS_Eval2(context, text.as_ptr().cast(), length as _, &mut options),
        )
    }
}

/// Takes over a value the engine returned.
///
/// # Safety
/// `raw` is a value of this context that nobody else owns.
unsafe fn value<'js>(ctx: &Ctx<'js>, raw: qjs::JSValue) -> Result<Value<'js>> {
    // SAFETY: handed on to the caller.
    unsafe {
        if qjs::JS_IsException(raw) {
            Err(rquickjs::Error::Exception)
        } else {
            Ok(Value::from_raw(ctx.clone(), raw))
        }
    }
}
