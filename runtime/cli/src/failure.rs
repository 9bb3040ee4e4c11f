//! Why there is no outcome, and what the process says and returns then.

use mote_client::text;
use std::io::Write;
use std::process::ExitCode;

use clap::error::ErrorKind;
use mote_api::Rejection;
use mote_host::{HostError, OpenError, PrepareError, RunError};

/// Exit status where mote itself failed, as container tools have it: no
/// common program uses it.
pub(crate) const EXIT_HOST: u8 = 125;
/// Exit status for mistakes in the command line.
pub(crate) const EXIT_USAGE: u8 = 2;
/// Exit status where a file that was to be looked at is at fault.
const EXIT_FILE: u8 = 1;
/// Exit status where a server declined.
const EXIT_REFUSED: u8 = 1;
/// 128 + SIGPIPE: whoever read our stdout is gone.
pub(crate) const EXIT_BROKEN_PIPE: u8 = 141;

/// Why a call of `mote` ends without an outcome.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line makes no sense; all that is wrong with it.
    Usage(Vec<String>),
    /// The program was declined before any of its code ran.
    Rejected(Rejection),
    /// Files are at fault; a line for each.
    Files(Vec<String>),
    /// A server declined; a line for each request.
    Refused(Vec<String>),
    /// A server declined to start a program: why, and the exit status that a
    /// shell would report.
    Declined(String, u8),
    /// A signal asked us to end.
    Signal(u8),
    /// Nobody reads our stdout any more.
    BrokenPipe,
    /// Our own fault, or the machine's.
    Host(anyhow::Error),
}

impl Failure {
    /// Says on stderr what is wrong, a line each, and gives the exit status.
    pub(crate) fn report(self) -> ExitCode {
        let code = match self {
            Self::Usage(mistakes) => {
                mistakes.iter().for_each(|mistake| say(mistake));
                EXIT_USAGE
            }
            Self::Rejected(rejection) => {
                say(&rejection.to_string());
                rejection.exit_code()
            }
            Self::Files(problems) => {
                problems.iter().for_each(|problem| say(problem));
                EXIT_FILE
            }
            Self::Refused(problems) => {
                problems.iter().for_each(|problem| say(problem));
                EXIT_REFUSED
            }
            Self::Declined(why, code) => {
                say(&why);
                code
            }
            Self::Signal(number) => 128 + number,
            Self::BrokenPipe => EXIT_BROKEN_PIPE,
            Self::Host(error) => {
                say(&text::chain(&*error));
                EXIT_HOST
            }
        };
        ExitCode::from(code)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Host(error)
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        Self::Host(error.into())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Grant(error) => Self::Usage(vec![error.to_string()]),
            OpenError::Limits(error) => Self::Usage(vec![error.to_string()]),
            OpenError::Host(error) => error.into(),
            error @ (OpenError::Overlap { .. } | OpenError::CountedApart { .. }) => {
                Self::Usage(vec![error.to_string()])
            }
            error @ (OpenError::Preopen { .. } | OpenError::Cache { .. }) => {
                Self::Host(error.into())
            }
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Rejected(rejection) => Self::Rejected(rejection),
            RunError::Host(error) => error.into(),
        }
    }
}

/// What is wrong with the file at `path`, which could not be prepared; or our
/// own failure.
pub(crate) fn of_file(path: &std::path::Path, error: PrepareError) -> Result<String, Failure> {
    match error {
        PrepareError::Refused(why) => Ok(format!("{}: {why}", path.display())),
        PrepareError::Host(error) => Err(error.into()),
    }
}

/// One line on stderr. That nobody may read it is no failure.
pub(crate) fn say(text: &str) {
    let line = format!("mote: {}\n", text::one_line(text));
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// What clap found wrong, in one line; or the help that was asked for.
pub(crate) fn report_usage(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        // As above: that nobody may read it is no failure.
        let _ = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(EXIT_USAGE));
    }
    say(&usage_line(&error.render().to_string()));
    ExitCode::from(EXIT_USAGE)
}

/// clap writes a paragraph for what is wrong, then tips, then the usage; this
/// is the first two in one line. The tip how to pass an unknown flag as a
/// value would only mislead.
fn usage_line(text: &str) -> String {
    let mut parts = text.split("\n\n");
    let wrong = parts.next().unwrap_or(text);
    let wrong = wrong.trim_start_matches("error:").trim();
    let tips = parts.flat_map(str::lines).map(str::trim);
    let tips = tips.filter_map(|line| line.strip_prefix("tip: "));
    let tips = tips.filter(|tip| !tip.starts_with("to pass "));
    let mut said: Vec<&str> = std::iter::once(wrong).chain(tips).collect();
    let verb = verb(text).unwrap_or("run");
    let see = format!("see mote --help and mote {verb} --help");
    said.push(&see);
    said.join("; ")
}

/// The subcommand that the usage is of.
fn verb(text: &str) -> Option<&str> {
    let usage = text
        .lines()
        .find_map(|line| line.strip_prefix("Usage: mote "))?;
    let word = usage.split_whitespace().next()?;
    word.bytes()
        .all(|byte| byte.is_ascii_lowercase())
        .then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_the_options_takes_one_line() {
        let text = "error: unexpected argument '--rx' found\n\n  tip: a similar argument exists: '--rw'\n  tip: to pass '--rx' as a value, use '-- --rx'\n\nUsage: mote run\n\nFor more information, try '--help'.\n";
        assert_eq!(
            usage_line(text),
            "unexpected argument '--rx' found; a similar argument exists: '--rw'; see mote --help and mote run --help"
        );
    }
}
