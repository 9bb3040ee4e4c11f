//! Starts children one after the other: COUNT.

use std::process::ExitCode;

use probes::bindings::mote::sandbox::process::Input;
use probes::child::{again, wait};

fn main() -> ExitCode {
    let count: usize = probes::argument(1);
    if count == 0 {
        return ExitCode::SUCCESS;
    }
    let all = (0..count).try_for_each(|n| match again(&["0"], Input::Empty) {
        Ok(child) if wait(&child).0 == 0 => Ok(()),
        Ok(child) => Err(format!("child {n} {}", wait(&child).1)),
        Err(why) => Err(format!("child {n}: {why}")),
    });
    probes::report(all.map(|()| format!("ran {count} children")))
}
