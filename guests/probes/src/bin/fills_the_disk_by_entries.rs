//! Makes many entries that hold nothing: KIND DIRECTORY COUNT. KIND is file,
//! folder, link (a second name of one file) or symlink.

use std::fs;
use std::io::Result;

fn make(kind: &str, path: &str, first: &str) -> Result<()> {
    match kind {
        "file" => fs::write(path, ""),
        "folder" => fs::create_dir(path),
        "link" if path == first => fs::write(path, ""),
        "link" => fs::hard_link(first, path),
        #[allow(
            deprecated,
            reason = "the only one that the standard library has for WASI"
        )]
        "symlink" => fs::soft_link("0", path),
        other => panic!("no kind is called {other}"),
    }
}

fn main() -> std::process::ExitCode {
    let (kind, directory): (String, String) = (probes::argument(1), probes::argument(2));
    let count: usize = probes::argument(3);
    let path = |n| format!("{directory}/{n}");
    let made = (0..count).try_for_each(|n| make(&kind, &path(n), &path(0)));
    probes::report(made.map(|()| format!("made {count}")))
}
