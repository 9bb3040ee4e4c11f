//! What the router adds to a request, and how many it passes: client, router
//! and sandbox share this machine's cores, and each figure stands beside the
//! one without a router from the same run.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench target is a crate of its own, and may stop at what it did not expect"
)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, join_all};
use http::{HeaderMap, Request, Response};
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
use mote_router::proxy::{Cluster, Proxy, Settings};
use mote_router::sandbox::Entry;
use mote_router::wake::{Resume, Wakes, Why};
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpStream};

/// Requests whose times are taken, one after another.
const REQUESTS: usize = 10_000;
/// Clients at once, and how long they ask.
const CLIENTS: usize = 32;
const TIME: Duration = Duration::from_secs(4);
/// Sandboxes in the router's memory.
const SANDBOXES: u32 = 100_000;

#[tokio::main]
async fn main() {
    println!("| what | with the router | without | target |\n|---|---|---|---|");
    let sandbox = sandbox().await;
    let router = router(sandbox).await;
    latency::<Http1>("HTTP/1.1", router, sandbox, "≤ 0.3 ms more").await;
    latency::<Grpc>("gRPC", router, sandbox, "").await;
    throughput::<Http1>("HTTP/1.1", router, sandbox, "≥ 5,000/s").await;
    throughput::<Grpc>("gRPC", router, sandbox, "").await;
    memory();
}

/// A client of one protocol, on a connection of its own.
trait Client: Send + Sized + 'static {
    fn connect(to: SocketAddr) -> BoxFuture<'static, Self>;
    /// One request to the sandbox, and all of its answer.
    fn ask(&mut self, port: u16) -> BoxFuture<'_, ()>;
}

struct Http1(http1::SendRequest<Empty<Bytes>>);

impl Client for Http1 {
    fn connect(to: SocketAddr) -> BoxFuture<'static, Self> {
        async move {
            let (sender, connection) = http1::handshake(stream(to).await).await.unwrap();
            tokio::spawn(connection);
            Self(sender)
        }
        .boxed()
    }

    fn ask(&mut self, port: u16) -> BoxFuture<'_, ()> {
        async move {
            self.0.ready().await.unwrap();
            let request = addressed(Request::get("/path").header("host", "x"), port);
            let request = request.body(Empty::new()).unwrap();
            finish(self.0.send_request(request).await.unwrap()).await;
        }
        .boxed()
    }
}

struct Grpc(http2::SendRequest<Full<Bytes>>);

impl Client for Grpc {
    fn connect(to: SocketAddr) -> BoxFuture<'static, Self> {
        async move {
            let executor = TokioExecutor::new();
            let (sender, connection) = http2::handshake(executor, stream(to).await).await.unwrap();
            tokio::spawn(connection);
            Self(sender)
        }
        .boxed()
    }

    fn ask(&mut self, port: u16) -> BoxFuture<'_, ()> {
        async move {
            let request = Request::post("http://x/package.Service/Method");
            let request = addressed(request, port).header("content-type", "application/grpc");
            let request = request.body(Full::from("message")).unwrap();
            finish(self.0.send_request(request).await.unwrap()).await;
        }
        .boxed()
    }
}

async fn stream(to: SocketAddr) -> TokioIo<TcpStream> {
    let stream = TcpStream::connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    TokioIo::new(stream)
}

fn addressed(request: http::request::Builder, port: u16) -> http::request::Builder {
    request
        .header("x-sandbox-id", "s")
        .header("x-sandbox-namespace", "n")
        .header("x-sandbox-port", port)
}

async fn finish(response: Response<Incoming>) {
    assert_eq!(response.status(), 200);
    response.into_body().collect().await.unwrap();
}

async fn latency<C: Client>(what: &str, router: SocketAddr, sandbox: SocketAddr, target: &str) {
    let (mut through, mut straight) = (C::connect(router).await, C::connect(sandbox).await);
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..REQUESTS {
        // In turns, so that what else the machine does meets both.
        for (client, times) in [&mut through, &mut straight].into_iter().zip(&mut times) {
            let began = Instant::now();
            client.ask(sandbox.port()).await;
            times.push(began.elapsed().as_secs_f64() * 1_000.0);
        }
    }
    times
        .iter_mut()
        .for_each(|times| times.sort_by(f64::total_cmp));
    let at = |which: usize, percent: usize| times[which][REQUESTS * percent / 100];
    println!(
        "| {what}, one client, p50 / p99 | {:.3} / {:.3} ms: p50 + {:.3} ms | {:.3} / {:.3} ms | {target} |",
        at(0, 50),
        at(0, 99),
        at(0, 50) - at(1, 50),
        at(1, 50),
        at(1, 99),
    );
}

async fn throughput<C: Client>(what: &str, router: SocketAddr, sandbox: SocketAddr, target: &str) {
    let (through, straight) = (
        rate::<C>(router, sandbox.port()).await,
        rate::<C>(sandbox, sandbox.port()).await,
    );
    println!("| {what}, {CLIENTS} clients | {through:.0}/s | {straight:.0}/s | {target} |");
}

async fn rate<C: Client>(to: SocketAddr, port: u16) -> f64 {
    let clients = join_all((0..CLIENTS).map(|_| C::connect(to))).await;
    let until = Instant::now() + TIME;
    let asking = clients.into_iter().map(|mut client| {
        tokio::spawn(async move {
            let mut count = 0_u32;
            while Instant::now() < until {
                client.ask(port).await;
                count += 1;
            }
            f64::from(count)
        })
    });
    let counts = join_all(asking).await;
    counts.into_iter().map(Result::unwrap).sum::<f64>() / TIME.as_secs_f64()
}

fn memory() {
    let before = resident_bytes();
    let directory = Directory::default();
    for number in 0..SANDBOXES {
        let address = SocketAddr::from((number.to_be_bytes(), 80));
        let name = format!("sandbox-{number:08x}-{number:05}");
        let uid = format!("{number:08x}-aaaa-bbbb-cccc-{number:012x}");
        directory.set(entry(&name, &uid, address));
    }
    let bytes = resident_bytes().saturating_sub(before) / u64::from(SANDBOXES);
    println!(
        "| one of {} sandboxes in memory | {bytes} bytes | | |",
        directory.len()
    );
}

/// From `/proc/self/statm`: the second field is pages of 4 KiB.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages = statm.split_ascii_whitespace().nth(1).unwrap();
    pages.parse::<u64>().unwrap() * 4096
}

/// A sandbox that says a little at once.
async fn sandbox() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let served = server.serve_connection(TokioIo::new(stream), service_fn(answer));
                let _ = served.await;
            });
        }
    });
    address
}

async fn answer(
    request: Request<Incoming>,
) -> Result<Response<impl http_body::Body<Data = Bytes, Error = Infallible>>, Infallible> {
    let grpc = request.headers().contains_key("content-type");
    let _ = request.into_body().collect().await;
    let mut status = HeaderMap::new();
    status.insert("grpc-status", "0".parse().unwrap());
    let trailers = grpc.then(|| Ok(Frame::trailers(status)));
    let frames = [Ok(Frame::data(Bytes::from_static(b"answer")))]
        .into_iter()
        .chain(trailers);
    Ok(Response::new(StreamBody::new(futures_util::stream::iter(
        frames,
    ))))
}

fn entry(name: &str, uid: &str, address: SocketAddr) -> Entry {
    Entry {
        uid: uid.into(),
        namespace: "n".into(),
        name: name.into(),
        version: "123456789".into(),
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

/// Nobody sleeps here.
struct Nobody;

impl Resume for Nobody {
    fn resume(&self, _: Arc<Entry>) -> BoxFuture<'static, Result<(), Why>> {
        std::future::ready(Err(String::new())).boxed()
    }
}

/// A router that knows the sandbox.
async fn router(sandbox: SocketAddr) -> SocketAddr {
    let metrics = Metrics::register(&mut Registry::default());
    let directory = Directory::default();
    directory.replace(vec![entry("s", "u", sandbox)]);
    let wakes = Wakes::new(Arc::new(Nobody), directory.clone(), metrics.clone());
    let settings = Settings {
        loopback: true,
        ..Settings::default()
    };
    let cluster = Cluster { directory, wakes };
    let proxy = Proxy::new(settings, Some(cluster), Gate::Open, metrics);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let never = std::future::pending();
    tokio::spawn(serve(listener, proxy, Limits::default(), never));
    address
}
