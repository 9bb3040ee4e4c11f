//! What both benchmarks measure: calls through the host library, and the same
//! component in a bare wasmtime loop.

#![allow(unreachable_pub, reason = "a module of two programs")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use mote_api::{Access, Clock, Grant, Grants, Invocation, Limits, Outcome, Preopen, Random};
use mote_artifacts::folders;
use mote_artifacts::probes::ENDS_AT_ONCE;
use mote_host::{Capture, Compiler, Host, HostConfig, Output, Session, Streams};
use tokio::runtime::Runtime;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// Instances alive at once: enough for all cores and children.
const SLOTS: u32 = 64;
/// Output that is kept; every line measured here prints less.
const CAPTURE_BYTES: usize = 64 * 1024;

/// A shell line with pipes, `jq` and `awk` over its own text.
pub const SHELL_LINE: &str =
    r#"printf '{"n":%d}\n' 1 2 3 | jq .n | awk '{ sum += $1 } END { print sum }'"#;

/// A host with the userland, and the folder of its benchmark data.
pub struct Bench {
    pub runtime: Runtime,
    pub host: Host,
}

impl Bench {
    /// Compiles what is not compiled yet.
    pub fn new(runtime: Runtime) -> Self {
        let cache = target().join("mote-cache");
        let compiler = Compiler::new(
            mote(),
            [
                "compile-stdin".into(),
                text(&cache),
                (4u64 << 30).to_string(),
            ],
        );
        let program = |name: &str| {
            (
                name.to_owned(),
                Path::new(folders::USERLAND).join(format!("{name}.wasm")),
            )
        };
        let host = Host::open(HostConfig {
            cache,
            scratch: target().join("bench-scratch"),
            compiler,
            programs: BTreeMap::from(["sh", "python3", "js"].map(program)),
            slots: SLOTS,
        });
        Self {
            runtime,
            host: host.expect("a host"),
        }
    }

    /// A sandbox with the probes and two private folders.
    pub fn session(&self) -> Session {
        let probes = Preopen {
            guest: "/probes".parse().expect("a path"),
            host: folders::BUILT_PROBES.into(),
            access: Access::ReadOnly,
        };
        let grants = clocked().with(Grant::Preopen(probes)).expect("grants");
        self.host
            .session(grants, Limits::default())
            .expect("a session")
    }
}

/// What the userland needs: the time and random bytes.
pub fn clocked() -> Grants {
    Grants::of([Grant::Clock(Clock::Real), Grant::Random(Random::Real)]).expect("grants")
}

/// One call that has to succeed; returns what it printed.
pub async fn call(session: &Session, invocation: &Invocation) -> Vec<u8> {
    let stdout = Capture::new(CAPTURE_BYTES);
    let stderr = Capture::new(CAPTURE_BYTES);
    let streams = Streams {
        stdout: Output::Capture(stdout.clone()),
        stderr: Output::Capture(stderr.clone()),
        ..Streams::default()
    };
    let outcome: Outcome = session.run(invocation, streams).await.expect("an outcome");
    assert_eq!(
        outcome.exit_code,
        0,
        "{outcome:?}\n{}",
        String::from_utf8_lossy(&stderr.take())
    );
    stdout.take()
}

/// The call that does nothing.
pub fn no_op() -> Invocation {
    Invocation::new([format!("/probes/{}.wasm", ENDS_AT_ONCE.name)])
}

/// The same component without Mote: a pooling engine, a fresh Store with
/// wasmtime-wasi for each call, and nothing else.
pub struct Bare {
    engine: Engine,
    command: CommandPre<BareState>,
}

struct BareState {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for BareState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl Bare {
    pub fn new() -> Self {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(SLOTS);
        let mut config = Config::new();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config).expect("an engine");
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).expect("a linker");
        let component = Component::from_file(&engine, ENDS_AT_ONCE.file).expect("a component");
        let command = linker.instantiate_pre(&component).and_then(CommandPre::new);
        Self {
            engine,
            command: command.expect("a command"),
        }
    }

    pub async fn call(&self) {
        let wasi = WasiCtx::builder().arg("ends_at_once").build();
        let mut store = Store::new(
            &self.engine,
            BareState {
                wasi,
                table: ResourceTable::new(),
            },
        );
        let instance = self
            .command
            .instantiate_async(&mut store)
            .await
            .expect("an instance");
        let result = instance.wasi_cli_run().call_run(&mut store).await;
        assert_eq!(result.expect("a result"), Ok(()));
    }
}

/// The machine's own program, started as a process.
pub fn native(program: &str, args: &[&str]) {
    let status = Command::new(program).args(args).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "{program} failed"
    );
}

/// The machine's Python itself: what is on the path may be a script that
/// looks for it.
pub fn native_python() -> String {
    let found = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output();
    let path = found.expect("python3").stdout;
    String::from_utf8_lossy(&path).trim().to_owned()
}

/// Cargo's target folder: this program is in `<target>/release/deps`.
fn target() -> PathBuf {
    let here = std::env::current_exe().expect("this program");
    here.ancestors().nth(3).expect("a target folder").to_owned()
}

/// The command, which is the compiler; `make bench` builds it first.
fn mote() -> PathBuf {
    let path = target().join("release/mote");
    assert!(
        path.is_file(),
        "{} is not there; run `make build`",
        path.display()
    );
    path
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
