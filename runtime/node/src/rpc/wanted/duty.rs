//! A command and a deadline, as they are asked for.

use mote_rpc::rules::{
    MAX_COMMAND_BYTES as MAX_BYTES, MAX_COMMAND_WORDS as MAX_WORDS, MAX_DEADLINE_SECONDS,
};
use mote_rpc::v1;
use mote_rpc::v1::command::Restart as Asked;

use crate::duty::{Command, Duty, Restart};

/// What a session does by itself.
///
/// # Errors
/// It makes no sense, as a sentence.
pub(super) fn parse(command: Option<v1::Command>, deadline_seconds: u64) -> Result<Duty, String> {
    if deadline_seconds > MAX_DEADLINE_SECONDS {
        return Err(format!(
            "a deadline of {deadline_seconds} s; give {MAX_DEADLINE_SECONDS} at most"
        ));
    }
    Ok(Duty {
        command: command.map(parse_command).transpose()?,
        deadline_seconds: (deadline_seconds > 0).then_some(deadline_seconds),
    })
}

fn parse_command(command: v1::Command) -> Result<Command, String> {
    let restart = match command.restart() {
        Asked::Always => Restart::Always,
        Asked::OnFailure => Restart::OnFailure,
        Asked::Never => Restart::Never,
    };
    let v1::Command { argv, .. } = command;
    let bytes: usize = argv.iter().map(String::len).sum();
    if argv.len() > MAX_WORDS || bytes > MAX_BYTES {
        return Err(format!(
            "a command of {} words and {bytes} bytes; give {MAX_WORDS} and {MAX_BYTES} at most",
            argv.len()
        ));
    }
    if argv.first().is_none_or(String::is_empty) {
        return Err("a command that names no program; name one".to_owned());
    }
    if argv.iter().any(|word| word.contains('\0')) {
        return Err("a command with a NUL in it, which no program can be given".to_owned());
    }
    Ok(Command { argv, restart })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(argv: &[&str]) -> Option<v1::Command> {
        Some(v1::Command {
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            restart: Asked::OnFailure.into(),
        })
    }

    #[test]
    fn a_command_and_a_deadline_are_taken_as_they_are() {
        let duty = parse(command(&["sh", ""]), 5).unwrap();
        let asked = duty.command.unwrap();
        assert_eq!(asked.argv, ["sh", ""]);
        assert_eq!(asked.restart, Restart::OnFailure);
        assert_eq!(duty.deadline_seconds, Some(5));
        assert_eq!(parse(None, 0), Ok(Duty::default()));
    }

    #[test]
    fn what_is_no_command_and_too_much_is_refused() {
        let (most, long) = ("x".repeat(MAX_BYTES), "x".repeat(MAX_BYTES + 1));
        assert!(parse(command(&[&most]), MAX_DEADLINE_SECONDS).is_ok());
        assert!(parse(None, MAX_DEADLINE_SECONDS + 1).is_err());
        for argv in [&[][..], &[""], &["sh", "a\0b"], &[&long]] {
            assert!(parse(command(argv), 0).is_err());
        }
        assert!(parse(command(&["x"; MAX_WORDS + 1]), 0).is_err());
    }
}
