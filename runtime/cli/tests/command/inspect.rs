//! `mote inspect` and `mote compile`.

use std::fs;
use std::path::Path;

use crate::harness::{Output, RETURNS, module, mote, output, shared_cache, userland};

fn inspect(file: &Path, flags: &[&str]) -> Output {
    output(
        mote(&shared_cache()).arg("inspect").args(flags).arg(file),
        b"",
    )
}

fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

#[test]
fn a_module_is_told_from_a_component_and_can_be_run() {
    let (_folder, path) = written("m.wasm", &module("inspected", RETURNS));
    let text = inspect(&path, &[]).ok();
    assert!(text.contains("m.wasm: WASI 0.1 module"), "{text}");
    assert!(text.contains("sha256:"), "{text}");
    assert!(!text.contains("cannot be run"), "{text}");
}

#[test]
fn every_capability_of_a_real_program_comes_with_its_grant() {
    let text = inspect(&userland().join("sh.wasm"), &[]).ok();
    assert!(text.contains("sh.wasm: WASI 0.2 component"), "{text}");
    for part in [
        "files",
        "--rw HOST:GUEST",
        "spawn",
        "--processes N",
        "mote:sandbox/process@",
        "wasi:filesystem/types@0.2",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn json_has_the_same_for_programs() {
    let value = inspect(&userland().join("sh.wasm"), &["--json"]).ok();
    let value: serde_json::Value = serde_json::from_str(&value).unwrap();
    assert_eq!(value["kind"], "component");
    assert_eq!(value["runnable"], true);
    let capabilities = value["capabilities"].as_array().unwrap();
    assert!(
        capabilities.iter().any(|c| c["capability"] == "spawn"),
        "{value}"
    );
}

#[test]
fn a_component_that_is_no_command_is_said_to_be_none() {
    let (_folder, path) = written("empty.wasm", b"\0asm\x0d\0\x01\0");
    let text = inspect(&path, &[]).ok();
    assert!(
        text.contains("It cannot be run: it is no command"),
        "{text}"
    );
    assert!(text.contains("It imports nothing"), "{text}");
}

#[test]
fn what_is_no_wasm_or_is_broken_is_refused_in_one_line() {
    let whole = module("broken", RETURNS);
    for bytes in [b"#!/bin/sh\n", &whole[..whole.len() - 1], &b""[..]] {
        let (_folder, path) = written("bad.wasm", bytes);
        let line = inspect(&path, &[]).failed(1);
        assert!(
            line.starts_with("mote: ") && line.contains("bad.wasm: "),
            "{line}"
        );
    }
}

#[test]
fn compile_tries_every_file_and_names_each_that_fails() {
    let (folder, good) = written("good.wasm", &module("compiled", RETURNS));
    let bad = folder.path().join("bad.wasm");
    fs::write(&bad, "text").unwrap();
    let mut command = mote(&shared_cache());
    command
        .arg("compile")
        .args([&bad, &good, &folder.path().join("none.wasm")]);
    let output = output(&mut command, b"");
    assert_eq!(output.code, 1, "{output:#?}");
    assert!(
        output.stdout.starts_with("sha256:") && output.stdout.ends_with("good.wasm\n"),
        "{output:#?}"
    );
    assert_eq!(output.stderr.lines().count(), 2, "{output:#?}");
    assert!(
        output.stderr.contains("bad.wasm: ") && output.stderr.contains("none.wasm: "),
        "{output:#?}"
    );
}
