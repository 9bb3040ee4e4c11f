//! Holds children that all wait for input: COUNT.

use std::io::Read;
use std::process::ExitCode;

use probes::bindings::mote::sandbox::process::Input;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("wait") {
        let read = std::io::stdin().read_to_end(&mut Vec::new());
        return if read.is_ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
    let count: usize = probes::argument(1);
    let children: Result<Vec<_>, _> = (0..count)
        .map(|_| probes::child::again(&["wait"], Input::Piped))
        .collect();
    probes::report(children.map(|children| format!("holds {} children", children.len())))
}
