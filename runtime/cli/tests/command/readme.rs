//! Every block of the README's tours, and of `docs`, does what is said there.
//!
//! A block is fenced as `console`. A line `$ COMMAND` is run by bash, with
//! lines `> …` that go on with it; the lines after it are what it prints. A
//! line `…` stands for any number of lines, and `…` within a line for any
//! characters. A block fenced as `python` is a program; what it prints stands
//! behind `  # `. All blocks of a text run in order in one folder that is empty
//! at first, beside a `mote serve` of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{output, shared_cache, userland, warm_cache};
use crate::serve::Served;

const WILDCARD: char = '…';
/// The port on which a server listens unless told otherwise, as in the texts.
const USUAL: &str = ":7070";
/// What stands between a line of a program and what it prints.
const PRINTS: &str = "  # ";

/// A command of the tour and what it is said to print.
#[derive(Debug, Default, PartialEq)]
struct Step {
    command: String,
    expected: Vec<String>,
    /// The program of `scripts/test-clients` without which it is left out.
    needs: Option<&'static str>,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut blocks = text.split("\n```");
    while let (Some(_), Some(block)) = (blocks.next(), blocks.next()) {
        match block.split_once('\n') {
            Some(("console", lines)) => steps.extend(console(lines)),
            Some(("python", program)) => steps.push(python(program)),
            _ => {}
        }
    }
    steps
}

fn console(lines: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in lines.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step {
                command: command.to_owned(),
                needs: command.starts_with("grpcurl ").then_some("bin/grpcurl"),
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
        }
    }
    steps
}

fn python(program: &str) -> Step {
    let prints = |line: &str| line.split_once(PRINTS).map(|(_, said)| said.to_owned());
    Step {
        command: format!("python3 - <<'END'\n{program}\nEND"),
        expected: program.lines().filter_map(prints).collect(),
        needs: Some("venv/bin/python3"),
    }
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

/// Runs every block of a text.
fn follow(name: &str) {
    let text = fs::read_to_string(root().join(name)).unwrap();
    let steps = steps(&text);
    assert!(!steps.is_empty(), "{name} has no block that is run");
    warm_cache();
    let served = Served::start();
    let port = &served.url[served.url.rfind(':').unwrap()..];
    let clients = root().join("target/tools/clients");
    let scratch = tempfile::tempdir().unwrap();
    for Step {
        command,
        expected,
        needs,
    } in steps
    {
        if let Some(missing) = needs.filter(|program| !clients.join(program).exists()) {
            println!("left out, as there is no {missing} (scripts/test-clients): {command}");
            continue;
        }
        let line = format!("exec 2>&1\n{}", command.replace(USUAL, port));
        let mut bash = shell(&clients);
        bash.current_dir(&scratch).env("MOTE_SERVER", &served.url);
        let output = output(bash.arg("-c").arg(line), b"");
        let came: Vec<&str> = output.stdout.lines().collect();
        assert!(
            lines_match(&expected, &came),
            "$ {command}\nprints:\n{}\n{name} says:\n{}",
            output.stdout,
            expected.join("\n")
        );
    }
}

/// A shell with what the texts take for given on its path.
fn shell(clients: &Path) -> Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_mote"));
    let folders = [
        binary.parent().unwrap(),
        &clients.join("venv/bin"),
        &clients.join("bin"),
    ];
    let inherited = std::env::var("PATH").unwrap();
    let path = folders.map(|folder| folder.display().to_string()).join(":");
    let mut bash = Command::new("bash");
    bash.env("PATH", format!("{path}:{inherited}"))
        .env("TOOLS", mote_artifacts::folders::TOOLS)
        .env("MOTE_CACHE", shared_cache())
        .env("MOTE_USERLAND", fs::canonicalize(userland()).unwrap())
        // What is on the machine does not concern loopback.
        .env("no_proxy", "127.0.0.0/8,localhost,.localhost");
    for name in ["MOTE_TOKEN", "MOTE_TOKEN_FILE"] {
        bash.env_remove(name);
    }
    bash
}

#[test]
fn every_command_of_the_tours_prints_what_the_readme_says() {
    follow("README.md");
}

#[test]
fn every_command_of_the_reference_prints_what_it_says() {
    follow("docs/serve.md");
}

#[test]
fn a_tour_is_read_as_commands_and_what_they_print() {
    let text = "x\n```console\n$ a\n> b\n1\n> 2\n$ c\n```\n$ no\n```sh\n$ no\n```\n";
    let step = |command: &str, expected: &[&str]| Step {
        command: command.to_owned(),
        expected: expected.iter().map(|line| (*line).to_owned()).collect(),
        needs: None,
    };
    assert_eq!(steps(text), [step("a\nb", &["1", "> 2"]), step("c", &[])]);
}

#[test]
fn a_program_says_behind_its_lines_what_it_prints() {
    let [step] = &steps("x\n```python\nf()\nprint(f())  # 1\n```\n")[..] else {
        panic!("one block is one step");
    };
    assert_eq!(step.expected, ["1"]);
    assert!(step.command.contains("\nprint(f())  # 1\n"), "{step:?}");
    assert!(step.needs.is_some());
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
