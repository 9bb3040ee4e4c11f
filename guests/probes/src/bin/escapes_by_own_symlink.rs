//! Makes a symbolic link and follows it: DIRECTORY TARGET.

use probes::files::{preopen, reach};

fn main() -> std::process::ExitCode {
    let directory = preopen(&probes::argument::<String>(1));
    let target: String = probes::argument(2);
    let followed = match directory.symlink_at(&target, "link") {
        Ok(()) => reach(&directory, "link").or_else(|_| reach(&directory, "link/secret")),
        Err(error) => Err(format!("symlink {}", error.name())),
    };
    probes::report(followed)
}
