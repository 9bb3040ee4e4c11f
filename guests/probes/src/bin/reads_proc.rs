//! Looks for the kernel's view of the host process, by every path that may
//! lead there.

use probes::bindings::wasi::filesystem::preopens::get_directories;
use probes::files::{head, open};

const WAYS: [&str; 6] = [
    "/proc/self/status",
    "proc/self/status",
    "../proc/self/status",
    "../../../../../../../../proc/self/status",
    "self/status",
    "planted/self/status",
];

fn main() -> std::process::ExitCode {
    let directories = get_directories();
    let raw = directories
        .iter()
        .flat_map(|(directory, _)| WAYS.map(|way| open(directory, way)));
    let read = raw.flatten().find_map(|file| head(&file).ok());
    probes::report(match read {
        Some(text) => Ok(text),
        None => std::fs::read_to_string("/proc/self/status").map_err(|error| error.to_string()),
    })
}
