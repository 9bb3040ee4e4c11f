//! What the process tells of itself: metrics and probes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The type of the text that [`encode`] writes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Whoever reaches the port may hold a connection for so long and no longer;
/// the next scrape or probe makes a new one.
const LONGEST: Duration = Duration::from_secs(10);
/// Connections at once. What comes beyond waits: at most [`LONGEST`].
const CONNECTIONS: usize = 64;

type Page = Response<Full<Bytes>>;

/// `/metrics`, until the process ends.
pub async fn metrics(listener: TcpListener, registry: Registry) {
    serve(listener, move |path| match path {
        "/metrics" => metrics_page(&registry),
        _ => page(StatusCode::NOT_FOUND, ""),
    })
    .await;
}

fn metrics_page(registry: &Registry) -> Page {
    let mut text = String::new();
    if let Err(error) = encode(&mut text, registry) {
        tracing::error!(%error, "the metrics could not be written");
        return page(StatusCode::INTERNAL_SERVER_ERROR, "");
    }
    let mut page = page(StatusCode::OK, text);
    let kind = HeaderValue::from_static(OPEN_METRICS);
    page.headers_mut().insert(header::CONTENT_TYPE, kind);
    page
}

/// `/healthz`: the process answers. `/readyz`: requests may come, unless there
/// is a reason against it.
pub async fn probes(
    listener: TcpListener,
    unready: impl Fn() -> Option<&'static str> + Send + Sync + 'static,
) {
    serve(listener, move |path| match path {
        "/healthz" => page(StatusCode::OK, r#"{"status":"ok"}"#),
        "/readyz" => match unready() {
            None => page(StatusCode::OK, "ok"),
            Some(reason) => page(StatusCode::SERVICE_UNAVAILABLE, reason),
        },
        _ => page(StatusCode::NOT_FOUND, ""),
    })
    .await;
}

fn page(status: StatusCode, text: impl Into<Bytes>) -> Page {
    let mut page = Response::new(Full::new(text.into()));
    *page.status_mut() = status;
    page
}

async fn serve(listener: TcpListener, answer: impl Fn(&str) -> Page + Send + Sync + 'static) {
    let (answer, places) = (Arc::new(answer), Arc::new(Semaphore::new(CONNECTIONS)));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        // Without room for a file, the next one that ends makes some.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let answer = Arc::clone(&answer);
        let service = service_fn(move |request: Request<Incoming>| {
            std::future::ready(Ok::<_, Infallible>(answer(request.uri().path())))
        });
        let served = http1::Builder::new()
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // A peer that leaves or lingers is no news.
            let _ = timeout(LONGEST, served).await;
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn ask(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
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
        crate::metrics::Metrics::register(&mut registry);
        tokio::spawn(metrics(listener, registry));
        let page = ask(address, "/metrics").await;
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("openmetrics-text"));
        assert!(
            page.contains("sandbox_router_inflight_requests 0"),
            "{page}"
        );
        assert!(ask(address, "/").await.starts_with("HTTP/1.1 404"));
    }

    #[tokio::test]
    async fn a_router_is_ready_unless_something_speaks_against_it() {
        static READY: AtomicBool = AtomicBool::new(false);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let unready = || (!READY.load(Ordering::Relaxed)).then_some("not yet");
        tokio::spawn(probes(listener, unready));
        assert!(
            ask(address, "/healthz")
                .await
                .ends_with(r#"{"status":"ok"}"#)
        );
        let answer = ask(address, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.ends_with("not yet"));
        READY.store(true, Ordering::Relaxed);
        assert!(ask(address, "/readyz").await.ends_with("ok"));
    }
}
