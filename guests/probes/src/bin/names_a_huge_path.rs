//! Hands the host a long path: DIRECTORY BYTES.

use probes::bindings::wasi::filesystem::types::PathFlags;
use probes::files::preopen;

fn main() -> std::process::ExitCode {
    let directory = preopen(&probes::argument::<String>(1));
    let path = "x".repeat(probes::argument(2));
    let found = directory.stat_at(PathFlags::empty(), &path);
    probes::report(found.map(|_| "found it").map_err(|error| error.name()))
}
