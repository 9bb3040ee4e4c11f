//! `chmod`. WASI keeps no permission bits: a change lasts as long as the
//! shell, so that a script sees what it has set.

use std::path::Path;

use bashkit::{Builtin, BuiltinContext, ExecResult, FileSystem, Result, async_trait};

use super::options::{Known, Options, usage};
use super::{Report, absolute, children, reason, shown_join};

const KNOWN: Known = Known {
    letters: "Rvcf",
    names: &[
        ("recursive", 'R'),
        ("verbose", 'v'),
        ("changes", 'c'),
        ("silent", 'f'),
        ("quiet", 'f'),
        ("reference", 'r'),
        ("preserve-root", 'k'),
        ("no-preserve-root", 'k'),
    ],
    wrong: 1,
};

/// Bits of a mode.
const ALL: u32 = 0o7777;

/// The command.
pub struct Chmod;

#[async_trait]
impl Builtin for Chmod {
    async fn execute(&self, ctx: BuiltinContext<'_>) -> Result<ExecResult> {
        let mut report = Report::new("chmod");
        // `-x` and its like take permissions away; they are no options.
        let removal = ctx.args.iter().position(|word| is_removal(word));
        let mut args = ctx.args.to_vec();
        let removal = removal.map(|index| args.remove(index));
        if let Some(mut options) = Options::parse(&mut report, &KNOWN, &args) {
            options.operands.splice(0..0, removal);
            run(&mut report, options, &*ctx.fs, ctx.cwd).await;
        }
        Ok(report.finish())
    }
}

fn is_removal(word: &str) -> bool {
    let rest = word.strip_prefix('-');
    rest.is_some_and(|rest| rest.starts_with(['r', 'w', 'x', 'X', 's', 't', 'u', 'g', 'o', 'a']))
}

async fn run(report: &mut Report, mut options: Options, fs: &dyn FileSystem, cwd: &Path) {
    let mode = match options.value('r') {
        Some(name) => match fs.stat(&absolute(cwd, name)).await {
            Ok(metadata) => Mode::Bits(metadata.mode),
            Err(error) => {
                return report.fail(
                    1,
                    &format!("failed to get attributes of '{name}': {}", reason(&error)),
                );
            }
        },
        None if options.operands.is_empty() => return usage(report, 1, "missing operand"),
        None => {
            let text = options.operands.remove(0);
            match Mode::parse(&text) {
                Some(_) if options.operands.is_empty() => {
                    return usage(report, 1, &format!("missing operand after '{text}'"));
                }
                Some(mode) => mode,
                None => return usage(report, 1, &format!("invalid mode: '{text}'")),
            }
        }
    };
    let mut left: Vec<String> = std::mem::take(&mut options.operands);
    left.reverse();
    while let Some(name) = left.pop() {
        if let Some(folder) = change(report, &options, &mode, fs, cwd, &name).await
            && options.has('R')
        {
            left.extend(folder.into_iter().rev());
        }
    }
}

/// Changes one file. What comes back are the names in it if it is a folder.
async fn change(
    report: &mut Report,
    options: &Options,
    mode: &Mode,
    fs: &dyn FileSystem,
    cwd: &Path,
    name: &str,
) -> Option<Vec<String>> {
    let path = absolute(cwd, name);
    let metadata = match fs.stat(&path).await {
        Ok(metadata) => metadata,
        Err(error) => {
            if !options.has('f') {
                report.fail(1, &format!("cannot access '{name}': {}", reason(&error)));
            }
            report.status = 1;
            return None;
        }
    };
    let is_folder = metadata.file_type.is_dir();
    let (old, new) = (metadata.mode & ALL, mode.apply(metadata.mode, is_folder));
    if let Err(error) = fs.chmod(&path, new).await {
        report.fail(
            1,
            &format!("changing permissions of '{name}': {}", reason(&error)),
        );
        return None;
    }
    let show = |mode| format!("{mode:04o} ({})", permissions(mode));
    if old != new && (options.has('v') || options.has('c')) {
        report.say(&format!(
            "mode of '{name}' changed from {} to {}",
            show(old),
            show(new)
        ));
    } else if options.has('v') {
        report.say(&format!("mode of '{name}' retained as {}", show(new)));
    }
    if !is_folder {
        return None;
    }
    let names = children(fs, &path).await.ok()?;
    Some(
        names
            .into_iter()
            .map(|(child, _)| shown_join(name, &child))
            .collect(),
    )
}

/// `rwxr-xr-x`.
pub fn permissions(mode: u32) -> String {
    let special = |bit: u32, execute: u32, set: char| match (mode & bit != 0, mode & execute != 0) {
        (false, false) => '-',
        (false, true) => 'x',
        (true, true) => set,
        (true, false) => set.to_ascii_uppercase(),
    };
    let plain = |bit: u32, letter: char| if mode & bit != 0 { letter } else { '-' };
    [
        plain(0o400, 'r'),
        plain(0o200, 'w'),
        special(0o4000, 0o100, 's'),
        plain(0o040, 'r'),
        plain(0o020, 'w'),
        special(0o2000, 0o010, 's'),
        plain(0o004, 'r'),
        plain(0o002, 'w'),
        special(0o1000, 0o001, 't'),
    ]
    .into_iter()
    .collect()
}

/// What a mode's text asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Mode {
    /// These bits.
    Bits(u32),
    /// Changes, one after the other.
    Changes(Vec<Change>),
}

/// One change, such as `go-w`.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    /// For whom: a mask of the bits of `u`, `g` and `o`.
    who: u32,
    how: char,
    letters: String,
}

impl Mode {
    /// Reads a mode; nothing if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            let bits = u32::from_str_radix(text, 8).ok()?;
            return (bits <= ALL).then_some(Self::Bits(bits));
        }
        let mut changes = Vec::new();
        for clause in text.split(',') {
            changes.extend(Self::clause(clause)?);
        }
        Some(Self::Changes(changes))
    }

    /// `go-w+r`: who, then one change or several.
    fn clause(text: &str) -> Option<Vec<Change>> {
        let first = text.find(['+', '-', '='])?;
        let (who, mut rest) = text.split_at(first);
        let mut mask = 0;
        for letter in who.chars() {
            mask |= match letter {
                'u' => 0o4700,
                'g' => 0o2070,
                'o' => 0o1007,
                'a' => ALL,
                _ => return None,
            };
        }
        let mask = if who.is_empty() { ALL } else { mask };
        let mut changes = Vec::new();
        while let Some(how) = rest.chars().next() {
            let letters = rest.get(1..)?;
            let end = letters.find(['+', '-', '=']).unwrap_or(letters.len());
            let (letters, after) = letters.split_at(end);
            if letters.contains(|letter| !"rwxXstugo".contains(letter)) {
                return None;
            }
            changes.push(Change {
                who: mask,
                how,
                letters: letters.to_owned(),
            });
            rest = after;
        }
        Some(changes)
    }

    /// The mode that comes of `mode`.
    pub fn apply(&self, mode: u32, is_folder: bool) -> u32 {
        match self {
            Self::Bits(bits) => *bits,
            Self::Changes(changes) => changes.iter().fold(mode & ALL, |mode, change| {
                let bits = change.bits(mode, is_folder) & change.who;
                match change.how {
                    '+' => mode | bits,
                    '-' => mode & !bits,
                    _ => (mode & !(change.who & 0o777)) | bits,
                }
            }),
        }
    }
}

impl Change {
    fn bits(&self, mode: u32, is_folder: bool) -> u32 {
        let of = |shift: u32| (mode >> shift & 7) * 0o111;
        self.letters.chars().fold(0, |bits, letter| {
            bits | match letter {
                'r' => 0o444,
                'w' => 0o222,
                'x' => 0o111,
                'X' if is_folder || mode & 0o111 != 0 => 0o111,
                's' => 0o6000,
                't' => 0o1000,
                'u' => of(6),
                'g' => of(3),
                'o' => of(0),
                _ => 0,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str, mode: u32) -> Option<u32> {
        Mode::parse(text).map(|parsed| parsed.apply(mode, false))
    }

    #[test]
    fn modes_are_numbers_or_changes() {
        assert_eq!(changed("755", 0o644), Some(0o755));
        assert_eq!(changed("+x", 0o644), Some(0o755));
        assert_eq!(changed("u+x,g-r", 0o644), Some(0o704));
        assert_eq!(changed("u=rw,g=r,o=", 0o777), Some(0o640));
        assert_eq!(changed("go-rwx", 0o755), Some(0o700));
        assert_eq!(changed("a=r+w", 0o700), Some(0o666));
        assert_eq!(changed("+X", 0o644), Some(0o644));
        assert_eq!(changed("g=u", 0o640), Some(0o660));
    }

    #[test]
    fn what_is_no_mode_is_refused() {
        assert_eq!(changed("9", 0), None);
        assert_eq!(changed("77777", 0), None);
        assert_eq!(changed("z+x", 0), None);
        assert_eq!(changed("u", 0), None);
    }

    #[test]
    fn permissions_read_as_ls_prints_them() {
        assert_eq!(permissions(0o644), "rw-r--r--");
        assert_eq!(permissions(0o4751), "rwsr-x--x");
        assert_eq!(permissions(0o1776), "rwxrwxrwT");
    }
}
