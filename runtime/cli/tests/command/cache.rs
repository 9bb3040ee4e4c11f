//! The folder of compiled code: shared, checked, and where it belongs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::{Mote, RETURNS, SPINS, files_below, finish, module, mote, output, userland};

#[test]
fn many_processes_may_fill_one_fresh_cache_at_once() {
    let cache = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.wasm");
    fs::write(&path, module("shared", RETURNS)).unwrap();
    let start = || {
        let mut command = mote(cache.path());
        command
            .arg("run")
            .arg("--ro")
            .arg(folder.path())
            .args(["--", "./m.wasm", "x"]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let children: Vec<_> = (0..6).map(|_| start()).collect();
    for child in children {
        assert_eq!(finish(child, b"").ok(), "");
    }
    assert_eq!(codes(cache.path()).len(), 1);
}

#[test]
fn code_that_was_cut_short_or_altered_is_rebuilt_and_never_loaded() {
    let cache = tempfile::tempdir().unwrap();
    let mote_at = Mote::new().file("m.wasm", module("damaged", RETURNS));
    let run = || {
        let mut command = mote(cache.path());
        command
            .arg("run")
            .arg("--ro")
            .arg(mote_at.workspace())
            .args(["--", "./m.wasm", "x"]);
        output(&mut command, b"").ok()
    };
    run();
    let path = codes(cache.path()).remove(0);
    let whole = fs::read(&path).unwrap();
    let mut altered = whole.clone();
    let middle = altered.len() / 2;
    altered[middle] ^= 1;
    for damaged in [&whole[..whole.len() / 2], &altered, b""] {
        fs::write(&path, damaged).unwrap();
        run();
        assert!(fs::read(&path).unwrap() == whole, "it was not rebuilt");
    }
}

#[test]
fn the_code_of_another_component_is_not_loaded_in_its_place() {
    let cache = tempfile::tempdir().unwrap();
    let mote_at = Mote::new()
        .file("good.wasm", module("good", RETURNS))
        .file("evil.wasm", module("evil", SPINS));
    let run = |name: &str| {
        let mut command = mote(cache.path());
        command.arg("run").arg("--ro").arg(mote_at.workspace());
        output(command.args(["--timeout", "1s", "--", name, "x"]), b"").code
    };
    assert_eq!(run("./good.wasm"), 0);
    let good = codes(cache.path()).remove(0);
    assert_eq!(run("./evil.wasm"), 124);
    let evil = codes(cache.path())
        .into_iter()
        .find(|path| *path != good)
        .unwrap();
    fs::copy(&evil, &good).unwrap();
    assert_eq!(run("./good.wasm"), 0);
}

#[test]
fn a_program_that_changed_is_compiled_anew() {
    let cache = tempfile::tempdir().unwrap();
    let mote_at = Mote::new().file("m.wasm", module("first", RETURNS));
    let run = || {
        let mut command = mote(cache.path());
        command.arg("run").arg("--ro").arg(mote_at.workspace());
        output(
            command.args(["--timeout", "1s", "--", "./m.wasm", "x"]),
            b"",
        )
        .code
    };
    assert_eq!(run(), 0);
    fs::write(mote_at.workspace().join("m.wasm"), module("first", SPINS)).unwrap();
    assert_eq!(run(), 124);
}

#[test]
fn a_mote_built_in_a_checkout_leaves_nothing_in_the_users_home() {
    let home = tempfile::tempdir().unwrap();
    let mote_at = Mote::new().file("m.wasm", module("at home", RETURNS));
    let mut command = Command::new(env!("CARGO_BIN_EXE_mote"));
    command.env_clear().env("HOME", home.path()).arg("compile");
    output(command.arg(mote_at.workspace().join("m.wasm")), b"").ok();
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn an_installed_mote_finds_its_userland_and_the_users_cache() {
    let prefix = tempfile::tempdir().unwrap();
    let [bin, share, home] = ["bin", "share/mote", "home"].map(|name| prefix.path().join(name));
    for folder in [&bin, &share, &home] {
        fs::create_dir_all(folder).unwrap();
    }
    let installed = bin.join("mote");
    fs::copy(env!("CARGO_BIN_EXE_mote"), &installed).unwrap();
    symlink(
        fs::canonicalize(userland()).unwrap(),
        share.join("userland"),
    )
    .unwrap();
    let mote_at = Mote::new().file("m.wasm", module("installed", RETURNS));
    let mut command = Command::new(&installed);
    command
        .env_clear()
        .env("HOME", &home)
        .arg("run")
        .arg("--ro");
    // Without a userland it would not even start this.
    output(
        command
            .arg(mote_at.workspace())
            .args(["--", "./m.wasm", "x"]),
        b"",
    )
    .ok();
    assert!(home.join(".cache/mote").is_dir());
}

/// The files of native code in a cache.
fn codes(cache: &Path) -> Vec<PathBuf> {
    let mut files = files_below(cache);
    files.retain(|path| path.extension().is_some_and(|end| end == "code"));
    files
}
