//! Sandboxes in columns, for people.

use std::time::Duration;

use jiff::Timestamp;
use mote_api::{Sandbox, SandboxState};
use mote_client::table::Table;
use mote_client::text;

/// Sandboxes as `mote ps` and `mote top` show them.
pub(crate) fn sandboxes(sandboxes: &[Sandbox], now: Timestamp, wide: bool) -> Table {
    let mut heading = vec![
        "ID", "STATE", "IMAGE", "CALLS", "CPU", "MEM", "DISK", "AGE", "LAST",
    ];
    if wide {
        heading.extend(["RUNNING", "FAILED", "EXPIRES", "ADDRESS", "LABELS"]);
    }
    let mut table = Table::new(&heading);
    for sandbox in sandboxes {
        let mut cells = row(sandbox, now);
        if wide {
            cells.extend(more(sandbox, now));
        }
        table.row(cells);
    }
    table
}

fn row(sandbox: &Sandbox, now: Timestamp) -> Vec<String> {
    let activity = &sandbox.activity;
    vec![
        sandbox.id.to_string(),
        state(sandbox.state).to_owned(),
        sandbox.image.clone(),
        activity.calls.to_string(),
        text::time(Duration::from_micros(activity.cpu_us)),
        text::size(activity.peak_memory_bytes),
        text::size(activity.disk_bytes),
        since(&sandbox.created_at, now),
        since(&sandbox.last_active_at, now),
    ]
}

fn more(sandbox: &Sandbox, now: Timestamp) -> Vec<String> {
    let expires = sandbox.expires_at.as_deref();
    let address = sandbox.address.map(|address| address.to_string());
    let labels = sandbox.labels.iter();
    let labels: Vec<_> = labels
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    vec![
        sandbox.activity.running.to_string(),
        sandbox.activity.failed.to_string(),
        expires.map(|at| until(at, now)).unwrap_or_default(),
        address.unwrap_or_default(),
        labels.join(","),
    ]
}

/// The state in a word.
pub(crate) fn state(state: SandboxState) -> &'static str {
    match state {
        SandboxState::Ready => "ready",
        SandboxState::Idle => "idle",
        SandboxState::Suspended => "suspended",
    }
}

/// How long ago an RFC 3339 time was; nothing where it is none.
pub(crate) fn since(at: &str, now: Timestamp) -> String {
    span(at, |at| now.as_second() - at.as_second())
}

/// In how long an RFC 3339 time is.
fn until(at: &str, now: Timestamp) -> String {
    span(at, |at| at.as_second() - now.as_second())
}

fn span(at: &str, seconds: impl Fn(Timestamp) -> i64) -> String {
    let at = at.parse::<Timestamp>().ok();
    at.map(|at| text::age(seconds(at))).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use mote_api::{Activity, Limits};

    pub(crate) fn sandbox(id: &str, cpu_us: u64) -> Sandbox {
        Sandbox {
            id: id.parse().unwrap(),
            state: SandboxState::Ready,
            image: "mote.dev/base".to_owned(),
            grants: Vec::new(),
            limits: Limits::default(),
            env: BTreeMap::new(),
            labels: [("team".to_owned(), "a\u{1b}[2J".to_owned())].into(),
            idle_timeout_seconds: None,
            created_at: "1970-01-01T00:00:00Z".to_owned(),
            last_active_at: "1970-01-01T02:00:00Z".to_owned(),
            expires_at: Some("1970-01-01T04:00:00Z".to_owned()),
            address: None,
            activity: Activity {
                calls: 7,
                cpu_us,
                peak_memory_bytes: 24_000_000,
                ..Activity::default()
            },
        }
    }

    fn now() -> Timestamp {
        Timestamp::from_second(7_260).unwrap()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let text = sandboxes(
            &[sandbox("a", 1_500), sandbox("longer-name", 0)],
            now(),
            false,
        )
        .text();
        assert_eq!(
            text,
            "ID           STATE  IMAGE          CALLS  CPU      MEM       DISK  AGE  LAST\n\
             a            ready  mote.dev/base  7      1.50 ms  22.9 MiB  0 B   2h   60s\n\
             longer-name  ready  mote.dev/base  7      0 µs     22.9 MiB  0 B   2h   60s\n"
        );
    }

    #[test]
    fn wide_has_all_the_rest_and_a_label_cannot_rewrite_the_terminal() {
        let lines = sandboxes(&[sandbox("a", 0)], now(), true).lines();
        assert!(
            lines[0].ends_with("RUNNING  FAILED  EXPIRES  ADDRESS  LABELS"),
            "{lines:?}"
        );
        assert!(
            lines[1].ends_with("0        0       119m     -        team=a[2J"),
            "{lines:?}"
        );
    }

    #[test]
    fn what_is_no_time_has_no_age() {
        assert_eq!(since("yesterday", now()), "");
    }
}
