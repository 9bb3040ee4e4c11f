//! What `mote top` knows: sandboxes, how fast they work, who works most.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use mote_api::{Sandbox, SandboxId};
use mote_client::table::Table;
use mote_client::text;

use crate::client::table::{since, state};

/// The least time over which a rate is taken: below it, one call makes it
/// jump.
const RATE_SPAN: Duration = Duration::from_secs(1);

/// Sandboxes, and how fast they work.
#[derive(Debug, Default)]
pub(super) struct Board {
    sandboxes: Vec<Sandbox>,
    /// What they had done when rates were last taken, and when that was.
    base: HashMap<SandboxId, Done>,
    base_at: Duration,
    rates: HashMap<SandboxId, Rate>,
}

#[derive(Clone, Copy, Debug)]
struct Done {
    cpu_us: u64,
    calls: u64,
}

/// Work in a second.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    /// Thousandths of one processor.
    permille: u64,
    calls: u64,
}

impl Board {
    /// Notes how the sandboxes are at this time since the start.
    pub(super) fn update(&mut self, sandboxes: Vec<Sandbox>, now: Duration) {
        let span = now.saturating_sub(self.base_at);
        if self.base.is_empty() || span >= RATE_SPAN {
            self.rates = self.rates_of(&sandboxes, span);
            self.base = sandboxes.iter().map(done).collect();
            self.base_at = now;
        }
        self.sandboxes = sandboxes;
        let rates = &self.rates;
        self.sandboxes.sort_by_cached_key(|sandbox| {
            let permille = rates.get(&sandbox.id).map(|rate| rate.permille);
            let total = sandbox.activity.cpu_us;
            (Reverse((permille, total)), sandbox.id.clone())
        });
    }

    fn rates_of(&self, sandboxes: &[Sandbox], span: Duration) -> HashMap<SandboxId, Rate> {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX).max(1);
        let rate = |sandbox: &Sandbox| {
            let (id, now) = done(sandbox);
            let before = self.base.get(&id)?;
            // A host that was started anew counts from zero again.
            let cpu_us = now.cpu_us.saturating_sub(before.cpu_us);
            let calls = now.calls.saturating_sub(before.calls);
            let rate = Rate {
                permille: cpu_us.saturating_mul(1_000) / micros,
                calls: calls.saturating_mul(1_000_000) / micros,
            };
            Some((id, rate))
        };
        sandboxes.iter().filter_map(rate).collect()
    }

    /// All of them in a line.
    pub(super) fn summary(&self) -> String {
        let running: u64 = self.sandboxes.iter().map(|s| s.activity.running).sum();
        let rates = self.rates.values();
        let calls: u64 = rates.clone().map(|rate| rate.calls).sum();
        let permille = rates.map(|rate| rate.permille).sum();
        format!(
            "{} sandboxes, {running} calls running, {calls} calls/s, {} of a processor",
            self.sandboxes.len(),
            text::percent(permille)
        )
    }

    /// A table, whoever works most first.
    pub(super) fn lines(&self, now: Timestamp) -> Vec<String> {
        let mut table = Table::new(&[
            "ID", "STATE", "CPU%", "CPU", "RUNNING", "CALLS", "CALLS/S", "MEM", "DISK", "LAST",
        ]);
        for sandbox in &self.sandboxes {
            let rate = self.rates.get(&sandbox.id).copied().unwrap_or_default();
            let activity = &sandbox.activity;
            table.row([
                sandbox.id.to_string(),
                state(sandbox.state).to_owned(),
                text::percent(rate.permille),
                text::time(Duration::from_micros(activity.cpu_us)),
                activity.running.to_string(),
                activity.calls.to_string(),
                rate.calls.to_string(),
                text::size(activity.peak_memory_bytes),
                text::size(activity.disk_bytes),
                since(&sandbox.last_active_at, now),
            ]);
        }
        table.lines()
    }
}

fn done(sandbox: &Sandbox) -> (SandboxId, Done) {
    let done = Done {
        cpu_us: sandbox.activity.cpu_us,
        calls: sandbox.activity.calls,
    };
    (sandbox.id.clone(), done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::table::tests::sandbox;

    fn order(board: &Board) -> Vec<&str> {
        board.sandboxes.iter().map(|s| s.id.as_str()).collect()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn whoever_works_most_now_comes_first() {
        let mut board = Board::default();
        board.update(vec![sandbox("a", 9_000_000), sandbox("b", 0)], seconds(0));
        assert_eq!(order(&board), ["a", "b"]);
        let later = vec![sandbox("a", 9_000_000), sandbox("b", 250_000)];
        board.update(later, seconds(2));
        assert_eq!(order(&board), ["b", "a"]);
        let lines = board.lines(Timestamp::UNIX_EPOCH);
        assert!(
            lines[1].starts_with("b   ready  12.5%  250 ms"),
            "{lines:?}"
        );
        assert_eq!(
            board.summary(),
            "2 sandboxes, 0 calls running, 0 calls/s, 12.5% of a processor"
        );
    }

    #[test]
    fn a_rate_is_taken_over_a_second_at_least() {
        let mut board = Board::default();
        board.update(vec![sandbox("a", 0)], seconds(0));
        let soon = Duration::from_millis(200);
        board.update(vec![sandbox("a", 200_000)], soon);
        assert_eq!(board.rates.len(), 0);
        board.update(vec![sandbox("a", 500_000)], seconds(1));
        assert_eq!(board.rates.values().next().unwrap().permille, 500);
    }

    #[test]
    fn a_host_started_anew_counts_from_zero() {
        let mut board = Board::default();
        board.update(vec![sandbox("a", 5_000_000)], seconds(0));
        board.update(vec![sandbox("a", 1)], seconds(1));
        assert_eq!(board.rates.values().next().unwrap().permille, 0);
    }
}
