//! Polls one pollable that is ready, named many times over: COUNT.

use probes::bindings::wasi::clocks::monotonic_clock::subscribe_duration;
use probes::bindings::wasi::io::poll::poll;

fn main() -> std::process::ExitCode {
    let count: usize = probes::argument(1);
    let pollable = subscribe_duration(0);
    let ready = poll(&vec![&pollable; count]);
    probes::report::<_, &str>(Ok(format_args!("{} of {count} are ready", ready.len())))
}
