//! Latency of single calls, by criterion: `cargo bench --bench calls`.

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark that cannot run has nothing to say"
)]

mod common;

use common::{Bare, Bench, SHELL_LINE, call, native, native_python, no_op};
use criterion::{Criterion, criterion_group, criterion_main};
use mote_api::Invocation;
use tokio::runtime::Builder;

fn calls(criterion: &mut Criterion) {
    let runtime = || {
        Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
    };
    let bench = Bench::new(runtime());
    let session = bench.session();
    let bare = Bare::new();
    let mut group = criterion.benchmark_group("no-op component");
    group.bench_function("bare wasmtime", |b| {
        b.to_async(&bench.runtime).iter(|| bare.call())
    });
    group.bench_function("mote", |b| {
        let no_op = no_op();
        b.to_async(&bench.runtime)
            .iter(async || call(&session, &no_op).await);
    });
    group.finish();

    let mut group = criterion.benchmark_group("userland");
    for (name, invocation) in [
        ("sh, jq and awk", Invocation::shell(SHELL_LINE)),
        (
            "python3 -c pass",
            Invocation::new(["python3", "-c", "pass"]),
        ),
        ("js -e 0", Invocation::new(["js", "-e", "0"])),
    ] {
        // The first call compiles.
        bench.runtime.block_on(call(&session, &invocation));
        group.bench_function(name, |b| {
            b.to_async(&bench.runtime)
                .iter(async || call(&session, &invocation).await);
        });
    }
    let python3 = native_python();
    group.sample_size(20);
    group.bench_function("native python3 -c pass", |b| {
        b.iter(|| native(&python3, &["-c", "pass"]))
    });
    group.finish();
}

criterion_group!(benches, calls);
criterion_main!(benches);
