//! Writes to stderr: BYTES.

use std::io::Write;
use std::process::ExitCode;

const BLOCK: [u8; 4096] = [b'x'; 4096];

fn main() -> ExitCode {
    let bytes: usize = probes::argument(1);
    let mut stderr = std::io::stderr().lock();
    for at in (0..bytes).step_by(BLOCK.len()) {
        if stderr
            .write_all(&BLOCK[..BLOCK.len().min(bytes - at)])
            .is_err()
        {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
