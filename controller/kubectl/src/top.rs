//! `kubectl mote top`: sandboxes as they work.
//!
//! ```text
//! ticks ─► list ─► Figures (sessions by the router, pods by the metrics server)
//!                    └─► Board (rates, order) ─► page
//! keys ── q ─► the end
//! ```

mod board;
mod figures;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use mote_client::screen::{self, Page, frame};
use tokio::io::AsyncReadExt;
use tokio::time::{MissedTickBehavior, interval};

use crate::args::{TableForm, TopArgs};
use crate::cluster::Cluster;
use crate::failure::{Failure, say};
use crate::find::find;
use crate::objects::Sandbox;
use crate::print::print;
use crate::ps;

use board::Board;
use figures::Sources;

/// Between two looks: more often, a metrics server tells nothing new, and the
/// API server is asked by many.
const TICK: Duration = Duration::from_secs(2);
/// The keys that end it: q, Q, Ctrl-C and Escape.
const END_KEYS: [u8; 4] = [b'q', b'Q', 0x03, 0x1b];

/// Shows sandboxes as they work.
pub(crate) async fn top(args: &TopArgs, cluster: &Cluster) -> Result<(), Failure> {
    let mut look = Look {
        args,
        cluster,
        sources: Sources::default(),
        board: Board::new(args.which.all_namespaces),
        start: Instant::now(),
    };
    look.look().await?;
    let live = !args.once
        && args.which.form == TableForm::Table
        && std::io::stdout().is_terminal()
        && std::io::stdin().is_terminal();
    if live {
        return look.live().await;
    }
    if look.board.is_empty() && args.which.form != TableForm::Json {
        say(&ps::none(cluster, &args.which));
        return Ok(());
    }
    if let Some(note) = look.sources.note() {
        say(&note);
    }
    let text = look.board.text(args.which.form, ps::now())?;
    print(text.as_bytes()).await
}

/// What is looked at, and what was seen.
struct Look<'a> {
    args: &'a TopArgs,
    cluster: &'a Cluster,
    sources: Sources,
    board: Board,
    start: Instant,
}

impl Look<'_> {
    async fn look(&mut self) -> Result<(), Failure> {
        let sandboxes = sandboxes(self.args, self.cluster).await?;
        let figures = self.sources.figures(self.cluster, &sandboxes).await;
        self.board.update(sandboxes, figures, self.start.elapsed());
        Ok(())
    }

    async fn live(mut self) -> Result<(), Failure> {
        let page = Page::enter();
        let page =
            page.map_err(|error| Failure::Lost(format!("failed to set up the terminal: {error}")))?;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first is now.
        ticks.tick().await;
        let shown = async {
            let mut problem = None;
            loop {
                self.draw(problem.as_deref()).await?;
                ticks.tick().await;
                problem = match self.look().await {
                    Ok(()) => None,
                    Err(Failure::Lost(why) | Failure::Refused(why)) => Some(why),
                    Err(other) => return Err(other),
                };
            }
        };
        let result = tokio::select! {
            result = shown => result,
            () = until_end_key() => Ok(()),
        };
        drop(page);
        result
    }

    async fn draw(&self, problem: Option<&str>) -> Result<(), Failure> {
        let (cols, rows) = screen::dimensions();
        let state = problem.map_or_else(
            || self.board.summary(),
            |why| format!("{why}; trying again"),
        );
        let note = self.sources.note().unwrap_or_default();
        let mut lines = vec![
            format!("kubectl mote top  {}  q quits", self.cluster.namespace),
            mote_client::text::one_line(&format!("{state} {note}")),
            String::new(),
        ];
        lines.extend(self.board.lines(ps::now()));
        let frame = frame(&lines, cols, rows);
        let frame = frame.map_err(|error| Failure::Lost(format!("failed to draw: {error}")))?;
        print(&frame).await
    }
}

async fn sandboxes(args: &TopArgs, cluster: &Cluster) -> Result<Vec<Sandbox>, Failure> {
    if args.sandboxes.is_empty() {
        return ps::list(cluster, &args.which).await;
    }
    let mut found = Vec::new();
    for name in &args.sandboxes {
        found.push(find(cluster, name).await?);
    }
    Ok(found)
}

/// Reads keys until one of [`END_KEYS`], or the end of stdin.
async fn until_end_key() {
    let mut stdin = tokio::io::stdin();
    let mut keys = [0; 64];
    // An arrow key is a sequence that begins with Escape.
    while let Ok(count @ 1..) = stdin.read(&mut keys).await {
        let pressed = keys.first().filter(|_| count == 1);
        if pressed.is_some_and(|key| END_KEYS.contains(key)) {
            return;
        }
    }
}
