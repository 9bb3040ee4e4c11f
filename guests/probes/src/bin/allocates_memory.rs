//! Takes memory as programs do, aborting where there is none: BYTES.

use std::hint::black_box;

const BLOCK_BYTES: usize = 1 << 20;

fn main() -> std::process::ExitCode {
    let bytes: usize = probes::argument(1);
    let blocks: Vec<Vec<u8>> = (0..bytes / BLOCK_BYTES)
        .map(|_| black_box(vec![1; BLOCK_BYTES]))
        .collect();
    probes::report::<_, &str>(Ok(format_args!("holds {} blocks", blocks.len())))
}
