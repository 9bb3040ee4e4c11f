//! What the node tells of calls: metrics, audit log, traces, a sandbox's log.

use mote_conformance::{Ask, Target, run, sh};
use serde_json::{Value, json};

use crate::own::{Own, execute, in_context, until, with_options};

/// The value of a series in the text of `/metrics`.
async fn series(own: &Own, name: &str) -> u64 {
    let page = own.api().get("/metrics").await.expect(200);
    let page = page.text();
    let line = page.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |value| value.trim().parse().unwrap())
}

/// Waits for a series: a call is counted once its caller has been told.
async fn counted(own: &Own, name: &str, value: u64) {
    until(name, async || series(own, name).await == value).await;
}

#[test]
fn calls_are_counted_by_surface_and_outcome() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        assert_eq!(target.sh("exit 3").await.code, 3);
        target.sh("echo").await.ok();
        execute(&target, "echo hi").await;
        in_context(&target, "work", "1").await;
        target.execute(sh_of("nonesuch")).await.unwrap_err();
        let late = with_options(&target, &json!({ "limits": { "deadline": 0.2 } }));
        execute(&late, "sleep 100").await;
        let of = |surface, outcome| {
            format!("mote_calls_total{{surface=\"{surface}\",outcome=\"{outcome}\"}}")
        };
        counted(&own, &of("grpc", "exited"), 2).await;
        counted(&own, &of("grpc", "not-found"), 1).await;
        counted(&own, &of("runtime", "exited"), 1).await;
        counted(&own, &of("runtime", "deadline"), 1).await;
    });
}

/// A program and no shell.
fn sh_of(name: &str) -> mote_surface::proto::ProcessConfig {
    mote_conformance::argv(&[name])
}

#[test]
fn transactions_and_refusals_are_counted() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        let alone = with_options(&target, &json!({ "transaction": true }));
        alone.sh("echo > f").await.ok();
        assert_eq!(alone.sh("echo > g; exit 1").await.code, 1);
        counted(&own, "mote_transactions_total{end=\"committed\"}", 1).await;
        counted(&own, "mote_transactions_total{end=\"rolled-back\"}", 1).await;
        let nobody = own.target("nobody").rest().get("/v1/health").await;
        nobody.expect(404);
        counted(&own, "mote_refused_total{reason=\"no-sandbox\"}", 1).await;
    });
}

#[test]
fn what_a_program_was_denied_is_counted_and_logged() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        let code = "import socket; socket.create_connection(('127.0.0.1', 1))";
        let ran = target
            .execute(mote_conformance::argv(&["python3", "-c", code]))
            .await;
        assert_ne!(ran.unwrap().exit_code, 0);
        until("the denial", async || {
            own.audit().iter().any(|line| line["event"] == "denied")
        })
        .await;
        let page = own.api().get("/metrics").await.expect(200);
        assert!(
            page.text().contains("mote_denials_total{"),
            "{}",
            page.text()
        );
    });
}

async fn calls(own: &Own, count: usize) -> Vec<Value> {
    let lines = || {
        let all = own.audit().into_iter();
        all.filter(|line| line["event"] == "call")
            .collect::<Vec<_>>()
    };
    until("the lines", async || lines().len() >= count).await;
    lines()
}

#[test]
fn the_audit_log_has_a_line_for_each_call_and_never_its_arguments() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        target.sh("echo hush-hush").await.ok();
        execute(&target, "echo hush-hush").await;
        target.execute(sh_of("nonesuch")).await.unwrap_err();
        let lines = calls(&own, 3).await;
        assert_eq!(lines.len(), 3, "{lines:?}");
        let told: Vec<_> = lines
            .iter()
            .map(|line| (line["surface"].as_str(), line["outcome"].as_str()))
            .collect();
        let expected = [
            ("grpc", "exited"),
            ("runtime", "exited"),
            ("grpc", "not-found"),
        ];
        assert_eq!(told, expected.map(|(a, b)| (Some(a), Some(b))));
        assert_eq!(lines[0]["program"], "/bin/sh");
        for line in &lines {
            assert_eq!(line["sandbox"], "a", "{line}");
            let text = line.to_string();
            let hash = line["argv_sha256"].as_str().unwrap();
            assert_eq!(hash.len(), 64, "{line}");
            assert!(!text.contains("hush"), "{line}");
        }
        let all = own.audit();
        let created = all.iter().find(|line| line["action"] == "create");
        assert_eq!(created.unwrap()["sandbox"], "a");
    });
}

#[test]
fn a_call_belongs_to_the_trace_of_its_caller() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let header = format!("00-{trace}-00f067aa0ba902b7-01");
        let traced = |header: &str| {
            let mut surfaces = [&target.grpc, &target.rest, &target.runtime].map(Clone::clone);
            for endpoint in &mut surfaces {
                let header = ("traceparent".to_owned(), header.to_owned());
                endpoint.headers.push(header);
            }
            Target::new(surfaces, "/workspace", ())
        };
        traced(&header).sh("echo").await.ok();
        execute(&traced(&header), "echo").await;
        // What is malformed is none.
        traced("00-zz-00f067aa0ba902b7-01").sh("echo").await.ok();
        let lines = calls(&own, 3).await;
        assert_eq!(lines[0]["trace_id"], trace);
        assert_eq!(lines[1]["trace_id"], trace);
        assert_ne!(lines[2]["trace_id"], trace);
        assert_eq!(lines[2]["trace_id"].as_str().map(str::len), Some(32));
    });
}

#[test]
fn a_sandbox_has_a_log_of_its_calls() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        let path = "/v1/sandboxes/a/log";
        assert_eq!(own.api().get(path).await.expect(200).text(), "");
        target.execute(sh("exit 3")).await.unwrap();
        execute(&target, "echo second").await;
        let log = async || own.api().get(path).await.expect(200);
        until("both lines", async || {
            log().await.text().lines().count() == 2
        })
        .await;
        let own = own.restart(&[]);
        let log = own.api().get(path).await.expect(200);
        let lines: Vec<Value> = log
            .text()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["argv"], json!(["/bin/sh", "-c", "exit 3"]));
        assert_eq!(lines[0]["exit_code"], 3);
        assert_eq!(lines[1]["argv"], json!(["echo", "second"]));
    });
}

#[test]
fn who_is_refused_is_in_the_audit_log() {
    run(async {
        let own = Own::start(&[]);
        own.made("a", json!({})).await;
        own.target("nobody").execute(sh("echo")).await.unwrap_err();
        let page = Ask::new("GET", "/v1/sandboxes").header("origin", "http://x");
        own.api().send(page).await.expect(403);
        let mut target = own.target("a");
        target.runtime.headers[1].1 = "80".to_owned();
        target.runtime().get("/").await.expect(400);
        let refused = || {
            let all = own.audit().into_iter();
            let all = all.filter(|line| line["event"] == "refused");
            all.map(|line| format!("{} {}", line["surface"], line["reason"]))
                .collect::<Vec<_>>()
        };
        until("the lines", async || refused().len() >= 3).await;
        let expected = [
            r#""grpc" "no-sandbox""#,
            r#""api" "forbidden""#,
            r#""api" "malformed""#,
        ];
        assert_eq!(refused(), expected);
    });
}

#[test]
fn calls_of_a_suspended_sandbox_are_in_the_audit_log() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        own.order("a", "suspend").await.expect(200);
        target.execute(sh("echo")).await.unwrap_err();
        let lines = calls(&own, 1).await;
        assert_eq!(lines[0]["outcome"], "unavailable", "{lines:?}");
    });
}

#[test]
fn a_call_in_a_context_has_its_own_line_in_the_audit_log() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        in_context(&target, "work", "secret = 1").await;
        // The interpreter's line comes with its end.
        let lines = calls(&own, 1).await;
        assert_eq!(lines[0]["surface"], "context", "{lines:?}");
        assert_eq!(lines[0]["program"], "python3");
        assert_eq!(lines[0]["outcome"], "exited");
        assert!(lines[0]["usage"]["wall_us"].as_u64() > Some(0), "{lines:?}");
        assert!(!lines[0].to_string().contains("secret"));
    });
}

#[test]
fn a_request_of_grpc_that_makes_no_sense_is_in_the_audit_log() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        target
            .execute(mote_conformance::argv(&[]))
            .await
            .unwrap_err();
        let refused = || {
            let all = own.audit().into_iter();
            all.filter(|line| line["event"] == "refused")
                .collect::<Vec<_>>()
        };
        until("the line", async || !refused().is_empty()).await;
        let lines = refused();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0]["surface"], "grpc");
        assert_eq!(lines[0]["reason"], "malformed");
        assert_eq!(lines[0]["sandbox"], "a");
        // One that a call's own line tells of is there once.
        target.execute(sh_of("nonesuch")).await.unwrap_err();
        calls(&own, 1).await;
        assert_eq!(refused().len(), 1);
    });
}
