//! Reads random bytes: those that are secret, those that are not, the seed.

use probes::bindings::wasi::random::{insecure, insecure_seed, random};

fn main() -> std::process::ExitCode {
    let secret = random::get_random_u64();
    let insecure = insecure::get_insecure_random_u64();
    let (seed, _) = insecure_seed::insecure_seed();
    probes::report::<_, &str>(Ok(format_args!("{secret:x} {insecure:x} {seed:x}")))
}
