//! `cp`.

use std::path::{Path, PathBuf};

use bashkit::{Builtin, BuiltinContext, ExecResult, FileSystem, Metadata, Result, async_trait};
use futures_util::future::BoxFuture;

use super::options::{Known, Options, usage};
use super::{Answers, Report, absolute, base_name, children, is_folder, reason, shown_join};

const KNOWN: Known = Known {
    letters: "arRdfHiLlnPpst:TuvxZb",
    names: &[
        ("archive", 'a'),
        ("backup", 'b'),
        ("dereference", 'L'),
        ("force", 'f'),
        ("interactive", 'i'),
        ("link", 'l'),
        ("no-clobber", 'n'),
        ("no-dereference", 'P'),
        ("no-preserve", 'N'),
        ("no-target-directory", 'T'),
        ("one-file-system", 'x'),
        ("parents", 'D'),
        ("preserve", 'p'),
        ("recursive", 'r'),
        ("reflink", 'x'),
        ("remove-destination", 'f'),
        ("sparse", 'x'),
        ("strip-trailing-slashes", 'x'),
        ("symbolic-link", 's'),
        ("target-directory", 't'),
        ("update", 'u'),
        ("verbose", 'v'),
    ],
    wrong: 1,
};

/// The command.
pub struct Cp;

#[async_trait]
impl Builtin for Cp {
    async fn execute(&self, ctx: BuiltinContext<'_>) -> Result<ExecResult> {
        let mut report = Report::new("cp");
        if let Some(options) = Options::parse(&mut report, &KNOWN, ctx.args)
            && let Some(targets) = Targets::find(&mut report, &options, &*ctx.fs, ctx.cwd).await
        {
            let mut copy = Copy {
                recursive: options.last("arR").is_some(),
                keep_links: options.last("adPL").is_some_and(|letter| letter != 'L'),
                keep_times: options.last("ap").is_some(),
                answers: Answers::new(ctx.stdin),
                options: &options,
                fs: &*ctx.fs,
                report: &mut report,
            };
            for source in &targets.sources {
                copy.operand(ctx.cwd, source, &targets).await;
            }
        }
        Ok(report.finish())
    }
}

/// What `cp` and `mv` take and where it goes.
pub struct Targets {
    /// The sources, as written.
    pub sources: Vec<String>,
    /// The target, as written.
    pub target: String,
    /// Whether sources go into the target.
    pub into: bool,
}

impl Targets {
    /// Finds out what the operands mean; what is wrong is reported.
    pub async fn find(
        report: &mut Report,
        options: &Options,
        fs: &dyn FileSystem,
        cwd: &Path,
    ) -> Option<Self> {
        let mut sources = options.operands.clone();
        let named = options.value('t').map(str::to_owned);
        let target = match (named.clone(), sources.len()) {
            (_, 0) => {
                usage(report, 1, "missing file operand");
                return None;
            }
            (Some(folder), _) => folder,
            (None, 1) => {
                let text = format!("missing destination file operand after '{}'", sources[0]);
                usage(report, 1, &text);
                return None;
            }
            (None, _) => sources.pop()?,
        };
        let path = absolute(cwd, &target);
        let into = !options.has('T') && is_folder(fs, &path).await;
        if !into && (sources.len() > 1 || named.is_some() || target.ends_with('/')) {
            let why = match fs.stat(&path).await {
                Ok(_) => "Not a directory".to_owned(),
                Err(error) => reason(&error),
            };
            // A folder may be copied or renamed to a name with a slash.
            let single_folder = sources.len() == 1
                && named.is_none()
                && is_folder(fs, &absolute(cwd, &sources[0])).await;
            if !single_folder {
                report.fail(1, &format!("target '{target}': {why}"));
                return None;
            }
        }
        Some(Self {
            sources,
            target,
            into,
        })
    }

    /// Where a source goes, as it is shown.
    pub fn of(&self, source: &str) -> String {
        match base_name(source) {
            _ if !self.into => self.target.clone(),
            "." | ".." => self.target.clone(),
            name => shown_join(&self.target, name),
        }
    }
}

struct Copy<'a> {
    recursive: bool,
    keep_links: bool,
    keep_times: bool,
    answers: Answers,
    options: &'a Options,
    fs: &'a dyn FileSystem,
    report: &'a mut Report,
}

/// A source or a target: where it is and how it is shown.
struct Name {
    path: PathBuf,
    shown: String,
}

impl Name {
    fn new(cwd: &Path, shown: String) -> Self {
        Self {
            path: absolute(cwd, &shown),
            shown,
        }
    }

    fn child(&self, name: &str) -> Self {
        Self {
            path: self.path.join(name),
            shown: shown_join(&self.shown, name),
        }
    }
}

impl Copy<'_> {
    async fn operand(&mut self, cwd: &Path, source: &str, targets: &Targets) {
        let to = if self.options.has('D') {
            let shown = shown_join(&targets.target, source.trim_start_matches('/'));
            let to = Name::new(cwd, shown);
            if let Some(parent) = to.path.parent()
                && let Err(error) = self.fs.mkdir(parent, true).await
            {
                let text = format!("cannot make directory for '{source}': {}", reason(&error));
                return self.report.fail(1, &text);
            }
            to
        } else {
            Name::new(cwd, targets.of(source))
        };
        let from = Name::new(cwd, source.to_owned());
        let metadata = if self.keep_links || self.recursive && !self.options.has('L') {
            self.fs.lstat(&from.path).await
        } else {
            self.fs.stat(&from.path).await
        };
        match metadata {
            Ok(metadata) => {
                if self.recursive && to.path.starts_with(&from.path) && to.path != from.path {
                    let text = format!(
                        "cannot copy a directory, '{}', into itself, '{}'",
                        from.shown, to.shown
                    );
                    return self.report.fail(1, &text);
                }
                self.copy(&from, &to, &metadata).await;
            }
            Err(error) => {
                let text = format!("cannot stat '{source}': {}", reason(&error));
                self.report.fail(1, &text);
            }
        }
    }

    fn copy<'b>(
        &'b mut self,
        from: &'b Name,
        to: &'b Name,
        metadata: &'b Metadata,
    ) -> BoxFuture<'b, ()> {
        Box::pin(async move {
            if metadata.file_type.is_dir() {
                return self.folder(from, to).await;
            }
            let there = self.fs.stat(&to.path).await.ok();
            if let Some(there) = &there
                && !self.may_replace(from, to, metadata, there)
            {
                return;
            }
            let result = if metadata.file_type.is_symlink() {
                self.link(from, to, there.is_some()).await
            } else if self.options.has('s') {
                self.fs.symlink(Path::new(&from.shown), &to.path).await
            } else {
                self.content(from, to).await
            };
            match result {
                Ok(()) => self.copied(from, to, metadata).await,
                Err(error) => {
                    let text = format!(
                        "cannot create regular file '{}': {}",
                        to.shown,
                        reason(&error)
                    );
                    self.report.fail(1, &text);
                }
            }
        })
    }

    async fn content(&self, from: &Name, to: &Name) -> Result<()> {
        // What lies in `/dev` is no file that could be copied as one.
        if from.path.starts_with("/dev") || to.path.starts_with("/dev") {
            let bytes = self.fs.read_file(&from.path).await?;
            return self.fs.write_file(&to.path, &bytes).await;
        }
        self.fs.copy(&from.path, &to.path).await
    }

    async fn link(&self, from: &Name, to: &Name, replace: bool) -> Result<()> {
        let target = self.fs.read_link(&from.path).await?;
        if replace {
            self.fs.remove(&to.path, false).await?;
        }
        self.fs.symlink(&target, &to.path).await
    }

    async fn folder(&mut self, from: &Name, to: &Name) {
        if !self.recursive {
            let text = format!("-r not specified; omitting directory '{}'", from.shown);
            return self.report.fail(1, &text);
        }
        match self.fs.stat(&to.path).await {
            Ok(there) if there.file_type.is_dir() => {}
            Ok(_) => {
                let text = format!(
                    "cannot overwrite non-directory '{}' with directory '{}'",
                    to.shown, from.shown
                );
                return self.report.fail(1, &text);
            }
            Err(_) => match self.fs.mkdir(&to.path, false).await {
                Ok(()) => self.verbose(from, to),
                Err(error) => {
                    let text =
                        format!("cannot create directory '{}': {}", to.shown, reason(&error));
                    return self.report.fail(1, &text);
                }
            },
        }
        match children(self.fs, &from.path).await {
            Ok(names) => {
                for (name, metadata) in names {
                    self.copy(&from.child(&name), &to.child(&name), &metadata)
                        .await;
                }
            }
            Err(error) => {
                let text = format!("cannot access '{}': {}", from.shown, reason(&error));
                self.report.fail(1, &text);
            }
        }
        self.keep_time(from, to).await;
    }

    /// Whether what is at the target may go.
    fn may_replace(&mut self, from: &Name, to: &Name, new: &Metadata, old: &Metadata) -> bool {
        let text = if from.path == to.path {
            format!("'{}' and '{}' are the same file", from.shown, to.shown)
        } else if old.file_type.is_dir() {
            format!(
                "cannot overwrite directory '{}' with non-directory '{}'",
                to.shown, from.shown
            )
        } else {
            return match self.options.last("fin") {
                Some('n') => false,
                Some('i') => self
                    .answers
                    .ask(self.report, &format!("overwrite '{}'", to.shown)),
                _ => !self.options.has('u') || new.modified > old.modified,
            };
        };
        self.report.fail(1, &text);
        false
    }

    async fn copied(&mut self, from: &Name, to: &Name, metadata: &Metadata) {
        self.verbose(from, to);
        if metadata.file_type.is_file() {
            self.keep_time(from, to).await;
        }
    }

    async fn keep_time(&self, from: &Name, to: &Name) {
        if self.keep_times
            && let Ok(metadata) = self.fs.stat(&from.path).await
        {
            // The copy is there; its time is a courtesy.
            let _ = self.fs.set_modified_time(&to.path, metadata.modified).await;
        }
    }

    fn verbose(&mut self, from: &Name, to: &Name) {
        if self.options.has('v') {
            self.report
                .say(&format!("'{}' -> '{}'", from.shown, to.shown));
        }
    }
}
