//! Moves a file from one preopened folder to another:
//! FROM-DIRECTORY PATH TO-DIRECTORY PATH.

use probes::files::preopen;

fn main() -> std::process::ExitCode {
    let from = preopen(&probes::argument::<String>(1));
    let to = preopen(&probes::argument::<String>(3));
    let moved = from.rename_at(
        &probes::argument::<String>(2),
        &to,
        &probes::argument::<String>(4),
    );
    probes::report(moved.map(|()| "moved it").map_err(|error| error.name()))
}
