use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method, Response};
use http_body_util::BodyExt;
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
        room: Some(Room {
            capacity: 1 << 20,
            reserved: 1 << 10,
        }),
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
        StartError::Lost(String::new()),
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
        "lost",
        "unavailable",
        "host-error",
    ] {
        let series = format!(r#"mote_calls_total{{surface="grpc",outcome="{outcome}"}}"#);
        assert_eq!(value(&page, &series), Some(1.0), "{page}");
    }
    assert!(!page.contains("mote_call_duration_seconds_count"), "{page}");
}

fn answer(status: u16, body: Body) -> Response<Body> {
    Response::builder().status(status).body(body).unwrap()
}

/// A body that is sent in two parts and does not tell its length.
fn parts() -> Body {
    let parts = ["one", "two"].map(Ok::<_, Infallible>);
    Body::from_stream(futures_util::stream::iter(parts))
}

fn requests(metrics: &Metrics, method: &str, status: &str) -> Option<f64> {
    let page = metrics.render(&Snapshot::default());
    let series = format!(r#"mote_file_requests_total{{method="{method}",status="{status}"}}"#);
    value(&page, &series)
}

#[tokio::test]
async fn a_file_request_ends_when_its_answer_has_been_sent() {
    for (status, body) in [
        (206, parts()),
        (204, Body::empty()),
        (404, Body::from("no")),
    ] {
        let metrics = Metrics::new();
        let timer = metrics.file_request(&Method::GET);
        let answer = timer.follow(answer(status, body));
        let class = format!("{}xx", status / 100);
        assert_eq!(requests(&metrics, "get", "cut-off"), None);
        answer.into_body().collect().await.unwrap();
        assert_eq!(requests(&metrics, "get", &class), Some(1.0), "{status}");
    }
}

#[tokio::test]
async fn an_answer_is_sent_once_its_length_is() {
    let metrics = Metrics::new();
    let mut answer = answer(200, parts());
    answer
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from_static("6"));
    let mut body = metrics
        .file_request(&Method::GET)
        .follow(answer)
        .into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(requests(&metrics, "get", "2xx"), None);
    body.frame().await.unwrap().unwrap();
    assert_eq!(requests(&metrics, "get", "2xx"), Some(1.0));
}

#[tokio::test]
async fn an_answer_to_head_has_no_body_to_wait_for() {
    let metrics = Metrics::new();
    drop(
        metrics
            .file_request(&Method::HEAD)
            .follow(answer(200, parts())),
    );
    assert_eq!(requests(&metrics, "head", "2xx"), Some(1.0));
}

#[tokio::test]
async fn a_file_request_may_be_cut_off() {
    let metrics = Metrics::new();
    drop(metrics.file_request(&Method::PUT));
    let answer = metrics
        .file_request(&Method::PUT)
        .follow(answer(200, parts()));
    let mut body = answer.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(requests(&metrics, "put", "cut-off"), Some(2.0));
}
