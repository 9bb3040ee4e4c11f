//! Calls itself: DEPTH.

use std::hint::black_box;

fn descend(depth: u64) -> u64 {
    if depth == 0 {
        0
    } else {
        black_box(descend(black_box(depth - 1))) + 1
    }
}

fn main() -> std::process::ExitCode {
    let depth: u64 = probes::argument(1);
    probes::report::<_, &str>(Ok(format_args!("came back from {}", descend(depth))))
}
