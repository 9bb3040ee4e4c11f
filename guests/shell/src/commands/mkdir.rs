//! `mkdir`.

use std::path::Path;

use bashkit::{Builtin, BuiltinContext, ExecResult, FileSystem, Result, async_trait};

use super::chmod::Mode;
use super::options::{Known, Options, usage};
use super::{Report, absolute, is_folder, reason};

const KNOWN: Known = Known {
    letters: "pm:vZ",
    names: &[("parents", 'p'), ("mode", 'm'), ("verbose", 'v')],
    wrong: 1,
};

/// Mode of a new folder, which a relative `-m` starts from.
const FOLDER_MODE: u32 = 0o777;

/// The command.
pub struct Mkdir;

#[async_trait]
impl Builtin for Mkdir {
    async fn execute(&self, ctx: BuiltinContext<'_>) -> Result<ExecResult> {
        let mut report = Report::new("mkdir");
        if let Some(options) = Options::parse(&mut report, &KNOWN, ctx.args) {
            run(&mut report, &options, &*ctx.fs, ctx.cwd).await;
        }
        Ok(report.finish())
    }
}

async fn run(report: &mut Report, options: &Options, fs: &dyn FileSystem, cwd: &Path) {
    if options.operands.is_empty() {
        return usage(report, 1, "missing operand");
    }
    let mode = options.value('m');
    if let Some(mode) = mode
        && Mode::parse(mode).is_none()
    {
        return report.fail(1, &format!("invalid mode '{mode}'"));
    }
    for name in &options.operands {
        if options.has('p') {
            create_with_parents(report, options, fs, cwd, name).await;
        } else {
            create(report, options, fs, cwd, name).await;
        }
        if let Some(mode) = mode.and_then(Mode::parse) {
            let path = absolute(cwd, name);
            // The folder was just reported if it is not there.
            let _ = fs.chmod(&path, mode.apply(FOLDER_MODE, true)).await;
        }
    }
}

async fn create_with_parents(
    report: &mut Report,
    options: &Options,
    fs: &dyn FileSystem,
    cwd: &Path,
    name: &str,
) {
    let mut ends: Vec<usize> = name.match_indices('/').map(|(at, _)| at).collect();
    ends.push(name.len());
    for part in ends.into_iter().filter_map(|end| name.get(..end)) {
        if part.is_empty() || is_folder(fs, &absolute(cwd, part)).await {
            continue;
        }
        if !create(report, options, fs, cwd, part).await {
            return;
        }
    }
}

async fn create(
    report: &mut Report,
    options: &Options,
    fs: &dyn FileSystem,
    cwd: &Path,
    name: &str,
) -> bool {
    let path = absolute(cwd, name);
    let result = if name.is_empty() {
        Err("No such file or directory".to_owned())
    } else if fs.lstat(&path).await.is_ok() {
        Err("File exists".to_owned())
    } else {
        fs.mkdir(&path, false).await.map_err(|error| reason(&error))
    };
    match result {
        Ok(()) if options.has('v') => report.say(&format!("mkdir: created directory '{name}'")),
        Ok(()) => {}
        Err(why) => {
            report.fail(1, &format!("cannot create directory '{name}': {why}"));
            return false;
        }
    }
    true
}
