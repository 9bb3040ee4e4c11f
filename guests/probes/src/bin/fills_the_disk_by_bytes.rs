//! Writes one file: HOW DIRECTORY NAME BYTES. HOW is stream or call, for the
//! two ways that the host offers, or library for the C library's.

use std::fs::File;
use std::io::Write;

use probes::bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags, filesystem_error_code,
};
use probes::bindings::wasi::io::streams::StreamError;
use probes::files::preopen;

/// The most that a stream takes at once.
const BLOCK: [u8; 4096] = [b'x'; 4096];

fn create(directory: &str, name: &str) -> Result<Descriptor, ErrorCode> {
    let flags = OpenFlags::CREATE | OpenFlags::TRUNCATE;
    preopen(directory).open_at(PathFlags::empty(), name, flags, DescriptorFlags::WRITE)
}

fn blocks(bytes: usize) -> impl Iterator<Item = (usize, &'static [u8])> {
    let block = move |at| (at, &BLOCK[..BLOCK.len().min(bytes - at)]);
    (0..bytes).step_by(BLOCK.len()).map(block)
}

fn by_stream(file: &Descriptor, bytes: usize) -> Result<(), ErrorCode> {
    let stream = file.write_via_stream(0)?;
    for (_, block) in blocks(bytes) {
        stream
            .blocking_write_and_flush(block)
            .map_err(|error| match error {
                StreamError::LastOperationFailed(error) => {
                    filesystem_error_code(&error).unwrap_or(ErrorCode::Io)
                }
                StreamError::Closed => ErrorCode::Pipe,
            })?;
    }
    Ok(())
}

fn by_call(file: &Descriptor, bytes: usize) -> Result<(), ErrorCode> {
    blocks(bytes).try_for_each(|(at, block)| file.write(block, at as u64).map(drop))
}

fn by_library(path: &str, bytes: usize) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    blocks(bytes).try_for_each(|(_, block)| file.write_all(block))
}

fn main() -> std::process::ExitCode {
    let (how, directory): (String, String) = (probes::argument(1), probes::argument(2));
    let (name, bytes): (String, usize) = (probes::argument(3), probes::argument(4));
    let raw = |write: fn(&Descriptor, usize) -> Result<(), ErrorCode>| {
        let written = create(&directory, &name).and_then(|file| write(&file, bytes));
        written.map_err(|error| error.name().to_owned())
    };
    let written = match how.as_str() {
        "stream" => raw(by_stream),
        "call" => raw(by_call),
        "library" => by_library(&format!("{directory}/{name}"), bytes).map_err(|e| e.to_string()),
        other => panic!("no way is called {other}"),
    };
    probes::report(written.map(|()| format!("wrote {bytes} bytes")))
}
