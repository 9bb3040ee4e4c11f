//! A WASI 0.1 module that exits: CODE.

fn main() {
    std::process::exit(probes::argument(1));
}
