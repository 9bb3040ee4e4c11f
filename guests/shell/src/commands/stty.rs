//! `stty`: what the terminal is, not how it works; that is the host's.

use bashkit::{Builtin, BuiltinContext, ExecResult, Result, async_trait};

use super::Report;
use crate::terminal;

/// The command.
pub struct Stty;

#[async_trait]
impl Builtin for Stty {
    async fn execute(&self, ctx: BuiltinContext<'_>) -> Result<ExecResult> {
        let mut report = Report::new("stty");
        let words: Vec<&str> = ctx.args.iter().map(String::as_str).collect();
        match (terminal::size(), words.as_slice()) {
            (None, _) => report.fail(1, "'standard input': Inappropriate ioctl for device"),
            (Some((columns, lines)), ["size"]) => report.say(&format!("{lines} {columns}")),
            (Some((columns, lines)), [] | ["-a" | "--all"]) => report.say(&format!(
                "speed 38400 baud; rows {lines}; columns {columns}; line = 0;\n\
                 intr = ^C; erase = ^?; kill = ^U; eof = ^D; werase = ^W;\n\
                 icrnl opost onlcr isig icanon echo echoe echok echoctl"
            )),
            // What it is already.
            (Some(_), ["sane" | "cooked"]) => {}
            (Some(_), [word, ..]) => {
                report.fail(
                    1,
                    &format!("'{word}': the terminal of a sandbox cannot be set"),
                );
            }
        }
        Ok(report.finish())
    }
}
