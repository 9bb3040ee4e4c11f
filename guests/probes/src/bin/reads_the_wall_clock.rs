//! Reads the time of day, in seconds.

use probes::bindings::wasi::clocks::wall_clock::now;

fn main() -> std::process::ExitCode {
    probes::report::<_, &str>(Ok(now().seconds))
}
