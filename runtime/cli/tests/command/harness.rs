//! `mote` as a process of its own.
//!
//! ```ignore
//! let mote = Mote::new().file("a.txt", "one\n").flag("--timeout").flag("5s");
//! assert_eq!(mote.sh("wc -l < a.txt").ok(), "1\n");
//! assert_eq!(mote.run(&["python3", "-c", "raise SystemExit(3)"]).code, 3);
//! ```
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "a test target is a crate of its own, uses a part of this, and may stop at what it did not expect"
)]

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::{fs, thread};

use tempfile::TempDir;

/// One workspace and the flags with which `mote run` is called on it.
pub struct Mote {
    workspace: TempDir,
    scratch: TempDir,
    flags: Vec<OsString>,
    stdin: Vec<u8>,
}

/// What a call of `mote` left behind.
#[derive(Debug)]
pub struct Output {
    /// All of stdout; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// All of stderr, in the same way.
    pub stderr: String,
    /// The exit status; 128 and the signal's number where a signal ended it,
    /// as shells have it.
    pub code: i32,
}

impl Output {
    /// Its stdout, once it is certain that it ended with 0.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:#?}");
        self.stdout
    }

    /// Its stderr, once it is certain that it ended with `code` and that
    /// stderr is just one line.
    #[track_caller]
    pub fn failed(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:#?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:#?}");
        self.stderr
    }
}

impl Mote {
    /// An empty workspace, granted read-write at `/workspace`.
    pub fn new() -> Self {
        let mote = Self::bare();
        let mut grant = mote.workspace().as_os_str().to_owned();
        grant.push(":/workspace");
        mote.flag("--rw").flag(grant)
    }

    /// The same with no flags at all. Processes start in the workspace.
    pub fn bare() -> Self {
        Self {
            workspace: tempfile::tempdir().unwrap(),
            scratch: tempfile::tempdir().unwrap(),
            flags: Vec::new(),
            stdin: Vec::new(),
        }
    }

    /// Writes a file of the workspace, and the folders above it.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.workspace().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// Adds one word to the options of `mote run`.
    pub fn flag(mut self, word: impl AsRef<OsStr>) -> Self {
        self.flags.push(word.as_ref().to_owned());
        self
    }

    /// What stdin brings; nothing unless called.
    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        bytes.as_ref().clone_into(&mut self.stdin);
        self
    }

    /// The workspace on the host.
    pub fn workspace(&self) -> &Path {
        self.workspace.path()
    }

    /// What is left of the private folders of sessions.
    pub fn left_behind(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.scratch.path()).unwrap().flatten();
        entries.map(|entry| entry.path()).collect()
    }

    /// A file of the workspace.
    #[track_caller]
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.workspace().join(name)).unwrap()
    }

    /// `mote run … -- ARGV…`, to its end.
    pub fn run(&self, argv: &[impl AsRef<OsStr>]) -> Output {
        output(self.command().arg("--").args(argv), &self.stdin)
    }

    /// `mote run … -- LINE`, to its end. Also a line that is one bare word is
    /// run by the shell.
    pub fn sh(&self, line: &str) -> Output {
        self.run(&[line])
    }

    /// `mote run` with the flags; words may be added, streams changed.
    pub fn command(&self) -> Command {
        warm_cache();
        let mut command = mote(&shared_cache());
        command
            .current_dir(self.workspace())
            .env("TMPDIR", self.scratch.path())
            .arg("run")
            .args(&self.flags);
        command
    }
}

/// `mote` with the built userland, `cache`, and nothing of the environment
/// that would change what it does.
pub fn mote(cache: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mote"));
    command
        .env_remove("MOTE_LOG")
        .env("MOTE_CACHE", cache)
        .env("MOTE_USERLAND", userland());
    command
}

/// The folder with sh.wasm, js.wasm and python3.wasm.
pub fn userland() -> PathBuf {
    target().join("userland")
}

/// A component that `scripts/build-guests` left in `target/guests-out`, such
/// as `tools/rust.wasm`.
pub fn guest(name: &str) -> PathBuf {
    target().join("guests-out").join(name)
}

/// The project's `target` folder, where guests are built to.
fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")
}

/// The cache that all tests share: compiling the userland takes a minute.
pub fn shared_cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("mote-cache")
}

/// Compiles the userland once, so that not each of the first tests does it at
/// the same time.
pub fn warm_cache() {
    static WARM: OnceLock<()> = OnceLock::new();
    WARM.get_or_init(|| {
        let programs = ["sh.wasm", "js.wasm", "python3.wasm"].map(|name| userland().join(name));
        for program in &programs {
            assert!(
                program.is_file(),
                "{program:?} is missing; run `make guests`"
            );
        }
        output(mote(&shared_cache()).arg("compile").args(programs), b"").ok();
    });
}

/// Runs a command to its end with `stdin`.
pub fn output(command: &mut Command, stdin: &[u8]) -> Output {
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    finish(child, stdin)
}

/// Feeds `stdin` to a child, if that is a pipe, and waits for its end.
pub fn finish(mut child: Child, stdin: &[u8]) -> Output {
    let pipe = child.stdin.take();
    let output = thread::scope(|scope| {
        // A child that ends before it has read all is no failure of the test.
        scope.spawn(move || pipe.map(|mut pipe| pipe.write_all(stdin)));
        child.wait_with_output().unwrap()
    });
    Output {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: code(output.status),
    }
}

/// The exit status as a shell has it.
pub fn code(status: ExitStatus) -> i32 {
    let signal = || 128 + status.signal().unwrap_or_default();
    status.code().unwrap_or_else(signal)
}

/// All files in a folder and those in it.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let paths = entries.map(|entry| entry.path());
    let (folders, mut files): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| files_below(folder)));
    files
}

/// The code of a function that returns at once.
pub const RETURNS: &[u8] = &[];
/// The code of a function that never does.
pub const SPINS: &[u8] = &[0x03, 0x40, 0x0c, 0x00, 0x0b];

/// A WASI 0.1 module of a few bytes whose `_start` does `code`. Each `tag`
/// makes it another one, with another digest.
pub fn module(tag: &str, code: &[u8]) -> Vec<u8> {
    let section = |id: u8, content: &[u8]| {
        let length = u8::try_from(content.len()).unwrap();
        assert!(length < 128, "longer lengths take two bytes");
        [&[id, length], content].concat()
    };
    let name = |name: &str| [&[u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
    let body = [&[0], code, &[0x0b]].concat();
    let exports = [&[2], &name("memory")[..], &[2, 0], &name("_start"), &[0, 0]].concat();
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(0, &name(tag)),
        // One type, () -> (), of one function; one memory of one page.
        section(1, &[1, 0x60, 0, 0]),
        section(3, &[1, 0]),
        section(5, &[1, 0, 1]),
        section(7, &exports),
        section(
            10,
            &[&[1, u8::try_from(body.len()).unwrap()], &body[..]].concat(),
        ),
    ]
    .concat()
}
