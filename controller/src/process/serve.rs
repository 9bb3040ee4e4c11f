//! What the process tells of itself: metrics and probes.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use crate::context::Context;
use crate::controllers::Controllers;

/// The type of the text that [`encode`] writes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `/metrics`, until the process ends.
pub(super) async fn metrics(listener: TcpListener, registry: Registry) {
    let router = Router::new()
        .route("/metrics", get(page))
        .with_state(Arc::new(registry));
    serve(listener, router).await;
}

async fn page(State(registry): State<Arc<Registry>>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// `/healthz`: the process answers. `/readyz`: it has seen the cluster; whether
/// it leads is another matter, and a second one that waits is ready too.
pub(super) async fn probes(listener: TcpListener, context: Arc<Context>) {
    let router = Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(ready))
        .with_state(context);
    serve(listener, router).await;
}

async fn ready(State(context): State<Arc<Context>>) -> Response {
    use futures_util::FutureExt;
    match Controllers::filled(&context).now_or_never() {
        Some(()) => "ok".into_response(),
        None => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the caches are not filled yet",
        )
            .into_response(),
    }
}

async fn serve(listener: TcpListener, router: Router) {
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "a port is no longer served");
    }
}
