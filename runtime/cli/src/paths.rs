//! Where compiled code is kept and where the userland is.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::args::PlacesArgs;
use crate::failure::Failure;

/// The programs of the userland: their names and the files that hold them.
const PROGRAMS: [&str; 3] = ["sh", "python3", "js"];
/// How far above the executable cargo's target folder may be:
/// `target/<triple>/<profile>/deps/mote`.
const MAX_TARGET_DEPTH: usize = 4;

/// The folder of compiled code, from the first of: the option, `MOTE_CACHE`,
/// the checkout that `mote` was built in, the user's cache folder.
pub(crate) fn cache(places: &PlacesArgs) -> Result<PathBuf, Failure> {
    let named = places.cache.clone().or_else(|| variable("MOTE_CACHE"));
    let chosen = match named {
        Some(named) => named,
        None => target_folder(&executable()?)
            .map(|target| target.join("mote-cache"))
            .or_else(users_cache)
            .ok_or_else(no_cache)?,
    };
    // The compiler is handed the path and may not share our working directory.
    Ok(std::path::absolute(&chosen)
        .with_context(|| format!("failed to find {}", chosen.display()))?)
}

/// The programs of the userland that are there, from the first of: the
/// option, `MOTE_USERLAND`, beside the executable, the checkout that `mote`
/// was built in.
pub(crate) fn programs(places: &PlacesArgs) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let folder = userland(places)?;
    let file = |name: &str| (name.to_owned(), folder.join(format!("{name}.wasm")));
    let found: BTreeMap<_, _> = PROGRAMS
        .into_iter()
        .map(file)
        .filter(|(_, path)| path.is_file())
        .collect();
    if found.is_empty() {
        return Err(Failure::Host(anyhow::anyhow!(
            "{}: no sh.wasm, python3.wasm or js.wasm there; build them with `make guests`, or name their folder with --userland",
            folder.display()
        )));
    }
    Ok(found)
}

fn userland(places: &PlacesArgs) -> Result<PathBuf, Failure> {
    let named = places
        .userland
        .clone()
        .or_else(|| variable("MOTE_USERLAND"));
    if let Some(named) = named {
        return Ok(named);
    }
    let executable = executable()?;
    let installed = executable
        .parent()
        .map(|bin| bin.join("../share/mote/userland"));
    let built = target_folder(&executable).map(|target| target.join("userland"));
    let there = [&installed, &built]
        .into_iter()
        .flatten()
        .find(|folder| folder.is_dir())
        .cloned();
    // Where there is none, the place of an installed one is what to name.
    Ok(there.or(built).or(installed).unwrap_or_default())
}

/// This program, for the compiler process.
pub(crate) fn executable() -> Result<PathBuf, Failure> {
    Ok(env::current_exe().context("failed to find out which program this is")?)
}

/// What is wrong with `path` as a file to read, before anything else is done
/// with it.
pub(crate) fn check_file(path: &Path) -> Result<(), String> {
    let problem = match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => "is a directory; name a .wasm file in it".to_owned(),
        Ok(_) => match fs::File::open(path) {
            Ok(_) => return Ok(()),
            Err(error) => reason(&error),
        },
        Err(error) => reason(&error),
    };
    Err(format!("{}: {problem}", path.display()))
}

/// An I/O error in a few words, with what to do about it.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or directory; check the path".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "this user may not read it; change its permissions".to_owned()
        }
        _ => error.to_string(),
    }
}

/// The folder cargo builds to, if that is where `executable` is.
fn target_folder(executable: &Path) -> Option<PathBuf> {
    let above = executable.ancestors().skip(1).take(MAX_TARGET_DEPTH);
    let mut targets = above.filter(|folder| folder.join(".rustc_info.json").is_file());
    targets.next().map(Path::to_owned)
}

/// The folder in which a node keeps its sandboxes, from the first of: the
/// option, `MOTE_STATE`, the user's data folder.
pub(crate) fn state(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let xdg = variable("XDG_DATA_HOME").filter(|path| path.is_absolute());
    let home = || variable("HOME").map(|home| home.join(".local/share"));
    let usual = || xdg.or_else(home).map(|data| data.join("mote"));
    let chosen = named.or_else(|| variable("MOTE_STATE")).or_else(usual);
    let chosen = chosen.ok_or_else(|| {
        Failure::Usage(vec![
            "there is no folder for sandboxes, as HOME is not set; name one with --state DIR"
                .to_owned(),
        ])
    })?;
    Ok(std::path::absolute(&chosen)
        .with_context(|| format!("failed to find {}", chosen.display()))?)
}

fn users_cache() -> Option<PathBuf> {
    // A relative one is to be ignored, says the XDG specification.
    let xdg = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let home = || variable("HOME").map(|home| home.join(".cache"));
    Some(xdg.or_else(home)?.join("mote"))
}

fn no_cache() -> Failure {
    Failure::Usage(vec![
        "there is no folder for compiled code, as HOME is not set; name one with --cache DIR"
            .to_owned(),
    ])
}

fn variable(name: &str) -> Option<PathBuf> {
    let set = env::var_os(name).filter(|value: &OsString| !value.is_empty());
    set.map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_built_by_cargo_knows_its_target_folder() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".rustc_info.json"), "{}").unwrap();
        for below in ["release/mote", "release/deps/mote-1", "triple/debug/mote"] {
            let found = target_folder(&folder.path().join(below));
            assert_eq!(found.as_deref(), Some(folder.path()), "{below}");
        }
        assert_eq!(target_folder(Path::new("/usr/bin/mote")), None);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_found_out_first() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            check_file(folder.path())
                .unwrap_err()
                .contains("is a directory")
        );
        let missing = folder.path().join("missing.wasm");
        assert!(check_file(&missing).unwrap_err().contains("no such file"));
        fs::write(&missing, "").unwrap();
        assert_eq!(check_file(&missing), Ok(()));
    }
}
