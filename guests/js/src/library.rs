//! The library: Node's modules in JavaScript, embedded as bytecode.
//!
//! Every file is a function of `(exports, require, module, native)`. `start`
//! runs `internal/main`; the rest is loaded when first required.

use rquickjs::function::Func;
use rquickjs::runtime::UserDataError;
use rquickjs::{Ctx, Error, Exception, Function, JsLifetime, Object, Result, Value};

use crate::script;

/// `(name, bytecode)` of every file, in the order of names.
static LIBRARY: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/library.rs"));

/// What the names of the files begin with that no program can require.
const INTERNAL: &str = "internal/";

/// Functions the library leaves for the engine to call: `resolve`, `load`,
/// `values` and `meta` of modules, and `rejection` of promises.
pub struct Hooks<'js>(Object<'js>);

// SAFETY: the type has no lifetime but 'js, and `Changed` is the type itself
// with that lifetime replaced.
unsafe impl<'js> JsLifetime<'js> for Hooks<'js> {
    type Changed<'to> = Hooks<'to>;
}

/// Runs the library's entry, which runs the program.
pub fn start<'js>(ctx: &Ctx<'js>, native: Object<'js>) -> Result<()> {
    let names: Vec<&str> = LIBRARY
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !name.starts_with(INTERNAL))
        .collect();
    let hooks = Object::new(ctx.clone())?;
    native.set("library", Func::from(load))?;
    native.set("libraryNames", names)?;
    native.set("hooks", hooks.clone())?;
    ctx.store_userdata(Hooks(hooks))
        .map_err(|UserDataError(_)| Error::Unknown)?;
    let main: Function<'js> = load(ctx.clone(), "internal/main".to_owned())?;
    let exports = Object::new(ctx.clone())?;
    main.call((exports, (), (), native))
}

/// The hook of that name.
pub fn hook<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Function<'js>> {
    ctx.userdata::<Hooks<'js>>()
        .ok_or(Error::Unknown)?
        .0
        .get(name)
}

/// The function of the library file called `name`.
fn load<'js>(ctx: Ctx<'js>, name: String) -> Result<Function<'js>> {
    let index = LIBRARY
        .binary_search_by(|(other, _)| (*other).cmp(name.as_str()))
        .map_err(|_| {
            Exception::throw_message(&ctx, &format!("no library file is called {name}"))
        })?;
    let value: Value<'js> = script::run_bytecode(&ctx, LIBRARY[index].1)?;
    Function::from_value(value)
}
