//! From [`ExecArgs`] as typed to a [`Config`] that makes sense.

use mote_api::{CallOptions, ContextName, GuestPath, SandboxId};
use mote_client::screen;
use mote_surface::proto::{ProcessConfig, StartRequest};

use crate::client::args::{ExecArgs, TextForm};
use crate::client::server::{self, Server};
use crate::client::{create, parse};
use crate::config;

/// One checked call.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) id: SandboxId,
    pub(crate) request: StartRequest,
    pub(crate) options: CallOptions,
    /// Pass stdin on.
    pub(crate) stdin: bool,
    /// Give it our terminal.
    pub(crate) terminal: bool,
    /// A line of what was used on stderr.
    pub(crate) usage: bool,
    pub(crate) form: TextForm,
}

impl TryFrom<ExecArgs> for Config {
    type Error = Vec<String>;

    fn try_from(args: ExecArgs) -> Result<Self, Vec<String>> {
        let mut mistakes = Vec::new();
        let id = parse::id(&args.id, &mut mistakes);
        let process = ProcessConfig {
            command: config::argv(&args.command, &mut mistakes),
            env_vars: create::env(&args.env, &mut mistakes).into_iter().collect(),
            cwd: args.workdir.clone(),
        };
        let options = options(&args, &mut mistakes);
        if args.terminal {
            mistakes.extend(terminal_mistake(args.form, screen::is_there()));
        }
        let server = server::server(&args.server, &mut mistakes);
        let config = server.zip(id).map(|(server, id)| Self {
            server,
            id,
            request: StartRequest {
                config: Some(process),
                pty: None,
            },
            options,
            stdin: args.interactive || args.terminal,
            terminal: args.terminal,
            usage: args.usage,
            form: args.form,
        });
        parse::checked(config, mistakes)
    }
}

fn terminal_mistake(form: TextForm, is_there: bool) -> Option<String> {
    if form == TextForm::Json {
        return Some(
            "-t and -o json: a terminal has no output to put into JSON; leave one out".to_owned(),
        );
    }
    (!is_there).then(|| "-t: stdin and stdout are no terminal; leave -t out".to_owned())
}

fn options(args: &ExecArgs, mistakes: &mut Vec<String>) -> CallOptions {
    let mut only = Vec::new();
    for text in &args.only {
        match text.parse::<GuestPath>() {
            Ok(path) => only.push(path),
            Err(error) => mistakes.push(format!("--only {text}: {error}")),
        }
    }
    let context = args.context.as_ref().and_then(|text| {
        let context = text.parse::<ContextName>();
        context
            .map_err(|error| mistakes.push(format!("--context: {error}")))
            .ok()
    });
    CallOptions {
        preopens: (!only.is_empty()).then_some(only),
        limits: config::named_limits(&args.limits, mistakes),
        transaction: args.transaction,
        context,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command};
    use crate::client::Verb;
    use clap::Parser;

    fn config(line: &[&str]) -> Result<Config, Vec<String>> {
        let words = ["mote", "exec"].iter().chain(line);
        match Args::try_parse_from(words).unwrap().command {
            Command::Client(Verb::Exec(args)) => Config::try_from(*args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_word_is_a_shell_line_and_several_are_an_argv() {
        let command = |line: &[&str]| config(line).unwrap().request.config.unwrap().command;
        assert_eq!(command(&["work", "a | b"]), ["sh", "-c", "a | b"]);
        assert_eq!(command(&["work", "--", "js", "-e", "1"]), ["js", "-e", "1"]);
        assert_eq!(command(&["work", "-i", "cat", "-t"]), ["cat", "-t"]);
    }

    #[test]
    fn a_call_asks_for_nothing_unless_told() {
        let config = config(&["work", "ls"]).unwrap();
        assert_eq!(config.options, CallOptions::default());
        assert!(!config.stdin && !config.terminal);
    }

    #[test]
    fn what_a_call_gives_up_is_sent_as_its_options() {
        let line = [
            "work",
            "--only",
            "/data",
            "--timeout",
            "5s",
            "--transaction",
            "--context",
            "main",
            "ls",
        ];
        let options = config(&line).unwrap().options;
        assert_eq!(
            serde_json::to_string(&options).unwrap(),
            r#"{"preopens":["/data"],"limits":{"deadline":5.0},"transaction":true,"context":"main"}"#
        );
    }

    #[test]
    fn all_mistakes_are_named_at_once() {
        let line = [
            "Work",
            "-e",
            "=",
            "--only",
            "data",
            "--context",
            "a/b",
            "--memory",
            "0",
            "-t",
            "-o",
            "json",
            "--server",
            "x",
            "ls",
        ];
        let mistakes = config(&line).unwrap_err();
        let starts = [
            "\"Work\"",
            "environment variable",
            "--only data",
            "--context: ",
            "--memory 0",
            "-t and -o json",
            "--server x",
        ];
        assert_eq!(mistakes.len(), starts.len(), "{mistakes:#?}");
        for (mistake, start) in mistakes.iter().zip(starts) {
            assert!(mistake.starts_with(start), "{mistake}");
        }
    }

    #[test]
    fn a_terminal_has_to_be_there() {
        assert!(terminal_mistake(TextForm::Text, true).is_none());
        assert!(terminal_mistake(TextForm::Text, false).is_some());
        assert!(terminal_mistake(TextForm::Json, true).is_some());
    }
}
