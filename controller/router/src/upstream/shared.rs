//! Connections of HTTP/2, each of which carries many requests at once.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::dial::{DIAL_TIME, DialError, dial};
use super::{CONNECTION_WINDOW_BYTES, MAX_HEAD_BYTES, STREAM_WINDOW_BYTES};
use crate::relay::Relay;
use crate::resolve::Place;

/// A connection without a request is kept for so long. A server of HTTP/2 says
/// when it closes one, but has only so much time for what is asked before we
/// hear that: node hosts and sandboxd close it after 60 s.
const IDLE_TIME: Duration = Duration::from_secs(45);
/// Connections to one place. The next one is opened when the server takes no
/// more requests on those that are there: 100 or more each.
const MAX_PER_PLACE: usize = 8;
/// How often a server is asked whether it is still there, while requests run,
/// and how long it may take to answer.
const PING: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Connection {
    sender: http2::SendRequest<Relay>,
    /// Requests that the server takes at once.
    most: Arc<AtomicUsize>,
    used: Mutex<Instant>,
}

/// A request's share of a connection: it counts as one for as long as it lives.
#[derive(Clone, Debug)]
pub struct Lease(Arc<Connection>);

impl Lease {
    pub(super) fn sender(&self) -> http2::SendRequest<Relay> {
        self.0.sender.clone()
    }

    fn is_open(&self) -> bool {
        !self.0.sender.is_closed()
    }

    /// Whether the server takes one more. The list has a lease of its own.
    fn has_room(&self) -> bool {
        Arc::strong_count(&self.0) <= self.0.most.load(Ordering::Relaxed)
    }

    fn is_needed(&self, now: Instant) -> bool {
        let mut used = self.0.used.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::strong_count(&self.0) > 1 {
            *used = now;
        }
        self.is_open() && now.duration_since(*used) < IDLE_TIME
    }
}

/// Connections to one place. Whoever dials holds the lock, so that a thousand
/// calls at once to one sandbox make one connection.
type Lines = Arc<tokio::sync::Mutex<Vec<Lease>>>;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Shared {
    places: Mutex<HashMap<Place, Lines>>,
}

impl Shared {
    /// A share of a connection to the place, and whether it was there before.
    pub(super) async fn lease(
        &self,
        place: &Place,
        loopback: bool,
    ) -> Result<(Lease, bool), DialError> {
        let lines = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(places.entry(place.clone()).or_default())
        };
        // Who waits for another's dialling has waited as if dialling.
        let lines = timeout(DIAL_TIME, lines.lock_owned()).await;
        let mut lines = lines.map_err(|_| DialError::Silent)?;
        lines.retain(Lease::is_open);
        let full = lines.len() >= MAX_PER_PLACE;
        let roomy = lines.iter().find(|line| line.has_room());
        if let Some(line) = roomy.or_else(|| lines.first().filter(|_| full)) {
            return Ok((line.clone(), true));
        }
        let line = open(place, loopback).await?;
        lines.push(line.clone());
        Ok((line, false))
    }

    /// Ends what is not used, and forgets places to which there is nothing.
    pub(super) fn sweep(&self, now: Instant) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|_, lines| {
            let shared = Arc::strong_count(lines) > 1;
            let Ok(mut lines) = lines.try_lock() else {
                return true;
            };
            lines.retain(|line| line.is_needed(now));
            shared || !lines.is_empty()
        });
    }
}

async fn open(place: &Place, loopback: bool) -> Result<Lease, DialError> {
    let stream = dial(place, loopback).await?;
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(STREAM_WINDOW_BYTES as usize)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .handshake(TokioIo::new(stream))
        .await?;
    let most = Arc::new(AtomicUsize::new(connection.current_max_send_streams()));
    tokio::spawn(drive(connection, Arc::clone(&most)));
    Ok(Lease(Arc::new(Connection {
        sender,
        most,
        used: Mutex::new(Instant::now()),
    })))
}

/// Runs a connection to its end, of which whoever waits for a response hears
/// too; and says how many requests its server takes, which it may change.
async fn drive(
    connection: http2::Connection<TokioIo<TcpStream>, Relay, TokioExecutor>,
    most: Arc<AtomicUsize>,
) {
    let mut connection = pin!(connection);
    std::future::poll_fn(|context| {
        let ended = connection.as_mut().poll(context);
        most.store(connection.current_max_send_streams(), Ordering::Relaxed);
        ended
    })
    .await
    .unwrap_or_else(|error| tracing::debug!(%error, "a connection to a sandbox ended early"));
}
