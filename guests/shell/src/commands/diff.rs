//! `diff`.

mod changes;
mod format;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bashkit::{Builtin, BuiltinContext, ExecResult, FileSystem, Result, StreamData, async_trait};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;

use super::options::{Known, Options, usage};
use super::{Report, absolute, base_name, children, is_folder, reason, shown_join};
use changes::Change;
use format::Difference;

const KNOWN: Known = Known {
    letters: "abBC:cdEHiL:NpqrsTtU:uwx:Z",
    names: &[
        ("brief", 'q'),
        ("color", 'a'),
        ("context", 'c'),
        ("exclude", 'x'),
        ("ignore-all-space", 'w'),
        ("ignore-blank-lines", 'B'),
        ("ignore-case", 'i'),
        ("ignore-space-change", 'b'),
        ("ignore-trailing-space", 'Z'),
        ("label", 'L'),
        ("minimal", 'd'),
        ("new-file", 'N'),
        ("no-dereference", 'a'),
        ("normal", 'o'),
        ("recursive", 'r'),
        ("report-identical-files", 's'),
        ("show-c-function", 'p'),
        ("speed-large-files", 'H'),
        ("strip-trailing-cr", 'R'),
        ("text", 'a'),
        ("unified", 'u'),
    ],
    wrong: TROUBLE,
};

/// Status where something could not be compared.
const TROUBLE: i32 = 2;

/// Lines shown around a change.
const AROUND: usize = 3;

/// Bytes looked at to tell whether a file is text.
const TEXT_BYTES: usize = 4096;

/// The command.
pub struct Diff;

#[async_trait]
impl Builtin for Diff {
    async fn execute(&self, ctx: BuiltinContext<'_>) -> Result<ExecResult> {
        let mut report = Report::new("diff");
        let mut out = Vec::new();
        if let Some(options) = Options::parse(&mut report, &KNOWN, ctx.args) {
            let words = ctx
                .args
                .iter()
                .filter(|word| word.starts_with('-') && word.len() > 1);
            let mut comparison = Comparison {
                command: words.fold("diff".to_owned(), |line, word| format!("{line} {word}")),
                options: &options,
                cwd: ctx.cwd,
                fs: &*ctx.fs,
                stdin: ctx.stdin,
                report: &mut report,
                out: &mut out,
                differs: false,
            };
            comparison.operands().await;
            let differs = comparison.differs;
            report.status = report.status.max(i32::from(differs));
        }
        let mut result = report.finish();
        result.stdout = out.into();
        Ok(result)
    }
}

struct Comparison<'a> {
    command: String,
    options: &'a Options,
    cwd: &'a Path,
    fs: &'a dyn FileSystem,
    stdin: Option<&'a StreamData>,
    report: &'a mut Report,
    out: &'a mut Vec<u8>,
    differs: bool,
}

/// One side of a comparison.
struct Side {
    shown: String,
    path: PathBuf,
}

impl Comparison<'_> {
    async fn operands(&mut self) {
        let names = &self.options.operands;
        let [old, new] = names.as_slice() else {
            let text = match names.as_slice() {
                [] => "missing operand after 'diff'".to_owned(),
                [one] => format!("missing operand after '{one}'"),
                [.., extra] => format!("extra operand '{extra}'"),
            };
            return usage(self.report, TROUBLE, &text);
        };
        let (mut old, mut new) = (self.side(old), self.side(new));
        let folders = (
            is_folder(self.fs, &old.path).await,
            is_folder(self.fs, &new.path).await,
        );
        match folders {
            (true, true) => return self.folders(&old, &new).await,
            (true, false) => old = old.child(base_name(&new.shown)),
            (false, true) => new = new.child(base_name(&old.shown)),
            _ => {}
        }
        self.files(&old, &new, None).await;
    }

    fn side(&self, shown: &str) -> Side {
        Side {
            shown: shown.to_owned(),
            path: absolute(self.cwd, shown),
        }
    }

    fn folders<'b>(&'b mut self, old: &'b Side, new: &'b Side) -> BoxFuture<'b, ()> {
        Box::pin(async move {
            let mut names = BTreeSet::new();
            let mut lists = [Vec::new(), Vec::new()];
            for (side, list) in [old, new].into_iter().zip(&mut lists) {
                match children(self.fs, &side.path).await {
                    Ok(found) => *list = found,
                    Err(error) => self
                        .report
                        .fail(TROUBLE, &format!("{}: {}", side.shown, reason(&error))),
                }
                names.extend(list.iter().map(|(name, _)| name.clone()));
            }
            let excluded = |name: &str| {
                self.options
                    .values('x')
                    .any(|glob| super::ls::matches(glob, name))
            };
            names.retain(|name| !excluded(name));
            let kind = |list: &[(String, bashkit::Metadata)], name: &str| {
                let found = list.iter().find(|(other, _)| other == name);
                found.map(|(_, metadata)| metadata.file_type.is_dir())
            };
            for name in names {
                let kinds = (kind(&lists[0], &name), kind(&lists[1], &name));
                let (old, new) = (old.child(&name), new.child(&name));
                self.pair(&name, &old, &new, kinds).await;
            }
        })
    }

    /// Compares what two folders have under one name; `kinds` says whether
    /// each is a folder, if it is there.
    async fn pair(
        &mut self,
        name: &str,
        old: &Side,
        new: &Side,
        kinds: (Option<bool>, Option<bool>),
    ) {
        let treat_missing_as_empty = self.options.has('N');
        match kinds {
            (Some(true), Some(true)) if self.options.has('r') => self.folders(old, new).await,
            (Some(true), Some(true)) => {
                self.say(&format!(
                    "Common subdirectories: {} and {}",
                    old.shown, new.shown
                ));
            }
            (Some(true), None) | (None, Some(true))
                if treat_missing_as_empty && self.options.has('r') =>
            {
                self.folders(old, new).await;
            }
            (Some(is_folder), None) | (None, Some(is_folder))
                if is_folder || !treat_missing_as_empty =>
            {
                let side = if kinds.0.is_some() { old } else { new };
                let folder = side.shown.strip_suffix(name).unwrap_or_default();
                let folder = folder.strip_suffix('/').unwrap_or(folder);
                self.say(&format!("Only in {folder}: {name}"));
                self.differs = true;
            }
            (Some(old_is_folder), Some(new_is_folder)) if old_is_folder != new_is_folder => {
                let what = |is_folder| {
                    if is_folder {
                        "directory"
                    } else {
                        "regular file"
                    }
                };
                self.say(&format!(
                    "File {} is a {} while file {} is a {}",
                    old.shown,
                    what(old_is_folder),
                    new.shown,
                    what(new_is_folder)
                ));
                self.differs = true;
            }
            _ => {
                let title = format!("{} {} {}", self.command, old.shown, new.shown);
                self.files(old, new, Some(&title)).await;
            }
        }
    }

    fn say(&mut self, line: &str) {
        self.out.extend_from_slice(line.as_bytes());
        self.out.push(b'\n');
    }

    /// A file's content; one that is not there is empty where that is wanted.
    async fn read(&mut self, side: &Side, may_miss: bool) -> Option<Vec<u8>> {
        if side.shown == "-" {
            return Some(
                self.stdin
                    .map(|data| data.as_bytes().to_vec())
                    .unwrap_or_default(),
            );
        }
        match self.fs.read_file(&side.path).await {
            Ok(bytes) => Some(bytes),
            Err(_) if may_miss || self.options.has('N') => Some(Vec::new()),
            Err(error) => {
                self.report
                    .fail(TROUBLE, &format!("{}: {}", side.shown, reason(&error)));
                None
            }
        }
    }

    /// Compares two files; `title` goes before what differs.
    async fn files(&mut self, old: &Side, new: &Side, title: Option<&str>) {
        let (first, second) = (self.read(old, false).await, self.read(new, false).await);
        let (Some(mut first), Some(mut second)) = (first, second) else {
            return;
        };
        let identical = first == second;
        if !identical && !self.options.has('a') && (is_binary(&first) || is_binary(&second)) {
            self.differs = true;
            return self.say(&format!(
                "Binary files {} and {} differ",
                old.shown, new.shown
            ));
        }
        if self.options.has('R') {
            strip_returns(&mut first);
            strip_returns(&mut second);
        }
        let (old_lines, new_lines) = (lines(&first), lines(&second));
        let changes = if identical {
            Vec::new()
        } else {
            self.changes(&old_lines, &new_lines)
        };
        if changes.is_empty() {
            if self.options.has('s') {
                self.say(&format!(
                    "Files {} and {} are identical",
                    old.shown, new.shown
                ));
            }
            return;
        }
        self.differs = true;
        if self.options.has('q') {
            return self.say(&format!("Files {} and {} differ", old.shown, new.shown));
        }
        if let Some(title) = title {
            self.say(title);
        }
        let difference = Difference {
            old: &old_lines.0,
            new: &new_lines.0,
            unended: [old_lines.1, new_lines.1],
            changes: &changes,
        };
        let around = |letter| {
            self.options
                .value(letter)
                .and_then(|text| text.parse().ok())
        };
        match self.options.last("uUcCo") {
            Some('u' | 'U') => {
                let around = around('U').or(around('u')).unwrap_or(AROUND);
                self.titles(old, new, ["---", "+++"]).await;
                difference.unified(self.out, around);
            }
            Some('c' | 'C') => {
                let around = around('C').or(around('c')).unwrap_or(AROUND);
                self.titles(old, new, ["***", "---"]).await;
                difference.context(self.out, around);
            }
            _ => difference.plain(self.out),
        }
    }

    async fn titles(&mut self, old: &Side, new: &Side, signs: [&str; 2]) {
        let labels: Vec<String> = self.options.values('L').map(str::to_owned).collect();
        for (index, (side, sign)) in [old, new].into_iter().zip(signs).enumerate() {
            let title = match labels.get(index) {
                Some(label) => label.clone(),
                None => {
                    let metadata = self.fs.stat(&side.path).await;
                    let in_memory = side.shown == "-" || side.path.starts_with("/dev/fd");
                    let time = match metadata {
                        _ if in_memory => SystemTime::now(),
                        Ok(metadata) => metadata.modified,
                        Err(_) => SystemTime::UNIX_EPOCH,
                    };
                    let time = DateTime::<Utc>::from(time).format("%Y-%m-%d %H:%M:%S%.9f +0000");
                    format!("{}\t{time}", side.shown)
                }
            };
            self.say(&format!("{sign} {title}"));
        }
    }

    fn changes(&self, old: &(Vec<&[u8]>, bool), new: &(Vec<&[u8]>, bool)) -> Vec<Change> {
        let mut numbers = HashMap::new();
        let mut number = |(lines, unended): &(Vec<&[u8]>, bool)| {
            let last = lines.len();
            let keyed = lines.iter().enumerate().map(|(index, line)| {
                let spaces = self.options.last("wbZB").is_some();
                (self.key(line), *unended && !spaces && index + 1 == last)
            });
            let mut list = Vec::new();
            for key in keyed {
                let next = numbers.len() as u32;
                list.push(*numbers.entry(key).or_insert(next));
            }
            list
        };
        let (old_numbers, new_numbers) = (number(old), number(new));
        let mut list = changes::changes(&old_numbers, &new_numbers);
        if self.options.has('B') {
            let blank = |lines: &[&[u8]]| lines.iter().all(|line| line.trim_ascii().is_empty());
            list.retain(|change| {
                !blank(old.0.get(change.old.clone()).unwrap_or_default())
                    || !blank(new.0.get(change.new.clone()).unwrap_or_default())
            });
        }
        list
    }

    /// What of a line counts.
    fn key(&self, line: &[u8]) -> Vec<u8> {
        let mut key = line.to_vec();
        if self.options.has('w') {
            key.retain(|byte| !byte.is_ascii_whitespace());
        } else if self.options.has('b') {
            let words: Vec<&[u8]> = line
                .split(u8::is_ascii_whitespace)
                .filter(|word| !word.is_empty())
                .collect();
            let indent = line.first().is_some_and(u8::is_ascii_whitespace);
            key = if indent { b" ".to_vec() } else { Vec::new() };
            key.extend(words.join(&b' '));
        } else if self.options.has('Z') {
            key.truncate(line.trim_ascii_end().len());
        }
        if self.options.has('i') {
            key.make_ascii_lowercase();
        }
        key
    }
}

impl Side {
    fn child(&self, name: &str) -> Self {
        Self {
            shown: shown_join(&self.shown, name),
            path: self.path.join(name),
        }
    }
}

fn is_binary(bytes: &[u8]) -> bool {
    bytes.iter().take(TEXT_BYTES).any(|byte| *byte == 0)
}

fn strip_returns(bytes: &mut Vec<u8>) {
    let text = std::mem::take(bytes);
    let mut lines = text.split(|byte| *byte == b'\n');
    if let Some(first) = lines.next() {
        bytes.extend_from_slice(first.strip_suffix(b"\r").unwrap_or(first));
    }
    for line in lines {
        bytes.push(b'\n');
        bytes.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
    }
}

/// The lines of a text, and whether the last lacks its end.
fn lines(text: &[u8]) -> (Vec<&[u8]>, bool) {
    let unended = text.last().is_some_and(|last| *last != b'\n');
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    if !unended {
        lines.pop();
    }
    (lines, unended)
}
