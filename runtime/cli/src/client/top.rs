//! `mote top`: the sandboxes of a server as they work.
//!
//! ```text
//! events ─ something happened ─┐
//! ticks ───────────────────────┼─► list ─► Board (rates, order) ─► page
//! keys ── q ─► the end         ┘
//! ```

mod board;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use anyhow::Context;
use jiff::Timestamp;
use mote_client::screen::{self, Page};
use mote_host::PipeReader;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::client::api::{Api, ApiError};
use crate::client::args::TopArgs;
use crate::client::events;
use crate::client::sandboxes::{checked, select};
use crate::client::top::board::Board;
use crate::failure::Failure;
use crate::{report, stop, streams};

/// The least time between two looks at the server: more often than this,
/// nobody sees a difference.
const TICK: Duration = Duration::from_millis(200);
/// The most time between two looks, if nothing happens.
const TICKS_AT_REST: u32 = 5;
/// The keys that end it: q, Q, Ctrl-C and Escape.
const END_KEYS: [u8; 4] = [b'q', b'Q', 0x03, 0x1b];

type Labels = BTreeMap<String, String>;

/// Shows sandboxes as they work.
pub(crate) fn top(args: TopArgs) -> Result<u8, Failure> {
    let (server, labels) = checked(&args.server, &args.labels).map_err(Failure::Usage)?;
    stop::until_signal(async {
        let api = Api::new(server)?;
        let found = select(&api, &labels).await?;
        let mut board = Board::default();
        board.update(found, Duration::ZERO);
        if args.once || !io::stdout().is_terminal() {
            let lines = board.lines(Timestamp::now());
            return report::print((lines.join("\n") + "\n").as_bytes());
        }
        live(&api, &labels, board).await
    })?;
    Ok(0)
}

async fn live(api: &Api, labels: &Labels, mut board: Board) -> Result<(), Failure> {
    let page = Page::enter().context("failed to set up the terminal")?;
    let start = Instant::now();
    let keys = streams::read_stdin()?;
    let (happened, happens) = watch::channel(());
    let shown = async {
        let mut looks = Looks::new(happens);
        let mut problem = None;
        loop {
            draw(api, &board, problem.as_deref())?;
            looks.next().await;
            problem = match api.sandboxes(labels).await {
                Ok(found) => {
                    board.update(found, start.elapsed());
                    None
                }
                Err(ApiError::Lost(why) | ApiError::Refused(_, why)) => Some(why),
            };
        }
    };
    let result = tokio::select! {
        result = shown => result,
        () = until_end_key(&keys) => Ok(()),
        () = async {
            events::watch(api, "/v1/events", &happened).await;
            // What is shown is good without.
            std::future::pending().await
        } => Ok(()),
    };
    drop(page);
    result
}

/// When to look at the server.
struct Looks {
    happens: watch::Receiver<()>,
    ticks: tokio::time::Interval,
}

impl Looks {
    fn new(happens: watch::Receiver<()>) -> Self {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { happens, ticks }
    }

    /// Waits until something happened, or it is time.
    async fn next(&mut self) {
        for _ in 0..TICKS_AT_REST {
            self.ticks.tick().await;
            // Once nobody tells what happens any more, only the time does.
            if self.happens.has_changed().unwrap_or(false) {
                self.happens.mark_unchanged();
                return;
            }
        }
    }
}

/// Reads keys until one of [`END_KEYS`], or the end of stdin.
async fn until_end_key(keys: &PipeReader) {
    while let Some(bytes) = keys.read().await {
        // An arrow key is a sequence that begins with Escape.
        let pressed = bytes.first().filter(|_| bytes.len() == 1);
        if pressed.is_some_and(|key| END_KEYS.contains(key)) {
            return;
        }
    }
}

fn draw(api: &Api, board: &Board, problem: Option<&str>) -> Result<(), Failure> {
    let (cols, rows) = screen::dimensions();
    let mut lines = vec![
        format!("mote top  {}  q quits", api.server().url),
        problem.map_or_else(|| board.summary(), |why| format!("{why}; trying again")),
        String::new(),
    ];
    lines.extend(board.lines(Timestamp::now()));
    let frame = screen::frame(&lines, cols, rows).context("failed to draw")?;
    report::print(&frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_look_is_taken_when_something_happened_and_else_in_time() {
        let (happened, happens) = watch::channel(());
        let mut looks = Looks::new(happens);
        happened.send_replace(());
        let start = Instant::now();
        looks.next().await;
        let soon = start.elapsed();
        looks.next().await;
        assert!(soon < TICK, "{soon:?}");
        assert!(start.elapsed() >= TICK * (TICKS_AT_REST - 1));
        drop(happened);
        looks.next().await;
    }
}
