//! Asks for random bytes in one call: BYTES.

use probes::bindings::wasi::random::random::get_random_bytes;

fn main() -> std::process::ExitCode {
    let bytes = get_random_bytes(probes::argument(1));
    let zero = bytes.iter().filter(|byte| **byte == 0).count();
    probes::report(if zero * 2 < bytes.len() {
        Ok(format!("got {} bytes", bytes.len()))
    } else {
        Err("the bytes are not random".to_owned())
    })
}
