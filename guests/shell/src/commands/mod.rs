//! Commands of the shell's own, where agents' scripts lean on what bashkit's
//! version of the command leaves out.

mod apply_patch;
mod bc;
mod chmod;
mod cp;
mod diff;
mod gzip;
mod ls;
mod mkdir;
mod mv;
mod options;
mod patch;
mod rm;
mod stty;
mod tput;
mod zip;

use std::path::{Path, PathBuf};

use bashkit::{BashBuilder, Error, ExecResult, FileSystem, Metadata, normalize_path};

/// Puts the commands in the place of bashkit's.
pub fn install(builder: BashBuilder) -> BashBuilder {
    builder
        .builtin("apply_patch", Box::new(apply_patch::ApplyPatch))
        .builtin("applypatch", Box::new(apply_patch::ApplyPatch))
        .builtin("bc", Box::new(bc::Bc))
        .builtin("chmod", Box::new(chmod::Chmod))
        .builtin("cp", Box::new(cp::Cp))
        .builtin("diff", Box::new(diff::Diff))
        .builtin("gunzip", Box::new(gzip::Gzip::Decompress))
        .builtin("gzip", Box::new(gzip::Gzip::Compress))
        .builtin("ls", Box::new(ls::Ls))
        .builtin("mkdir", Box::new(mkdir::Mkdir))
        .builtin("mv", Box::new(mv::Mv))
        .builtin("patch", Box::new(patch::Patch))
        .builtin("rm", Box::new(rm::Rm))
        .builtin("stty", Box::new(stty::Stty))
        .builtin("tput", Box::new(tput::Tput))
        .builtin("unzip", Box::new(zip::Unzip))
        .builtin("zcat", Box::new(gzip::Gzip::Cat))
        .builtin("zip", Box::new(zip::Zip))
}

/// What a command has to say, and its status: the worst of what happened.
struct Report {
    name: &'static str,
    out: String,
    err: String,
    status: i32,
}

impl Report {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            out: String::new(),
            err: String::new(),
            status: 0,
        }
    }

    /// Adds a line about something that failed; the command goes on.
    fn fail(&mut self, status: i32, what: &str) {
        self.err.push_str(self.name);
        self.err.push_str(": ");
        self.err.push_str(what);
        self.err.push('\n');
        self.status = self.status.max(status);
    }

    fn say(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    fn finish(self) -> ExecResult {
        let mut result = ExecResult::with_code(self.out, self.status);
        result.stderr = self.err.into();
        result
    }
}

/// Why an operation failed, as `strerror` puts it.
fn reason(error: &Error) -> String {
    match error {
        Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

fn absolute(cwd: &Path, name: &str) -> PathBuf {
    normalize_path(&cwd.join(name))
}

/// The last name of a path as it was written, `.` included.
fn base_name(name: &str) -> &str {
    let trimmed = name.trim_end_matches('/');
    if trimmed.is_empty() {
        return name;
    }
    trimmed.rsplit('/').next().unwrap_or(trimmed)
}

/// `folder/name`, as a command shows it.
fn shown_join(folder: &str, name: &str) -> String {
    if folder.ends_with('/') {
        format!("{folder}{name}")
    } else {
        format!("{folder}/{name}")
    }
}

async fn is_folder(fs: &dyn FileSystem, path: &Path) -> bool {
    fs.stat(path)
        .await
        .is_ok_and(|metadata| metadata.file_type.is_dir())
}

/// Names and metadata in a folder, by name.
async fn children(fs: &dyn FileSystem, path: &Path) -> bashkit::Result<Vec<(String, Metadata)>> {
    let mut entries: Vec<(String, Metadata)> = fs
        .read_dir(path)
        .await?
        .into_iter()
        .map(|entry| (entry.name, entry.metadata))
        .collect();
    entries.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(entries)
}

/// The answers on standard input, to what `-i` asks.
struct Answers {
    lines: std::vec::IntoIter<String>,
}

impl Answers {
    fn new(stdin: Option<&bashkit::StreamData>) -> Self {
        let text = stdin.map(|text| text.text_lossy().into_owned());
        let lines: Vec<String> = text
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect();
        Self {
            lines: lines.into_iter(),
        }
    }

    /// Asks; anything but a yes is a no, silence too.
    fn ask(&mut self, report: &mut Report, question: &str) -> bool {
        report
            .err
            .push_str(&format!("{}: {question}? ", report.name));
        self.lines
            .next()
            .is_some_and(|line| line.starts_with(['y', 'Y']))
    }
}
