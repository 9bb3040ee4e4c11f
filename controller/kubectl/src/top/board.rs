//! What `kubectl mote top` knows: sandboxes, how fast they work, who works most.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use mote_client::table::Table;
use mote_client::text::{age, percent, size, time};
use serde::Serialize;

use super::figures::Figures;
use crate::args::TableForm;
use crate::failure::Failure;
use crate::objects::{Sandbox, Tier};
use crate::ps;

/// The least time over which a rate is taken: below it, one call makes it jump.
const RATE_SPAN: Duration = Duration::from_secs(1);

/// A sandbox, by namespace and name.
pub(super) type Key = (String, String);

/// The key of a sandbox.
pub(super) fn key(sandbox: &Sandbox) -> Key {
    (sandbox.namespace.clone(), sandbox.name.clone())
}

/// Sandboxes, and how fast they work.
#[derive(Debug, Default)]
pub(super) struct Board {
    namespaces: bool,
    sandboxes: Vec<Sandbox>,
    figures: HashMap<Key, Figures>,
    /// What sessions had used when rates were last taken, and when that was.
    base: HashMap<Key, u64>,
    base_at: Duration,
    /// Thousandths of one processor.
    rates: HashMap<Key, u64>,
}

/// A sandbox, for programs.
#[derive(Debug, Serialize)]
struct Row<'a> {
    namespace: &'a str,
    name: &'a str,
    tier: Tier,
    state: &'a str,
    node: Option<&'a str>,
    created: Option<i64>,
    #[serde(flatten)]
    figures: Figures,
}

impl Board {
    /// Nothing is known; with a column of `namespaces`.
    pub(super) fn new(namespaces: bool) -> Self {
        Self {
            namespaces,
            ..Self::default()
        }
    }

    /// Whether there is nothing on it.
    pub(super) fn is_empty(&self) -> bool {
        self.sandboxes.is_empty()
    }

    /// Notes how the sandboxes are at this time since the start.
    pub(super) fn update(
        &mut self,
        sandboxes: Vec<Sandbox>,
        figures: HashMap<Key, Figures>,
        now: Duration,
    ) {
        let span = now.saturating_sub(self.base_at);
        if self.base.is_empty() || span >= RATE_SPAN {
            let used = |(key, figures): (&Key, &Figures)| Some((key.clone(), figures.cpu_us?));
            let base: HashMap<_, _> = figures.iter().filter_map(used).collect();
            self.rates = rates(&self.base, &base, span);
            (self.base, self.base_at) = (base, now);
        }
        self.sandboxes = sandboxes;
        self.figures = figures;
        let order: HashMap<_, _> = self
            .sandboxes
            .iter()
            .map(|it| (key(it), self.cpu(it)))
            .collect();
        self.sandboxes
            .sort_by_cached_key(|it| (Reverse(order.get(&key(it)).copied().flatten()), key(it)));
    }

    /// What a sandbox uses now, in thousandths of one processor.
    fn cpu(&self, sandbox: &Sandbox) -> Option<u64> {
        let key = key(sandbox);
        let told = self.figures.get(&key).and_then(|it| it.cpu_permille);
        told.or_else(|| self.rates.get(&key).copied())
    }

    fn figures(&self, sandbox: &Sandbox) -> Figures {
        let figures = self.figures.get(&key(sandbox)).copied();
        Figures {
            cpu_permille: self.cpu(sandbox),
            ..figures.unwrap_or_default()
        }
    }

    /// All of them in a line.
    pub(super) fn summary(&self) -> String {
        let of = |tier| self.sandboxes.iter().filter(|it| it.tier == tier).count();
        let running: u64 = self.figures.values().filter_map(|it| it.running).sum();
        let permille = self.sandboxes.iter().filter_map(|it| self.cpu(it)).sum();
        format!(
            "{} sessions, {} pods, {running} calls running, {} of a processor",
            of(Tier::Wasm),
            of(Tier::Pod),
            percent(permille)
        )
    }

    /// As it is printed once.
    pub(super) fn text(&self, form: TableForm, now: i64) -> Result<String, Failure> {
        match form {
            TableForm::Table | TableForm::Wide => Ok(self.lines(now).join("\n") + "\n"),
            TableForm::Name => Ok(ps::names(&self.sandboxes)),
            TableForm::Json => ps::json(self.sandboxes.iter().map(|sandbox| Row {
                namespace: &sandbox.namespace,
                name: &sandbox.name,
                tier: sandbox.tier,
                state: sandbox.state.word(),
                node: sandbox.node.as_deref(),
                created: sandbox.created,
                figures: self.figures(sandbox),
            })),
        }
    }

    /// A table, whoever works most first.
    pub(super) fn lines(&self, now: i64) -> Vec<String> {
        let mut heading = Vec::new();
        heading.extend(self.namespaces.then_some("NAMESPACE"));
        heading.extend([
            "NAME", "TIER", "STATE", "NODE", "CPU%", "CPU", "MEM", "DISK", "RUNNING", "CALLS",
            "LAST", "AGE",
        ]);
        let mut table = Table::new(&heading);
        let shown =
            |value: Option<u64>, as_text: fn(u64) -> String| value.map(as_text).unwrap_or_default();
        for sandbox in &self.sandboxes {
            let figures = self.figures(sandbox);
            let last = figures.last_active_at;
            let mut cells = Vec::new();
            cells.extend(self.namespaces.then(|| sandbox.namespace.clone()));
            cells.extend([
                sandbox.name.clone(),
                sandbox.tier.word().to_owned(),
                sandbox.state.word().to_owned(),
                sandbox.node.clone().unwrap_or_default(),
                shown(figures.cpu_permille, percent),
                shown(figures.cpu_us, |us| time(Duration::from_micros(us))),
                shown(figures.memory_bytes, size),
                shown(figures.disk_bytes, size),
                shown(figures.running, |count| count.to_string()),
                shown(figures.calls, |count| count.to_string()),
                last.map_or_else(String::new, |at| age(now.saturating_sub(at.as_second()))),
                ps::age_of(sandbox, now),
            ]);
            table.row(cells);
        }
        table.lines()
    }
}

/// What was used between two looks. A host that was started anew counts from
/// zero again.
fn rates(before: &HashMap<Key, u64>, now: &HashMap<Key, u64>, span: Duration) -> HashMap<Key, u64> {
    let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX).max(1);
    let rate = |(key, used): (&Key, &u64)| {
        let used = used.saturating_sub(*before.get(key)?);
        Some((key.clone(), used.saturating_mul(1_000) / micros))
    };
    now.iter().filter_map(rate).collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::ps::tests::sandbox;

    fn figures(used: &[(&str, u64)]) -> HashMap<Key, Figures> {
        let session = |(name, cpu_us): &(&str, u64)| {
            let figures = Figures {
                cpu_us: Some(*cpu_us),
                memory_bytes: Some(24_000_000),
                running: Some(1),
                last_active_at: Timestamp::from_second(95).ok(),
                ..Figures::default()
            };
            (("n".to_owned(), (*name).to_owned()), figures)
        };
        used.iter().map(session).collect()
    }

    fn order(board: &Board) -> Vec<&str> {
        board.sandboxes.iter().map(|it| it.name.as_str()).collect()
    }

    fn all() -> Vec<Sandbox> {
        ["a", "b", "c"].map(|name| sandbox(name, Tier::Wasm)).into()
    }

    #[test]
    fn whoever_works_most_now_comes_first_and_who_tells_nothing_last() {
        let mut board = Board::new(false);
        let second = Duration::from_secs(1);
        board.update(all(), figures(&[("a", 9_000_000), ("b", 0)]), second);
        assert_eq!(order(&board), ["a", "b", "c"]);
        let later = figures(&[("a", 9_000_000), ("b", 250_000)]);
        board.update(all(), later, second * 3);
        assert_eq!(order(&board), ["b", "a", "c"]);
        let lines = board.lines(110);
        assert!(
            lines[1].starts_with("b     wasm  Ready  node-1  12.5%  250 ms  22.9 MiB  -     1        -      15s   10s"),
            "{lines:?}"
        );
        assert!(
            lines[3].ends_with("node-1  -      -       -         -     -        -      -     10s"),
            "{lines:?}"
        );
        assert_eq!(
            board.summary(),
            "3 sessions, 0 pods, 2 calls running, 12.5% of a processor"
        );
    }

    #[test]
    fn what_a_pod_uses_now_is_told_and_no_rate() {
        let mut board = Board::new(true);
        let told = Figures {
            cpu_permille: Some(1_500),
            ..Figures::default()
        };
        let key = ("n".to_owned(), "p".to_owned());
        let pod = vec![sandbox("p", Tier::Pod)];
        board.update(pod, [(key, told)].into(), Duration::ZERO);
        let text = board.text(TableForm::Table, 100).unwrap();
        assert!(
            text.contains("n          p     pod   Ready  node-1  150.0%  -"),
            "{text}"
        );
        let json = board.text(TableForm::Json, 100).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["sandboxes"][0]["cpu_permille"], 1_500);
        assert_eq!(
            json["sandboxes"][0]["memory_bytes"],
            serde_json::Value::Null
        );
    }
}
