//! A shell at a terminal: it shows a prompt, reads a line, runs it, and again.
//!
//! The host hands over one line a read, and the rest of what was typed to
//! whoever reads next: a command, another program, or the shell again.

use std::io;
use std::pin::pin;
use std::sync::atomic::Ordering;

use bashkit::{Bash, ExecOptions};
use futures_util::future::{Either, select};

use super::{LIMIT_STATUS, Shell};
use crate::limits;
use crate::terminal::{self, Interrupts};

/// Status of a line that Ctrl-C ended: 128 + SIGINT.
const INTERRUPTED_STATUS: u8 = 130;

/// The prompts of a shell that was told of no others.
const PROMPTS: [(&str, &str); 2] = [("PS1", "$ "), ("PS2", "> ")];

/// A command that no script has. Put behind a text, it is one of the text's
/// commands just if the text is whole: otherwise it lies in a here-document,
/// or goes on with the last line.
const PROBE: &str = "__mote_end_of_text";

/// How a parser's complaint begins if the text only goes on.
const CUT_SHORT: [&str; 3] = ["unexpected end of", "unexpected EOF", "unterminated"];

/// What the terminal brought.
enum Typed {
    /// A line, or the start of one that Ctrl-D handed over.
    Text(Vec<u8>),
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D, or nobody is there any more.
    End,
}

impl Shell<'_> {
    /// Runs lines until there are no more, or one says `exit`.
    pub(super) async fn converse(mut self) -> u8 {
        let interrupts = Interrupts::new();
        for text in self.preparations() {
            self.run_line(&text, &interrupts).await;
        }
        self.bash.set_interactive(true);
        let (mut text, mut status) = (String::new(), 0);
        while !self.left.load(Ordering::Relaxed) {
            let typed = match self.read_line(!text.is_empty(), &interrupts).await {
                Ok(typed) => typed,
                Err(error) => return self.fail(&error.to_string()).await,
            };
            match &typed {
                Typed::Text(line) => text.push_str(&readable(line)),
                Typed::Interrupt => {
                    text.clear();
                    status = self.interrupted().await;
                }
                Typed::End if text.is_empty() => {
                    self.say("exit\n").await;
                    return status;
                }
                // What is missing will not come; the parser says what it is.
                Typed::End => {}
            }
            if text.len() > limits::SCRIPT_BYTES {
                return self.fail("the command is too long").await;
            }
            if matches!(typed, Typed::End) || is_whole(&self.bash, &text) {
                let text = std::mem::take(&mut text);
                if !text.trim().is_empty() {
                    status = self.run_line(&text, &interrupts).await;
                }
            }
        }
        status
    }

    /// What shapes the lines to come.
    fn preparations(&self) -> Vec<String> {
        let aliases = "shopt -s expand_aliases".to_owned();
        let set = self.set();
        std::iter::once(aliases)
            .chain(self.prelude())
            .chain((!set.is_empty()).then_some(set))
            .collect()
    }

    /// Shows a prompt and reads a line, or the first part of one.
    async fn read_line(&mut self, goes_on: bool, interrupts: &Interrupts) -> io::Result<Typed> {
        let [first, more] = PROMPTS;
        let (name, default) = if goes_on { more } else { first };
        let prompt = self.bash.prompt(name).await.ok().flatten();
        self.say(prompt.as_deref().unwrap_or(default)).await;
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            let read = pin!(self.streams.stdin.read());
            match select(pin!(interrupts.next()), read).await {
                Either::Left(_) => return Ok(Typed::Interrupt),
                Either::Right((bytes, _)) => {
                    let bytes = bytes?;
                    if bytes.is_empty() && line.is_empty() {
                        return Ok(Typed::End);
                    }
                    if bytes.is_empty() {
                        line.push(b'\n');
                    }
                    line.extend_from_slice(&bytes);
                }
            }
        }
        Ok(Typed::Text(line))
    }

    /// Runs a whole command to its end, or until it is interrupted: then all
    /// that it runs goes with it.
    async fn run_line(&mut self, text: &str, interrupts: &Interrupts) -> u8 {
        for (name, value) in terminal::variables() {
            self.bash.set_env(&name, &value);
        }
        let before = self.bash.shell_state();
        let options = ExecOptions::new()
            .arg0(&self.invocation.name)
            .positional(&self.invocation.args);
        let ended = {
            let run = pin!(self.execute(text, options));
            match select(run, pin!(interrupts.next())).await {
                Either::Left((status, _)) => Some(status),
                Either::Right(_) => None,
            }
        };
        match ended {
            Some(status) => {
                self.bash.set_status(status.into());
                status
            }
            None => {
                self.bash.abandon(&before, INTERRUPTED_STATUS.into());
                self.interrupted().await
            }
        }
    }

    /// Goes to a new line, as what was typed or shown ends here.
    async fn interrupted(&mut self) -> u8 {
        self.bash.set_status(INTERRUPTED_STATUS.into());
        self.say("\n").await;
        INTERRUPTED_STATUS
    }

    /// Shows a text; if nobody is there to read it, that is not told.
    async fn say(&self, text: &str) {
        let _ = self.streams.stderr.write_all(text.as_bytes()).await;
    }

    async fn fail(&self, what: &str) -> u8 {
        let line = format!("{}: {what}", self.invocation.name);
        self.streams.fail(&line, LIMIT_STATUS).await
    }
}

/// What was typed, as text. A NUL character is left out, as bash does it.
fn readable(line: &[u8]) -> String {
    String::from_utf8_lossy(line).replace('\0', "")
}

/// Whether nothing is missing at the end of a text.
fn is_whole(bash: &Bash, text: &str) -> bool {
    if let Err(error) = bash.analyze(text) {
        let error = error.to_string();
        return !CUT_SHORT.iter().any(|sign| error.contains(sign));
    }
    let text = text.strip_suffix('\n').unwrap_or(text);
    // To the parser these are ends of a list; to a person they are not.
    if ["&&", "||"]
        .iter()
        .any(|joint| text.trim_end().ends_with(joint))
    {
        return false;
    }
    let probed = bash.analyze(&format!("{text}\n{PROBE}"));
    probed.is_ok_and(|analysis| analysis.command_names().contains(&PROBE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_whole_once_nothing_is_missing() {
        let bash = Bash::new();
        for whole in [
            "ls",
            "a | b; c && d",
            "if x; then y; fi",
            "cat <<E\nx\nE",
            "# it's",
        ] {
            assert!(is_whole(&bash, &format!("{whole}\n")), "{whole}");
        }
        for part in [
            "if x; then",
            "for i in 1 2; do",
            "f() {",
            "( a",
            "echo 'a",
            "echo \"a",
            "a |",
            "a &&",
            "echo a \\",
            "cat <<E",
            "cat <<E\nx",
            "case $x in",
            "echo $(a",
            "[[ a",
        ] {
            assert!(!is_whole(&bash, &format!("{part}\n")), "{part}");
        }
    }

    #[test]
    fn what_is_wrong_is_not_waited_for() {
        let bash = Bash::new();
        for wrong in ["fi", "a ;; b", "| a"] {
            assert!(is_whole(&bash, &format!("{wrong}\n")), "{wrong}");
        }
    }
}
