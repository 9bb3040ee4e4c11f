//! One line of `ls`: a name, and with `-l` all else.

use std::path::PathBuf;
use std::time::SystemTime;

use bashkit::{FileType, Metadata};
use chrono::{DateTime, TimeDelta, Utc};

use super::super::chmod::permissions;
use super::super::options::Options;

/// Bytes of a block, as files lie on a disk.
const BLOCK_BYTES: u64 = 4096;

/// What `-l` shows of a file that is older than this, or of the future, is
/// the year and not the time of day: half of a year, as GNU counts it.
const RECENT_SECONDS: i64 = 31_556_952 / 2;

/// Number of the user and of the group.
const OWNER_ID: &str = "1000";

/// A file to list.
pub struct Entry {
    /// How it is shown.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub metadata: Metadata,
    /// Where it leads, if it is a link and that is wanted.
    pub target: Option<String>,
}

impl Entry {
    /// A file.
    pub fn new(name: String, path: PathBuf, metadata: Metadata) -> Self {
        Self {
            name,
            path,
            metadata,
            target: None,
        }
    }

    /// What follows the last dot of the name, the dot included.
    pub fn extension(&self) -> &str {
        let dot = self.name.rfind('.').filter(|&dot| dot > 0);
        dot.and_then(|dot| self.name.get(dot..)).unwrap_or_default()
    }

    fn blocks(&self) -> u64 {
        if self.metadata.file_type.is_dir() {
            return 1;
        }
        self.metadata.size.div_ceil(BLOCK_BYTES)
    }
}

/// How a listing looks.
pub struct Style {
    /// One line with everything for each file.
    pub long: bool,
    human: bool,
    blocks: bool,
    owner: Option<String>,
    group: Option<String>,
    time: Option<String>,
    indicators: Indicators,
    quoting: Option<char>,
    now: DateTime<Utc>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Indicators {
    None,
    Folders,
    All,
}

impl Style {
    /// The style that the options ask for.
    pub fn new(options: &Options, owner: &str) -> Self {
        let who = if options.has('n') { OWNER_ID } else { owner };
        let quoting = match options.value('K') {
            Some("escape") => Some('b'),
            Some("c") => Some('Q'),
            Some(_) => None,
            None => options.last("bQN").filter(|letter| *letter != 'N'),
        };
        Self {
            long: options.last("lgnoE").is_some() || options.value('M') == Some("long"),
            human: options.has('h'),
            blocks: options.has('s'),
            owner: (!options.has('g')).then(|| who.to_owned()),
            group: options.last("oG").is_none().then(|| who.to_owned()),
            time: time_format(options),
            indicators: match (options.value('F'), options.last("Fp")) {
                (Some("never" | "none" | "auto"), _) | (_, None) => Indicators::None,
                (_, Some('F')) => Indicators::All,
                _ => Indicators::Folders,
            },
            quoting,
            now: SystemTime::now().into(),
        }
    }

    /// Disk space of all, as `total` shows it.
    pub fn total(&self, entries: &[Entry]) -> String {
        self.space(entries.iter().map(Entry::blocks).sum())
    }

    fn space(&self, blocks: u64) -> String {
        let bytes = blocks * BLOCK_BYTES;
        if self.human {
            human(bytes)
        } else {
            (bytes / 1024).to_string()
        }
    }

    /// A name as it stands alone on a line.
    pub fn name(&self, entry: &Entry) -> String {
        let name = format!("{}{}", self.quoted(&entry.name), self.indicator(entry));
        if self.blocks {
            format!("{} {name}", self.space(entry.blocks()))
        } else {
            name
        }
    }

    /// A name with its odd characters escaped, if that is wanted.
    pub fn quoted(&self, name: &str) -> String {
        match self.quoting {
            None => name.to_owned(),
            Some(style) => {
                let mut text = String::new();
                for letter in name.chars() {
                    match letter {
                        '\n' => text.push_str("\\n"),
                        '\t' => text.push_str("\\t"),
                        '\\' => text.push_str("\\\\"),
                        '"' if style == 'Q' => text.push_str("\\\""),
                        ' ' if style == 'b' => text.push_str("\\ "),
                        letter if letter.is_control() => {
                            text.push_str(&format!("\\{:03o}", u32::from(letter)));
                        }
                        letter => text.push(letter),
                    }
                }
                if style == 'Q' {
                    format!("\"{text}\"")
                } else {
                    text
                }
            }
        }
    }

    fn indicator(&self, entry: &Entry) -> &'static str {
        let all = self.indicators == Indicators::All;
        match entry.metadata.file_type {
            _ if self.indicators == Indicators::None => "",
            FileType::Directory => "/",
            FileType::Symlink if all && !self.long => "@",
            FileType::Fifo if all => "|",
            FileType::File if all && entry.metadata.mode & 0o111 != 0 => "*",
            _ => "",
        }
    }

    /// The lines of `-l`, with columns as wide as they must be.
    pub fn long_lines(&self, entries: &[Entry]) -> Vec<String> {
        let rows: Vec<Vec<String>> = entries.iter().map(|entry| self.cells(entry)).collect();
        let columns = rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            rows.iter()
                .filter_map(move |row| row.get(column))
                .map(String::len)
        };
        let widths: Vec<usize> = (0..columns)
            .map(|column| width(column).max().unwrap_or(0))
            .collect();
        // Names of users are words, the rest are numbers.
        let words = [&self.owner, &self.group];
        let is_word = |cell: &String| words.iter().any(|word| word.as_ref() == Some(cell));
        let lines = rows.iter().zip(entries).map(|(row, entry)| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| {
                if is_word(cell) {
                    format!("{cell:<width$} ")
                } else {
                    format!("{cell:>width$} ")
                }
            });
            let target = match &entry.target {
                Some(target) => format!(" -> {target}"),
                None => String::new(),
            };
            format!(
                "{}{}{}{target}",
                cells.collect::<String>(),
                self.quoted(&entry.name),
                self.indicator(entry)
            )
        });
        lines.collect()
    }

    fn cells(&self, entry: &Entry) -> Vec<String> {
        let metadata = &entry.metadata;
        let (kind, links) = match metadata.file_type {
            FileType::Directory => ('d', 2),
            FileType::Symlink => ('l', 1),
            FileType::Fifo => ('p', 1),
            FileType::File => ('-', 1),
        };
        let mode = match metadata.file_type {
            FileType::Symlink => 0o777,
            _ => metadata.mode,
        };
        let size = if self.human {
            human(metadata.size)
        } else {
            metadata.size.to_string()
        };
        let mut cells = Vec::new();
        cells.extend(self.blocks.then(|| self.space(entry.blocks())));
        cells.push(format!("{kind}{}", permissions(mode)));
        cells.push(links.to_string());
        cells.extend(self.owner.clone());
        cells.extend(self.group.clone());
        cells.push(size);
        cells.push(self.time(metadata.modified.into()));
        cells
    }

    fn time(&self, time: DateTime<Utc>) -> String {
        let age = self.now - time;
        let recent = age >= TimeDelta::zero() && age.num_seconds() < RECENT_SECONDS;
        let format = match &self.time {
            Some(format) => format,
            None if recent => "%b %e %H:%M",
            None => "%b %e  %Y",
        };
        time.format(format).to_string()
    }
}

fn time_format(options: &Options) -> Option<String> {
    if options.has('E') {
        return Some("%Y-%m-%d %H:%M:%S%.9f +0000".to_owned());
    }
    let style = options.value('y')?;
    let format = match style.trim_start_matches("posix-") {
        "full-iso" => "%Y-%m-%d %H:%M:%S%.9f +0000",
        "long-iso" => "%Y-%m-%d %H:%M",
        "iso" => "%m-%d %H:%M",
        style => style.strip_prefix('+')?,
    };
    // What chrono does not know it would refuse to print.
    let known = chrono::format::StrftimeItems::new(format)
        .all(|item| !matches!(item, chrono::format::Item::Error));
    known.then(|| format.to_owned())
}

/// A size with a letter for its unit, rounded up as GNU does it.
pub fn human(bytes: u64) -> String {
    const UNITS: &[char] = &['K', 'M', 'G', 'T', 'P', 'E'];
    if bytes < 1024 {
        return bytes.to_string();
    }
    let mut size = bytes as f64;
    let mut unit = 'K';
    for next in UNITS {
        unit = *next;
        size /= 1024.0;
        // 1023.1 K would be shown as 1024 K.
        if size.ceil() < 1024.0 {
            break;
        }
    }
    let tenths = (size * 10.0).ceil() / 10.0;
    if tenths < 10.0 {
        format!("{tenths:.1}{unit}")
    } else {
        format!("{}{unit}", size.ceil())
    }
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn sizes_round_up() {
        let sizes = [
            0,
            1023,
            1024,
            1025,
            10 << 10,
            (10 << 10) + 1,
            1 << 20,
            5 << 30,
        ];
        let shown = sizes.map(human);
        assert_eq!(
            shown,
            ["0", "1023", "1.0K", "1.1K", "10K", "11K", "1.0M", "5.0G"]
        );
    }
}
