use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use mote_api::{Access, Capability, Clock, Grant, Grants, Preopen, Random, Usage};
use mote_surface::TraceParent;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::metrics::{Refused, Snapshot, Surface};

const SMALL: Rotation = Rotation {
    file_bytes: 1000,
    kept: 2,
};

fn lost(lines: u64) -> Entry<'static> {
    Entry::Lost { lines }
}

fn refused(who: &str) -> Entry<'_> {
    Entry::Refused(Refusal {
        who,
        sandbox: None,
        surface: Surface::Rest,
        reason: Refused::Unauthorized,
    })
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("audit.jsonl")
}

fn lines(path: PathBuf) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn open(folder: &TempDir, rotation: Rotation) -> Audit {
    Audit::open(folder.path(), rotation, Metrics::new()).unwrap()
}

/// A writer that the test runs by itself, and what it counts.
fn writer(folder: &TempDir, queue: usize) -> (Audit, Writer, Metrics) {
    let metrics = Metrics::new();
    let lost = Arc::new(Lost::new(metrics.clone()));
    let (sender, receiver) = sync_channel(queue);
    let writer = Writer::open(folder.path(), SMALL, receiver, lost.clone()).unwrap();
    let log = Log {
        queue: Some(sender),
        thread: None,
        lost,
        refusals: Brake::new(),
    };
    (Audit(Arc::new(log)), writer, metrics)
}

fn counted(metrics: &Metrics, series: &str, count: u64) -> bool {
    metrics
        .render(&Snapshot::default())
        .contains(&format!("\n{series} {count}\n"))
}

fn grants() -> Grants {
    let directory = |guest: &str| {
        Grant::Preopen(Preopen {
            guest: guest.parse().unwrap(),
            host: "/secret/place".into(),
            access: Access::ReadOnly,
        })
    };
    Grants::of([
        directory("/a"),
        directory("/b"),
        Grant::Clock(Clock::Real),
        Grant::Random(Random::Fixed(7)),
    ])
    .unwrap()
}

#[test]
fn a_call_is_told_without_its_arguments() {
    let folder = TempDir::new().unwrap();
    let argv = ["sh", "-c", "echo $SECRET"].map(str::to_owned);
    let audit = open(&folder, Rotation::default());
    audit.write(&Entry::Call(Call {
        who: "alice",
        sandbox: "build-7",
        surface: Surface::Grpc,
        program: &Program::of(&argv),
        digest: None,
        grants: &Held::of(&grants(), Some(&["/b".parse().unwrap()])),
        outcome: "exited",
        exit_code: Some(0),
        usage: Some(&Usage::default()),
        committed: Some(true),
        trace: TraceParent {
            trace: 0xabc,
            span: 1,
            sampled: false,
        },
    }));
    drop(audit);
    let [line] = &lines(path(&folder))[..] else {
        panic!("not one line");
    };
    let mut line = line.clone();
    let at = line.as_object_mut().unwrap().remove("at").unwrap();
    assert!(at.as_str().unwrap().parse::<Timestamp>().is_ok());
    // printf 'sh\0-c\0echo $SECRET' | sha256sum
    let hash = "71695f38d4679a971c5917fab62f8c06a33a8031d087be15f761d1df4f143f32";
    let expected = json!({
        "event": "call", "who": "alice", "sandbox": "build-7", "surface": "grpc",
        "program": "sh", "argv_sha256": hash,
        "grants": {
            "preopens": [{"guest": "/b", "access": "read-only"}],
            "clock": "real", "random": {"fixed": 7},
        },
        "outcome": "exited", "exit_code": 0, "committed": true,
        "usage": serde_json::to_value(Usage::default()).unwrap(),
        "trace_id": "00000000000000000000000000000abc",
    });
    assert_eq!(line, expected);
}

#[test]
fn denials_actions_and_refusals_have_lines_of_their_own() {
    let folder = TempDir::new().unwrap();
    let audit = open(&folder, Rotation::default());
    let trace = TraceParent {
        trace: 1,
        span: 1,
        sampled: false,
    };
    audit.write(&Entry::Denied(Denied {
        who: "",
        sandbox: "s",
        surface: Surface::Runtime,
        program: &Program::of(&[]),
        capability: Capability::Sockets,
        count: 3,
        trace,
    }));
    audit.write(&Entry::Sandbox(SandboxAction {
        who: "bob",
        sandbox: "t",
        action: Action::Fork,
        from: Some("s"),
        outcome: "done",
        trace: Some(trace),
    }));
    audit.write(&refused("10.0.0.7"));
    drop(audit);
    let all = lines(path(&folder));
    let told: Vec<_> = all.iter().map(|line| line["event"].as_str()).collect();
    assert_eq!(told, [Some("denied"), Some("sandbox"), Some("refused")]);
    assert_eq!(all[0]["capability"], "sockets");
    assert_eq!(all[0]["count"], 3);
    assert_eq!(
        (&all[1]["action"], &all[1]["from"]),
        (&json!("fork"), &json!("s"))
    );
    assert_eq!(all[2]["reason"], "unauthorized");
    assert_eq!(all[2].get("sandbox"), None);
}

#[test]
fn a_line_of_a_strangers_words_is_bounded_and_one_line() {
    let long = "ä\n\"\u{1b}".repeat(10_000);
    let program = Program::of(std::slice::from_ref(&long));
    assert_eq!(program.name, clip(&long));
    assert!(program.name.ends_with('…') && program.name.len() < 300);
    let written = line(&refused(&long)).unwrap();
    assert!(written.len() < 2000);
    assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 1);
    assert_eq!(clip(&"x".repeat(256)), "x".repeat(256));
    assert_eq!(clip(&"x".repeat(257)).len(), 256 + "…".len());
}

#[test]
fn files_are_private_bounded_and_few() {
    let folder = TempDir::new().unwrap();
    let audit = open(&folder, SMALL);
    for number in 0..200 {
        audit.write(&lost(number));
    }
    drop(audit);
    // One write may hold many lines, and is not split.
    let mut sizes = Vec::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let meta = entry.unwrap().metadata().unwrap();
        assert_eq!(meta.permissions().mode() & 0o777, 0o600);
        sizes.push(meta.len());
    }
    assert!(sizes.len() <= 3, "{sizes:?}");
    let last = lines(path(&folder)).pop().unwrap();
    assert_eq!(last["lines"], 199);
}

#[test]
fn the_oldest_lines_go_first() {
    let folder = TempDir::new().unwrap();
    let (_audit, mut writer, _) = writer(&folder, 1);
    for number in 0..100 {
        writer.write(line(&lost(number)).unwrap(), 1);
    }
    let mut all = Vec::new();
    for name in ["audit.jsonl.2", "audit.jsonl.1", "audit.jsonl"] {
        let path = folder.path().join(name);
        assert!(fs::metadata(&path).unwrap().len() <= SMALL.file_bytes);
        all.extend(
            lines(path)
                .iter()
                .map(|line| line["lines"].as_u64().unwrap()),
        );
    }
    assert!(!folder.path().join("audit.jsonl.3").exists());
    let first = *all.first().unwrap();
    assert!(first > 0 && all.iter().copied().eq(first..100), "{all:?}");
}

#[test]
fn a_log_is_continued_even_where_a_line_has_no_end() {
    let folder = TempDir::new().unwrap();
    fs::write(path(&folder), "{\"event\":\"lo").unwrap();
    drop(open(&folder, SMALL));
    open(&folder, SMALL).write(&lost(1));
    let text = fs::read_to_string(path(&folder)).unwrap();
    let [torn, whole] = text.lines().collect::<Vec<_>>()[..] else {
        panic!("{text}");
    };
    assert_eq!(torn, "{\"event\":\"lo");
    assert_eq!(serde_json::from_str::<Value>(whole).unwrap()["lines"], 1);
}

#[tokio::test]
async fn a_flush_ends_when_all_from_before_it_is_in_the_file() {
    let folder = TempDir::new().unwrap();
    let audit = open(&folder, Rotation::default());
    let still_held = audit.clone();
    for round in 1..=3 {
        for _ in 0..100 {
            audit.write(&lost(round));
        }
        audit.flush().await;
        assert_eq!(lines(path(&folder)).len() as u64, 100 * round);
    }
    drop(still_held);
}

#[test]
fn a_full_queue_loses_lines_and_says_so() {
    let folder = TempDir::new().unwrap();
    let (audit, writer, metrics) = writer(&folder, 1);
    for _ in 0..3 {
        audit.write(&refused("x"));
    }
    drop(audit);
    writer.run();
    assert!(counted(&metrics, "mote_audit_lost_total", 2));
    let all = lines(path(&folder));
    let told: Vec<_> = all.iter().map(|line| line["event"].as_str()).collect();
    assert_eq!(told, [Some("refused"), Some("lost")]);
    assert_eq!(all[1]["lines"], 2);
}

#[test]
fn strangers_cannot_fill_the_log() {
    let folder = TempDir::new().unwrap();
    let (audit, writer, metrics) = writer(&folder, 1000);
    for _ in 0..1000 {
        audit.write(&refused("a stranger"));
    }
    drop(audit);
    writer.run();
    let all = lines(path(&folder));
    let refused = all.iter().filter(|line| line["event"] == "refused").count() as u64;
    assert!((10..1000).contains(&refused), "{refused}");
    let told = all.last().unwrap();
    assert_eq!(told["event"], "lost");
    assert_eq!(told["lines"], 1000 - refused);
    assert!(counted(&metrics, "mote_audit_lost_total", 1000 - refused));
}

#[test]
fn a_failing_file_loses_lines_until_it_can_be_written_again() {
    let folder = TempDir::new().unwrap();
    let (_audit, mut writer, metrics) = writer(&folder, 1);
    let batch = || vec![b'\n'; 600];
    writer.write(batch(), 1);
    writer.write(batch(), 1);
    // No file can become the oldest where a folder is in the way.
    let in_the_way = folder.path().join("audit.jsonl.2");
    fs::create_dir_all(in_the_way.join("x")).unwrap();
    writer.write(batch(), 4);
    writer.write(batch(), 5);
    assert!(counted(&metrics, "mote_audit_failures_total", 2));
    assert!(counted(&metrics, "mote_audit_lost_total", 9));
    fs::remove_dir_all(in_the_way).unwrap();
    writer.write(Vec::new(), 0);
    let text = fs::read_to_string(path(&folder)).unwrap();
    assert!(
        text.trim_start().contains(r#""event":"lost","lines":9"#),
        "{text}"
    );
}

#[test]
fn a_link_is_not_followed() {
    let folder = TempDir::new().unwrap();
    let elsewhere = folder.path().join("elsewhere");
    fs::write(&elsewhere, "").unwrap();
    std::os::unix::fs::symlink(&elsewhere, path(&folder)).unwrap();
    let refused = Audit::open(folder.path(), SMALL, Metrics::new());
    assert!(matches!(refused, Err(AuditError::Open { .. })));
}
