//! Which of its calls a log is to tell: all, the last, those since then.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::Deserialize;

use crate::client::args::LogsArgs;
use crate::config;

/// What is asked for of a log.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Part {
    /// Only so many calls from the end.
    tail: Option<usize>,
    /// Only calls that ended then or later.
    since: Option<Timestamp>,
}

impl Part {
    /// What the flags say, at this time.
    pub(super) fn of(args: &LogsArgs, now: Timestamp, mistakes: &mut Vec<String>) -> Self {
        let tail = args.tail.as_deref().filter(|text| *text != "-1");
        let tail = tail.map(|text| ("--tail", text, lines(text)));
        let ago = args.since.as_deref();
        let ago = ago.map(|text| ("--since", text, before(now, text)));
        let then = args.since_time.as_deref();
        let then = then.map(|text| ("--since-time", text, time(text)));
        Self {
            tail: tail.and_then(|it| checked(it, mistakes)),
            since: ago.or(then).and_then(|it| checked(it, mistakes)),
        }
    }

    /// The lines that are asked for. What does not say when it was is told.
    pub(super) fn among<'a>(&self, lines: Vec<&'a [u8]>) -> Vec<&'a [u8]> {
        let mut lines = VecDeque::from(lines);
        if let Some(since) = self.since {
            lines.retain(|line| ended(line).is_none_or(|at| at >= since));
        }
        if let Some(tail) = self.tail {
            lines.drain(..lines.len().saturating_sub(tail));
        }
        lines.into()
    }
}

/// What a flag says, or what is wrong with it.
fn checked<T>(
    (flag, text, read): (&str, &str, Result<T, String>),
    mistakes: &mut Vec<String>,
) -> Option<T> {
    read.map_err(|why| mistakes.push(format!("{flag} {text}: {why}")))
        .ok()
}

fn lines(text: &str) -> Result<usize, String> {
    let why = "it is no number of lines; write such as 20, or -1 for all";
    text.parse().map_err(|_| why.to_owned())
}

fn time(text: &str) -> Result<Timestamp, String> {
    let why = "it is no time; write such as 2026-01-02T03:04:05Z";
    text.parse().map_err(|_| why.to_owned())
}

/// So long before now.
fn before(now: Timestamp, text: &str) -> Result<Timestamp, String> {
    let ago = config::duration(text)?;
    Ok(now.checked_sub(ago).unwrap_or(Timestamp::MIN))
}

/// When the call of a line ended.
fn ended(line: &[u8]) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Entry {
        at: Timestamp,
    }
    let entry: Entry = serde_json::from_slice(line).ok()?;
    Some(entry.at)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Args, Command};
    use crate::client::args::Verb;

    fn part(flags: &[&str]) -> Result<Part, Vec<String>> {
        let words = ["mote", "logs", "work"].iter().chain(flags);
        let parsed = Args::try_parse_from(words).unwrap().command;
        let Command::Client(Verb::Logs(args)) = parsed else {
            panic!("another verb")
        };
        let mut mistakes = Vec::new();
        let part = Part::of(&args, Timestamp::from_second(1_000).unwrap(), &mut mistakes);
        if mistakes.is_empty() {
            Ok(part)
        } else {
            Err(mistakes)
        }
    }

    #[test]
    fn flags_are_those_of_kubectl() {
        let since = |second| Part {
            tail: None,
            since: Timestamp::from_second(second).ok(),
        };
        assert_eq!(part(&[]), Ok(Part::default()));
        assert_eq!(part(&["--tail", "-1"]), Ok(Part::default()));
        assert_eq!(part(&["--tail=5"]).unwrap().tail, Some(5));
        assert_eq!(part(&["--since", "5m"]), Ok(since(700)));
        let time = ["--since-time", "1970-01-01T00:10:00Z"];
        assert_eq!(part(&time), Ok(since(600)));
        let wrong = ["--tail", "-2", "--since", "soon"];
        assert_eq!(part(&wrong).unwrap_err().len(), 2);
        assert!(part(&["--since-time", "yesterday"]).is_err());
    }

    #[test]
    fn the_last_are_counted_among_those_since_then() {
        let line = |second: i64| format!(r#"{{"at":"1970-01-01T00:00:0{second}Z"}}"#);
        let lines = [1, 2, 3].map(line);
        let lines: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
        let told = |tail, since: Option<i64>| {
            let since = since.and_then(|second| Timestamp::from_second(second).ok());
            Part { tail, since }.among(lines.clone())
        };
        assert_eq!(told(None, None), lines);
        assert_eq!(told(None, Some(2)), lines[1..]);
        assert_eq!(told(Some(1), Some(2)), lines[2..]);
        assert_eq!(told(Some(5), Some(3)), lines[2..]);
        let odd: [&[u8]; 1] = [b"no entry"];
        let since = Timestamp::from_second(2).ok();
        let part = Part { tail: None, since };
        assert_eq!(part.among(odd.to_vec()), odd);
    }
}
