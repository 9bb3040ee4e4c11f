//! Why something was not done, and what the process says and returns then.

use std::io::Write;
use std::process::ExitCode;

use clap::error::ErrorKind;
use mote_client::text::one_line;

/// Exit status where the cluster, the router or the sandbox was not reached,
/// as container tools have it: no common program uses it.
const EXIT_LOST: u8 = 125;
/// Exit status for mistakes in the command line.
const EXIT_USAGE: u8 = 2;
/// Exit status where somebody declined, or a file is at fault.
const EXIT_REFUSED: u8 = 1;
/// 128 + SIGPIPE: whoever read our stdout is gone.
const EXIT_BROKEN_PIPE: u8 = 141;

/// Why a call of `kubectl mote` did not do what it was to do.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line makes no sense; all that is wrong with it.
    Usage(Vec<String>),
    /// Somebody declined, or the sandbox cannot be used.
    Refused(String),
    /// A program was not started: why, and the exit status that a shell would
    /// report.
    Declined(String, u8),
    /// Somebody was not reached, or broke off; or the machine failed.
    Lost(String),
    /// A signal asked us to end.
    Signal(u8),
    /// Nobody reads our stdout any more.
    BrokenPipe,
}

impl Failure {
    /// Says on stderr what is wrong, a line each, and gives the exit status.
    pub(crate) fn report(self) -> ExitCode {
        let code = match self {
            Self::Usage(mistakes) => {
                mistakes.iter().for_each(|mistake| say(mistake));
                EXIT_USAGE
            }
            Self::Refused(why) => {
                say(&why);
                EXIT_REFUSED
            }
            Self::Declined(why, code) => {
                say(&why);
                code
            }
            Self::Lost(why) => {
                say(&why);
                EXIT_LOST
            }
            Self::Signal(number) => 128u8.saturating_add(number),
            Self::BrokenPipe => EXIT_BROKEN_PIPE,
        };
        ExitCode::from(code)
    }
}

/// One line on stderr. That nobody may read it is no failure.
pub(crate) fn say(text: &str) {
    let line = format!("kubectl mote: {}\n", one_line(text));
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// What clap found wrong, as it says it; or the help that was asked for.
pub(crate) fn report_usage(error: &clap::Error) -> ExitCode {
    // As above: that nobody may read it is no failure.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(EXIT_USAGE),
    }
}
