//! Compiles the library (`src/lib/**/*.js`) to QuickJS bytecode, which loads
//! ten times as fast as source, and writes a table of it for `library.rs`.

use std::ffi::CString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, slice};

use rquickjs::{Context, Ctx, Runtime, qjs};

/// Shadow stack of the component. The engine bounds its own use of it
/// (`STACK_BYTES` in `engine.rs`) at three quarters of this.
const SHADOW_STACK_BYTES: usize = 2 << 20;

fn main() {
    println!("cargo::rerun-if-changed=src/lib");
    println!("cargo::rustc-link-arg-bins=-zstack-size={SHADOW_STACK_BYTES}");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let root = Path::new("src/lib");
    let mut files = Vec::new();
    list(root, &mut files);
    let name_of = |file: &Path| {
        let name = file
            .strip_prefix(root)
            .expect("a file of the library")
            .with_extension("");
        name.to_str().expect("an ASCII name").to_owned()
    };
    let mut files: Vec<(String, PathBuf)> = files
        .into_iter()
        .map(|file| (name_of(&file), file))
        .collect();
    files.sort();

    let runtime = Runtime::new().expect("a JavaScript runtime");
    let context = Context::full(&runtime).expect("a JavaScript context");
    let mut table = String::from("[\n");
    for (name, file) in files {
        let bytecode = out.join(format!("{}.bytecode", name.replace('/', "-")));
        let bytes = context.with(|ctx| compile(&ctx, &name, &file));
        fs::write(&bytecode, bytes).expect("OUT_DIR is writable");
        writeln!(
            table,
            "    ({name:?}, include_bytes!({bytecode:?}) as &[u8]),"
        )
        .expect("a string grows");
    }
    table.push(']');
    fs::write(out.join("library.rs"), table).expect("OUT_DIR is writable");
}

/// Adds every JavaScript file below `folder` to `files`.
fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the library") {
        let path = entry.expect("an entry of the library").path();
        if path.is_dir() {
            list(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "js") {
            files.push(path);
        }
    }
}

/// The bytecode of a library file: a script whose value is the function that
/// `library.rs` calls with `(exports, require, module, native)`.
fn compile(ctx: &Ctx<'_>, name: &str, file: &Path) -> Vec<u8> {
    let source = fs::read_to_string(file).expect("a file of the library is text");
    let script =
        format!("(function (exports, require, module, native) {{ 'use strict'; {source}\n}})");
    let length = script.len();
    let script = CString::new(script).expect("a file of the library has no NUL");
    let file_name = CString::new(format!("node:{name}")).expect("a name has no NUL");
    let flags = qjs::JS_EVAL_TYPE_GLOBAL | qjs::JS_EVAL_FLAG_COMPILE_ONLY;
    let write = qjs::JS_WRITE_OBJ_BYTECODE | qjs::JS_WRITE_OBJ_STRIP_SOURCE;
    // SAFETY: the strings outlive the calls, which take a live context; the
    // buffer is the engine's, of the size it says, copied and then freed.
    unsafe {
        let context = ctx.as_raw().as_ptr();
        let code = qjs::JS_Eval(
            context,
            script.as_ptr(),
            length as _,
            file_name.as_ptr(),
            flags as i32,
        );
        if qjs::JS_IsException(code) {
            let error = ctx.catch();
            let error = error.as_exception().expect("an error");
            panic!(
                "{}: {:?} {:?}",
                file.display(),
                error.message(),
                error.stack()
            );
        }
        let mut size = 0;
        let buffer = qjs::JS_WriteObject(context, &mut size, code, write as i32);
        assert!(!buffer.is_null(), "{}: no bytecode", file.display());
        let bytes = slice::from_raw_parts(buffer, size as usize).to_vec();
        qjs::js_free(context, buffer.cast());
        qjs::JS_FreeValue(context, code);
        bytes
    }
}
