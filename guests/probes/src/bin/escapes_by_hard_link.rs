//! Gives a file a second name in a folder it may write, and writes through
//! it: FROM-DIRECTORY PATH TO-DIRECTORY.

use probes::bindings::wasi::filesystem::types::{ErrorCode, PathFlags};
use probes::files::{open, preopen};

fn attempt() -> Result<&'static str, ErrorCode> {
    let from = preopen(&probes::argument::<String>(1));
    let path: String = probes::argument(2);
    let to = preopen(&probes::argument::<String>(3));
    let plain = from.link_at(PathFlags::empty(), &path, &to, "linked");
    plain.or_else(|_| from.link_at(PathFlags::SYMLINK_FOLLOW, &path, &to, "linked"))?;
    open(&to, "linked")?.write(b"overwritten", 0)?;
    Ok("wrote through the second name")
}

fn main() -> std::process::ExitCode {
    probes::report(attempt().map_err(|error| error.name()))
}
