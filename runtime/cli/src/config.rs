//! From [`RunArgs`] as typed to a [`Config`] that makes sense: all mistakes at
//! once, each with its flag, what was written and what would be right.

use std::ffi::OsString;
use std::str::FromStr;
use std::time::Duration;

use mote_api::{ByteSize, Grants, GuestPath, Invocation, Limits};
use serde_json::{Map, Value};

use crate::args::{LimitArgs, RunArgs};
use crate::grants;

/// One checked call of `mote run`.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
    pub(crate) invocation: Invocation,
    /// Pass stdin on even if it is a terminal.
    pub(crate) interactive: bool,
    /// Everything as one JSON object on stdout.
    pub(crate) json: bool,
    /// A line of what was used on stderr.
    pub(crate) usage: bool,
}

impl TryFrom<RunArgs> for Config {
    type Error = Vec<String>;

    fn try_from(args: RunArgs) -> Result<Self, Vec<String>> {
        let mut mistakes = Vec::new();
        let mut held = Grants::none();
        for grant in grants::grants(&args, &mut mistakes) {
            match held.clone().with(grant) {
                Ok(more) => held = more,
                Err(error) => mistakes.push(error.to_string()),
            }
        }
        let limits = limits(&args.limits, &mut mistakes);
        let invocation = invocation(&args, &mut mistakes);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Self {
            grants: held,
            limits,
            invocation,
            interactive: args.interactive,
            json: args.json,
            usage: args.usage,
        })
    }
}

fn invocation(args: &RunArgs, mistakes: &mut Vec<String>) -> Invocation {
    let mut invocation = Invocation::new(argv(&args.command, mistakes));
    match GuestPath::workspace().join(&args.workdir) {
        Ok(cwd) => invocation.cwd = cwd,
        Err(error) => mistakes.push(format!("-w {}: {error}", args.workdir)),
    }
    invocation
}

/// What one word, which is a shell line, or several say to run.
pub(crate) fn argv(command: &[OsString], mistakes: &mut Vec<String>) -> Vec<String> {
    let mut words = Vec::new();
    for word in command {
        match word.to_str() {
            Some(word) => words.push(word.to_owned()),
            None => mistakes.push(format!(
                "{}: it is not UTF-8; a guest's arguments are text",
                word.display()
            )),
        }
    }
    mote_client::words::argv(words)
}

/// The ceilings that are set, by the names of [`Limits`].
pub(crate) fn named_limits(args: &LimitArgs, mistakes: &mut Vec<String>) -> Map<String, Value> {
    // Ceilings are numbers and text: they always become JSON.
    let all = serde_json::to_value(limits(args, mistakes)).unwrap_or_default();
    let set = [
        ("deadline", &args.timeout),
        ("memory", &args.memory),
        ("disk", &args.disk),
        ("output", &args.output),
        ("disk_entries", &args.entries),
        ("processes", &args.processes),
        ("handles", &args.handles),
    ];
    let named = set.into_iter().filter(|(_, typed)| typed.is_some());
    named
        .filter_map(|(name, _)| Some((name.to_owned(), all.get(name)?.clone())))
        .collect()
}

/// The ceilings that options name; the others are as they usually are.
pub(crate) fn limits(args: &LimitArgs, mistakes: &mut Vec<String>) -> Limits {
    let mut found = Found {
        limits: Limits::default(),
        mistakes,
    };
    found.take("--timeout", &args.timeout, duration, |limits, value| {
        limits.deadline = value;
    });
    found.take("--memory", &args.memory, size, |limits, value| {
        limits.memory = value;
    });
    found.take("--disk", &args.disk, size, |limits, value| {
        limits.disk = value;
    });
    found.take("--output", &args.output, size, |limits, value| {
        limits.output = value;
    });
    found.take("--entries", &args.entries, number, |limits, value| {
        limits.disk_entries = value;
    });
    found.take("--processes", &args.processes, number, |limits, value| {
        limits.processes = value;
    });
    found.take("--handles", &args.handles, number, |limits, value| {
        limits.handles = value;
    });
    found.limits
}

/// The limits so far, and what was wrong with others.
struct Found<'a> {
    limits: Limits,
    mistakes: &'a mut Vec<String>,
}

impl Found<'_> {
    fn take<T: Copy>(
        &mut self,
        flag: &str,
        text: &Option<String>,
        parse: fn(&str) -> Result<T, String>,
        set: fn(&mut Limits, T),
    ) {
        let Some(text) = text else { return };
        let checked = parse(text).and_then(|value| {
            // Alone among defaults, so that each flag hears of its own mistake.
            let mut alone = Limits::default();
            set(&mut alone, value);
            alone
                .check()
                .map(|()| value)
                .map_err(|error| format!("it must be {}", error.allowed))
        });
        match checked {
            Ok(value) => set(&mut self.limits, value),
            Err(why) => self.mistakes.push(format!("{flag} {text}: {why}")),
        }
    }
}

/// `30s`, `1m 30s`, `250ms`; a bare number is seconds, as `timeout` has it.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok();
    let seconds = seconds.and_then(|number| Duration::try_from_secs_f64(number).ok());
    seconds
        .or_else(|| humantime::parse_duration(text).ok())
        .ok_or_else(|| "it is no time; write such as 30s, 1m or 250ms".to_owned())
}

fn size(text: &str) -> Result<ByteSize, String> {
    text.parse().map_err(|error| format!("{error}"))
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| "it is no whole number, or too large a one".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command};
    use clap::Parser;

    fn config(line: &[&str]) -> Result<Config, Vec<String>> {
        let words = ["mote", "run"].iter().chain(line);
        match Args::try_parse_from(words).unwrap().command {
            Command::Run(args) => Config::try_from(*args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_word_is_a_shell_line_and_several_are_an_argv() {
        let argv = |line: &[&str]| config(line).unwrap().invocation.argv;
        assert_eq!(argv(&["a | b"]), ["sh", "-c", "a | b"]);
        assert_eq!(argv(&["--", "ls"]), ["sh", "-c", "ls"]);
        assert_eq!(argv(&["js", "-e", "1"]), ["js", "-e", "1"]);
    }

    #[test]
    fn without_grants_there_is_the_current_folder_to_read() {
        let config = config(&["ls"]).unwrap();
        let preopens: Vec<_> = config.grants.preopens().collect();
        assert_eq!(preopens.len(), 1);
        assert_eq!(preopens[0].guest, GuestPath::workspace());
        assert_eq!(preopens[0].access, mote_api::Access::ReadOnly);
    }

    #[test]
    fn any_folder_granted_replaces_the_current_one() {
        let grants = config(&["--rw", "/:/data", "ls"]).unwrap().grants;
        let guests: Vec<_> = grants.preopens().map(|p| p.guest.as_str()).collect();
        assert_eq!(guests, ["/data"]);
        assert_eq!(
            config(&["--empty", "ls"])
                .unwrap()
                .grants
                .preopens()
                .count(),
            0
        );
    }

    #[test]
    fn nothing_of_the_callers_environment_goes_in_unasked() {
        let grants = config(&["-e", "A=1", "ls"]).unwrap().grants;
        let names: Vec<_> = grants.env().map(|(name, _)| name).collect();
        assert_eq!(names, ["A", "HOME", "LANG", "PATH", "TZ", "USER"]);
        assert!(
            grants
                .env()
                .any(|variable| variable == ("HOME", "/workspace"))
        );
    }

    #[test]
    fn all_mistakes_are_named_at_once() {
        let mistakes = config(&[
            "--ro",
            "/missing-folder",
            "--timeout",
            "soon",
            "--memory",
            "5Gi",
            "--disk",
            "1.5Mi",
            "--processes",
            "0",
            "--clock",
            "noon",
            "--random",
            "1x",
            "-e",
            "=1",
            "ls",
        ])
        .unwrap_err();
        let named = [
            "--ro /missing-folder",
            "--clock noon",
            "--random 1x",
            "environment variable \"\"",
            "--timeout soon",
            "--memory 5Gi",
            "--disk 1.5Mi",
            "--processes 0",
        ];
        assert_eq!(mistakes.len(), named.len(), "{mistakes:#?}");
        for (mistake, name) in mistakes.iter().zip(named) {
            assert!(mistake.starts_with(name), "{mistake}");
        }
    }

    #[test]
    fn limits_are_written_as_people_write_them() {
        let limits = config(&[
            "--timeout",
            "250ms",
            "--memory",
            "64Mi",
            "--entries",
            "7",
            "--handles",
            "9",
            "ls",
        ])
        .unwrap()
        .limits;
        assert_eq!(limits.deadline, Duration::from_millis(250));
        assert_eq!(limits.memory, ByteSize::mib(64));
        assert_eq!((limits.disk_entries, limits.handles), (7, 9));
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1500)));
        assert!(duration("-1").is_err() && duration("NaN").is_err());
    }

    #[test]
    fn the_working_directory_starts_from_the_workspace() {
        let cwd = |text| config(&["-w", text, "ls"]).unwrap().invocation.cwd;
        assert_eq!(cwd("src").as_str(), "/workspace/src");
        assert_eq!(cwd("/data/../tmp").as_str(), "/tmp");
    }

    #[test]
    fn help_names_the_limits_that_are_really_the_defaults() {
        use clap::CommandFactory;
        let mut command = Args::command();
        let run = command.find_subcommand_mut("run").unwrap();
        let help = run.render_long_help().to_string();
        let limits = Limits::default();
        for (flag, default) in [
            (
                "timeout",
                humantime::format_duration(limits.deadline).to_string(),
            ),
            ("memory", limits.memory.to_string()),
            ("disk", limits.disk.to_string()),
            ("entries", limits.disk_entries.to_string()),
            ("output", limits.output.to_string()),
            ("processes", limits.processes.to_string()),
            ("handles", limits.handles.to_string()),
        ] {
            assert!(help.contains(&format!("--{flag} {default}")), "{default}");
        }
    }

    #[test]
    fn ceilings_that_are_not_named_are_not_sent() {
        let args = LimitArgs {
            timeout: Some("2".to_owned()),
            memory: Some("64Mi".to_owned()),
            ..LimitArgs::default()
        };
        let mut mistakes = Vec::new();
        let named = serde_json::to_string(&named_limits(&args, &mut mistakes)).unwrap();
        assert_eq!(named, r#"{"deadline":2.0,"memory":"64Mi"}"#);
        assert_eq!(mistakes, [""; 0]);
    }
}
