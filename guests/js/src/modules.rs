//! ES modules: hands the engine's questions to the library, which knows
//! Node's rules for finding a file and for what kind of module it is.

use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::{Declarations, Declared, Exports, ModuleDef};
use rquickjs::{Ctx, Module, Object, Result, Runtime, Value};

use crate::library::hook;

/// Makes `import` work.
pub fn install(runtime: &Runtime) {
    runtime.set_loader(Library, Library);
}

struct Library;

impl Resolver for Library {
    fn resolve<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        base: &str,
        name: &str,
        attributes: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        let kind = attributes
            .map(|attributes| attributes.get_type())
            .transpose()?
            .flatten();
        hook(ctx, "resolve")?.call((name, base, kind))
    }
}

impl Loader for Library {
    /// The hook returns a text, or the values of a module that is no text: a
    /// built-in, a CommonJS module, JSON.
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        attributes: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        let kind = attributes
            .map(|attributes| attributes.get_type())
            .transpose()?
            .flatten();
        let loaded: Value<'js> = hook(ctx, "load")?.call((name, kind))?;
        let Some(source) = loaded.as_string() else {
            return Module::declare_def::<Values, _>(ctx.clone(), name);
        };
        let module = Module::declare(ctx.clone(), name, source.to_string()?)?;
        hook(ctx, "meta")?.call::<_, ()>((module.meta()?, name))?;
        Ok(module)
    }
}

/// A module whose exports are the properties of an object the library holds
/// under the module's name.
struct Values;

impl ModuleDef for Values {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        let module = declarations.module();
        let names: Vec<String> = hook(module.ctx(), "names")?.call((module.name::<String>()?,))?;
        for name in names {
            declarations.declare(name)?;
        }
        Ok(())
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        let name: String = exports.module().name()?;
        let values: Object<'js> = hook(ctx, "values")?.call((name,))?;
        for property in values.props::<String, Value<'js>>() {
            let (name, value) = property?;
            exports.export(name, value)?;
        }
        Ok(())
    }
}
