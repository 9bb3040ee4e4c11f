//! A fork bomb: each child starts as many children as it can, without end.

use probes::bindings::mote::sandbox::process::Input;

fn main() {
    let mut children = Vec::new();
    loop {
        if let Ok(child) = probes::child::again(&[], Input::Empty) {
            children.push(child);
        }
    }
}
