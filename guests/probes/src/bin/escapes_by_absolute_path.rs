//! Names a file from the root, below each preopened folder and by the C
//! library: PATH.

use probes::bindings::wasi::filesystem::preopens::get_directories;
use probes::files::{alter, reach};

fn main() -> std::process::ExitCode {
    let path: String = probes::argument(1);
    let raw = get_directories().into_iter().find_map(|(directory, _)| {
        reach(&directory, &path)
            .or_else(|_| alter(&directory, &path))
            .ok()
    });
    probes::report(match raw {
        Some(how) => Ok(how),
        None => std::fs::read_to_string(&path).map_err(|error| error.to_string()),
    })
}
