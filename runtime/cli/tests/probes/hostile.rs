//! Bytes that are no honest component: each is declined, in bounded time and
//! memory, and the host goes on.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mote_api::{ByteSize, Rejection};
use mote_artifacts::probes::{EXITS_WITH_A_CODE, HITS_UNREACHABLE};
use mote_host::Host;
use wasm_encoder::{
    BlockType, CodeSection, Component, ExportKind, ExportSection, Function, FunctionSection,
    Instruction, MemorySection, MemoryType, Module, ModuleSection, NestedComponentSection,
    TypeSection,
};

use crate::harness::{Folder, Sandbox, host_with, rejection};

/// Bounds of a compilation that bombs have to meet.
const MEMORY: ByteSize = ByteSize::mib(512);
const TIME: Duration = Duration::from_secs(5);

fn tight_host(cache: &Folder) -> Host {
    host_with(cache.path(), MEMORY, TIME)
}

/// Runs these bytes as a program; the host must decline, and then still work.
#[track_caller]
fn declined(host: &Host, bytes: &[u8]) -> Rejection {
    let folder = Folder::with(&[]);
    fs::write(folder.at("program.wasm"), bytes).unwrap();
    let opened = Sandbox::on(host).ro("/data", folder.path()).open();
    let declined =
        rejection(opened.try_argv(&["/data/program.wasm".to_owned()], Default::default()));
    assert!(
        matches!(declined, Rejection::NotExecutable { .. }),
        "{declined:?}"
    );
    opened.run(EXITS_WITH_A_CODE, &["5"]).exited(5);
    declined
}

/// A WASI 0.1 command whose first function is `body`, with `more` empty ones.
fn command(body: &Function, more: u32) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    functions.function(0);
    code.function(body);
    let mut empty = Function::new([]);
    empty.instruction(&Instruction::End);
    for _ in 0..more {
        functions.function(0);
        code.function(&empty);
    }
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
    exports.export("_start", ExportKind::Func, 0);
    let mut module = Module::new();
    module
        .section(&types)
        .section(&functions)
        .section(&memories)
        .section(&exports)
        .section(&code);
    module.finish()
}

/// A function of `depth` blocks within each other.
fn nested(depth: usize) -> Function {
    let mut body = Function::new([]);
    for _ in 0..depth {
        body.instruction(&Instruction::Block(BlockType::Empty));
    }
    for _ in 0..=depth {
        body.instruction(&Instruction::End);
    }
    body
}

#[test]
fn an_honest_module_of_the_same_making_runs() {
    let folder = Folder::with(&[]);
    fs::write(folder.at("program.wasm"), command(&nested(100), 100)).unwrap();
    let opened = Sandbox::none().ro("/data", folder.path()).open();
    opened
        .try_argv(&["/data/program.wasm".to_owned()], Default::default())
        .unwrap()
        .exited(0);
}

#[test]
fn deep_nesting_is_declined_or_runs() {
    let cache = Folder::with(&[]);
    // As deep as the largest function body that validates has room for.
    let bytes = command(&nested(2_400_000), 0);
    let folder = Folder::with(&[]);
    fs::write(folder.at("program.wasm"), &bytes).unwrap();
    let opened = Sandbox::on(&tight_host(&cache))
        .ro("/data", folder.path())
        .open();
    match opened.try_argv(&["/data/program.wasm".to_owned()], Default::default()) {
        Ok(ran) => ran.exited(0),
        declined => assert_eq!(rejection(declined).exit_code(), 126),
    }
    opened.run(EXITS_WITH_A_CODE, &["5"]).exited(5);
}

#[test]
fn a_million_functions_are_declined_or_run() {
    let cache = Folder::with(&[]);
    let folder = Folder::with(&[]);
    fs::write(folder.at("program.wasm"), command(&nested(0), 999_999)).unwrap();
    let opened = Sandbox::on(&tight_host(&cache))
        .ro("/data", folder.path())
        .open();
    match opened.try_argv(&["/data/program.wasm".to_owned()], Default::default()) {
        Ok(ran) => ran.exited(0),
        declined => assert_eq!(rejection(declined).exit_code(), 126),
    }
    opened.run(EXITS_WITH_A_CODE, &["5"]).exited(5);
}

#[test]
fn components_within_components_are_declined() {
    let mut inner = Component::new();
    for _ in 0..5_000 {
        let mut outer = Component::new();
        outer.section(&NestedComponentSection(&inner));
        inner = outer;
    }
    let declined = declined(crate::harness::host(), &inner.finish());
    assert!(declined.to_string().contains("deep"), "{declined}");
}

#[test]
fn a_component_around_a_broken_module_is_declined() {
    let mut module = Module::new();
    module.section(&wasm_encoder::RawSection {
        id: 10,
        data: &[0xff; 16],
    });
    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    declined(crate::harness::host(), &component.finish());
}

#[test]
fn what_is_not_wasm_is_declined() {
    let host = crate::harness::host();
    for bytes in [
        &b""[..],
        b"\0",
        b"\0asm",
        b"\0asm\x01\0\0",
        b"hello",
        b"MZ",
        &[0; 4096],
        &[0xff; 4096],
    ] {
        declined(host, bytes);
    }
    let this_test = fs::read(std::env::current_exe().unwrap()).unwrap();
    declined(host, this_test.get(..1 << 20).unwrap_or(&this_test));
}

#[test]
fn what_is_cut_short_is_declined() {
    let whole = fs::read(EXITS_WITH_A_CODE.file).unwrap();
    for part in 1..16 {
        let end = whole.len() * part / 16;
        declined(crate::harness::host(), whole.get(..end).unwrap());
    }
}

#[test]
fn what_is_altered_is_declined_or_runs_within_its_bounds() {
    let whole = fs::read(EXITS_WITH_A_CODE.file).unwrap();
    let folder = Folder::with(&[]);
    for part in 1..16 {
        let mut bytes = whole.clone();
        let at = bytes.len() * part / 16;
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 0x55;
        }
        fs::write(folder.at("program.wasm"), &bytes).unwrap();
        let opened = Sandbox::none()
            .deadline(1_000)
            .ro("/data", folder.path())
            .open();
        match opened.try_argv(
            &["/data/program.wasm".to_owned(), "0".to_owned()],
            Default::default(),
        ) {
            Ok(ran) => assert!(ran.outcome.usage.wall < Duration::from_secs(30), "{ran:?}"),
            declined => assert_eq!(rejection(declined).exit_code(), 126),
        }
    }
}

/// The files of compiled code below a folder of a cache.
fn compiled(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let code = |path: PathBuf| match path.extension() {
        _ if path.is_dir() => compiled(&path),
        Some(extension) if extension == "code" => vec![path],
        _ => Vec::new(),
    };
    entries.flat_map(code).collect()
}

#[test]
fn native_code_in_the_workspace_is_declined() {
    let cache = Folder::with(&[]);
    let host = tight_host(&cache);
    Sandbox::on(&host).run(EXITS_WITH_A_CODE, &["0"]).exited(0);
    let files = compiled(cache.path());
    assert_eq!(files.len(), 1);
    // Just what wasmtime would load, and from our own compiler.
    let code = fs::read(files.first().unwrap()).unwrap();
    assert!(code.starts_with(b"\x7fELF"));
    declined(&host, &code);
}

#[test]
fn other_code_in_the_cache_is_never_loaded() {
    let cache = Folder::with(&[]);
    Sandbox::on(&tight_host(&cache))
        .run(HITS_UNREACHABLE, &[])
        .trapped("unreachable");
    let forged = fs::read(compiled(cache.path()).first().unwrap()).unwrap();
    Sandbox::on(&tight_host(&cache))
        .run(EXITS_WITH_A_CODE, &["3"])
        .exited(3);
    let honest: Vec<PathBuf> = compiled(cache.path());
    for file in &honest {
        fs::write(file, &forged).unwrap();
    }
    // A host that has not loaded it yet: it finds out and compiles anew.
    Sandbox::on(&tight_host(&cache))
        .run(EXITS_WITH_A_CODE, &["3"])
        .exited(3);
}
