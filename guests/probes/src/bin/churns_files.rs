//! Creates, links, replaces, truncates and deletes files, some while they are
//! open, and leaves nothing: DIRECTORY ROUNDS. An account of the disk that is
//! wrong by a byte in any of it is wrong by many in the end.

use std::fs::{self, File, OpenOptions};
use std::io::{Result, Write};

fn open(path: &str) -> Result<File> {
    OpenOptions::new().read(true).append(true).open(path)
}

fn replace_while_open(a: &str, b: &str, c: &str) -> Result<()> {
    fs::write(a, [1; 10_000])?;
    fs::hard_link(a, b)?;
    // Two names of one file: nothing is renamed.
    fs::rename(a, b)?;
    fs::remove_file(a)?;
    let mut held = open(b)?;
    fs::write(c, [2; 5_000])?;
    fs::rename(c, b)?;
    held.write_all(&[3; 3_000])?;
    held.set_len(0)?;
    held.write_all(&[4; 7_000])
}

fn delete_while_open(b: &str) -> Result<()> {
    let created = File::create(b)?;
    created.set_len(20_000)?;
    created.set_len(100)?;
    let mut held = open(b)?;
    fs::remove_file(b)?;
    held.write_all(&[5; 500])?;
    drop(created);
    held.write_all(&[6; 500])
}

fn move_folders(a: &str, b: &str) -> Result<()> {
    fs::create_dir(a)?;
    fs::create_dir(b)?;
    fs::rename(a, b)?;
    fs::write(format!("{b}/file"), [7; 100])?;
    fs::rename(b, a)?;
    fs::remove_file(format!("{a}/file"))?;
    fs::remove_dir(a)
}

fn move_links(a: &str, b: &str) -> Result<()> {
    #[allow(
        deprecated,
        reason = "the only one that the standard library has for WASI"
    )]
    fs::soft_link("nowhere", a)?;
    fs::write(b, [8; 100])?;
    fs::rename(a, b)?;
    fs::remove_file(b)
}

fn fail(a: &str, b: &str) -> Result<()> {
    fs::write(a, [9; 1_000])?;
    fs::create_dir(b)?;
    let failed = [
        fs::create_dir(a).is_err(),
        fs::rename(a, b).is_err(),
        fs::rename(b, a).is_err(),
        fs::remove_dir(a).is_err(),
        fs::remove_file(b).is_err(),
        fs::hard_link(b, "/tmp/link").is_err(),
        fs::hard_link(a, b).is_err(),
        File::create_new(a).is_err(),
    ];
    assert_eq!(failed, [true; 8], "what cannot be done was done");
    fs::remove_file(a)?;
    fs::remove_dir(b)
}

fn main() -> std::process::ExitCode {
    let directory: String = probes::argument(1);
    let rounds: u32 = probes::argument(2);
    let [a, b, c] = ["a", "b", "c"].map(|name| format!("{directory}/{name}"));
    let churned = (0..rounds).try_for_each(|_| {
        replace_while_open(&a, &b, &c)?;
        delete_while_open(&b)?;
        move_folders(&a, &b)?;
        move_links(&a, &b)?;
        fail(&a, &b)
    });
    probes::report(churned.map(|()| format!("churned {rounds} times")))
}
