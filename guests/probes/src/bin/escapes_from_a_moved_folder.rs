//! Opens a folder deep inside, moves it up to another preopened folder, and
//! climbs from the open handle: FROM-DIRECTORY TO-DIRECTORY.

use probes::bindings::wasi::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};
use probes::files::{preopen, reach};

fn main() -> std::process::ExitCode {
    let from = preopen(&probes::argument::<String>(1));
    let to = preopen(&probes::argument::<String>(2));
    let flags = DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY;
    let opened = from.open_at(PathFlags::empty(), "a/b", OpenFlags::DIRECTORY, flags);
    let climbed = opened
        .map_err(|error| error.name().to_owned())
        .and_then(|held| {
            let moved = from.rename_at("a/b", &to, "b");
            moved.map_err(|error| format!("move {}", error.name()))?;
            let paths = [
                "../secret",
                "../../secret",
                "../../../secret",
                "..",
                "../..",
            ];
            let reached = paths.iter().find_map(|path| reach(&held, path).ok());
            reached.ok_or_else(|| "moved, and no way up".to_owned())
        });
    probes::report(climbed)
}
