//! Subscribes to the clock and keeps every pollable: COUNT.

use probes::bindings::wasi::clocks::monotonic_clock::subscribe_duration;

fn main() -> std::process::ExitCode {
    let count: usize = probes::argument(1);
    let held: Vec<_> = (0..count)
        .map(|_| subscribe_duration(1_000_000_000))
        .collect();
    probes::report::<_, &str>(Ok(format_args!("holds {} pollables", held.len())))
}
