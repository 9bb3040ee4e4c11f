//! `rm`.

use std::path::Path;

use bashkit::{Builtin, BuiltinContext, ExecResult, FileSystem, Metadata, Result, async_trait};
use futures_util::future::BoxFuture;

use super::options::{Known, Options, usage};
use super::{Answers, Report, absolute, base_name, children, reason, shown_join};

const KNOWN: Known = Known {
    letters: "rRfiIdv",
    names: &[
        ("recursive", 'r'),
        ("force", 'f'),
        ("dir", 'd'),
        ("verbose", 'v'),
        ("interactive", 'i'),
        ("one-file-system", 'x'),
        ("no-preserve-root", 'N'),
        ("preserve-root", 'k'),
    ],
    wrong: 1,
};

/// The command.
pub struct Rm;

#[async_trait]
impl Builtin for Rm {
    async fn execute(&self, ctx: BuiltinContext<'_>) -> Result<ExecResult> {
        let mut report = Report::new("rm");
        if let Some(options) = Options::parse(&mut report, &KNOWN, ctx.args) {
            if options.operands.is_empty() && !options.has('f') {
                usage(&mut report, 1, "missing operand");
            }
            let mut removal = Removal {
                force: options.last("fi") == Some('f'),
                ask: options.last("fi") == Some('i'),
                recursive: options.has('r') || options.has('R'),
                folders: options.has('d'),
                verbose: options.has('v'),
                answers: Answers::new(ctx.stdin),
                fs: &*ctx.fs,
                report: &mut report,
            };
            for name in &options.operands {
                removal.operand(ctx.cwd, name).await;
            }
        }
        Ok(report.finish())
    }
}

struct Removal<'a> {
    force: bool,
    ask: bool,
    recursive: bool,
    folders: bool,
    verbose: bool,
    answers: Answers,
    fs: &'a dyn FileSystem,
    report: &'a mut Report,
}

impl Removal<'_> {
    async fn operand(&mut self, cwd: &Path, name: &str) {
        let path = absolute(cwd, name);
        let metadata = if name.is_empty() {
            Err("No such file or directory".to_owned())
        } else {
            self.fs.lstat(&path).await.map_err(|error| reason(&error))
        };
        match metadata {
            Err(_) if self.force => {}
            Err(why) => self
                .report
                .fail(1, &format!("cannot remove '{name}': {why}")),
            Ok(_) if self.recursive && path == Path::new("/") => {
                self.report
                    .fail(1, "it is dangerous to operate recursively on '/'");
                self.report
                    .fail(1, "use --no-preserve-root to override this failsafe");
            }
            Ok(metadata)
                if metadata.file_type.is_dir() && matches!(base_name(name), "." | "..") =>
            {
                self.report.fail(
                    1,
                    &format!("refusing to remove '.' or '..' directory: skipping '{name}'"),
                );
            }
            Ok(metadata) => self.remove(&path, name, &metadata).await,
        }
    }

    /// Removes what is there; says so if asked to.
    fn remove<'b>(
        &'b mut self,
        path: &'b Path,
        name: &'b str,
        metadata: &'b Metadata,
    ) -> BoxFuture<'b, ()> {
        Box::pin(async move {
            let is_folder = metadata.file_type.is_dir();
            if is_folder && !self.recursive && !self.folders {
                let text = format!("cannot remove '{name}': Is a directory");
                return self.report.fail(1, &text);
            }
            // One call of the host's for all below, unless each is asked about
            // or reported.
            let whole = self.recursive && !self.ask && !self.verbose;
            if is_folder && self.recursive && !whole {
                for (child, metadata) in children(self.fs, path).await.unwrap_or_default() {
                    let shown = shown_join(name, &child);
                    self.remove(&path.join(&child), &shown, &metadata).await;
                }
            }
            let what = match (is_folder, metadata.file_type.is_symlink(), metadata.size) {
                (true, ..) => "directory",
                (_, true, _) => "symbolic link",
                (.., 0) => "regular empty file",
                _ => "regular file",
            };
            if self.ask
                && !self
                    .answers
                    .ask(self.report, &format!("remove {what} '{name}'"))
            {
                return;
            }
            match self.fs.remove(path, whole).await {
                Ok(()) if self.verbose && is_folder => {
                    self.report.say(&format!("removed directory '{name}'"));
                }
                Ok(()) if self.verbose => self.report.say(&format!("removed '{name}'")),
                Ok(()) => {}
                Err(error) => self
                    .report
                    .fail(1, &format!("cannot remove '{name}': {}", reason(&error))),
            }
        })
    }
}
