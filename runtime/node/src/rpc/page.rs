//! `/metrics`, `/healthz` and `/readyz`.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};

use super::Rpc;
use crate::metrics;
use crate::metrics::Snapshot;

/// All of them.
pub(super) fn router(rpc: Rpc) -> Router {
    let metrics = Router::new().route("/metrics", get(metrics_page));
    metrics.with_state(rpc.clone()).merge(probes(rpc))
}

/// What tells how the node host is.
pub(super) fn probes(rpc: Rpc) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readiness))
        .with_state(rpc)
}

async fn metrics_page(State(rpc): State<Rpc>) -> Response {
    let node = &rpc.0.node;
    let now = Snapshot {
        room: Some(rpc.shares()),
        ..node.snapshot()
    };
    let page = node.0.shared.observer.metrics.render(&now);
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], page).into_response()
}

/// Whether sessions that come are taken, and answer at once.
async fn readiness(State(rpc): State<Rpc>) -> (StatusCode, &'static str) {
    if rpc.0.draining.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "the node host goes down\n")
    } else if !rpc.0.node.is_ready() {
        let text = "the programs of sandboxes are being compiled\n";
        (StatusCode::SERVICE_UNAVAILABLE, text)
    } else {
        (StatusCode::OK, "ok\n")
    }
}
