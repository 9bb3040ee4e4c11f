//! Starts itself to a depth: DEPTH.

use probes::bindings::mote::sandbox::process::Input;
use probes::child::{again, wait};

fn main() -> std::process::ExitCode {
    let depth: u32 = probes::argument(1);
    if depth == 0 {
        return probes::report::<_, &str>(Ok("reached the depth"));
    }
    match again(&[&(depth - 1).to_string()], Input::Empty) {
        // The child has said it all.
        Ok(child) => wait(&child).0.into(),
        Err(why) => probes::report::<&str, _>(Err(format_args!("with {depth} to go: {why}"))),
    }
}
