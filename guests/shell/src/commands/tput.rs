//! `tput`: the size of the terminal, and the sequences that all terminals of
//! today know.

use bashkit::{Builtin, BuiltinContext, ExecResult, Result, async_trait};

use super::Report;
use crate::terminal;

/// Size of a line, and lines, where there is no terminal: as terminfo has it.
const SIZE: (u16, u16) = (80, 24);

/// Status for a name that terminfo does not have.
const UNKNOWN: i32 = 4;

/// Names and the sequences they stand for.
const SEQUENCES: [(&str, &str); 19] = [
    ("bel", "\x07"),
    ("blink", "\x1b[5m"),
    ("bold", "\x1b[1m"),
    ("civis", "\x1b[?25l"),
    ("clear", "\x1b[H\x1b[2J"),
    ("cnorm", "\x1b[?25h"),
    ("cr", "\r"),
    ("dim", "\x1b[2m"),
    ("ed", "\x1b[J"),
    ("el", "\x1b[K"),
    ("home", "\x1b[H"),
    ("init", ""),
    ("op", "\x1b[39;49m"),
    ("reset", "\x1bc"),
    ("rev", "\x1b[7m"),
    ("rmul", "\x1b[24m"),
    ("sgr0", "\x1b[m"),
    ("sitm", "\x1b[3m"),
    ("smul", "\x1b[4m"),
];

/// The command.
pub struct Tput;

#[async_trait]
impl Builtin for Tput {
    async fn execute(&self, ctx: BuiltinContext<'_>) -> Result<ExecResult> {
        let mut report = Report::new("tput");
        let mut words: Vec<&str> = ctx.args.iter().map(String::as_str).collect();
        // `-T TYPE`: all types are one here.
        if words.first().is_some_and(|word| word.starts_with("-T")) {
            let type_follows = words.first() == Some(&"-T");
            words.drain(..words.len().min(1 + usize::from(type_follows)));
        }
        match answer(&words) {
            Some(text) => report.out.push_str(&text),
            None => {
                let name = words.first().unwrap_or(&"");
                report.fail(UNKNOWN, &format!("unknown terminfo capability '{name}'"));
            }
        }
        Ok(report.finish())
    }
}

fn answer(words: &[&str]) -> Option<String> {
    let (columns, lines) = terminal::size().unwrap_or(SIZE);
    let number = |word: &str| word.parse::<u32>().ok();
    let color = |base: u32, bright: u32, word: &str| {
        Some(match number(word)? {
            color @ 0..8 => format!("\x1b[{}m", base + color),
            color @ 8..16 => format!("\x1b[{}m", bright + color - 8),
            color => format!("\x1b[{};5;{color}m", base + 8),
        })
    };
    match words {
        ["cols" | "co"] => Some(format!("{columns}\n")),
        ["lines" | "li"] => Some(format!("{lines}\n")),
        ["colors" | "Co"] => Some("256\n".to_owned()),
        ["setaf", word] => color(30, 90, word),
        ["setab", word] => color(40, 100, word),
        ["cup", row, column] => {
            let (row, column) = (number(row)?, number(column)?);
            Some(format!(
                "\x1b[{};{}H",
                row.checked_add(1)?,
                column.checked_add(1)?
            ))
        }
        [name] => {
            let (_, sequence) = SEQUENCES.iter().find(|(known, _)| known == name)?;
            Some((*sequence).to_owned())
        }
        _ => None,
    }
}
