//! A WASI 0.1 module that reads a file: PATH.

fn main() -> std::process::ExitCode {
    probes::report(std::fs::read_to_string(probes::argument::<String>(1)))
}
