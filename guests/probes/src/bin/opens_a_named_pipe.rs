//! Opens what may be a named pipe, which blocks whoever opens it until there
//! is a writer: DIRECTORY NAME.

use probes::files::{head, open, preopen};

fn main() -> std::process::ExitCode {
    let directory = preopen(&probes::argument::<String>(1));
    let read = open(&directory, &probes::argument::<String>(2)).and_then(|file| head(&file));
    probes::report(read.map_err(|error| error.name()))
}
