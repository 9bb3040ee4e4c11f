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
use tokio::time::{Instant, sleep_until, timeout};

/// The type of the text that [`encode`] writes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Whoever reaches the port may hold a connection for so long and no longer;
/// the next scrape or probe makes a new one.
const LONGEST: Duration = Duration::from_secs(10);
/// Connections at once. What comes beyond waits: at most [`LONGEST`].
const CONNECTIONS: usize = 256;
/// How long to wait after the system had no room for a connection, rather
/// than ask again at once: handles are freed by connections that end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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

/// `/healthz`: the process answers, and says `alive`. `/readyz`: it is ready,
/// unless there is a reason against it. Until the process ends.
pub async fn probes(
    listener: TcpListener,
    alive: &'static str,
    unready: impl Fn() -> Option<&'static str> + Send + Sync + 'static,
) {
    serve(listener, move |path| match path {
        "/healthz" => page(StatusCode::OK, alive),
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
    serve_within(listener, answer, CONNECTIONS, LONGEST).await;
}

async fn serve_within(
    listener: TcpListener,
    answer: impl Fn(&str) -> Page + Send + Sync + 'static,
    connections: usize,
    longest: Duration,
) {
    let (answer, places) = (Arc::new(answer), Arc::new(Semaphore::new(connections)));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            sleep_until(Instant::now() + ACCEPT_PAUSE).await;
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
            let _ = timeout(longest, served).await;
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicBool, Ordering};

    use prometheus_client::metrics::counter::Counter;
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

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[tokio::test]
    async fn metrics_are_served_and_nothing_else_is() {
        let (listener, address) = listener().await;
        let mut registry = Registry::default();
        registry.register("seen", "What was seen", Counter::<u64>::default());
        tokio::spawn(metrics(listener, registry));
        let page = ask(address, "/metrics").await;
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("seen_total 0"));
        assert!(page.contains("openmetrics-text") && page.trim_end().ends_with("# EOF"));
        assert!(ask(address, "/").await.starts_with("HTTP/1.1 404"));
    }

    #[tokio::test]
    async fn a_process_is_ready_unless_something_speaks_against_it() {
        static READY: AtomicBool = AtomicBool::new(false);
        let (listener, address) = listener().await;
        let unready = || (!READY.load(Ordering::Relaxed)).then_some("not yet");
        tokio::spawn(probes(listener, "alive", unready));
        assert!(ask(address, "/healthz").await.ends_with("alive"));
        let answer = ask(address, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.ends_with("not yet"));
        READY.store(true, Ordering::Relaxed);
        assert!(ask(address, "/readyz").await.ends_with("ok"));
        assert!(ask(address, "/metrics").await.starts_with("HTTP/1.1 404"));
    }

    #[tokio::test]
    async fn who_says_nothing_is_cut_off_and_others_are_served() {
        let (listener, address) = listener().await;
        let answer = |_: &str| page(StatusCode::OK, "here");
        tokio::spawn(serve_within(
            listener,
            answer,
            2,
            Duration::from_millis(100),
        ));
        let mut silent = Vec::new();
        for _ in 0..4 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        assert!(ask(address, "/").await.ends_with("here"));
        for mut stream in silent {
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        }
    }
}
