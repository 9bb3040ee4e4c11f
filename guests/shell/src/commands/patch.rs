//! `patch`.

pub mod apply;
pub mod parse;

use std::path::{Path, PathBuf};

use bashkit::{Builtin, BuiltinContext, ExecResult, FileSystem, Result, async_trait};

use super::options::{Known, Options};
use super::{Report, absolute, base_name, reason};
use apply::Placed;
use parse::{FilePatch, Hunk};

const KNOWN: Known = Known {
    letters: "bB:cd:eEfF:i:lnNo:p:r:RstuV:z:Z",
    names: &[
        ("backup", 'b'),
        ("batch", 't'),
        ("directory", 'd'),
        ("dry-run", 'D'),
        ("force", 'f'),
        ("forward", 'N'),
        ("fuzz", 'F'),
        ("input", 'i'),
        ("no-backup-if-mismatch", 'e'),
        ("output", 'o'),
        ("posix", 'e'),
        ("quiet", 's'),
        ("reject-file", 'r'),
        ("remove-empty-files", 'E'),
        ("reverse", 'R'),
        ("silent", 's'),
        ("strip", 'p'),
        ("unified", 'u'),
        ("verbose", 'e'),
    ],
    wrong: TROUBLE,
};

/// Status where the patch itself is no good.
const TROUBLE: i32 = 2;

/// Lines of a change's surroundings that may differ, at each end.
const FUZZ: usize = 2;

/// The name that stands for no file.
const NO_FILE: &str = "/dev/null";

/// The command.
pub struct Patch;

#[async_trait]
impl Builtin for Patch {
    async fn execute(&self, ctx: BuiltinContext<'_>) -> Result<ExecResult> {
        let mut report = Report::new("patch");
        if let Some(options) = Options::parse(&mut report, &KNOWN, ctx.args) {
            let mut patcher = Patcher {
                cwd: absolute(ctx.cwd, options.value('d').unwrap_or(".")),
                options: &options,
                fs: &*ctx.fs,
                report: &mut report,
            };
            let input = options
                .value('i')
                .or(options.operands.get(1).map(String::as_str));
            let text = match input {
                Some(name) if name != "-" => match ctx.fs.read_file(&absolute(ctx.cwd, name)).await
                {
                    Ok(text) => text,
                    Err(error) => {
                        let text =
                            format!("**** Can't open patch file {name} : {}", reason(&error));
                        patcher.report.fail(TROUBLE, &text);
                        return Ok(report.finish());
                    }
                },
                _ => ctx
                    .stdin
                    .map(|data| data.as_bytes().to_vec())
                    .unwrap_or_default(),
            };
            patcher.run(&text).await;
        }
        Ok(report.finish())
    }
}

struct Patcher<'a> {
    cwd: PathBuf,
    options: &'a Options,
    fs: &'a dyn FileSystem,
    report: &'a mut Report,
}

impl Patcher<'_> {
    async fn run(&mut self, text: &[u8]) {
        let files = match parse::parse(text) {
            Ok(files) => files,
            Err((line, text)) => {
                let text = format!("**** malformed patch at line {line}: {text}");
                return self.report.fail(TROUBLE, &text);
            }
        };
        if files.is_empty() {
            return self
                .report
                .fail(TROUBLE, "**** Only garbage was found in the patch input.");
        }
        for file in files {
            self.file(&file).await;
        }
    }

    fn say(&mut self, line: &str) {
        if !self.options.has('s') {
            self.report.say(line);
        }
    }

    async fn file(&mut self, file: &FilePatch) {
        let reverse = self.options.has('R');
        let hunks: Vec<Hunk> = match reverse {
            true => file.hunks.iter().map(Hunk::reversed).collect(),
            false => file.hunks.clone(),
        };
        let (old, new) = if reverse {
            (&file.new, &file.old)
        } else {
            (&file.old, &file.new)
        };
        let Some(name) = self.name(old, new).await else {
            return self.no_file(file);
        };
        let path = absolute(&self.cwd, &name);
        let content = self.fs.read_file(&path).await;
        let exists = content.is_ok();
        let content = content.unwrap_or_default();
        let mut text: Vec<Vec<u8>> = content
            .split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect();
        let verb = if self.options.has('D') {
            "checking"
        } else {
            "patching"
        };
        let shown = match self.options.value('o') {
            Some(output) => format!("{output} (read from {name})"),
            None => name.clone(),
        };
        self.say(&format!("{verb} file {shown}"));
        let fuzz = self.options.value('F').and_then(|text| text.parse().ok());
        if self.is_applied(&text, &hunks) || (old == NO_FILE && exists && !text.is_empty()) {
            self.say("Reversed (or previously applied) patch detected!  Skipping patch.");
            return self
                .reject(&name, file, hunks.iter().collect(), "ignored", hunks.len())
                .await;
        }
        let placed = apply::apply(&mut text, &hunks, fuzz.unwrap_or(FUZZ));
        let failed = self.tell(&placed, &hunks);
        if !self.options.has('D') && failed.len() < hunks.len() {
            let gone = (new == NO_FILE || self.options.has('E')) && text.is_empty();
            self.store(&name, &content, &text.concat(), gone).await;
        }
        if !failed.is_empty() {
            self.reject(&name, file, failed, "FAILED", hunks.len())
                .await;
        }
    }

    /// The file to change: of the operand, else of the names that is there.
    async fn name(&self, old: &str, new: &str) -> Option<String> {
        if let Some(name) = self.options.operands.first() {
            return Some(name.clone());
        }
        let strip = self.options.value('p').map(str::parse::<usize>);
        let stripped = |name: &str| match &strip {
            None => base_name(name).to_owned(),
            Some(count) => {
                let count = count.as_ref().copied().unwrap_or(0);
                name.splitn(count + 1, '/')
                    .nth(count)
                    .unwrap_or_default()
                    .to_owned()
            }
        };
        let mut names = Vec::new();
        for name in [old, new] {
            let short = stripped(name);
            if name == NO_FILE || short.is_empty() {
                continue;
            }
            if self
                .fs
                .exists(&absolute(&self.cwd, &short))
                .await
                .unwrap_or(false)
            {
                return Some(short);
            }
            names.push(short);
        }
        // A file that is to be created is the only one that need not be there.
        (old == NO_FILE).then(|| names.pop()).flatten()
    }

    fn no_file(&mut self, file: &FilePatch) {
        self.report.status = self.report.status.max(1);
        let count = file.hunks.len();
        self.report.say(&format!(
            "can't find file to patch at input line {}\n\
             Perhaps you used the wrong -p or --strip option?\n\
             The text leading up to this was:\n\
             --------------------------\n\
             |--- {}\n\
             |+++ {}\n\
             --------------------------\n\
             No file to patch.  Skipping patch.\n\
             {count} out of {count} {} ignored",
            file.line + 2,
            file.old,
            file.new,
            hunks_word(count),
        ));
    }

    /// Whether the text is as the patch would leave it, and would not take it.
    fn is_applied(&self, text: &[Vec<u8>], hunks: &[Hunk]) -> bool {
        if self.options.has('f') {
            return false;
        }
        let fits = |hunks: &[Hunk]| {
            let placed = apply::apply(&mut text.to_vec(), hunks, 0);
            placed
                .iter()
                .all(|placed| matches!(placed, Placed::At { .. }))
        };
        let reversed: Vec<Hunk> = hunks.iter().map(Hunk::reversed).collect();
        !fits(hunks.get(..1).unwrap_or_default()) && fits(&reversed)
    }

    /// Reports what did not go in just where it was to; returns what failed.
    fn tell<'h>(&mut self, placed: &[Placed], hunks: &'h [Hunk]) -> Vec<&'h Hunk> {
        let mut failed = Vec::new();
        for (index, (placed, hunk)) in placed.iter().zip(hunks).enumerate() {
            let number = index + 1;
            match placed {
                Placed::At {
                    fuzz: 0, offset: 0, ..
                } => {}
                Placed::At { line, fuzz, offset } => {
                    let fuzz = match fuzz {
                        0 => String::new(),
                        fuzz => format!(" with fuzz {fuzz}"),
                    };
                    let offset = match offset {
                        0 => String::new(),
                        1 | -1 => format!(" (offset {offset} line)"),
                        offset => format!(" (offset {offset} lines)"),
                    };
                    self.say(&format!(
                        "Hunk #{number} succeeded at {line}{fuzz}{offset}."
                    ));
                }
                Placed::Failed(line) => {
                    self.report
                        .say(&format!("Hunk #{number} FAILED at {line}."));
                    failed.push(hunk);
                }
            }
        }
        failed
    }

    async fn store(&mut self, name: &str, before: &[u8], after: &[u8], gone: bool) {
        let target = self.options.value('o').unwrap_or(name).to_owned();
        let path = absolute(&self.cwd, &target);
        let result = async {
            if self.options.has('b') {
                self.fs
                    .write_file(&path.with_added_extension("orig"), before)
                    .await?;
            }
            if gone {
                return self.fs.remove(&path, false).await;
            }
            if let Some(folder) = path.parent().filter(|folder| *folder != Path::new("/")) {
                self.fs.mkdir(folder, true).await?;
            }
            self.fs.write_file(&path, after).await
        };
        if let Err(error) = result.await {
            let text = format!("**** Can't create file {target} : {}", reason(&error));
            self.report.fail(TROUBLE, &text);
        }
    }

    /// Keeps what did not go in beside the file.
    async fn reject(
        &mut self,
        name: &str,
        file: &FilePatch,
        hunks: Vec<&Hunk>,
        how: &str,
        of: usize,
    ) {
        self.report.status = self.report.status.max(1);
        let count = hunks.len();
        let mut line = format!("{count} out of {of} {} {how}", hunks_word(of));
        if !self.options.has('D') {
            let rejects = match self.options.value('r') {
                Some(name) => name.to_owned(),
                None => format!("{name}.rej"),
            };
            let mut text = format!("--- {}\n+++ {}\n", file.old, file.new).into_bytes();
            hunks.iter().for_each(|hunk| text.extend(hunk.text()));
            match self
                .fs
                .write_file(&absolute(&self.cwd, &rejects), &text)
                .await
            {
                Ok(()) => line.push_str(&format!(" -- saving rejects to file {rejects}")),
                Err(error) => {
                    line.push_str(&format!(" -- cannot save rejects: {}", reason(&error)))
                }
            }
        }
        self.report.say(&line);
    }
}

fn hunks_word(count: usize) -> &'static str {
    if count == 1 { "hunk" } else { "hunks" }
}
