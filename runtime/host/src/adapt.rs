//! WASI 0.1 modules become components.
//!
//! wasmtime's own adapter does the work. It has one weakness: the `exit` of
//! WASI 0.2 only tells success from failure, so that status 3 would arrive as
//! status 1. `exit-with-code` of `wasi:cli/exit` takes one `u8`, which as a
//! core function is the very signature of `proc_exit`; renaming that one
//! import keeps the number.

use wasm_encoder::reencode::{Reencode, utils};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const ADAPTER_NAME: &str = "wasi_snapshot_preview1";
const EXIT_INTERFACE: &str = "wasi:cli/exit@0.2.12";
const EXIT_FUNCTION: &str = "exit-with-code";

/// The world that the renamed import comes from, as a package of its own so
/// that nothing else of `wasi:cli` is needed to resolve it.
const EXIT_WIT: &str = "
package wasi:cli@0.2.12;
interface exit { exit-with-code: func(status-code: u8); }
world adapted { import exit; }
";

/// The component that runs `module` as a command.
///
/// # Errors
/// The module is no WASI 0.1 command; the text says why.
pub(crate) fn adapt(module: &[u8]) -> Result<Vec<u8>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("it is no WASI 0.1 command: {error:#}");
    let (mut module, renamed) = rename_exit(module).map_err(|e| failed(&e))?;
    if renamed {
        let mut resolve = Resolve::default();
        let package = resolve
            .push_str("exit.wit", EXIT_WIT)
            .map_err(|e| failed(&e))?;
        let world = resolve
            .select_world(&[package], Some("adapted"))
            .map_err(|e| failed(&e))?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
            .map_err(|e| failed(&e))?;
    }
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| {
            encoder.adapter(
                ADAPTER_NAME,
                wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
            )
        })
        .and_then(|encoder| encoder.encode())
        .map_err(|e| failed(&format_args!("{e:#}")))
}

/// The module with `proc_exit` renamed, and whether it imports it.
fn rename_exit(module: &[u8]) -> Result<(Vec<u8>, bool), wasm_encoder::reencode::Error> {
    let mut rename = RenameExit(false);
    let mut out = wasm_encoder::Module::new();
    rename.parse_core_module(&mut out, wasmparser::Parser::new(0), module)?;
    Ok((out.finish(), rename.0))
}

struct RenameExit(bool);

impl Reencode for RenameExit {
    type Error = std::convert::Infallible;

    fn parse_imports(
        &mut self,
        section: &mut wasm_encoder::ImportSection,
        mut imports: wasmparser::Imports<'_>,
    ) -> Result<(), wasm_encoder::reencode::Error> {
        if let wasmparser::Imports::Single(_, import) = &mut imports
            && (import.module, import.name) == (ADAPTER_NAME, "proc_exit")
        {
            (import.module, import.name) = (EXIT_INTERFACE, EXIT_FUNCTION);
            self.0 = true;
        }
        utils::parse_imports(self, section, imports)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{
        CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection,
        ImportSection, MemorySection, MemoryType, Module, TypeSection, ValType,
    };

    /// A WASI 0.1 command that imports this function and ends at once.
    fn command(import: &str) -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([ValType::I32], []);
        types.ty().function([], []);
        let mut imports = ImportSection::new();
        imports.import(ADAPTER_NAME, import, EntityType::Function(0));
        let mut functions = FunctionSection::new();
        functions.function(1);
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: 1,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut exports = ExportSection::new();
        exports.export("memory", ExportKind::Memory, 0);
        exports.export("_start", ExportKind::Func, 1);
        let mut body = Function::new([]);
        body.instructions().end();
        let mut code = CodeSection::new();
        code.function(&body);
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&functions);
        module.section(&memories).section(&exports).section(&code);
        module.finish()
    }

    #[test]
    fn the_exit_status_of_a_module_keeps_its_number() {
        let (module, renamed) = rename_exit(&command("proc_exit")).unwrap();
        assert!(renamed);
        let text = String::from_utf8_lossy(&module).into_owned();
        assert!(text.contains(EXIT_FUNCTION) && !text.contains("proc_exit"));
        assert!(adapt(&command("proc_exit")).is_ok());
    }

    #[test]
    fn what_is_no_command_is_refused_with_a_reason() {
        let error = adapt(&command("no_such_function")).unwrap_err();
        assert!(error.contains("no_such_function"), "{error}");
    }
}
