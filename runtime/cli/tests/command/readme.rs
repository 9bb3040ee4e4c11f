//! Every block of the README's tour does what the README says.
//!
//! A block is fenced as `console`. A line `$ COMMAND` is run by bash, with
//! lines `> …` that go on with it; the lines after it are what it prints. A
//! line `…` stands for any number of lines, and `…` within a line for any
//! characters. All blocks run in order in one folder that is empty at first.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{output, shared_cache, userland, warm_cache};

const WILDCARD: char = '…';

/// A command of the tour and what it is said to print.
#[derive(Debug, Default, PartialEq)]
struct Step {
    command: String,
    expected: Vec<String>,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match (inside, line) {
            (false, "```console") => inside = true,
            (true, "```") => inside = false,
            (false, _) => {}
            (true, line) => match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step {
                    command: command.to_owned(),
                    ..Step::default()
                }),
                (None, Some(step)) => match line.strip_prefix("> ") {
                    Some(more) if step.expected.is_empty() => {
                        step.command.push('\n');
                        step.command.push_str(more);
                    }
                    _ => step.expected.push(line.to_owned()),
                },
                (None, None) => panic!("{line:?} comes before the first command"),
            },
        }
    }
    steps
}

/// Whether what came is what was said.
fn lines_match(expected: &[String], came: &[&str]) -> bool {
    match expected.split_first() {
        None => came.is_empty(),
        Some((line, rest)) if line.trim() == "…" => {
            (0..=came.len()).any(|skipped| lines_match(rest, &came[skipped..]))
        }
        Some((line, rest)) => came
            .split_first()
            .is_some_and(|(first, left)| line_matches(line, first) && lines_match(rest, left)),
    }
}

fn line_matches(expected: &str, came: &str) -> bool {
    match expected.split_once(WILDCARD) {
        None => expected == came,
        Some((before, after)) => came.strip_prefix(before).is_some_and(|rest| {
            let mut starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            starts.any(|at| line_matches(after, &rest[at..]))
        }),
    }
}

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::canonicalize(root).unwrap()
}

#[test]
fn every_command_of_the_tour_prints_what_the_readme_says() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let steps = steps(&text);
    assert!(
        !steps.is_empty(),
        "the README has no block fenced as console"
    );
    warm_cache();
    let scratch = tempfile::tempdir().unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_mote"));
    let inherited = std::env::var("PATH").unwrap();
    let path = format!("{}:{inherited}", binary.parent().unwrap().display());
    for Step { command, expected } in steps {
        let mut bash = Command::new("bash");
        bash.current_dir(&scratch)
            .env("PATH", &path)
            .env("TOOLS", mote_artifacts::folders::TOOLS)
            .env("MOTE_CACHE", shared_cache());
        bash.env("MOTE_USERLAND", fs::canonicalize(userland()).unwrap());
        let output = output(bash.arg("-c").arg(format!("exec 2>&1\n{command}")), b"");
        let came: Vec<&str> = output.stdout.lines().collect();
        assert!(
            lines_match(&expected, &came),
            "$ {command}\nprints:\n{}\nThe README says:\n{}",
            output.stdout,
            expected.join("\n")
        );
    }
}

#[test]
fn a_tour_is_read_as_commands_and_what_they_print() {
    let text = "x\n```console\n$ a\n> b\n1\n> 2\n$ c\n```\n$ no\n```sh\n$ no\n```\n";
    let step = |command: &str, expected: &[&str]| Step {
        command: command.to_owned(),
        expected: expected.iter().map(|line| (*line).to_owned()).collect(),
    };
    assert_eq!(steps(text), [step("a\nb", &["1", "> 2"]), step("c", &[])]);
}

#[test]
fn a_wildcard_stands_for_lines_or_for_a_part_of_one() {
    let matches = |expected: &[&str], came: &[&str]| {
        let expected: Vec<_> = expected.iter().map(|line| (*line).to_owned()).collect();
        lines_match(&expected, came)
    };
    assert!(matches(&["a", "…", "z"], &["a", "b", "c", "z"]));
    assert!(matches(&["…"], &[]) && matches(&["wall … ms, …"], &["wall 1.2 ms, cpu"]));
    assert!(!matches(&["a"], &["a", "b"]) && !matches(&["a … c"], &["a b"]));
}
