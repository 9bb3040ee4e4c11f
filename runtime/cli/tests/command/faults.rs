//! Bad files, signals, and output that nobody takes: a clear line or the
//! conventional exit status, and nothing left behind.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Mote, code, files_below, finish, mote, output, shared_cache};

/// A program that says it runs, and then runs until it is ended.
const ENDLESS: [&str; 3] = ["js", "-e", "console.log('on'); for (;;);"];

#[test]
fn a_missing_folder_is_named_before_anything_runs() {
    let line = Mote::bare()
        .flag("--rw")
        .flag("missing:/data")
        .sh("echo ran")
        .failed(2);
    assert!(
        line.starts_with("mote: --rw missing:/data: there is no such"),
        "{line}"
    );
}

#[test]
fn a_file_in_place_of_a_folder_is_named() {
    let line = Mote::bare()
        .file("f", "")
        .flag("--ro")
        .flag("f:/data")
        .sh("echo ran")
        .failed(2);
    assert!(line.contains("--ro f:/data: is not a directory"), "{line}");
}

#[test]
fn a_folder_in_place_of_a_file_is_named() {
    let mote_at = Mote::new().file("d/f", "");
    let path = mote_at.workspace().join("d");
    for command in ["inspect", "compile"] {
        let line = output(mote(&shared_cache()).arg(command).arg(&path), b"").failed(1);
        assert!(line.contains("d: is a directory"), "{line}");
    }
    let line = mote_at.run(&["./d", "x"]).failed(126);
    assert!(line.contains("./d: cannot run: "), "{line}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    // Root may read any file, but nobody can open a socket as one.
    let socket = folder.path().join("socket.wasm");
    let _listener = UnixListener::bind(&socket).unwrap();
    for path in [socket, folder.path().join("missing.wasm")] {
        let line = output(mote(&shared_cache()).arg("inspect").arg(&path), b"").failed(1);
        assert!(
            line.starts_with(&format!("mote: {}: ", path.display())),
            "{line}"
        );
    }
}

#[test]
fn a_path_that_is_not_utf_8_works_on_the_host_and_is_refused_in_the_guest() {
    let odd = OsStr::from_bytes(b"odd-\xff");
    let mote_at = Mote::bare();
    fs::create_dir(mote_at.workspace().join(odd)).unwrap();
    fs::write(mote_at.workspace().join(odd).join("f"), "inside\n").unwrap();
    let mut command = mote_at.command();
    command
        .arg("--ro")
        .arg([odd.as_bytes(), b":/data"].concat_os())
        .args(["--", "cat /data/f"]);
    assert_eq!(output(&mut command, b"").ok(), "inside\n");

    let guest = [b".:/", odd.as_bytes()].concat_os();
    let line = Mote::bare().flag("--ro").flag(guest).sh("ls").failed(2);
    assert!(line.contains("the guest path is not UTF-8"), "{line}");
    let line = Mote::bare().run(&[OsStr::new("echo"), odd]).failed(2);
    assert!(line.contains("a guest's arguments are text"), "{line}");
}

/// Bytes to a word of a command line.
trait ConcatOs {
    fn concat_os(&self) -> std::ffi::OsString;
}

impl ConcatOs for [&[u8]] {
    fn concat_os(&self) -> std::ffi::OsString {
        OsStr::from_bytes(&self.concat()).to_owned()
    }
}

#[test]
fn a_full_disk_ends_the_program_with_a_hint_and_leaves_what_fits() {
    let mote = Mote::new().flag("--disk").flag("64Ki");
    let script = "require('fs').writeFileSync('f', 'x'.repeat(100_000))";
    let output = mote.run(&["js", "-e", script]);
    assert_ne!(output.code, 0, "{output:#?}");
    let hint = output.stderr.lines().last().unwrap();
    assert!(
        hint.starts_with("mote: A write failed") && hint.contains("--disk is 64Ki"),
        "{hint}"
    );
    assert!(mote.workspace().join("f").metadata().unwrap().len() <= 64 << 10);
}

#[test]
fn a_signal_ends_the_program_with_the_shells_exit_status() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let mote = Mote::new();
        let mut child = running(&mote, &ENDLESS);
        send(&child, signal);
        child.stdout = None;
        let line = finish(child, b"").failed(code);
        assert!(line.starts_with("mote: The caller cancelled"), "{line}");
        assert_eq!(mote.left_behind(), Vec::<PathBuf>::new());
    }
}

#[test]
fn a_signal_that_mote_was_started_to_ignore_is_ignored() {
    let mote = Mote::new();
    let script = "console.log('on'); require('fs').readFileSync(0); console.log('ended')";
    let mut command = std::process::Command::new("nohup");
    let inner = mote.command();
    command.arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.current_dir(mote.workspace());
    command.args(["--", "js", "-e", script]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = [0; 3];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut first)
        .unwrap();
    send(&child, Signal::HUP);
    assert_eq!(finish(child, b"").ok(), "ended\n");
}

#[test]
fn a_signal_while_something_compiles_ends_the_compiler_too() {
    let cache = tempfile::tempdir().unwrap();
    let (mote, compiler) = compiling(cache.path());
    send(&mote, Signal::INT);
    assert_eq!(finish(mote, b"").code, 130);
    wait_for_end(compiler);
    assert_eq!(files_below(cache.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_killed_mote_leaves_no_compiler_and_no_half_written_code() {
    let cache = tempfile::tempdir().unwrap();
    let (mut mote, compiler) = compiling(cache.path());
    mote.kill().unwrap();
    mote.wait().unwrap();
    wait_for_end(compiler);
    assert_eq!(files_below(cache.path()), Vec::<PathBuf>::new());
}

/// Prints for ever; nobody reads more than the first line, so that the pipe is
/// full now or soon.
const FLOOD: [&str; 3] = ["js", "-e", "for (;;) console.log('on')"];

#[test]
fn one_signal_ends_mote_even_while_nobody_takes_its_output() {
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mote = Mote::new();
        let mut child = running(&mote, &FLOOD);
        send(&child, signal);
        assert_eq!(code(child.wait().unwrap()), status);
        assert_eq!(mote.left_behind(), Vec::<PathBuf>::new());
    }
}

#[test]
fn the_deadline_ends_mote_even_while_nobody_takes_its_output() {
    let mote = Mote::new().flag("--timeout").flag("1s");
    let mut child = running(&mote, &FLOOD);
    assert_eq!(code(child.wait().unwrap()), 124);
    // The same where the hint cannot be said either.
    let (_stalled, writer) = std::io::pipe().unwrap();
    let mut command = mote.command();
    command.arg("--usage").arg("--").args(FLOOD);
    command.stdin(Stdio::null());
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    assert_eq!(code(command.status().unwrap()), 124);
    assert_eq!(mote.left_behind(), Vec::<PathBuf>::new());
}

#[test]
fn one_signal_ends_the_wait_for_a_reader_after_the_program_has_ended() {
    let mote = Mote::new();
    // More than a pipe holds, less than two.
    let child = running(&mote, &["yes on | head -n 40000; touch written"]);
    while !mote.workspace().join("written").exists() {
        std::thread::yield_now();
    }
    send(&child, Signal::TERM);
    let mut child = child;
    assert_eq!(code(child.wait().unwrap()), 143);
}

#[test]
fn a_closed_stdout_ends_the_program_quietly() {
    for argv in [&["yes"][..], &["js", "-e", "for (;;) console.log('y')"]] {
        let mote = Mote::new();
        let mut child = running(&mote, argv);
        drop(child.stdout.take());
        let output = finish(child, b"");
        assert_eq!((output.code, output.stderr.as_str()), (141, ""), "{argv:?}");
        assert_eq!(mote.left_behind(), Vec::<PathBuf>::new());
    }
}

#[test]
fn motes_own_output_may_be_cut_off_too() {
    for words in [&["completions", "bash"][..], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = mote(&shared_cache());
        let child = command
            .args(words)
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = finish(child, b"");
        assert_eq!(output.stderr, "", "{words:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_reported() {
    let mote = Mote::new();
    let mut command = mote.command();
    command
        .args(["--", "echo lost"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    command.stdout(File::create("/dev/full").unwrap());
    let line = finish(command.spawn().unwrap(), b"").failed(125);
    assert!(
        line.starts_with("mote: failed to write the output: "),
        "{line}"
    );
}

#[test]
fn a_missing_userland_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = mote(&shared_cache());
    command
        .arg("--userland")
        .arg(folder.path())
        .args(["run", "--empty", "ls"]);
    let line = output(&mut command, b"").failed(125);
    assert!(
        line.contains("no sh.wasm") && line.contains("--userland"),
        "{line}"
    );
}

/// A child of which the first line of output, `on` or `y`, has come.
fn running(mote: &Mote, argv: &[&str]) -> Child {
    let mut command = mote.command();
    command.arg("--").args(argv);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = [0; 2];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut first)
        .unwrap();
    child
}

/// A `mote` that compiles python3, which takes long, and the compiler process.
fn compiling(cache: &Path) -> (Child, u32) {
    let mut command = mote(cache);
    command
        .arg("compile")
        .arg(crate::harness::userland().join("python3.wasm"));
    let child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn();
    let mut child = child.unwrap();
    // The notice comes just before the compiler is started.
    let mut notice = String::new();
    BufReader::new(child.stderr.as_mut().unwrap())
        .read_line(&mut notice)
        .unwrap();
    assert!(notice.starts_with("mote: compiling python3"), "{notice}");
    loop {
        if let Some(compiler) = child_of(child.id()) {
            return (child, compiler);
        }
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended without a compiler"
        );
        std::thread::yield_now();
    }
}

/// A process whose parent is `parent`.
fn child_of(parent: u32) -> Option<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.find(|id| status(*id).is_some_and(|(_, of)| of == parent))
}

/// Returns once the process is gone; a zombie is.
fn wait_for_end(id: u32) {
    while status(id).is_some_and(|(state, _)| state != 'Z') {
        std::thread::yield_now();
    }
}

/// State and parent of a process.
fn status(id: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn send(child: &Child, signal: Signal) {
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    // Where it is a zombie already this is still no error.
    kill_process(id, signal).unwrap();
}
