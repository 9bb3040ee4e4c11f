//! `gzip`, `gunzip` and `zcat`.

use std::io::{Read, Write};
use std::path::Path;

use bashkit::{Builtin, BuiltinContext, ExecResult, FileSystem, StreamData, async_trait};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::options::{Known, Options};
use super::{Report, absolute, children, is_folder, reason, shown_join};

const KNOWN: Known = Known {
    letters: "cdfhklnNqrS:tvz123456789",
    names: &[
        ("best", '9'),
        ("decompress", 'd'),
        ("fast", '1'),
        ("force", 'f'),
        ("keep", 'k'),
        ("list", 'l'),
        ("name", 'N'),
        ("no-name", 'n'),
        ("quiet", 'q'),
        ("recursive", 'r'),
        ("stdout", 'c'),
        ("suffix", 'S'),
        ("test", 't'),
        ("to-stdout", 'c'),
        ("uncompress", 'd'),
        ("verbose", 'v'),
    ],
    wrong: 1,
};

/// Level of compression where none is named: `gzip`'s.
const LEVEL: u32 = 6;

/// Status of a warning.
const WARNING: i32 = 2;

/// Which of the three commands this is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Gzip {
    /// `gzip`
    Compress,
    /// `gunzip`
    Decompress,
    /// `zcat`
    Cat,
}

#[async_trait]
impl Builtin for Gzip {
    async fn execute(&self, ctx: BuiltinContext<'_>) -> bashkit::Result<ExecResult> {
        let mut report = Report::new(if *self == Self::Compress {
            "gzip"
        } else {
            "gunzip"
        });
        let mut out = Vec::new();
        if let Some(options) = Options::parse(&mut report, &KNOWN, ctx.args) {
            let level = options
                .last("123456789")
                .and_then(|letter| letter.to_digit(10));
            let mut work = Work {
                decompress: *self != Self::Compress || options.last("dlt").is_some(),
                to_stdout: *self == Self::Cat || options.has('c'),
                level: level.unwrap_or(LEVEL),
                suffix: format!(
                    ".{}",
                    options.value('S').unwrap_or("gz").trim_start_matches('.')
                ),
                options: &options,
                cwd: ctx.cwd,
                fs: &*ctx.fs,
                stdin: ctx.stdin,
                report: &mut report,
                out: &mut out,
            };
            work.run().await;
        }
        let mut result = report.finish();
        result.stdout = out.into();
        Ok(result)
    }
}

struct Work<'a> {
    decompress: bool,
    to_stdout: bool,
    level: u32,
    suffix: String,
    options: &'a Options,
    cwd: &'a Path,
    fs: &'a dyn FileSystem,
    stdin: Option<&'a StreamData>,
    report: &'a mut Report,
    out: &'a mut Vec<u8>,
}

impl Work<'_> {
    async fn run(&mut self) {
        if self.options.has('l') {
            self.out.extend_from_slice(
                b"         compressed        uncompressed  ratio uncompressed_name\n",
            );
        }
        let mut names = self.options.operands.clone();
        if names.is_empty() {
            names.push("-".to_owned());
        }
        names.reverse();
        while let Some(name) = names.pop() {
            let path = absolute(self.cwd, &name);
            if name != "-" && is_folder(self.fs, &path).await {
                if !self.options.has('r') {
                    self.report
                        .fail(WARNING, &format!("{name} is a directory -- ignored"));
                } else if let Ok(list) = children(self.fs, &path).await {
                    names.extend(list.iter().rev().map(|(child, _)| shown_join(&name, child)));
                }
                continue;
            }
            if let Err((status, text)) = self.one(&name, &path).await {
                self.report.fail(status, &text);
            }
        }
    }

    async fn one(&mut self, name: &str, path: &Path) -> Result<(), (i32, String)> {
        let serious = |text: String| (1, text);
        let bytes = if name == "-" {
            self.stdin
                .map(|data| data.as_bytes().to_vec())
                .unwrap_or_default()
        } else {
            let mut read = self.fs.read_file(path).await;
            if read.is_err() && self.decompress {
                let longer = absolute(self.cwd, &format!("{name}{}", self.suffix));
                read = self.fs.read_file(&longer).await.or(read);
            }
            read.map_err(|error| serious(format!("{name}: {}", reason(&error))))?
        };
        let (result, target) = if self.decompress {
            let plain = name.strip_suffix(&self.suffix);
            let plain = plain
                .map(str::to_owned)
                .or_else(|| Some(format!("{}.tar", name.strip_suffix(".tgz")?)));
            let into_file = name != "-" && !self.to_stdout && self.options.last("lt").is_none();
            if into_file && plain.is_none() {
                return Err((WARNING, format!("{name}: unknown suffix -- ignored")));
            }
            let mut text = Vec::new();
            let decoded = MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut text);
            if !bytes.starts_with(b"\x1f\x8b") && self.to_stdout && self.options.has('f') {
                text = bytes.clone();
            } else if !bytes.starts_with(b"\x1f\x8b") {
                return Err(serious(format!("{}: not in gzip format", shown(name))));
            } else if decoded.is_err() {
                return Err(serious(format!(
                    "{}: unexpected end of file or invalid compressed data",
                    shown(name)
                )));
            }
            (text, plain.unwrap_or_default())
        } else {
            if name.ends_with(&self.suffix) && !self.to_stdout && !self.options.has('f') {
                return Err((
                    WARNING,
                    format!("{name} already has {} suffix -- unchanged", self.suffix),
                ));
            }
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(self.level));
            let written = encoder.write_all(&bytes).and_then(|()| encoder.finish());
            let text = written.map_err(|error| serious(format!("{name}: {error}")))?;
            (text, format!("{name}{}", self.suffix))
        };
        if self.options.has('l') {
            let ratio = 100.0 - 100.0 * bytes.len() as f64 / (result.len().max(1)) as f64;
            let line = format!(
                "{:>19} {:>19} {ratio:5.1}% {target}\n",
                bytes.len(),
                result.len()
            );
            self.out.extend_from_slice(line.as_bytes());
        } else if self.options.has('t') {
        } else if self.to_stdout || name == "-" {
            self.out.extend_from_slice(&result);
        } else {
            self.replace(path, &target, &result)
                .await
                .map_err(serious)?;
        }
        Ok(())
    }

    async fn replace(&mut self, path: &Path, target: &str, bytes: &[u8]) -> Result<(), String> {
        let new = absolute(self.cwd, target);
        if !self.options.has('f') && self.fs.exists(&new).await.unwrap_or(false) {
            return Err(format!("{target} already exists;\tnot overwritten"));
        }
        let failed = |error: bashkit::Error| format!("{target}: {}", reason(&error));
        self.fs.write_file(&new, bytes).await.map_err(failed)?;
        if let Ok(metadata) = self.fs.stat(path).await {
            // The file is there; its time is a courtesy.
            let _ = self.fs.set_modified_time(&new, metadata.modified).await;
        }
        if !self.options.has('k') {
            self.fs.remove(path, false).await.map_err(failed)?;
        }
        Ok(())
    }
}

fn shown(name: &str) -> &str {
    if name == "-" { "stdin" } else { name }
}
