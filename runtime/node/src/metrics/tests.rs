use std::time::Duration;

use mote_api::{Capability, Denial, End, Outcome, StreamUsage, Transaction, Usage};
use mote_surface::{StartError, Unavailable};

use super::*;

fn outcome(end: End) -> Outcome {
    Outcome {
        exit_code: end.exit_code(),
        end,
        usage: Usage {
            peak_memory_bytes: 3 << 20,
            ..Usage::default()
        },
        stdout: StreamUsage::default(),
        stderr: StreamUsage::default(),
        denied: Vec::new(),
        limits_hit: Vec::new(),
        hint: None,
        transaction: None,
    }
}

fn eventful() -> Outcome {
    Outcome {
        denied: vec![Denial {
            capability: Capability::Sockets,
            count: 3,
        }],
        limits_hit: vec!["memory".to_owned(), "words of a guest".to_owned()],
        transaction: Some(Transaction {
            committed: false,
            changes: Vec::new(),
            truncated: false,
        }),
        ..outcome(End::Memory)
    }
}

/// Lines of one page, in an order of their own: series have none.
fn lines(page: &str) -> Vec<&str> {
    let mut lines: Vec<_> = page.lines().collect();
    lines.sort_unstable();
    lines
}

fn value(page: &str, series: &str) -> Option<f64> {
    let rest = page
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    rest.parse().ok()
}

#[test]
fn a_page_is_as_it_was_agreed() {
    let metrics = Metrics::new();
    let took = Duration::from_micros(150);
    metrics
        .call(Surface::Grpc)
        .finish_after(&outcome(End::Exited { code: 0 }), took);
    metrics
        .call(Surface::Grpc)
        .finish_after(&eventful(), Duration::from_secs(61));
    metrics
        .call(Surface::Runtime)
        .reject(&StartError::NotFound("nonesuch".to_owned()));
    metrics.refused(Refused::Unauthorized);
    metrics.answered(Surface::Rest, http::StatusCode::NOT_FOUND);
    metrics.answered(Surface::Rest, http::StatusCode::OK);
    let _open = metrics.connection();
    drop(metrics.connection());
    metrics.audit_lost(2);
    metrics.audit_failed();
    let page = metrics.render(&Snapshot {
        instances: 3,
        slots: 64,
        ready: 2,
        idle: 1,
        suspended: 0,
        contexts: 1,
        disk_bytes: 4096,
        resident_bytes: Some(8192),
    });
    let agreed = include_str!("expected.txt").replace("VERSION", env!("CARGO_PKG_VERSION"));
    assert_eq!(lines(&page), lines(&agreed), "{page}");
    assert!(page.ends_with("# EOF\n"));
}

#[test]
fn a_call_that_is_dropped_was_cancelled() {
    let metrics = Metrics::new();
    let call = metrics.call(Surface::Rest);
    call.started();
    let page = metrics.render(&Snapshot::default());
    assert_eq!(
        value(&page, r#"mote_calls_running{surface="rest"}"#),
        Some(1.0)
    );
    drop(call);
    let page = metrics.render(&Snapshot::default());
    for (series, count) in [
        (r#"mote_calls_running{surface="rest"}"#, 0.0),
        (
            r#"mote_calls_total{surface="rest",outcome="cancelled"}"#,
            1.0,
        ),
        (r#"mote_call_start_seconds_count{surface="rest"}"#, 1.0),
        (r#"mote_call_duration_seconds_count{surface="rest"}"#, 1.0),
    ] {
        assert_eq!(value(&page, series), Some(count), "{series}\n{page}");
    }
}

#[test]
fn a_refused_call_is_counted_and_not_timed() {
    let metrics = Metrics::new();
    let errors = [
        StartError::NotFound(String::new()),
        StartError::Denied(String::new()),
        StartError::Invalid(String::new()),
        StartError::Busy(String::new()),
        StartError::Unavailable(Unavailable::Gone("x".to_owned())),
        StartError::Host,
    ];
    for error in &errors {
        metrics.call(Surface::Grpc).reject(error);
    }
    let page = metrics.render(&Snapshot::default());
    for outcome in [
        "not-found",
        "denied",
        "invalid",
        "busy",
        "unavailable",
        "host-error",
    ] {
        let series = format!(r#"mote_calls_total{{surface="grpc",outcome="{outcome}"}}"#);
        assert_eq!(value(&page, &series), Some(1.0), "{page}");
    }
    assert!(!page.contains("mote_call_duration_seconds_count"), "{page}");
}

#[test]
fn a_file_request_is_counted_by_its_answer() {
    let metrics = Metrics::new();
    metrics
        .file_request(&http::Method::GET)
        .finish(http::StatusCode::PARTIAL_CONTENT);
    drop(metrics.file_request(&http::Method::PUT));
    let page = metrics.render(&Snapshot::default());
    for series in [
        r#"mote_file_requests_total{method="get",status="2xx"}"#,
        r#"mote_file_requests_total{method="put",status="left"}"#,
        r#"mote_file_request_duration_seconds_count{method="get"}"#,
    ] {
        assert_eq!(value(&page, series), Some(1.0), "{series}\n{page}");
    }
}
