//! Reads one byte: OFFSET-FROM-THE-END of its memory, where -1 is the last.

use std::arch::wasm32::memory_size;

const PAGE_BYTES: usize = 64 * 1024;

fn main() -> std::process::ExitCode {
    let offset: isize = probes::argument(1);
    let end = memory_size::<0>() * PAGE_BYTES;
    let address = end.wrapping_add_signed(offset) as *const u8;
    // SAFETY: not sound where it is out of bounds, which is what is probed.
    let byte = unsafe { address.read_volatile() };
    probes::report::<_, &str>(Ok(format_args!("read {byte}")))
}
