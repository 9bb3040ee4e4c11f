//! Reads its standard input to the end.

use std::io::Read;

fn main() -> std::process::ExitCode {
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    probes::report(read.map(|_| format!("read {text:?}")))
}
