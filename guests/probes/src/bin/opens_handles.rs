//! Opens one file again and again and keeps every handle: PATH COUNT.

use std::fs::File;
use std::io::Result;

fn main() -> std::process::ExitCode {
    let (path, count): (String, usize) = (probes::argument(1), probes::argument(2));
    let held: Result<Vec<File>> = (0..count).map(|_| File::open(&path)).collect();
    probes::report(held.map(|files| format!("holds {} handles", files.len())))
}
