//! `mote logs`.

mod part;

use std::time::Duration;

use jiff::Timestamp;
use mote_api::SandboxId;
use mote_client::text;
use reqwest::Method;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::client::api::{Api, ApiError};
use crate::client::args::{LogsArgs, TextForm};
use crate::client::server::{self, Server};
use crate::client::{events, parse};
use crate::failure::Failure;
use crate::{report, stop};
use part::Part;

/// The least time between two looks at a log: calls may end by the thousand.
const TICK: Duration = Duration::from_millis(200);

/// A call that ended, as the server notes it.
#[derive(Debug, Deserialize)]
struct Entry {
    at: String,
    argv: Vec<String>,
    exit_code: i32,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    wall_us: u64,
    #[serde(default)]
    who: Option<String>,
}

/// Shows what was called in a sandbox.
pub(crate) fn logs(args: LogsArgs) -> Result<u8, Failure> {
    let (server, id, part) = checked(&args, Timestamp::now()).map_err(Failure::Usage)?;
    stop::until_signal(async {
        let log = Log {
            api: Api::new(server)?,
            id,
            form: args.form,
        };
        let mut shown = None;
        log.show(&part, &mut shown).await?;
        if args.follow {
            log.follow(shown).await?;
        }
        Ok(0)
    })
}

/// A sandbox's log, and how it is shown.
struct Log {
    api: Api,
    id: SandboxId,
    form: TextForm,
}

impl Log {
    /// Shows this part of what there is after the line `shown`, which the last
    /// of all becomes.
    async fn show(&self, part: &Part, shown: &mut Option<Vec<u8>>) -> Result<(), Failure> {
        let during = |error: ApiError| error.during(&format!("read the log of {}", self.id));
        let request = self.api.of_sandbox(Method::GET, &self.id, "/log");
        let response = self.api.answer(request).await.map_err(during)?;
        let log = response.bytes().await;
        let log = log.map_err(|error| during(self.api.lost(&error)))?;
        let more = after(&log, shown.as_deref());
        let last = more.last().map(|last| last.to_vec());
        let more = part.among(more);
        let text: Vec<u8> = match self.form {
            TextForm::Json => more
                .iter()
                .flat_map(|line| [*line, b"\n"].concat())
                .collect(),
            TextForm::Text => more
                .iter()
                .flat_map(|line| text(line).into_bytes())
                .collect(),
        };
        report::print(&text)?;
        if last.is_some() {
            *shown = last;
        }
        Ok(())
    }

    /// Goes on with what is called, until the sandbox or the server goes.
    async fn follow(&self, mut shown: Option<Vec<u8>>) -> Result<(), Failure> {
        // All of what is new.
        let all = Part::default();
        let (happened, mut happens) = watch::channel(());
        let path = format!("/v1/sandboxes/{}/events", self.id);
        let shows = async {
            let mut ticks = interval(TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while happens.changed().await.is_ok() {
                ticks.tick().await;
                self.show(&all, &mut shown).await?;
            }
            Ok(())
        };
        let shown_all = tokio::select! {
            result = shows => result,
            () = events::watch(&self.api, &path, &happened) => self.show(&all, &mut shown).await,
        };
        match shown_all {
            // It was deleted, and that is where its log ends.
            Err(Failure::Refused(_)) => Ok(()),
            other => other,
        }
    }
}

/// The lines of a log after the line `shown`; all of them if that is no longer
/// there, as the server keeps only the latest.
fn after<'a>(log: &'a [u8], shown: Option<&[u8]>) -> Vec<&'a [u8]> {
    let lines = log
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let lines: Vec<_> = lines.collect();
    let known = lines.iter().rposition(|line| Some(*line) == shown);
    lines
        .into_iter()
        .skip(known.map_or(0, |at| at + 1))
        .collect()
}

fn checked(args: &LogsArgs, now: Timestamp) -> Result<(Server, SandboxId, Part), Vec<String>> {
    let mut mistakes = Vec::new();
    let id = parse::id(&args.id, &mut mistakes);
    let part = Part::of(args, now, &mut mistakes);
    let server = server::server(&args.server, &mut mistakes);
    let all = server.zip(id).map(|(server, id)| (server, id, part));
    parse::checked(all, mistakes)
}

/// A line for people. What programs were called with cannot rewrite their
/// terminal; what is no entry is shown as it is.
fn text(line: &[u8]) -> String {
    let shown = match serde_json::from_slice::<Entry>(line) {
        Ok(entry) => entry.text(),
        Err(_) => String::from_utf8_lossy(line).into_owned(),
    };
    format!("{}\n", text::one_line(&shown))
}

impl Entry {
    fn text(&self) -> String {
        let words = self.argv.iter().map(String::as_str);
        // A word with a NUL cannot be quoted, and no program gets one.
        let command = shlex::try_join(words).unwrap_or_else(|_| self.argv.join(" "));
        let reason = self.reason.as_deref().filter(|reason| *reason != "exited");
        let reason = reason.map(|reason| format!(" ({reason})"));
        let who = self.who.as_deref().filter(|who| !who.is_empty());
        let who = who.map(|who| format!("  by {who}"));
        format!(
            "{}  exit {}{}  {}  {command}{}",
            self.at,
            self.exit_code,
            reason.unwrap_or_default(),
            text::time(Duration::from_micros(self.wall_us)),
            who.unwrap_or_default(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_line() {
        let line = br#"{"at":"2026-01-02T03:04:05Z","argv":["sh","-c","echo a\nb \u001b[2J"],"exit_code":124,"reason":"deadline","wall_us":1500,"who":"127.0.0.1"}"#;
        assert_eq!(
            text(line),
            "2026-01-02T03:04:05Z exit 124 (deadline) 1.50 ms sh -c 'echo a b [2J' by 127.0.0.1\n"
        );
    }

    #[test]
    fn what_was_shown_is_not_shown_again() {
        let log = b"a\nb\nc\n";
        let all: [&[u8]; 3] = [b"a", b"b", b"c"];
        assert_eq!(after(log, None), all);
        assert_eq!(after(log, Some(b"b")), all[2..]);
        assert_eq!(after(log, Some(b"c")), all[3..]);
        assert_eq!(after(log, Some(b"gone")), all);
        assert_eq!(after(b"", None), [b""; 0]);
    }

    #[test]
    fn what_is_no_entry_is_shown_without_its_tricks() {
        assert_eq!(text(b"what\x1b]0;x\x07"), "what]0;x\n");
    }
}
