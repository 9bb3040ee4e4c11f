//! Takes connections and hands their requests on, HTTP/1.1 and HTTP/2 without
//! TLS on one port, within ceilings that no client can talk its way past.

mod stay;
mod work;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{Service, ServiceExt};

use crate::tally::Tally;
use crate::unread::Unread;
pub use stay::Stay;
pub(crate) use work::{Begun, Work};

/// Bytes of one request's head: a `mote-call` header of 16 KiB fits beside
/// whatever else a client sends.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Header lines of one request.
const MAX_HEADERS: usize = 128;
/// Requests that one HTTP/2 connection may have open. A program started by
/// gRPC holds one for as long as it runs.
const MAX_STREAMS: u32 = 256;
/// Bytes that one HTTP/2 stream, and one connection, may have on the way:
/// uploads at the speed of the loopback, and a bound on what waits.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
/// How a client of HTTP/2 begins: RFC 9113, 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long to wait after the system had no room for a connection, rather
/// than ask again at once: handles are freed by connections that end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// One in so many places may be one peer's for connections on trial: somebody
/// who may call nobody keeps nobody out.
const TRIAL_PART: usize = 8;

/// What clients of a listener may cost.
#[derive(Clone, Copy, Debug)]
pub struct ListenLimits {
    /// Connections at once; more wait to be taken.
    pub connections: usize,
    /// Time in which a request's head has to be there.
    pub head_time: Duration,
    /// Time after which a peer is given up that takes nothing of what is sent
    /// to it, or does not answer over HTTP/2; and a connection on which nothing
    /// is asked, whatever is answered to our pings.
    pub idle_time: Duration,
    /// Time in which requests have to end once the listener, or the stay of
    /// their connection, does.
    pub drain_time: Duration,
}

impl Default for ListenLimits {
    /// As sandboxd: 10 s for a head, 60 s without an answer, 10 s to end.
    fn default() -> Self {
        Self {
            connections: 4_096,
            head_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(60),
            drain_time: Duration::from_secs(10),
        }
    }
}

/// The two ends of a request's connection; in the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Who called.
    pub peer: SocketAddr,
    /// Which of our addresses was called.
    pub local: SocketAddr,
}

/// Serves connections until `shutdown` completes, then lets requests that run
/// go on for `limits.drain_time` at most. What `opened` gives is kept for as
/// long as its connection lasts, and is in the extensions of its requests.
pub async fn serve<S, G: Clone + Send + Sync + 'static>(
    listener: TcpListener,
    service: S,
    limits: ListenLimits,
    opened: impl Fn() -> G,
    shutdown: impl Future<Output = ()>,
) where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let opened = |_| Some((Stay::kept(), opened()));
    serve_those(listener, service, limits, opened, shutdown).await;
}

/// As [`serve`], for those connections for which `opened` gives something, and
/// for as long as it lets them stay; others are closed before a byte of them
/// is read. So are those on trial of which a peer has too many.
pub async fn serve_those<S, G: Clone + Send + Sync + 'static>(
    listener: TcpListener,
    service: S,
    limits: ListenLimits,
    opened: impl Fn(Connection) -> Option<(Stay, G)>,
    shutdown: impl Future<Output = ()>,
) where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let places = Arc::new(Semaphore::new(limits.connections));
    let (open, draining) = (TaskTracker::new(), CancellationToken::new());
    let server = server(&limits);
    let trials = Tally::new((limits.connections / TRIAL_PART).max(1));
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, ends, place)) = accepted else {
            continue;
        };
        let Some((stay, guard)) = opened(ends) else {
            continue;
        };
        let mut trial = None;
        if !stay.is_kept() {
            trial = trials.take(ends.peer.ip().to_canonical());
            if trial.is_none() {
                tracing::debug!(peer = %ends.peer, "a connection was closed, for its peer has too many that ask for nothing");
                continue;
            }
        }
        let tried = Instant::now() + limits.head_time;
        // Small answers would wait for the client's acknowledgement.
        let _ = stream.set_nodelay(true);
        let given_up = CancellationToken::new();
        let service = service.clone().map_request({
            let guard = guard.clone();
            move |mut request: Request<_>| {
                request.extensions_mut().insert(ends);
                request.extensions_mut().insert(guard.clone());
                request
            }
        });
        let (unread, connection) = (Unread::of_all(), given_up.clone());
        let work = Work::none();
        let requests = work.clone();
        let service = service.map_future(move |answer| {
            let (begun, unread, connection) =
                (requests.begin(), unread.clone(), connection.clone());
            async move {
                let answered = answer.await;
                answered.map(|response| unread.count(response, connection, begun))
            }
        });
        let (server, draining) = (server.clone(), draining.clone());
        open.spawn(async move {
            let begun = timeout(limits.head_time, begin(stream, limits.idle_time)).await;
            if let Ok(Ok((stream, http2))) = begun {
                let io = TokioIo::new(stream);
                let service = TowerToHyperService::new(service);
                let mut connection = pin!(server.serve_connection_with_upgrades(io, service));
                let lasts = async {
                    tokio::select! {
                        biased;
                        ended = connection.as_mut() => return ended,
                        () = stay.ended(tried, &mut trial) => {}
                        // HTTP/1.1 has its own time, for the next head.
                        () = work.rests(limits.idle_time), if http2 => {}
                        () = draining.cancelled() => {}
                    }
                    connection.as_mut().graceful_shutdown();
                    let drained = timeout(limits.drain_time, connection.as_mut()).await;
                    drained.unwrap_or(Ok(()))
                };
                tokio::select! {
                    ended = lasts => if let Err(error) = ended {
                        tracing::debug!(peer = %ends.peer, %error, "a connection ended early");
                    },
                    () = given_up.cancelled() => {
                        tracing::warn!(peer = %ends.peer, "a connection was closed, for it did not read its answers");
                    }
                }
            }
            drop((place, guard, trial));
        });
    }
    drop(listener);
    draining.cancel();
    open.close();
    let _ = timeout(limits.drain_time, open.wait()).await;
}

/// Waits for the bytes that tell HTTP/1.1 from HTTP/2, which hyper would wait
/// for without end. The stream has them still; and whether it is HTTP/2.
async fn begin(
    mut stream: TcpStream,
    time: Duration,
) -> io::Result<(impl AsyncRead + AsyncWrite + Unpin, bool)> {
    let mut head = Vec::with_capacity(PREFACE.len());
    while head.len() < PREFACE.len() && PREFACE.starts_with(&head) {
        let missing = PREFACE.len() - head.len();
        if (&mut stream)
            .take(missing as u64)
            .read_buf(&mut head)
            .await?
            == 0
        {
            break;
        }
    }
    let http2 = head == PREFACE;
    let (read, write) = stream.into_split();
    let write = Impatient {
        write,
        time,
        stalled: None,
    };
    let stream = tokio::io::join(io::Cursor::new(head).chain(read), write);
    Ok((stream, http2))
}

/// Gives up a peer that takes nothing of what waits for it.
struct Impatient {
    write: OwnedWriteHalf,
    time: Duration,
    /// Runs while something waits.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Impatient {
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        tried: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if tried.is_ready() {
            self.stalled = None;
            return tried;
        }
        let time = self.time;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + time)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.write).poll_write(context, bytes);
        self.watch(context, tried)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.write).poll_write_vectored(context, pieces);
        self.watch(context, tried)
    }

    fn is_write_vectored(&self) -> bool {
        self.write.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tried = Pin::new(&mut self.write).poll_flush(context);
        self.watch(context, tried)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tried = Pin::new(&mut self.write).poll_shutdown(context);
        self.watch(context, tried)
    }
}

type Accepted = (TcpStream, Connection, tokio::sync::OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<Accepted> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            let local = stream.local_addr().ok()?;
            Some((stream, Connection { peer, local }, place))
        }
        Err(error) => {
            tracing::warn!(%error, "failed to take a connection");
            let mut pause = tokio::time::interval(ACCEPT_PAUSE);
            pause.tick().await;
            pause.tick().await;
            None
        }
    }
}

fn server(limits: &ListenLimits) -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(limits.idle_time / 2)
        .keep_alive_timeout(limits.idle_time / 2);
    server
}

#[cfg(test)]
mod tests;
