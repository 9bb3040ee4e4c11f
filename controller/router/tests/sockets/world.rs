//! A router, the sandboxes it knows, and clients for both.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use mote_router::authorize::Gate;
use mote_router::directory::Directory;
use mote_router::listen::{Limits, serve};
use mote_router::metrics::Metrics;
use mote_router::proxy::{Cluster, Proxy, Retries, Settings};
use mote_router::sandbox::Entry;
use mote_router::wake::{Resume, Wakes, Why};
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// How long anything may take before a test has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// What the work gives, or the end of the test.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(DEADLINE, work).await;
    done.expect("an end within the deadline")
}

pub(crate) fn empty() -> Body {
    Empty::new().boxed_unsync()
}

pub(crate) fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed_unsync()
}

/// A body whose frames the test sends when it likes.
pub(crate) fn channel() -> (mpsc::Sender<Frame<Bytes>>, Body) {
    let (sender, mut receiver) = mpsc::channel(1);
    let frames = stream::poll_fn(move |context| receiver.poll_recv(context));
    let body = StreamBody::new(frames.map(Ok::<_, Infallible>));
    (sender, body.boxed_unsync())
}

/// All of a body, as text.
pub(crate) async fn text(body: Incoming) -> String {
    let bytes = body.collect().await.expect("a body").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// A sandbox: a server, and how many connections it was sent.
pub(crate) struct Sandbox {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
}

impl Sandbox {
    /// One that answers like this, over HTTP/1.1 and HTTP/2.
    pub(crate) async fn start<F, A>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::start_at("127.0.0.1:0", answer).await
    }

    /// The same, at this address.
    pub(crate) async fn start_at<F, A>(address: &str, answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::raw_at(address, move |stream| {
            let answer = answer.clone();
            let service = service_fn(move |request| answer(request).map(Ok::<_, Infallible>));
            async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let io = TokioIo::new(stream);
                let _ = server.serve_connection_with_upgrades(io, service).await;
            }
        })
        .await
    }

    /// One that does with each connection what the test likes.
    pub(crate) async fn raw<F, A>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        Self::raw_at("127.0.0.1:0", serve).await
    }

    async fn raw_at<F, A>(address: &str, serve: F) -> Self
    where
        F: Fn(TcpStream) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream));
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// One that says what it was asked.
    pub(crate) async fn echo() -> Self {
        Self::start(|request| async move {
            let (head, body) = request.into_parts();
            let body = text(body).await;
            let version = head.version;
            let mut answer = format!("{version:?} {} {}\n", head.method, head.uri);
            for (name, value) in &head.headers {
                answer += &format!("{name}: {}\n", value.to_str().unwrap());
            }
            Response::new(full(answer + "\n" + &body))
        })
        .await
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// What the router knows of it: its name is its UID too.
    pub(crate) fn entry(&self, name: &str) -> Entry {
        entry(name, self.address)
    }
}

pub(crate) fn entry(name: &str, address: SocketAddr) -> Entry {
    Entry {
        uid: name.into(),
        namespace: "n".into(),
        name: name.into(),
        version: "1".into(),
        addresses: [address.ip()].into(),
        service: None,
        ready: true,
        settled: true,
        suspended: false,
        wakes: false,
        session: false,
        ended: false,
    }
}

/// Sets sandboxes running, when the test lets it.
pub(crate) struct Resumer {
    directory: Directory,
    pub(crate) calls: AtomicUsize,
    gate: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Resume for Resumer {
    fn resume(&self, seen: Arc<Entry>) -> BoxFuture<'static, Result<(), Why>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let (directory, gate) = (self.directory.clone(), self.gate.lock().unwrap().take());
        async move {
            if let Some(gate) = gate {
                gate.await.map_err(|_| "the test has ended".to_owned())?;
            }
            let mut now = (*seen).clone();
            (now.suspended, now.ready) = (false, true);
            directory.set(now);
            Ok(())
        }
        .boxed()
    }
}

/// A router that runs.
pub(crate) struct World {
    pub(crate) directory: Directory,
    pub(crate) address: SocketAddr,
    pub(crate) resumer: Arc<Resumer>,
    registry: Registry,
    shutdown: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

/// What a router is made of; the times are short, for tests.
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) limits: Limits,
    pub(crate) gate: Gate,
    /// Until it comes, no sandbox wakes.
    pub(crate) wake: Option<oneshot::Receiver<()>>,
}

impl Default for Plan {
    fn default() -> Self {
        let settings = Settings {
            loopback: true,
            retries: Retries {
                count: 3,
                first: Duration::from_millis(1),
                longest: Duration::from_millis(4),
            },
            ..Settings::default()
        };
        Self {
            settings,
            limits: Limits::default(),
            gate: Gate::Open,
            wake: None,
        }
    }
}

impl World {
    pub(crate) async fn of(entries: impl IntoIterator<Item = Entry>) -> Self {
        Self::planned(Plan::default(), entries).await
    }

    pub(crate) async fn planned(plan: Plan, entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let directory = Directory::default();
        directory.replace(entries.into_iter().collect());
        let resumer = Arc::new(Resumer {
            directory: directory.clone(),
            calls: AtomicUsize::new(0),
            gate: Mutex::new(plan.wake),
        });
        let wakes = Wakes::new(resumer.clone(), directory.clone(), metrics.clone());
        let cluster = Cluster {
            directory: directory.clone(),
            wakes,
        };
        let proxy = Proxy::new(plan.settings, Some(cluster), plan.gate, metrics);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, told) = oneshot::channel();
        let told = told.map(drop);
        let served = tokio::spawn(serve(listener, proxy, plan.limits, told));
        Self {
            directory,
            address,
            resumer,
            registry,
            shutdown: Some(shutdown),
            served,
        }
    }

    /// Tells the router to end.
    pub(crate) fn end(&mut self) {
        let _ = self.shutdown.take().unwrap().send(());
    }

    /// Waits until it has.
    pub(crate) async fn ended(self) {
        soon(self.served).await.unwrap();
    }

    pub(crate) fn metrics(&self) -> String {
        let mut page = String::new();
        prometheus_client::encoding::text::encode(&mut page, &self.registry).unwrap();
        page
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(crate) async fn http1(&self) -> http1::SendRequest<Body> {
        let io = TokioIo::new(self.connect().await);
        let (sender, connection) = http1::handshake(io).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        sender
    }

    pub(crate) async fn http2(&self) -> http2::SendRequest<Body> {
        let io = TokioIo::new(self.connect().await);
        let executor = TokioExecutor::new();
        let (sender, connection) = http2::handshake(executor, io).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// Asks over a connection of its own.
    pub(crate) async fn ask(&self, request: Request<Body>) -> Response<Incoming> {
        soon(self.http1().await.send_request(request))
            .await
            .unwrap()
    }
}

/// A request to a sandbox, as its clients make one.
pub(crate) fn to(sandbox: &Sandbox, name: &str) -> http::request::Builder {
    to_port(name, sandbox.address.port())
}

pub(crate) fn to_port(name: &str, port: u16) -> http::request::Builder {
    Request::builder()
        .uri("/path?query")
        .header("host", "router.example")
        .header("x-sandbox-id", name)
        .header("x-sandbox-namespace", "n")
        .header("x-sandbox-port", port)
}

/// The same over HTTP/2.
pub(crate) fn to_http2(sandbox: &Sandbox, name: &str) -> http::request::Builder {
    let port = sandbox.address.port();
    Request::builder()
        .method("POST")
        .uri("http://router.example/package.Service/Method")
        .version(http::Version::HTTP_2)
        .header("x-sandbox-id", name)
        .header("x-sandbox-namespace", "n")
        .header("x-sandbox-port", port)
}

/// A refusal's status and sentence.
pub(crate) async fn refusal(response: Response<Incoming>) -> (StatusCode, String) {
    let status = response.status();
    assert_eq!(response.headers()["content-type"], "application/json");
    let body = text(response.into_body()).await;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    (status, body["detail"].as_str().unwrap().to_owned())
}
