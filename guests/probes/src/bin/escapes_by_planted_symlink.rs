//! Follows a symbolic link that was there: DIRECTORY PATH.

use probes::files::{preopen, reach};

fn main() -> std::process::ExitCode {
    let directory = preopen(&probes::argument::<String>(1));
    probes::report(reach(&directory, &probes::argument::<String>(2)))
}
