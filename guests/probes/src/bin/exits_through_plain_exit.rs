//! Exits as the standard library of a WASI 0.2 program does: CODE.

fn main() {
    std::process::exit(probes::argument(1));
}
