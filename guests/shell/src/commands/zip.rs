//! `zip` and `unzip`.

mod format;

use std::path::Path;

use bashkit::{Builtin, BuiltinContext, ExecResult, FileSystem, async_trait};

use super::ls::matches;
use super::options::{Known, Options};
use super::{Report, absolute, base_name, children, is_folder, reason, shown_join};
use format::Member;

const ZIP: Known = Known {
    letters: "0123456789dDfijmqruvxyX",
    names: &[
        ("quiet", 'q'),
        ("recurse-paths", 'r'),
        ("junk-paths", 'j'),
        ("delete", 'd'),
    ],
    wrong: WRONG_CALL,
};

const UNZIP: Known = Known {
    letters: "1abCd:jlLnopqtuUvxXZ",
    names: &[],
    wrong: WRONG_CALL_OF_UNZIP,
};

const WRONG_CALL: i32 = 16;
const WRONG_CALL_OF_UNZIP: i32 = 10;
/// Nothing to do: no file fits.
const NOTHING: i32 = 12;
/// No member fits.
const NO_MEMBER: i32 = 11;
const NO_ARCHIVE: i32 = 9;
const BROKEN: i32 = 3;
const WARNING: i32 = 1;

/// Level of compression where none is named.
const LEVEL: u32 = 6;

/// Takes the patterns after `-x`, up to the next option, out of the words.
fn excluded(args: &[String]) -> (Vec<String>, Vec<String>) {
    let (mut words, mut patterns) = (Vec::new(), Vec::new());
    let mut excluding = false;
    for word in args {
        match word.as_str() {
            "-x" => excluding = true,
            "@" if excluding => excluding = false,
            word if excluding && !word.starts_with('-') => patterns.push(word.to_owned()),
            word => {
                excluding = false;
                words.push(word.to_owned());
            }
        }
    }
    (words, patterns)
}

/// `zip`
pub struct Zip;

#[async_trait]
impl Builtin for Zip {
    async fn execute(&self, ctx: BuiltinContext<'_>) -> bashkit::Result<ExecResult> {
        let mut report = Report::new("zip");
        let (args, excluded) = excluded(ctx.args);
        if let Some(options) = Options::parse(&mut report, &ZIP, &args) {
            let mut zipping = Zipping {
                excluded,
                options: &options,
                cwd: ctx.cwd,
                fs: &*ctx.fs,
                report: &mut report,
                members: Vec::new(),
            };
            if let Err((status, text)) = zipping.run().await {
                report.err.push_str(&format!("\nzip error: {text}\n"));
                report.status = status;
            }
        }
        Ok(report.finish())
    }
}

type Failed = (i32, String);

struct Zipping<'a> {
    excluded: Vec<String>,
    options: &'a Options,
    cwd: &'a Path,
    fs: &'a dyn FileSystem,
    report: &'a mut Report,
    members: Vec<Member>,
}

impl Zipping<'_> {
    async fn run(&mut self) -> Result<(), Failed> {
        let options = self.options;
        let Some((archive, names)) = options.operands.split_first() else {
            return Err((
                WRONG_CALL,
                "Invalid command arguments (no archive is named)".to_owned(),
            ));
        };
        let archive = match base_name(archive).contains('.') || archive == "-" {
            true => archive.clone(),
            false => format!("{archive}.zip"),
        };
        let path = absolute(self.cwd, &archive);
        if let Ok(old) = self.fs.read_file(&path).await {
            let wrong = || (BROKEN, format!("Zip file structure invalid ({archive})"));
            self.members = format::read(&old).ok_or_else(wrong)?;
        }
        if options.has('d') {
            self.delete(names);
        } else {
            for name in names {
                self.add(name, &path).await?;
            }
        }
        if self.members.is_empty() {
            return Err((NOTHING, format!("Nothing to do! ({archive})")));
        }
        let stored = self
            .fs
            .write_file(&path, &format::write(&self.members))
            .await;
        stored.map_err(|error| {
            (
                15,
                format!(
                    "Could not create output file ({archive}): {}",
                    reason(&error)
                ),
            )
        })
    }

    fn say(&mut self, line: &str) {
        if !self.options.has('q') {
            self.report.say(line);
        }
    }

    fn delete(&mut self, patterns: &[String]) {
        let fits = |member: &Member| patterns.iter().any(|glob| matches(glob, &member.name));
        let (gone, kept) = std::mem::take(&mut self.members)
            .into_iter()
            .partition(fits);
        self.members = kept;
        let gone: Vec<Member> = gone;
        gone.iter()
            .for_each(|member| self.say(&format!("deleting: {}", member.name)));
    }

    /// Adds a file, or a folder and, with `-r`, all that is in it.
    async fn add(&mut self, name: &str, archive: &Path) -> Result<(), Failed> {
        let mut left = vec![name.trim_end_matches('/').to_owned()];
        while let Some(name) = left.pop() {
            let path = absolute(self.cwd, &name);
            let shown = name.trim_start_matches("./").trim_start_matches('/');
            if path == archive {
                continue;
            }
            let Ok(metadata) = self.fs.stat(&path).await else {
                self.report
                    .say(&format!("\tzip warning: name not matched: {name}"));
                if self.members.is_empty() {
                    self.report.status = NOTHING;
                }
                continue;
            };
            let folder = metadata.file_type.is_dir();
            let stored = match (self.options.has('j'), folder) {
                (true, true) => String::new(),
                (true, false) => base_name(shown).to_owned(),
                (false, true) if shown == "." || shown.is_empty() => String::new(),
                (false, true) => format!("{shown}/"),
                (false, false) => shown.to_owned(),
            };
            if folder && self.options.has('r') {
                let list = children(self.fs, &path).await.unwrap_or_default();
                left.extend(list.iter().rev().map(|(child, _)| shown_join(&name, child)));
            }
            let skip = stored.is_empty()
                || self.options.has('D') && folder
                || self.excluded.iter().any(|glob| matches(glob, &stored));
            if skip {
                continue;
            }
            let content = if folder {
                Ok(Vec::new())
            } else {
                self.fs.read_file(&path).await
            };
            let content = content.map_err(|error| (18, format!("{name}: {}", reason(&error))))?;
            let level = self
                .options
                .last("0123456789")
                .and_then(|digit| digit.to_digit(10));
            let member = Member::pack(
                stored,
                &content,
                metadata.modified,
                metadata.mode,
                level.unwrap_or(LEVEL),
            );
            self.put(member);
        }
        Ok(())
    }

    fn put(&mut self, member: Member) {
        let how = if member.is_deflated() {
            "deflated"
        } else {
            "stored"
        };
        let at = self.members.iter().position(|old| old.name == member.name);
        let verb = if at.is_some() {
            "updating:"
        } else {
            "  adding:"
        };
        self.say(&format!(
            "{verb} {} ({how} {}%)",
            member.name,
            member.saved()
        ));
        match at.and_then(|at| self.members.get_mut(at)) {
            Some(old) => *old = member,
            None => self.members.push(member),
        }
    }
}

/// `unzip`
pub struct Unzip;

#[async_trait]
impl Builtin for Unzip {
    async fn execute(&self, ctx: BuiltinContext<'_>) -> bashkit::Result<ExecResult> {
        let mut report = Report::new("unzip");
        let mut out = Vec::new();
        let (args, excluded) = excluded(ctx.args);
        if let Some(options) = Options::parse(&mut report, &UNZIP, &args) {
            let mut unzipping = Unzipping {
                excluded,
                options: &options,
                cwd: ctx.cwd,
                fs: &*ctx.fs,
                report: &mut report,
                out: &mut out,
            };
            if let Err((status, text)) = unzipping.run().await {
                report.err.push_str(&format!("unzip:  {text}\n"));
                report.status = status;
            }
        }
        let mut result = report.finish();
        result.stdout = out.into();
        Ok(result)
    }
}

struct Unzipping<'a> {
    excluded: Vec<String>,
    options: &'a Options,
    cwd: &'a Path,
    fs: &'a dyn FileSystem,
    report: &'a mut Report,
    out: &'a mut Vec<u8>,
}

impl Unzipping<'_> {
    async fn run(&mut self) -> Result<(), Failed> {
        let options = self.options;
        let Some((name, wanted)) = options.operands.split_first() else {
            return Err((WRONG_CALL_OF_UNZIP, "no archive is named".to_owned()));
        };
        let mut found = None;
        for name in [name.clone(), format!("{name}.zip"), format!("{name}.ZIP")] {
            if let Ok(bytes) = self.fs.read_file(&absolute(self.cwd, &name)).await {
                found = Some((name, bytes));
                break;
            }
        }
        let (archive, bytes) = found.ok_or_else(|| {
            (
                NO_ARCHIVE,
                format!("cannot find or open {name}, {name}.zip or {name}.ZIP."),
            )
        })?;
        let members = format::read(&bytes).ok_or_else(|| {
            (
                NO_ARCHIVE,
                format!("{archive} is no zip file, or a part of one."),
            )
        })?;
        let fits = |member: &Member| {
            let wanted = wanted.is_empty() || wanted.iter().any(|glob| matches(glob, &member.name));
            wanted && !self.excluded.iter().any(|glob| matches(glob, &member.name))
        };
        let chosen: Vec<&Member> = members.iter().filter(|member| fits(member)).collect();
        if let Some(missing) = wanted
            .iter()
            .find(|glob| !members.iter().any(|member| matches(glob, &member.name)))
        {
            self.report
                .err
                .push_str(&format!("caution: filename not matched:  {missing}\n"));
            self.report.status = NO_MEMBER;
        }
        let plain = options.has('p') || options.has('Z');
        if !plain && !options.has('q') {
            self.say(&format!("Archive:  {archive}"));
        }
        if options.has('Z') {
            chosen.iter().for_each(|member| self.say(&member.name));
        } else if options.has('l') || options.has('v') {
            self.list(&chosen);
        } else {
            for member in &chosen {
                self.member(member).await?;
            }
            if options.has('t') {
                self.say(&format!(
                    "No errors detected in compressed data of {archive}."
                ));
            }
        }
        Ok(())
    }

    fn say(&mut self, line: &str) {
        self.out.extend_from_slice(line.as_bytes());
        self.out.push(b'\n');
    }

    fn list(&mut self, members: &[&Member]) {
        self.say("  Length      Date    Time    Name");
        self.say("---------  ---------- -----   ----");
        for member in members {
            let time = member.time.format("%Y-%m-%d %H:%M");
            self.say(&format!("{:>9}  {time}   {}", member.size, member.name));
        }
        let total: u64 = members.iter().map(|member| u64::from(member.size)).sum();
        let files = if members.len() == 1 { "file" } else { "files" };
        self.say("---------                     -------");
        self.say(&format!(
            "{total:>9}                     {} {files}",
            members.len()
        ));
    }

    async fn member(&mut self, member: &Member) -> Result<(), Failed> {
        let name = &member.name;
        let content = member.content();
        if self.options.has('t') {
            let verdict = content
                .as_ref()
                .map_or_else(|why| format!(" {why}"), |_| "OK".to_owned());
            self.say(&format!("    testing: {name:<22}   {verdict}"));
            return content
                .map(drop)
                .map_err(|why| (BROKEN, format!("{name}: {why}")));
        }
        let content = content.map_err(|why| (BROKEN, format!("{name}: {why}")))?;
        if self.options.has('p') {
            self.out.extend_from_slice(&content);
            return Ok(());
        }
        // What leads out of the folder is left out of the name.
        let parts: Vec<&str> = name
            .split('/')
            .filter(|part| !matches!(*part, "" | "." | ".."))
            .collect();
        let short = if self.options.has('j') {
            base_name(name).to_owned()
        } else {
            parts.join("/")
        };
        let shown = match self.options.value('d') {
            Some(folder) => shown_join(folder, &short),
            None => short,
        };
        let path = absolute(self.cwd, &shown);
        let failed = |error: bashkit::Error| (50, format!("{shown}: {}", reason(&error)));
        if name.ends_with('/') {
            if !self.options.has('j') && !is_folder(self.fs, &path).await {
                self.told(&format!("   creating: {shown}/"));
                self.fs.mkdir(&path, true).await.map_err(failed)?;
            }
            return Ok(());
        }
        if !self.options.has('o') && self.fs.exists(&path).await.unwrap_or(false) {
            if !self.options.has('n') {
                let text = format!("{shown} is there already: not replaced, as -o was not given\n");
                self.report.err.push_str(&text);
                self.report.status = self.report.status.max(WARNING);
            }
            return Ok(());
        }
        if let Some(folder) = path.parent() {
            self.fs.mkdir(folder, true).await.map_err(failed)?;
        }
        self.fs.write_file(&path, &content).await.map_err(failed)?;
        // The file is there; its time is a courtesy.
        let _ = self
            .fs
            .set_modified_time(&path, member.time.and_utc().into())
            .await;
        let verb = if member.is_deflated() {
            "inflating"
        } else {
            "extracting"
        };
        self.told(&format!("{verb:>11}: {shown:<22}  "));
        Ok(())
    }

    fn told(&mut self, line: &str) {
        if !self.options.has('q') {
            self.say(line);
        }
    }
}
