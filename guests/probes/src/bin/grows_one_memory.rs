//! Takes memory by single pages, and says when there is no more: BYTES.

use std::arch::wasm32::memory_grow;

const PAGE_BYTES: usize = 64 * 1024;

fn main() -> std::process::ExitCode {
    let bytes: usize = probes::argument(1);
    let refused = (0..bytes / PAGE_BYTES).find(|_| memory_grow::<0>(1) == usize::MAX);
    probes::report(match refused {
        None => Ok(format!("took {bytes} bytes")),
        Some(pages) => Err(format!("memory refused after {} bytes", pages * PAGE_BYTES)),
    })
}
