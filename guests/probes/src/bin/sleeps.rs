//! Sleeps: MILLISECONDS.

use std::time::Duration;

fn main() -> std::process::ExitCode {
    let millis: u64 = probes::argument(1);
    std::thread::sleep(Duration::from_millis(millis));
    probes::report::<_, &str>(Ok(format_args!("slept {millis} ms")))
}
