//! `mv`.

use std::path::Path;

use bashkit::{Builtin, BuiltinContext, ExecResult, FileSystem, Result, async_trait};

use super::cp::Targets;
use super::options::{Known, Options};
use super::{Answers, Report, absolute, reason};

const KNOWN: Known = Known {
    letters: "bfint:TuvZ",
    names: &[
        ("backup", 'b'),
        ("force", 'f'),
        ("interactive", 'i'),
        ("no-clobber", 'n'),
        ("no-target-directory", 'T'),
        ("strip-trailing-slashes", 'Z'),
        ("target-directory", 't'),
        ("update", 'u'),
        ("verbose", 'v'),
    ],
    wrong: 1,
};

/// The command.
pub struct Mv;

#[async_trait]
impl Builtin for Mv {
    async fn execute(&self, ctx: BuiltinContext<'_>) -> Result<ExecResult> {
        let mut report = Report::new("mv");
        if let Some(options) = Options::parse(&mut report, &KNOWN, ctx.args)
            && let Some(targets) = Targets::find(&mut report, &options, &*ctx.fs, ctx.cwd).await
        {
            let mut answers = Answers::new(ctx.stdin);
            for source in &targets.sources {
                let target = targets.of(source);
                let moved = Move {
                    source,
                    target: &target,
                    options: &options,
                    fs: &*ctx.fs,
                };
                if let Err(text) = moved.run(&mut report, &mut answers, ctx.cwd).await {
                    report.fail(1, &text);
                }
            }
        }
        Ok(report.finish())
    }
}

struct Move<'a> {
    source: &'a str,
    target: &'a str,
    options: &'a Options,
    fs: &'a dyn FileSystem,
}

impl Move<'_> {
    async fn run(
        &self,
        report: &mut Report,
        answers: &mut Answers,
        cwd: &Path,
    ) -> std::result::Result<(), String> {
        let (source, target) = (self.source, self.target);
        let (from, to) = (absolute(cwd, source), absolute(cwd, target));
        let metadata = self
            .fs
            .lstat(&from)
            .await
            .map_err(|error| format!("cannot stat '{source}': {}", reason(&error)))?;
        if from == to {
            return Err(format!("'{source}' and '{target}' are the same file"));
        }
        if to.starts_with(&from) {
            return Err(format!(
                "cannot move '{source}' to a subdirectory of itself, '{target}'"
            ));
        }
        if let Ok(there) = self.fs.lstat(&to).await {
            match (metadata.file_type.is_dir(), there.file_type.is_dir()) {
                (true, false) => {
                    return Err(format!(
                        "cannot overwrite non-directory '{target}' with directory '{source}'"
                    ));
                }
                (false, true) => {
                    return Err(format!(
                        "cannot overwrite directory '{target}' with non-directory"
                    ));
                }
                _ => {}
            }
            let replace = match self.options.last("fin") {
                Some('n') => false,
                Some('i') => answers.ask(report, &format!("overwrite '{target}'")),
                _ => !self.options.has('u') || metadata.modified > there.modified,
            };
            if !replace {
                return Ok(());
            }
        }
        self.fs
            .rename(&from, &to)
            .await
            .map_err(|error| format!("cannot move '{source}' to '{target}': {}", reason(&error)))?;
        if self.options.has('v') {
            report.say(&format!("renamed '{source}' -> '{target}'"));
        }
        Ok(())
    }
}
