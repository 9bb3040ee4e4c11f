//! Asks for more of a file than there can be: DIRECTORY NAME BYTES.

use probes::bindings::wasi::filesystem::types::ErrorCode;
use probes::files::{open, preopen};

fn read(bytes: u64) -> Result<String, ErrorCode> {
    let directory = preopen(&probes::argument::<String>(1));
    let file = open(&directory, &probes::argument::<String>(2))?;
    let (direct, _) = file.read(bytes, 0)?;
    let streamed = file
        .read_via_stream(0)?
        .blocking_read(bytes)
        .unwrap_or_default();
    Ok(format!(
        "read {} bytes and {} bytes",
        direct.len(),
        streamed.len()
    ))
}

fn main() -> std::process::ExitCode {
    probes::report(read(probes::argument(3)).map_err(|error| error.name()))
}
