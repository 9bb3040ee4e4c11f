//! `ls`. Standard output is never a terminal here: names go one to a line,
//! as they are, without colours.

mod entry;
mod layout;

use std::cmp::{Ordering, Reverse};
use std::path::{Path, PathBuf};

use bashkit::{Builtin, BuiltinContext, ExecResult, FileSystem, Result, async_trait};

use super::options::{Known, Options};
use super::{Report, absolute, children, reason, shown_join};
use entry::{Entry, Style};

const KNOWN: Known = Known {
    letters: "1aAbBcCdDfFgGhHI:kLlmnNopqQrRsStT:uUvw:xXZ",
    names: &[
        ("all", 'a'),
        ("almost-all", 'A'),
        ("author", 'Y'),
        ("block-size", 'k'),
        ("classify", 'F'),
        ("color", 'Y'),
        ("dereference", 'L'),
        ("dereference-command-line", 'H'),
        ("directory", 'd'),
        ("escape", 'b'),
        ("file-type", 'p'),
        ("format", 'M'),
        ("full-time", 'E'),
        ("group-directories-first", '/'),
        ("hide", 'j'),
        ("human-readable", 'h'),
        ("hyperlink", 'Y'),
        ("ignore", 'I'),
        ("ignore-backups", 'B'),
        ("indicator-style", 'J'),
        ("kibibytes", 'k'),
        ("literal", 'N'),
        ("no-group", 'G'),
        ("numeric-uid-gid", 'n'),
        ("quote-name", 'Q'),
        ("quoting-style", 'K'),
        ("recursive", 'R'),
        ("reverse", 'r'),
        ("show-control-chars", 'N'),
        ("si", 'h'),
        ("size", 's'),
        ("sort", 'O'),
        ("time", 'Y'),
        ("time-style", 'y'),
        ("width", 'w'),
        ("zero", '0'),
    ],
    wrong: SERIOUS,
};

/// Status of a command that was called the wrong way, or misses an operand.
const SERIOUS: i32 = 2;

/// Columns of a line where columns were asked for.
const WIDTH: usize = 80;

/// The command.
pub struct Ls;

#[async_trait]
impl Builtin for Ls {
    async fn execute(&self, ctx: BuiltinContext<'_>) -> Result<ExecResult> {
        let mut report = Report::new("ls");
        if let Some(options) = Options::parse(&mut report, &KNOWN, ctx.args) {
            let owner = ctx.env.get("USER").map_or("user", String::as_str);
            let mut listing = Listing {
                style: Style::new(&options, owner),
                options: &options,
                fs: &*ctx.fs,
                report: &mut report,
            };
            listing.run(ctx.cwd).await;
        }
        Ok(report.finish())
    }
}

struct Listing<'a> {
    style: Style,
    options: &'a Options,
    fs: &'a dyn FileSystem,
    report: &'a mut Report,
}

/// A folder yet to be listed, and how it is shown.
struct Folder {
    path: PathBuf,
    shown: String,
}

impl Listing<'_> {
    async fn run(&mut self, cwd: &Path) {
        let names = match self.options.operands.as_slice() {
            [] => vec![".".to_owned()],
            names => names.to_vec(),
        };
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for shown in &names {
            let path = absolute(cwd, shown);
            match self.entry(&path, shown).await {
                Some(entry) if entry.metadata.file_type.is_dir() && !self.options.has('d') => {
                    folders.push(entry);
                }
                Some(entry) => files.push(entry),
                None => {}
            }
        }
        let titles = names.len() > 1 || self.options.has('R');
        self.sort(&mut files);
        self.sort(&mut folders);
        let mut first = files.is_empty();
        self.print(files).await;
        let mut left: Vec<Folder> = folders.into_iter().map(Folder::from).rev().collect();
        while let Some(folder) = left.pop() {
            if !std::mem::take(&mut first) {
                self.report.say("");
            }
            if titles {
                self.report
                    .say(&format!("{}:", self.style.quoted(&folder.shown)));
            }
            left.extend(self.folder(folder).await.into_iter().rev());
        }
    }

    /// What an operand names. A link to a folder stands for that, unless
    /// links themselves are asked about.
    async fn entry(&mut self, path: &Path, shown: &str) -> Option<Entry> {
        let links = self.options.last("ldF").is_some() && self.options.last("LH").is_none();
        let found = match self.fs.lstat(path).await {
            _ if shown.is_empty() => Err("No such file or directory".to_owned()),
            Ok(metadata) if metadata.file_type.is_symlink() && !links => {
                Ok(self.fs.stat(path).await.unwrap_or(metadata))
            }
            result => result.map_err(|error| reason(&error)),
        };
        match found {
            Ok(metadata) => Some(Entry::new(shown.to_owned(), path.to_owned(), metadata)),
            Err(why) => {
                self.report
                    .fail(SERIOUS, &format!("cannot access '{shown}': {why}"));
                None
            }
        }
    }

    /// Lists a folder. What comes back are those in it to list next.
    async fn folder(&mut self, folder: Folder) -> Vec<Folder> {
        let names = match children(self.fs, &folder.path).await {
            Ok(names) => names,
            Err(error) => {
                let text = format!(
                    "cannot open directory '{}': {}",
                    folder.shown,
                    reason(&error)
                );
                self.report.fail(SERIOUS, &text);
                return Vec::new();
            }
        };
        let mut entries = Vec::new();
        if self
            .options
            .last("af")
            .is_some_and(|_| !self.options.has('A'))
        {
            for name in [".", ".."] {
                let path = absolute(&folder.path, name);
                // Above the sandbox's folders there is nothing to tell.
                if let Ok(metadata) = self.fs.stat(&path).await {
                    entries.push(Entry::new(name.to_owned(), path, metadata));
                }
            }
        }
        for (name, metadata) in names {
            if self.shows(&name) {
                entries.push(Entry::new(name.clone(), folder.path.join(&name), metadata));
            }
        }
        self.sort(&mut entries);
        if self.options.last("lgnosE").is_some() {
            let total = self.style.total(&entries);
            self.report.say(&format!("total {total}"));
        }
        let entries = self.print(entries).await;
        if !self.options.has('R') {
            return Vec::new();
        }
        entries
            .into_iter()
            .filter(|entry| entry.metadata.file_type.is_dir())
            .filter(|entry| !matches!(entry.name.as_str(), "." | ".."))
            .map(|entry| Folder {
                shown: shown_join(&folder.shown, &entry.name),
                path: entry.path,
            })
            .collect()
    }

    fn shows(&self, name: &str) -> bool {
        let all = self.options.last("aAf").is_some();
        let hidden = (name.starts_with('.') && !all)
            || (name.ends_with('~') && self.options.has('B'))
            || (!all && self.options.values('j').any(|glob| matches(glob, name)))
            || self.options.values('I').any(|glob| matches(glob, name));
        !hidden
    }

    fn sort(&self, entries: &mut [Entry]) {
        let by = match self.options.value('O') {
            Some("time") => 't',
            Some("size") => 'S',
            Some("extension") => 'X',
            Some("version") => 'v',
            Some("none") => 'U',
            _ => self.options.last("tSXvUf").unwrap_or('n'),
        };
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        match by {
            't' => entries.sort_by_key(|entry| Reverse(entry.metadata.modified)),
            'S' => entries.sort_by_key(|entry| Reverse(entry.metadata.size)),
            'X' => entries.sort_by(|one, other| one.extension().cmp(other.extension())),
            'v' => entries.sort_by(|one, other| by_version(&one.name, &other.name)),
            _ => {}
        }
        if self.options.has('r') {
            entries.reverse();
        }
        if self.options.has('/') {
            entries.sort_by_key(|entry| !entry.metadata.file_type.is_dir());
        }
    }
}

impl Listing<'_> {
    async fn print(&mut self, mut entries: Vec<Entry>) -> Vec<Entry> {
        if self.style.long || self.options.has('F') {
            for entry in &mut entries {
                self.look_closer(entry).await;
            }
        }
        let lines = if self.style.long {
            self.style.long_lines(&entries)
        } else {
            let names: Vec<String> = entries.iter().map(|entry| self.style.name(entry)).collect();
            match self.options.last("1Cxm") {
                Some('C') => layout::columns(&names, self.width(), true),
                Some('x') => layout::columns(&names, self.width(), false),
                Some('m') => layout::commas(&names, self.width()),
                _ => names,
            }
        };
        for line in lines {
            self.report.say(&line);
        }
        entries
    }

    /// What a listing of the folder does not tell: the mode of a file, and
    /// where a link leads.
    async fn look_closer(&self, entry: &mut Entry) {
        if entry.metadata.file_type.is_symlink() {
            let target = self.fs.read_link(&entry.path).await.ok();
            entry.target = target.map(|target| target.to_string_lossy().into_owned());
        } else if let Ok(metadata) = self.fs.lstat(&entry.path).await {
            entry.metadata = metadata;
        }
    }

    fn width(&self) -> usize {
        let width = self.options.value('w').and_then(|text| text.parse().ok());
        width.unwrap_or(WIDTH)
    }
}

impl From<Entry> for Folder {
    fn from(entry: Entry) -> Self {
        Self {
            path: entry.path,
            shown: entry.name,
        }
    }
}

/// Whether a pattern of `*` and `?` fits a name.
pub fn matches(glob: &str, name: &str) -> bool {
    let mut glob_chars = glob.chars();
    match glob_chars.next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = glob_chars.as_str();
            let mut ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.any(|at| name.get(at..).is_some_and(|end| matches(rest, end)))
        }
        Some(letter) => {
            let mut name_chars = name.chars();
            let fits = name_chars
                .next()
                .is_some_and(|found| letter == '?' || letter == found);
            fits && matches(glob_chars.as_str(), name_chars.as_str())
        }
    }
}

/// Numbers in names by their value, all else by its letters.
fn by_version(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    loop {
        let (text, number, rest) = version_part(one);
        let (other_text, other_number, other_rest) = version_part(other);
        let order = text.cmp(other_text).then(number.cmp(&other_number));
        if order != Ordering::Equal || (rest.is_empty() && other_rest.is_empty()) {
            return order;
        }
        (one, other) = (rest, other_rest);
    }
}

/// The letters a name starts with, the number after them, and the rest.
fn version_part(name: &str) -> (&str, Option<u128>, &str) {
    let digits = name
        .find(|c: char| c.is_ascii_digit())
        .unwrap_or(name.len());
    let (text, rest) = name.split_at(digits);
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (number, rest) = rest.split_at(end);
    (text, number.parse().ok(), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_names() {
        assert!(matches("*.txt", "a.txt") && matches("a?c*", "abc") && matches("*", ""));
        assert!(!matches("*.txt", "a.txt.gz") && !matches("a", "ab") && !matches("?", ""));
    }

    #[test]
    fn versions_sort_by_their_numbers() {
        let mut names = ["v1.10", "v1.9", "v1", "a2", "a10b", "a10a"];
        names.sort_by(|one, other| by_version(one, other));
        assert_eq!(names, ["a2", "a10a", "a10b", "v1", "v1.9", "v1.10"]);
    }
}
