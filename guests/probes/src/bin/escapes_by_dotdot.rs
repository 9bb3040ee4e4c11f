//! Leaves a preopened folder by `..`: DIRECTORY PATH.

use probes::files::{alter, preopen, reach};

fn main() -> std::process::ExitCode {
    let directory = preopen(&probes::argument::<String>(1));
    let path: String = probes::argument(2);
    probes::report(reach(&directory, &path).or_else(|_| alter(&directory, &path)))
}
