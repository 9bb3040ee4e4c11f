//! What the process tells of itself: metrics and probes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::context::Context;
use crate::controllers::Controllers;

/// The type of the text that [`encode`] writes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `/metrics`, until the process ends.
pub(super) async fn metrics(listener: TcpListener, registry: Registry) {
    let router = Router::new()
        .route("/metrics", get(page))
        .with_state(Arc::new(registry));
    serve(listener, router, CONNECTIONS, LONGEST).await;
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
    serve(listener, router, CONNECTIONS, LONGEST).await;
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

/// Whoever reaches the port may hold a connection for so long and no longer;
/// the next scrape or probe makes a new one.
const LONGEST: Duration = Duration::from_secs(10);
/// Connections at once. What comes beyond waits: at most [`LONGEST`].
const CONNECTIONS: usize = 256;

async fn serve(mut listener: TcpListener, router: Router, connections: usize, longest: Duration) {
    let places = Arc::new(Semaphore::new(connections));
    while let Ok(place) = places.clone().acquire_owned().await {
        // axum's way to accept, which waits where the machine has no more files.
        let (stream, _) = Listener::accept(&mut listener).await;
        let service = TowerToHyperService::new(router.clone());
        let served = http1::Builder::new()
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // A peer that leaves or lingers is no news.
            let _ = tokio::time::timeout(longest, served).await;
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn ask(address: std::net::SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn metrics_are_served_and_nothing_else_is() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut registry = Registry::default();
        super::super::own::register(&mut registry);
        tokio::spawn(metrics(listener, registry));
        let page = ask(address, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("agent_sandbox_build_info"));
        assert!(page.contains("openmetrics-text") && page.trim_end().ends_with("# EOF"));
        let other = ask(address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(other.starts_with("HTTP/1.1 404"), "{other}");
    }

    #[tokio::test]
    async fn who_says_nothing_is_cut_off_and_others_are_served() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(async || "here"));
        tokio::spawn(serve(listener, router, 2, Duration::from_millis(100)));
        let mut silent = Vec::new();
        for _ in 0..4 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let page = ask(address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(page.ends_with("here"), "{page}");
        for mut stream in silent {
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        }
    }
}
