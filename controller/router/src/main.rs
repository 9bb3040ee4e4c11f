//! The router's process; what it does is in the library, which is compiled
//! once for it and for the tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    mote_router::process::main()
}
