//! A sandbox for one probe. It holds nothing but what a test grants, and a
//! read-only folder with the probes in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use mote_api::{
    Access, ByteSize, Capability, Clock, End, Grant, Grants, Invocation, Limits, Outcome, Preopen,
    Random, Rejection,
};
use mote_artifacts::{Probe, folders};
use mote_host::{
    Capture, Compiler, Disk, DiskUse, FolderLimit, Host, HostConfig, Input, Output, RunError,
    Session, Streams,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Instances alive at once: the tests of two cores, each with its children.
const SLOTS: u32 = 200;
/// Output of a probe that is kept to be looked at.
const CAPTURE_BYTES: usize = 64 * 1024;
/// Address space of a compilation: probes are small.
const COMPILER_MEMORY: ByteSize = ByteSize::gib(2);

/// What drives the host's futures.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

/// A host whose compiled code is kept in `cache`.
pub fn host_with(cache: &Path, compiler_memory: ByteSize, compiler_time: Duration) -> Host {
    let args = [
        "compile-stdin",
        cache.to_str().unwrap(),
        &compiler_memory.as_u64().to_string(),
    ];
    let compiler = Compiler {
        memory: compiler_memory,
        time: compiler_time,
        ..Compiler::new(env!("CARGO_BIN_EXE_mote"), args)
    };
    let config = HostConfig {
        cache: cache.to_owned(),
        scratch: Path::new(env!("CARGO_TARGET_TMPDIR")).join("probe-scratch"),
        compiler,
        programs: BTreeMap::new(),
        slots: SLOTS,
    };
    Host::open(config).unwrap()
}

/// The host of all tests. Its cache outlives them, so that a second run does
/// not compile.
pub fn host() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("probe-cache");
        host_with(&cache, COMPILER_MEMORY, Duration::from_secs(120))
    })
}

/// A folder of the host.
pub struct Folder(TempDir);

impl Folder {
    /// A new one. A path that ends in `/` is made a folder, else a file with
    /// this content.
    pub fn with(entries: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (path, content) in entries {
            let full = folder.path().join(path);
            if path.ends_with('/') {
                fs::create_dir_all(full).unwrap();
            } else {
                fs::create_dir_all(full.parent().unwrap()).unwrap();
                fs::write(full, content).unwrap();
            }
        }
        folder
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Where `path` below it is.
    pub fn at(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    /// Makes a symbolic link in it, as someone outside the sandbox may.
    pub fn plant(&self, link: &str, target: impl AsRef<Path>) {
        std::os::unix::fs::symlink(target, self.at(link)).unwrap();
    }

    /// All that can be seen of it: names, kinds, contents, times.
    pub fn snapshot(&self) -> String {
        let mut seen = String::new();
        describe(self.path(), &mut seen);
        seen
    }
}

fn describe(path: &Path, seen: &mut String) {
    let meta = fs::symlink_metadata(path).unwrap();
    let (mtime, nanos) = (meta.mtime(), meta.mtime_nsec());
    let (links, size) = (meta.nlink(), meta.size());
    writeln!(
        seen,
        "{} {:?} {mtime}.{nanos} {links} {size}",
        path.display(),
        meta.file_type()
    )
    .unwrap();
    if meta.is_dir() {
        let mut entries: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        entries.sort();
        entries.iter().for_each(|entry| describe(entry, seen));
    } else if meta.is_file() {
        writeln!(
            seen,
            "{:?}",
            String::from_utf8_lossy(&fs::read(path).unwrap())
        )
        .unwrap();
    }
}

/// What a sandbox will be made of.
pub struct Sandbox {
    grants: Vec<Grant>,
    limits: Limits,
    folders: Vec<FolderLimit>,
    host: Host,
}

impl Sandbox {
    /// Nothing is granted.
    pub fn none() -> Self {
        Self::on(host())
    }

    /// Nothing is granted, on a host of the test's own.
    pub fn on(host: &Host) -> Self {
        let sandbox = Self {
            grants: Vec::new(),
            limits: Limits {
                deadline: Duration::from_secs(60),
                ..Limits::default()
            },
            folders: Vec::new(),
            host: host.clone(),
        };
        let built = sandbox.preopen("/probes", folders::BUILT_PROBES, Access::ReadOnly);
        built.preopen("/texts", folders::TEXT_PROBES, Access::ReadOnly)
    }

    /// Grants a directory.
    pub fn preopen(self, guest: &str, host: impl AsRef<Path>, access: Access) -> Self {
        self.grant(Grant::Preopen(Preopen {
            guest: guest.parse().unwrap(),
            host: host.as_ref().to_owned(),
            access,
        }))
    }

    /// Grants a directory to read.
    pub fn ro(self, guest: &str, host: impl AsRef<Path>) -> Self {
        self.preopen(guest, host, Access::ReadOnly)
    }

    /// Grants a directory to read and write.
    pub fn rw(self, guest: &str, host: impl AsRef<Path>) -> Self {
        self.preopen(guest, host, Access::ReadWrite)
    }

    /// Gives what is granted at `guest` a size of its own, in bytes.
    pub fn sized(mut self, guest: &str, bytes: u64) -> Self {
        self.folders.push(FolderLimit {
            guests: vec![guest.parse().unwrap()],
            max: ByteSize::bytes(bytes),
            held: 0,
        });
        self
    }

    /// Grants the time.
    pub fn clock(self, clock: Clock) -> Self {
        self.grant(Grant::Clock(clock))
    }

    /// Grants random bytes.
    pub fn random(self, random: Random) -> Self {
        self.grant(Grant::Random(random))
    }

    /// Grants a variable.
    pub fn env(self, name: &str, value: &str) -> Self {
        self.grant(Grant::Env {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }

    fn grant(mut self, grant: Grant) -> Self {
        self.grants.push(grant);
        self
    }

    /// Changes the limits.
    pub fn limit(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    /// Gives it `millis` to end.
    pub fn deadline(self, millis: u64) -> Self {
        self.limit(|limits| limits.deadline = Duration::from_millis(millis))
    }

    /// The session.
    pub fn open(&self) -> Opened {
        let grants = Grants::of(self.grants.iter().cloned()).unwrap();
        let limits = self.limits.clone();
        let disk = Disk::new(&limits, DiskUse::default(), self.folders.clone());
        Opened(self.host.session_on(grants, limits, &disk).unwrap())
    }

    /// Runs a probe in a session of its own.
    pub fn run(&self, probe: Probe, args: &[&str]) -> Ran {
        self.open().run(probe, args)
    }

    /// As [`Sandbox::run`], in this working directory.
    pub fn run_in(&self, cwd: &str, probe: Probe, args: &[&str]) -> Ran {
        let mut invocation = Invocation::new(argv(probe, args));
        invocation.cwd = cwd.parse().unwrap();
        self.open().invoke(&invocation, Input::Empty).unwrap()
    }

    /// As [`Sandbox::run`], for one that is declined.
    #[track_caller]
    pub fn rejects(&self, probe: Probe, args: &[&str]) -> Rejection {
        rejection(self.open().try_run(probe, args, Input::Empty))
    }
}

/// Why a program was declined.
#[track_caller]
pub fn rejection(tried: Result<Ran, RunError>) -> Rejection {
    match tried {
        Err(RunError::Rejected(rejection)) => rejection,
        other => panic!("it was not declined: {other:?}"),
    }
}

/// A sandbox in which several programs can run, one after the other.
pub struct Opened(pub Session);

impl Opened {
    /// Runs a probe without input.
    #[track_caller]
    pub fn run(&self, probe: Probe, args: &[&str]) -> Ran {
        match self.try_run(probe, args, Input::Empty) {
            Ok(ran) => ran,
            Err(error) => panic!("{} did not run: {error:?}", probe.name),
        }
    }

    /// Runs a probe.
    ///
    /// # Errors
    /// It is declined.
    pub fn try_run(&self, probe: Probe, args: &[&str], stdin: Input) -> Result<Ran, RunError> {
        self.try_argv(&argv(probe, args), stdin)
    }

    /// Runs a program by its path.
    ///
    /// # Errors
    /// It is declined.
    pub fn try_argv(&self, argv: &[String], stdin: Input) -> Result<Ran, RunError> {
        self.invoke(&Invocation::new(argv.iter().cloned()), stdin)
    }

    /// Runs a program as `invocation` says.
    ///
    /// # Errors
    /// It is declined.
    pub fn invoke(&self, invocation: &Invocation, stdin: Input) -> Result<Ran, RunError> {
        let (stdout, stderr) = (Capture::new(CAPTURE_BYTES), Capture::new(CAPTURE_BYTES));
        let streams = Streams {
            stdin,
            stdout: Output::Capture(stdout.clone()),
            stderr: Output::Capture(stderr.clone()),
            terminal: None,
        };
        let outcome = runtime().block_on(self.0.run(invocation, streams))?;
        let text = |capture: Capture| String::from_utf8_lossy(&capture.take()).into_owned();
        Ok(Ran {
            outcome,
            stdout: text(stdout),
            stderr: text(stderr),
        })
    }
}

/// The words that run a probe.
pub fn argv(probe: Probe, args: &[&str]) -> Vec<String> {
    let file = Path::new(probe.file);
    assert!(
        file.exists(),
        "{} is not built; run scripts/build-guests probes",
        probe.name
    );
    let guest = if file.starts_with(folders::TEXT_PROBES) {
        "texts"
    } else {
        "probes"
    };
    let program = format!("/{guest}/{}.wasm", probe.name);
    std::iter::once(program)
        .chain(args.iter().map(|arg| (*arg).to_owned()))
        .collect()
}

/// What became of a probe.
#[derive(Debug)]
pub struct Ran {
    /// The host's account.
    pub outcome: Outcome,
    /// What it wrote.
    pub stdout: String,
    /// What it wrote, or its panic.
    pub stderr: String,
}

impl Ran {
    /// What it did, once it is certain that it did.
    #[track_caller]
    pub fn did(&self) -> &str {
        self.exited(0);
        let did = self.stdout.trim_end().strip_prefix("did: ");
        did.unwrap_or_else(|| panic!("it did not say what it did: {self:#?}"))
    }

    /// Why it was refused, once it is certain that it was.
    #[track_caller]
    pub fn denied(&self) -> &str {
        assert_eq!(self.outcome.exit_code, 1, "{self:#?}");
        let denied = self.stdout.trim_end().strip_prefix("denied: ");
        denied.unwrap_or_else(|| panic!("it did not say why it was denied: {self:#?}"))
    }

    /// It ended by itself with this status.
    #[track_caller]
    pub fn exited(&self, code: u8) {
        self.ended(&End::Exited { code });
    }

    /// It ended in this way; the exit status and the hint fit.
    #[track_caller]
    pub fn ended(&self, end: &End) {
        assert_eq!(self.outcome.end, *end, "{self:#?}");
        assert_eq!(self.outcome.exit_code, end.exit_code(), "{self:#?}");
        assert_eq!(self.outcome.hint, end.hint(), "{self:#?}");
    }

    /// It crashed; the trap's text holds `what`.
    #[track_caller]
    pub fn trapped(&self, what: &str) {
        match &self.outcome.end {
            End::Trapped { trap } => assert!(trap.contains(what), "{self:#?}"),
            _ => panic!("it did not crash: {self:#?}"),
        }
        assert_eq!(self.outcome.exit_code, 134);
    }

    /// How often it was refused this capability while it ran.
    pub fn denials(&self, capability: Capability) -> u64 {
        let of = |denial: &&mote_api::Denial| denial.capability == capability;
        self.outcome
            .denied
            .iter()
            .find(of)
            .map_or(0, |denial| denial.count)
    }
}
