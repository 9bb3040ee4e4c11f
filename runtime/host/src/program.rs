//! From `argv[0]` to a component: a built-in name, or a file of the sandbox.

use std::fs::{File, Metadata};
use std::os::unix::fs::FileExt;
use std::path::Path;

use cap_primitives::fs::{OpenOptions, OpenOptionsExt};
use mote_api::{GuestPath, Rejection};

use crate::compiler::MAX_SOURCE_BYTES;
use crate::component::Component;
use crate::error::{HostError, PrepareError, RunError};
use crate::files::OpenDir;
use crate::scope::Scope;
use crate::session::ProgramFile;

/// Other names of built-in programs, as scripts and models use them.
const ALIASES: [(&str, &str); 3] = [("bash", "sh"), ("python", "python3"), ("node", "js")];
/// Folders in which built-in programs appear to be.
const PROGRAM_FOLDERS: [&str; 3] = ["/bin/", "/usr/bin/", "/usr/local/bin/"];
/// Runs a command of the shell, or a script file by its first line.
const SHELL_RUNNER: [&str; 3] = ["sh", "-c", "\"$0\" \"$@\""];

/// What is to be run.
pub(crate) struct Program {
    pub(crate) component: Component,
    /// The arguments it gets.
    pub(crate) argv: Vec<String>,
    /// The built-in programs ask for their working directory. Others are
    /// compiled against a C library that does not, and that finds relative
    /// paths below a directory called `.`.
    pub(crate) asks_for_cwd: bool,
}

impl Program {
    fn built_in(component: Component, argv: Vec<String>) -> Self {
        Self {
            component,
            argv,
            asks_for_cwd: true,
        }
    }

    fn submitted(component: Component, argv: Vec<String>) -> Self {
        Self {
            component,
            argv,
            asks_for_cwd: false,
        }
    }
}

/// The name of the built-in program that is also called `name`.
pub(crate) fn unaliased(name: &str) -> &str {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
    alias.map_or(name, |(_, name)| name)
}

/// The program that `argv` names.
pub(crate) async fn resolve(
    scope: &Scope,
    argv: Vec<String>,
    cwd: &GuestPath,
) -> Result<Program, RunError> {
    let name = argv.first().map_or("", String::as_str);
    if !name.contains('/') {
        return by_name(scope, name.to_owned(), argv).await;
    }
    let path = cwd
        .join(name)
        .map_err(|error| Rejection::Invalid(error.to_string()))?;
    let Some((dir, rest)) = holder(&scope.dirs, &path) else {
        let base = PROGRAM_FOLDERS
            .iter()
            .find_map(|folder| path.as_str().strip_prefix(folder));
        let base = base.unwrap_or(name).to_owned();
        return by_name(scope, base, argv).await;
    };
    let refused = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => not_found(name),
        _ => not_executable(name, error.to_string()),
    };
    let (file, meta) = open(dir, rest).map_err(refused)?;
    if let Some(component) = scope.host.known(&meta) {
        return Ok(Program::submitted(component, argv));
    }
    if is_script(&file).map_err(refused)? {
        return in_shell(scope, argv).await;
    }
    match scope
        .host
        .prepare_opened(file, name, Some(&scope.budget), false)
        .await
    {
        Ok(component) => Ok(Program::submitted(component, argv)),
        Err(PrepareError::Refused(reason)) => Err(not_executable(name, reason)),
        Err(PrepareError::Host(error)) => Err(error.into()),
    }
}

/// The program of this name that the sandbox has besides the built-in ones, a
/// built-in one, or a command of the shell. The name that was called may be a
/// path to it.
async fn by_name(scope: &Scope, name: String, mut argv: Vec<String>) -> Result<Program, RunError> {
    if let Some(file) = scope.programs.get(&name) {
        let component = own(scope, &name, file).await?;
        return Ok(Program::submitted(component, argv));
    }
    if scope.host.is_command(&name) {
        if let Some(called) = argv.first_mut() {
            *called = name;
        }
        return in_shell(scope, argv).await;
    }
    let called = argv.first().map_or("", String::as_str);
    let component = built_in(scope, &name, called).await?;
    Ok(Program::built_in(component, argv))
}

/// A program that the sandbox has besides the built-in ones.
async fn own(scope: &Scope, name: &str, file: &ProgramFile) -> Result<Component, RunError> {
    let prepared = scope.host.prepare_at(&file.path, Some(&scope.budget)).await;
    let is_it = |component: &Component| component.manifest().digest == file.digest;
    let refused = |reason: String| not_executable(name, reason);
    match prepared {
        Ok(component) if is_it(&component) => Ok(component),
        Ok(_) => Err(refused(format!(
            "its file is no longer {}; make the sandbox anew",
            file.digest
        ))),
        Err(PrepareError::Refused(reason)) => Err(refused(reason)),
        Err(PrepareError::Host(error)) => Err(error.into()),
    }
}

/// The shell, as it runs what `argv` names.
async fn in_shell(scope: &Scope, argv: Vec<String>) -> Result<Program, RunError> {
    let component = built_in(scope, "sh", "sh").await?;
    let words = SHELL_RUNNER.map(str::to_owned).into_iter().chain(argv);
    Ok(Program::built_in(component, words.collect()))
}

async fn built_in(scope: &Scope, name: &str, called: &str) -> Result<Component, RunError> {
    let name = unaliased(name);
    match scope.host.built_in(name, &scope.budget).await {
        Ok(Some(component)) => Ok(component),
        Ok(None) => Err(not_found(called)),
        // Ours, so a refusal is our fault too.
        Err(PrepareError::Refused(reason)) => Err(HostError::BuiltIn {
            program: name.to_owned(),
            reason,
        }
        .into()),
        Err(PrepareError::Host(error)) => Err(error.into()),
    }
}

fn not_found(program: &str) -> RunError {
    Rejection::NotFound {
        program: program.to_owned(),
    }
    .into()
}

fn not_executable(program: &str, reason: String) -> RunError {
    Rejection::NotExecutable {
        program: program.to_owned(),
        reason,
    }
    .into()
}

/// The directory that holds `path`, and the rest of the path below it.
fn holder<'a>(dirs: &'a [OpenDir], path: &'a GuestPath) -> Option<(&'a OpenDir, &'a str)> {
    let below = dirs
        .iter()
        .filter_map(|dir| Some((dir, path.below(&dir.guest)?)));
    below.max_by_key(|(dir, _)| dir.guest.as_str().len())
}

/// Opens a file below a directory handle, never outside it. A guest may have
/// put a pipe there: opening must not wait.
fn open(dir: &OpenDir, rest: &str) -> std::io::Result<(File, Metadata)> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    let file = cap_primitives::fs::open(dir.handle(), Path::new(rest), &options)?;
    let meta = file.metadata()?;
    if meta.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    if !meta.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    if meta.len() > MAX_SOURCE_BYTES.as_u64() {
        return Err(std::io::Error::other(format!(
            "it is larger than {MAX_SOURCE_BYTES}"
        )));
    }
    Ok((file, meta))
}

/// The working directory; none if it is outside of the sandbox's folders.
///
/// # Errors
/// It would lie in one of them, and is not there.
pub(crate) fn open_folder(dirs: &[OpenDir], cwd: &GuestPath) -> Result<Option<OpenDir>, Rejection> {
    let Some((dir, rest)) = holder(dirs, cwd) else {
        return Ok(None);
    };
    if rest.is_empty() {
        return Ok(Some(dir.clone()));
    }
    match cap_primitives::fs::open_dir(dir.handle(), Path::new(rest)) {
        Ok(folder) => {
            let folder = OpenDir::new(cwd.clone(), folder, dir.access());
            Ok(Some(folder.within(dir.folder)))
        }
        Err(_) => Err(Rejection::Invalid(format!(
            "the working directory {cwd} is not there; create it, or name another"
        ))),
    }
}

/// Whether its first line names what runs it.
fn is_script(file: &File) -> std::io::Result<bool> {
    let mut head = [0; 2];
    Ok(file.read_at(&mut head, 0)? == head.len() && head == *b"#!")
}

#[cfg(test)]
mod tests {
    use super::*;
    use mote_api::Access;

    fn dir(guest: &str) -> OpenDir {
        let dir = tempfile::tempfile().unwrap();
        OpenDir::new(guest.parse().unwrap(), dir, Access::ReadOnly)
    }

    #[test]
    fn the_deepest_directory_holds_a_path() {
        let dirs = [dir("/workspace"), dir("/workspace/data"), dir("/tmp")];
        let path = "/workspace/data/x/y".parse().unwrap();
        let (found, rest) = holder(&dirs, &path).unwrap();
        assert_eq!((found.guest.as_str(), rest), ("/workspace/data", "x/y"));
        assert!(holder(&dirs, &"/bin/sh".parse().unwrap()).is_none());
    }
}
