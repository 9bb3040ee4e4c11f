//! What a context is asked to run, and what its driver answers.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::backend::{Command, StartError};

/// What a context is asked to run; what it is, the driver says.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Call {
    #[serde(flatten)]
    pub(super) code: Code,
    /// `sys.argv`, of what runs as a program: without a result, and with its
    /// traceback on stderr.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) argv: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) env: Option<std::collections::BTreeMap<String, String>>,
    /// Below the root; without, the context stays where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cwd: Option<PathBuf>,
}

impl Call {
    /// The command that does the same by itself.
    pub(super) fn command(&self) -> Vec<String> {
        let python = ["python3".to_owned()].into_iter();
        match (&self.code, &self.argv) {
            (Code::File(_), Some(argv)) => python.chain(argv.iter().cloned()).collect(),
            (Code::File(file), None) => python.chain([file.clone()]).collect(),
            (Code::Code(text), argv) => {
                // The first word of its `sys.argv` is the flag.
                let rest = argv.iter().flatten().skip(1).cloned();
                let code = ["-c".to_owned(), text.clone()];
                python.chain(code).chain(rest).collect()
            }
        }
    }
}

/// Python, as text or in a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Code {
    Code(String),
    File(String),
}

impl Default for Code {
    fn default() -> Self {
        Self::Code(String::new())
    }
}

/// What a call is to the driver.
#[derive(Debug, Serialize)]
pub(super) struct Numbered<'a> {
    pub(super) id: u64,
    #[serde(flatten)]
    pub(super) call: &'a Call,
}

/// Which call a line of the driver is about.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    pub(super) id: u64,
}

/// What became of a call whose context lives on.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(super) struct Answer {
    pub(super) exit_code: u8,
    /// The `repr` of the last expression, if there is one and it is not None.
    #[serde(default)]
    pub(super) result: Option<String>,
    #[serde(default)]
    pub(super) error: Option<Raised>,
}

/// An exception that nothing caught.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Raised {
    pub(super) name: String,
    pub(super) message: String,
    pub(super) traceback: String,
}

/// What a command is as a call.
pub(super) fn of(command: Command) -> Result<Call, StartError> {
    let refuse = |text: &str| Err(StartError::Invalid(text.to_owned()));
    if command.terminal.is_some() {
        return refuse(
            "a context has no terminal; start the program without one, or without a context",
        );
    }
    let (code, argv) = program(command.argv)?;
    let is_text = matches!(code, Code::Code(_));
    Ok(Call {
        code,
        argv: Some(argv),
        name: is_text.then_some("<string>"),
        env: (!command.env.is_empty()).then(|| command.env.into_iter().collect()),
        cwd: Some(command.cwd),
    })
}

/// The code and `sys.argv` of a command.
fn program(argv: Vec<String>) -> Result<(Code, Vec<String>), StartError> {
    let mut words = argv.into_iter();
    let program = words.next().unwrap_or_default();
    let name = Path::new(&program).file_name();
    let is_python = name.is_some_and(|name| name == "python3" || name == "python");
    let first = words.next().filter(|_| is_python).ok_or_else(not_python)?;
    let code = match first.as_str() {
        "-c" => Code::Code(words.next().ok_or_else(not_python)?),
        file if !file.starts_with('-') => Code::File(first.clone()),
        _ => return Err(not_python()),
    };
    Ok((code, std::iter::once(first).chain(words).collect()))
}

fn not_python() -> StartError {
    StartError::Invalid(
        "a context runs python3 -c CODE or python3 FILE, with arguments; run other commands without a context".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Option<(Code, Vec<String>)> {
        program(line.split_whitespace().map(str::to_owned).collect()).ok()
    }

    #[test]
    fn python_programs_are_calls() {
        let argv = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(
            parsed("python3 -c print(1) a -b"),
            Some((Code::Code("print(1)".to_owned()), argv(&["-c", "a", "-b"])))
        );
        assert_eq!(
            parsed("/usr/bin/python x.py -c"),
            Some((Code::File("x.py".to_owned()), argv(&["x.py", "-c"])))
        );
    }

    #[test]
    fn a_call_is_recorded_as_the_command_that_it_is() {
        for line in ["python3 -c print(1) a -b", "python3 x.py -c"] {
            let (code, argv) = parsed(line).unwrap();
            let call = Call {
                code,
                argv: Some(argv),
                ..Call::default()
            };
            assert_eq!(call.command().join(" "), line);
        }
    }

    #[test]
    fn other_commands_are_no_calls() {
        for line in [
            "",
            "python3",
            "python3 -c",
            "python3 -m json",
            "python3 -",
            "ls x",
            "node -c x",
        ] {
            assert_eq!(parsed(line), None, "{line}");
        }
    }
}
