//! What becomes of one request.
//!
//! ```text
//!  request ─ gate ─ target ─ place ─► route ─► connection ─► response
//!             401    400      503      │  ▲       │ 502        │ 502, 504
//!                                   wake  └───────┘            ▼
//!                                    503    again        relay or tunnel
//! ```

mod clock;
mod reach;
mod tunnel;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header, request};
use http_body::Body;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::authorize::Gate;
use crate::crowd::{Crowd, For, Most};
use crate::directory::Directory;
use crate::headers::{self, Kind};
use crate::metrics::{Flight, Metrics};
use crate::refusal::Refusal;
use crate::relay::{Held, Relay};
use crate::target::{ID, Target};
use crate::traffic::Begun;
use crate::upstream::{Answered, Sender, Unanswered, Upstreams};
use crate::wake::Wakes;
use clock::Clock;

/// The body of what we answer: what we say, or what a sandbox does.
pub type Answer = Either<Full<Bytes>, Relay>;

/// For how long a response may stand still: as long as the kubelet keeps such a
/// stream, which may be a log that nobody writes to for hours. What is dead is
/// noticed by its connection, within a minute or two.
const STREAM_IDLE: Duration = Duration::from_secs(4 * 60 * 60);

/// How requests are passed on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The end of every name in the cluster's DNS.
    pub cluster_domain: String,
    /// Time for which nothing of a request may move until it is answered.
    pub proxy_timeout: Duration,
    /// Time until a sandbox begins to answer.
    pub response_header_timeout: Duration,
    /// Time for which nothing of a response may come once it has begun.
    pub stream_idle_timeout: Duration,
    /// Connections that are tried again, and how long apart.
    pub retries: Retries,
    /// Requests at once.
    pub most: Most,
    /// Whether a sandbox may be at an address of this machine's own.
    pub loopback: bool,
}

/// How a connection is tried again: a sandbox that was just made may not
/// listen yet.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    /// How often.
    pub count: u32,
    /// How long after the first time; twice as long after the next.
    pub first: Duration,
    /// How long at most.
    pub longest: Duration,
}

impl Retries {
    fn waits(self) -> impl Iterator<Item = Duration> {
        let wait = move |time| self.first.saturating_mul(1_u32 << time).min(self.longest);
        // Later ones are as long as the longest, and a shift has an end.
        (0..self.count).map(move |time| wait(time.min(16)))
    }
}

impl Default for Settings {
    /// What the router has always had.
    fn default() -> Self {
        Self {
            cluster_domain: "cluster.local".to_owned(),
            proxy_timeout: Duration::from_secs(180),
            response_header_timeout: Duration::from_secs(30),
            stream_idle_timeout: STREAM_IDLE,
            retries: Retries {
                count: 3,
                first: Duration::from_millis(200),
                longest: Duration::from_millis(800),
            },
            most: Most {
                all: 4_096,
                one: 3_072,
            },
            loopback: false,
        }
    }
}

/// What is known of the cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Its sandboxes.
    pub directory: Directory,
    /// Wakes them.
    pub wakes: Wakes,
}

/// Passes requests on.
#[derive(Debug)]
pub struct Proxy {
    settings: Settings,
    cluster: Option<Cluster>,
    gate: Gate,
    upstreams: Arc<Upstreams>,
    crowd: Crowd,
    metrics: Metrics,
    tunnels: TaskTracker,
    /// Ends the tunnels.
    end: CancellationToken,
}

/// Who asks, and on which connection.
#[derive(Debug)]
pub struct Caller {
    /// Its address.
    pub peer: IpAddr,
    /// The request, as its connection knows it.
    pub begun: Begun,
}

impl Proxy {
    /// One that finds sandboxes in `cluster`, or in DNS where there is none.
    pub fn new(
        settings: Settings,
        cluster: Option<Cluster>,
        gate: Gate,
        metrics: Metrics,
    ) -> Arc<Self> {
        Arc::new(Self {
            upstreams: Upstreams::new(settings.loopback),
            crowd: Crowd::new(settings.most),
            settings,
            cluster,
            gate,
            metrics,
            tunnels: TaskTracker::new(),
            end: CancellationToken::new(),
        })
    }

    /// What is counted and measured.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Answers a request: with what its sandbox says, or with why not.
    pub async fn handle(&self, mut request: Request<Incoming>, caller: Caller) -> Response<Answer> {
        if is_health_check(&request) {
            return healthy().map(Either::Left);
        }
        let kind = Kind::of(&request);
        let mut flight = self.metrics.flight(request.method());
        let client = match kind {
            Kind::Upgrade(_) => Some(hyper::upgrade::on(&mut request)),
            Kind::Plain | Kind::Grpc => None,
        };
        match self.pass(request, &kind, caller.peer, &mut flight).await {
            Ok((answered, clock)) => match client.filter(|_| answered.switches()) {
                Some(client) => self.tunnel(answered, client, flight),
                None => relay(answered, &clock, flight, caller.begun),
            },
            Err(refusal) => refuse(&refusal, &kind, flight),
        }
    }

    async fn pass(
        &self,
        request: Request<Incoming>,
        kind: &Kind,
        peer: IpAddr,
        flight: &mut Flight,
    ) -> Result<(Answered, Clock), Refusal> {
        let asked = self.gate.admit(request.headers(), peer, &self.crowd);
        let guest = asked.await;
        let guest = guest.inspect_err(|_| self.metrics.decided(false))?;
        if request.method() == Method::CONNECT {
            return Err(Refusal::Unsupported("CONNECT"));
        }
        let grpc = *kind == Kind::Grpc;
        let target = Target::parse(request.headers(), grpc, self.settings.loopback)?;
        if let Some(namespace) = self.namespace(&target.namespace) {
            flight.is_for(namespace);
        }
        flight.admitted(self.crowd.enter(For::Namespace(flight.namespace()))?);
        let target = self.gate.permit(&guest, target).await;
        self.metrics.decided(target.is_ok());
        let target = target?;
        let clock = Clock::start(&self.settings, kind, request.headers(), target.patience);
        let (mut head, body) = request.into_parts();
        headers::outbound(&mut head, kind, peer);
        let sent = CancellationToken::new();
        let body = Relay::request(body, clock.bound().clone(), sent.clone());
        let request = Request::from_parts(head, body);
        let exchange = self.exchange(request, &sent, kind, &target, &clock, flight);
        let answered = tokio::select! {
            // First: its bound breaks off the request too, which is no fault of
            // the sandbox's.
            biased;
            refusal = clock.late(&target.id, &sent) => {
                flight.failed("timeout");
                return Err(refusal);
            }
            answered = exchange => answered?,
        };
        if answered.switches() && !matches!(kind, Kind::Upgrade(_)) {
            // Nobody had asked for it.
            flight.failed("broken");
            return Err(Refusal::Broken(target.id));
        }
        Ok((answered, clock))
    }

    /// Sends the request and waits for the head of the response; `sent` tells
    /// when all of the request has gone. Where the
    /// connection turns out to have ended before, it is sent once more, on a
    /// new one.
    async fn exchange(
        &self,
        mut request: Request<Relay>,
        sent: &CancellationToken,
        kind: &Kind,
        target: &Target,
        clock: &Clock,
        flight: &mut Flight,
    ) -> Result<Answered, Refusal> {
        let mut fresh = false;
        loop {
            let sender = self.reach(target, kind.protocol(), fresh, flight).await?;
            let again = sender.reused && !fresh;
            let (request_now, spare) = addressed(request, kind, &sender, again)
                .ok_or_else(|| Refusal::Unreachable(target.id.clone()))?;
            let failed = tokio::select! {
                answered = self.upstreams.send(sender, request_now) => match answered {
                    Ok(answered) => return Ok(answered),
                    Err(failed) => failed,
                },
                () = clock.head_is_late(sent) => {
                    flight.failed("timeout");
                    return Err(clock.silent_head(&target.id));
                }
            };
            request = to_send_again(failed, spare, again).map_err(|error| {
                tracing::info!(sandbox = target.id, namespace = target.namespace, %error, "a sandbox broke its connection");
                flight.failed("broken");
                Refusal::Broken(target.id.clone())
            })?;
            fresh = true;
        }
    }

    fn namespace(&self, name: &str) -> Option<Arc<str>> {
        self.cluster.as_ref()?.directory.namespace(name)
    }
}

/// The request as it goes to this place, and its head for a second time, where
/// it has no body and may come twice (RFC 9110, 9.2.2).
fn addressed(
    request: Request<Relay>,
    kind: &Kind,
    sender: &Sender,
    again: bool,
) -> Option<(Request<Relay>, Option<request::Parts>)> {
    let (mut head, body) = request.into_parts();
    let authority = HeaderValue::try_from(sender.place().to_string()).ok()?;
    headers::address(&mut head, kind.protocol(), &authority);
    let repeatable = again && head.method.is_idempotent() && body.is_end_stream();
    let spare = repeatable.then(|| head.clone());
    Some((Request::from_parts(head, body), spare))
}

fn to_send_again(
    failed: Unanswered,
    spare: Option<request::Parts>,
    again: bool,
) -> Result<Request<Relay>, hyper::Error> {
    match (failed.unsent, spare) {
        (Some(unsent), _) if again => Ok(unsent),
        (None, Some(head)) => Ok(Request::from_parts(head, Relay::empty())),
        (Some(_) | None, _) => Err(failed.error),
    }
}

/// The sandbox's response, which is ours from here on.
fn relay(answered: Answered, clock: &Clock, mut flight: Flight, begun: Begun) -> Response<Answer> {
    let Answered { response, lease } = answered;
    let (mut parts, body) = response.into_parts();
    headers::inbound(&mut parts);
    flight.answered(parts.status);
    begun.handed();
    clock.answered();
    let held = Held {
        flight,
        begun,
        lease,
    };
    let body = Relay::response(body, clock.bound().clone(), held);
    Response::from_parts(parts, Either::Right(body))
}

fn refuse(refusal: &Refusal, kind: &Kind, mut flight: Flight) -> Response<Answer> {
    flight.answered(refusal.status());
    tracing::debug!(%refusal, "a request was not passed on");
    refusal.response(*kind == Kind::Grpc).map(Either::Left)
}

/// The question of load balancers, which are for no sandbox.
fn is_health_check<B>(request: &Request<B>) -> bool {
    request.uri().path() == "/healthz"
        && request.method() == Method::GET
        && !request.headers().contains_key(ID)
}

fn healthy() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(r#"{"status":"ok"}"#));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let retries = Retries {
            count: 5,
            ..Settings::default().retries
        };
        let waits: Vec<_> = retries.waits().map(|it| it.as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 800, 800]);
    }
}
