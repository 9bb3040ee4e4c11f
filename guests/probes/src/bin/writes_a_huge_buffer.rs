//! Hands the host one large buffer to write: DIRECTORY BYTES.

use probes::bindings::wasi::filesystem::types::{DescriptorFlags, ErrorCode, OpenFlags, PathFlags};
use probes::files::preopen;

fn write(bytes: usize) -> Result<String, ErrorCode> {
    let directory = preopen(&probes::argument::<String>(1));
    let file = directory.open_at(
        PathFlags::empty(),
        "file",
        OpenFlags::CREATE,
        DescriptorFlags::WRITE,
    )?;
    let written = file.write(&vec![b'x'; bytes], 0)?;
    Ok(format!(
        "wrote {}",
        if written > 0 { "some" } else { "nothing" }
    ))
}

fn main() -> std::process::ExitCode {
    probes::report(write(probes::argument(2)).map_err(|error| error.name()))
}
