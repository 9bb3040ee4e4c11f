//! Writes to stdout: BYTES.

use std::io::Write;
use std::process::ExitCode;

const BLOCK: [u8; 4096] = [b'x'; 4096];

fn main() -> ExitCode {
    let bytes: usize = probes::argument(1);
    let mut stdout = std::io::stdout().lock();
    for at in (0..bytes).step_by(BLOCK.len()) {
        if stdout
            .write_all(&BLOCK[..BLOCK.len().min(bytes - at)])
            .is_err()
        {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
