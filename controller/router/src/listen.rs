//! Takes connections and hands their requests on, HTTP/1.1 and HTTP/2 without
//! TLS on one port, within ceilings that no client can talk its way past.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::proxy::{Answer, Caller, Proxy};
use crate::traffic::Traffic;
use crate::upstream::{
    CONNECTION_WINDOW_BYTES, MAX_HEAD_BYTES, MAX_STREAMS, STREAM_WINDOW_BYTES, prepare,
};

/// How often a client is asked over HTTP/2 whether it is still there, and how
/// long it may take to answer.
const PING: Duration = Duration::from_secs(30);
/// A connection is looked at this often in the times after which it is given up.
const LOOKS: u32 = 12;
/// How long to wait after the system had no room for a connection, rather
/// than ask again at once: handles are freed by connections that end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What clients may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; more wait to be taken.
    pub connections: usize,
    /// A connection without a request is closed after this time, be it silent,
    /// or so slow that a request's head does not end.
    pub idle_time: Duration,
    /// A response is given up of which its client has taken nothing for this time.
    pub untaken_time: Duration,
    /// Time in which requests have to end once the listener does.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8_192,
            // Longer than clients keep a connection for their next request, mostly.
            idle_time: Duration::from_secs(60),
            untaken_time: Duration::from_secs(60),
            drain_time: Duration::from_secs(30),
        }
    }
}

tokio::task_local! {
    /// Ends the request of the stream that this task serves.
    static CUT: CancellationToken;
}

/// Runs the streams of HTTP/2 connections, each in a task that can be ended.
#[derive(Clone, Copy, Debug)]
struct Streams;

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
{
    fn execute(&self, stream: F) {
        let cut = CancellationToken::new();
        let ended = cut.clone().cancelled_owned();
        tokio::spawn(CUT.scope(cut, async move {
            tokio::select! {
                _ = stream => {}
                () = ended => {}
            }
        }));
    }
}

/// Serves connections until `shutdown` completes, then lets requests that run
/// go on for `limits.drain_time` at most.
pub async fn serve(
    listener: TcpListener,
    proxy: Arc<Proxy>,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let (connections, ending) = (TaskTracker::new(), CancellationToken::new());
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted,
        };
        if let Some((stream, peer, place)) = accepted {
            let client = Client {
                peer: peer.ip(),
                proxy: Arc::clone(&proxy),
                limits,
                ending: ending.clone(),
            };
            connections.spawn(async move {
                client.serve(stream).await;
                drop(place);
            });
        }
    }
    drop(listener);
    ending.cancel();
    connections.close();
    let drained = async { tokio::join!(connections.wait(), proxy.tunnels_ended()) };
    if timeout(limits.drain_time, drained).await.is_err() {
        let (open, time) = (connections.len(), limits.drain_time);
        tracing::warn!(open, ?time, "some connections did not end in time");
        proxy.end_tunnels();
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            prepare(&stream).ok()?;
            Some((stream, peer, place))
        }
        Err(error) => {
            tracing::warn!(%error, "failed to take a connection");
            pause().await;
            None
        }
    }
}

async fn pause() {
    let mut ticks = interval(ACCEPT_PAUSE);
    ticks.tick().await;
    ticks.tick().await;
}

/// One connection.
struct Client {
    peer: IpAddr,
    proxy: Arc<Proxy>,
    limits: Limits,
    /// The listener ends.
    ending: CancellationToken,
}

impl Client {
    /// Serves it until it ends, by its client or by us.
    async fn serve(self, stream: TcpStream) {
        let (traffic, cut) = (Traffic::new(), CancellationToken::new());
        let server = server();
        let service = service_fn(|request| self.answer(request, &traffic, &cut));
        let served = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let mut served = pin!(served);
        let mut looks = interval(self.limits.idle_time.min(self.limits.untaken_time) / LOOKS);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut closing = false;
        loop {
            tokio::select! {
                ended = &mut served => return self.report_end(ended),
                () = cut.cancelled() => return,
                () = self.ending.cancelled(), if !closing => {}
                _ = looks.tick() => {
                    let now = Instant::now();
                    self.report_untaken(traffic.cut_untaken(now, self.limits.untaken_time));
                    if !traffic.is_idle(now, self.limits.idle_time) {
                        continue;
                    }
                    if closing {
                        // It was asked to end, and does not.
                        return;
                    }
                }
            }
            closing = true;
            served.as_mut().graceful_shutdown();
        }
    }

    fn answer(
        &self,
        request: Request<Incoming>,
        traffic: &Arc<Traffic>,
        cut: &CancellationToken,
    ) -> impl Future<Output = Result<Response<Answer>, Infallible>> + Send + use<> {
        let (proxy, peer) = (Arc::clone(&self.proxy), self.peer);
        let (traffic, cut) = (Arc::clone(traffic), cut.clone());
        // Only what is in here runs in the task of its stream.
        async move {
            // A stream ends alone; over HTTP/1 its connection ends with it.
            let cut = CUT.try_with(Clone::clone).unwrap_or(cut);
            let begun = traffic.begin(cut);
            Ok(proxy.handle(request, Caller { peer, begun }).await)
        }
    }

    fn report_end<E: std::fmt::Debug>(&self, ended: Result<(), E>) {
        if let Err(error) = ended {
            tracing::debug!(peer = %self.peer, ?error, "a connection ended early");
        }
    }

    fn report_untaken(&self, count: usize) {
        if count > 0 {
            self.proxy.metrics().untaken(count);
            tracing::warn!(peer = %self.peer, count, "responses were given up, for their client did not take them");
        }
    }
}

fn server() -> auto::Builder<Streams> {
    let mut server = auto::Builder::new(Streams);
    server
        .http1()
        .timer(TokioTimer::new())
        // What takes too long is seen by `Traffic`, from the first byte on.
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD_BYTES);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(STREAM_WINDOW_BYTES as usize)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    server
}
