//! Reads the steady clock twice, 5 ms apart.

use probes::bindings::wasi::clocks::monotonic_clock::{now, subscribe_duration};

const APART_NS: u64 = 5_000_000;

fn main() -> std::process::ExitCode {
    let before = now();
    subscribe_duration(APART_NS).block();
    let passed = now() - before;
    probes::report(if passed >= APART_NS {
        Ok("time passed")
    } else {
        Err("time stood still")
    })
}
