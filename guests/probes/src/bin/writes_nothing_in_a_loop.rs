//! Calls the host without end and has it do nothing: WHERE. WHERE is stdout
//! or a preopened folder.

use probes::bindings::wasi::cli::stdout::get_stdout;
use probes::bindings::wasi::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};
use probes::files::preopen;

fn main() {
    let place: String = probes::argument(1);
    if place == "stdout" {
        let stdout = get_stdout();
        while stdout.write(b"").is_ok() {}
    }
    let directory = preopen(&place);
    let opened = directory.open_at(
        PathFlags::empty(),
        "file",
        OpenFlags::CREATE,
        DescriptorFlags::WRITE,
    );
    if let Ok(file) = opened {
        while file.write(b"", 0).is_ok() {}
    }
}
