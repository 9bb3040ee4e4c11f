//! Writes files and deletes their names while it holds them open:
//! DIRECTORY COUNT BYTES-EACH.

use std::fs::{File, remove_file};
use std::io::{Result, Write};

fn hide(path: &str, bytes: usize) -> Result<File> {
    let mut file = File::create(path)?;
    file.write_all(&vec![b'x'; bytes])?;
    remove_file(path)?;
    Ok(file)
}

fn main() -> std::process::ExitCode {
    let path = format!("{}/hidden", probes::argument::<String>(1));
    let (count, bytes): (usize, usize) = (probes::argument(2), probes::argument(3));
    let held: Result<Vec<File>> = (0..count).map(|_| hide(&path, bytes)).collect();
    probes::report(held.map(|files| format!("holds {} files without names", files.len())))
}
