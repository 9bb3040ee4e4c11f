//! Writes one file: PATH BYTES.

use std::fs::File;
use std::io::{Result, Write};

const BLOCK: [u8; 64 * 1024] = [b'x'; 64 * 1024];

fn fill(path: &str, bytes: usize) -> Result<String> {
    let mut file = File::create(path)?;
    for at in (0..bytes).step_by(BLOCK.len()) {
        file.write_all(&BLOCK[..BLOCK.len().min(bytes - at)])?;
    }
    Ok(format!("wrote {bytes} bytes"))
}

fn main() -> std::process::ExitCode {
    probes::report(fill(&probes::argument::<String>(1), probes::argument(2)))
}
