//! The figures of the README, as a table: `cargo bench --bench figures`.
//! Ratios come from one run, in which both sides take turns.

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark that cannot run has nothing to say"
)]

mod common;

use std::time::{Duration, Instant};

use common::{Bare, Bench, SHELL_LINE, call, clocked, native, native_python, no_op};
use mote_api::{Invocation, Limits};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// Calls per figure; the median of fewer moves from run to run.
const CALLS: usize = 2000;
/// Processes per figure: each costs as much as a hundred calls.
const PROCESSES: usize = 50;
/// Sandboxes kept alive at once.
const SESSIONS: usize = 10_000;
/// Open files a session needs: its two private folders.
const FILES_PER_SESSION: u64 = 2;
/// Open files of the benchmark itself.
const OTHER_FILES: u64 = 100;

fn main() {
    // `cargo test --benches` asks only whether it runs.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let single = || {
        Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
    };
    row("what", "median", "p99", "");
    row("---", "---", "---", "---");
    // First, while this process has no memory to spare.
    density(&Bench::new(single()));
    latency(&Bench::new(single()));
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let many = Builder::new_multi_thread()
        .worker_threads(cores)
        .enable_all()
        .build();
    throughput(&Bench::new(many.expect("a runtime")), cores);
}

fn row(what: &str, median: &str, p99: &str, note: &str) {
    println!("| {what} | {median} | {p99} | {note} |");
}

/// Durations in the order of their length.
struct Sample(Vec<Duration>);

impl Sample {
    fn at(&self, percent: usize) -> Duration {
        self.0
            .get(self.0.len() * percent / 100)
            .copied()
            .unwrap_or_default()
    }

    fn print(mut self, what: &str, note: impl FnOnce(Duration) -> String) -> Duration {
        self.0.sort_unstable();
        let (median, p99) = (self.at(50), self.at(99));
        row(
            what,
            &format!("{median:.1?}"),
            &format!("{p99:.1?}"),
            &note(median),
        );
        median
    }
}

fn timed(sample: &mut Sample, work: impl FnOnce()) {
    let started = Instant::now();
    work();
    sample.0.push(started.elapsed());
}

fn latency(bench: &Bench) {
    let Bench { runtime, .. } = bench;
    let (session, bare, no_op) = (bench.session(), Bare::new(), no_op());
    let (mut with, mut without) = (Sample(Vec::new()), Sample(Vec::new()));
    runtime.block_on(call(&session, &no_op));
    for _ in 0..CALLS {
        timed(&mut without, || runtime.block_on(bare.call()));
        timed(&mut with, || drop(runtime.block_on(call(&session, &no_op))));
    }
    let bare = without.print("no-op component, bare wasmtime loop", |_| String::new());
    with.print("no-op component, whole call in the host", |m| {
        times(m, bare, "bare wasmtime")
    });

    of_userland(
        bench,
        "shell line with pipes, `jq`, `awk`",
        &Invocation::shell(SHELL_LINE),
    );
    of_userland(
        bench,
        "`js -e 0`, fresh engine",
        &Invocation::new(["js", "-e", "0"]),
    );
    let python = Invocation::new(["python3", "-c", "pass"]);
    let ours = of_userland(bench, "`python3 -c pass`, fresh interpreter", &python);
    let mut sample = Sample(Vec::new());
    let python3 = native_python();
    for _ in 0..PROCESSES {
        timed(&mut sample, || native(&python3, &["-c", "pass"]));
    }
    sample.print("native `python3 -c pass`, a process", |m| {
        times(m, ours, "Mote's")
    });
}

fn of_userland(bench: &Bench, what: &str, invocation: &Invocation) -> Duration {
    let session = bench.session();
    bench.runtime.block_on(call(&session, invocation));
    let mut sample = Sample(Vec::new());
    for _ in 0..CALLS / 4 {
        timed(&mut sample, || {
            drop(bench.runtime.block_on(call(&session, invocation)))
        });
    }
    sample.print(what, |_| String::new())
}

fn times(this: Duration, that: Duration, whose: &str) -> String {
    format!("{:.2} × {whose}", this.as_secs_f64() / that.as_secs_f64())
}

/// Memory of sandboxes that are alive, each with files and a call behind it.
fn density(bench: &Bench) {
    let wanted = SESSIONS as u64 * FILES_PER_SESSION + OTHER_FILES;
    let sessions = match raise_open_files(wanted) {
        Ok(()) => SESSIONS,
        Err(most) => usize::try_from((most - OTHER_FILES) / FILES_PER_SESSION).unwrap_or(SESSIONS),
    };
    let nothing = Invocation::shell(":");
    let session = || {
        bench
            .host
            .session(clocked(), Limits::default())
            .expect("a session")
    };
    bench.runtime.block_on(call(&session(), &nothing));
    let before = resident_bytes();
    let started = Instant::now();
    let alive: Vec<_> = (0..sessions)
        .map(|_| {
            let session = session();
            bench.runtime.block_on(call(&session, &nothing));
            session
        })
        .collect();
    let each = started.elapsed() / sessions as u32;
    let grown = resident_bytes().saturating_sub(before);
    row(
        &format!("{} sandboxes alive, each after a call", alive.len()),
        &format!("{:.1} KiB each", grown as f64 / 1024.0 / sessions as f64),
        "",
        &format!(
            "{} MiB in all, opened and called in {each:.1?} each",
            grown >> 20
        ),
    );
}

/// The most files there can be, if that is fewer than wanted: only root may
/// go over the hard limit.
fn raise_open_files(wanted: u64) -> Result<(), u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let most = maximum.unwrap_or(u64::MAX);
    let limit = |current: u64, maximum| Rlimit {
        current: Some(current),
        maximum,
    };
    if most >= wanted || setrlimit(Resource::Nofile, limit(wanted, Some(wanted))).is_ok() {
        let raised = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, limit(wanted, raised)).expect("a limit below the hard one");
        return Ok(());
    }
    setrlimit(Resource::Nofile, limit(most, maximum)).expect("the hard limit");
    Err(most)
}

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux's /proc");
    let pages = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.expect("a number of pages") * rustix::param::page_size() as u64
}

/// Calls per second with all cores busy.
fn throughput(bench: &Bench, cores: usize) {
    for (what, invocation, calls) in [
        ("no-op component", no_op(), 20 * CALLS),
        (
            "shell line with pipes, `jq`, `awk`",
            Invocation::shell(SHELL_LINE),
            CALLS,
        ),
        (
            "`python3 -c pass`",
            Invocation::new(["python3", "-c", "pass"]),
            CALLS,
        ),
    ] {
        bench.runtime.block_on(call(&bench.session(), &invocation));
        let started = Instant::now();
        run_side_by_side(&bench.runtime, bench, &invocation, 2 * cores, calls);
        let rate = calls as f64 / started.elapsed().as_secs_f64();
        row(
            &format!("{what}, all {cores} cores busy"),
            &format!("{rate:.0} calls/s"),
            "",
            "",
        );
    }
}

fn run_side_by_side(
    runtime: &Runtime,
    bench: &Bench,
    invocation: &Invocation,
    callers: usize,
    calls: usize,
) {
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..callers {
            let (session, invocation) = (bench.session(), invocation.clone());
            tasks.spawn(async move {
                for _ in 0..calls / callers {
                    call(&session, &invocation).await;
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.expect("a caller");
        }
    });
}
