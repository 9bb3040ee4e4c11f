//! Exits: CODE.

fn main() {
    probes::bindings::wasi::cli::exit::exit_with_code(probes::argument(1));
}
