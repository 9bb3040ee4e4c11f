//! Makes a file large without writing much: HOW PATH BYTES. HOW is set-size,
//! or write for one byte at the end.

use std::fs::File;
use std::io::{Result, Seek, SeekFrom, Write};

fn stretch(how: &str, path: &str, bytes: u64) -> Result<String> {
    let mut file = File::create(path)?;
    match how {
        "set-size" => file.set_len(bytes)?,
        "write" => {
            file.seek(SeekFrom::Start(bytes - 1))?;
            file.write_all(b"x")?;
        }
        other => panic!("no way is called {other}"),
    }
    Ok(format!("the file has {bytes} bytes"))
}

fn main() -> std::process::ExitCode {
    let (how, path): (String, String) = (probes::argument(1), probes::argument(2));
    probes::report(stretch(&how, &path, probes::argument(3)))
}
