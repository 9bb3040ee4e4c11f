//! The connection to one node host: requests on it, and what it tells.

mod batch;
#[cfg(test)]
mod far;
mod stranger;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mote_rpc::MAX_SESSIONS;
use mote_rpc::v1::ensure_result::Result as Answer;
use mote_rpc::v1::node_service_client::NodeServiceClient;
use mote_rpc::v1::watch_event::Event;
use mote_rpc::v1::{
    DeleteRequest, EnsureRequest, NodeInfo, PoliceRequest, Refusal, Session, SessionSpec,
    WatchRequest,
};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Status};

use super::fleet::{Fleet, Key, cut, short};
use super::identity::Identity;
use super::police::Policies;
use super::version::{self, Kinship};
use stranger::Stranger;

#[cfg(test)]
pub(super) use far::Far;

/// The port of node hosts.
pub(super) const PORT: u16 = 7443;
/// How long a connection may take: a host on the same network answers in
/// milliseconds, or is not there.
const CONNECT: Duration = Duration::from_secs(3);
/// How long a request may take. A session is made in milliseconds; this is for
/// a disk that is busy.
const REQUEST: Duration = Duration::from_secs(10);
/// Most bytes of one message of a node host. The longest tells of the node: of
/// 32,768 namespaces with 63 letters each, and of 1,024 images with 512. An
/// answer about 256 sessions has half a mebibyte.
const MAX_MESSAGE_BYTES: usize = 3 << 20;
/// Why a node host is not listened to that sends a longer one.
const TOO_LONG: &str = "its node host sends a message that is too long; look whether somebody has \
                        taken the node over, and restart its node host";
/// How often a quiet connection is asked whether it lives, and how long the
/// answer may take: a host that is gone without a word is noticed in their sum.
const ALIVE_EVERY: Duration = Duration::from_secs(3);
const ALIVE_WITHIN: Duration = Duration::from_secs(3);
/// The first and the longest wait before a host is called again.
const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(5);
/// Sessions of one node that are asked for at once: half of the workers there
/// are unless flags say otherwise. A host that hangs keeps no more of them from
/// the sandboxes of other nodes.
pub(super) const ASKS: usize = 50;
/// How long one more waits for its turn since the host has done something. It
/// answers in milliseconds: whoever asks later of one that does not is tried
/// again, and keeps no worker waiting.
const TURN: Duration = Duration::from_secs(1);

/// Where a node host is called, and with what.
pub(super) struct Way {
    /// Who is calling.
    pub(super) identity: Arc<Identity>,
    /// What it is told first.
    pub(super) policies: watch::Receiver<Policies>,
    /// Its node.
    pub(super) node: String,
    /// Its address.
    pub(super) address: String,
}

/// The way to one node host.
#[derive(Clone, Debug)]
pub struct Link {
    asks: mpsc::Sender<Ask>,
    turns: Arc<Semaphore>,
    /// When the host last answered, or was first asked since.
    moved: Arc<Mutex<Instant>>,
}

#[derive(Debug)]
enum Ask {
    Ensure(Box<SessionSpec>, Ensured),
    Delete(String, Deleted),
}

/// Who waits for a session to be made, and for one to be taken away.
type Ensured = oneshot::Sender<Result<Session, LinkError>>;
type Deleted = oneshot::Sender<Result<(), LinkError>>;

/// A node host did not do what it was asked to.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LinkError {
    /// It declines.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// It is not asked yet: it has not done what others ask.
    #[error("its node host is slow to do what other sandboxes ask; this one's turn comes")]
    Busy,
    /// It did not answer.
    #[error("its node host does not answer: {0}")]
    Unheard(String),
}

impl Link {
    /// A way that leads nowhere.
    #[cfg(test)]
    pub(super) fn idle() -> Self {
        Self::new().0
    }

    /// A way, and its other end.
    fn new() -> (Self, mpsc::Receiver<Ask>) {
        let (asks, asked) = mpsc::channel(ASKS);
        let turns = Arc::new(Semaphore::new(ASKS));
        let moved = Arc::new(Mutex::new(Instant::now()));
        let link = Self { asks, turns, moved };
        (link, asked)
    }

    /// Makes a session what it is to be.
    ///
    /// # Errors
    /// The node host declines, does not answer, or is behind.
    pub async fn ensure(&self, spec: SessionSpec) -> Result<Session, LinkError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Ask::Ensure(Box::new(spec), answer), answered)
            .await
    }

    /// Takes a session away.
    ///
    /// # Errors
    /// The node host declines, does not answer, or is behind.
    pub async fn delete(&self, uid: &str) -> Result<(), LinkError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Ask::Delete(uid.to_owned(), answer), answered)
            .await
    }

    async fn ask<T>(
        &self,
        ask: Ask,
        answered: oneshot::Receiver<Result<T, LinkError>>,
    ) -> Result<T, LinkError> {
        let _turn = self.turn().await?;
        let closed = || LinkError::Unheard("the connection ended".to_owned());
        self.asks.send(ask).await.map_err(|_| closed())?;
        let answer = answered.await;
        *self.moved() = Instant::now();
        answer.unwrap_or_else(|_| Err(closed()))
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, LinkError> {
        if self.turns.available_permits() == ASKS {
            *self.moved() = Instant::now();
        }
        let wait = TURN.saturating_sub(self.moved().elapsed());
        let turn = timeout(wait, self.turns.acquire()).await;
        // The semaphore is never closed.
        turn.ok().and_then(Result::ok).ok_or(LinkError::Busy)
    }

    fn moved(&self) -> MutexGuard<'_, Instant> {
        // Each critical section is one assignment.
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows the host of a node until `stop`: connects, hears, and connects
/// again. Sandboxes that something was told of go to `tell`.
pub(super) async fn follow(
    fleet: Arc<Fleet>,
    way: Way,
    tell: impl Fn(Vec<Key>),
    stop: CancellationToken,
) {
    let Way { node, address, .. } = &way;
    let mut wait = FIRST_RETRY;
    loop {
        let hearing = hear(&fleet, &way, &tell);
        let ended = tokio::select! {
            ended = hearing => ended,
            () = stop.cancelled() => break,
        };
        let keys = fleet.lost(node);
        if !keys.is_empty() && !fleet.is_refused(node) {
            // It was heard: this is a new failure.
            wait = FIRST_RETRY;
        }
        tell(keys);
        tracing::warn!(node, address, error = %ended, "a node host is not heard");
        if timeout(wait, stop.cancelled()).await.is_ok() {
            break;
        }
        wait = (wait * 2).min(LAST_RETRY);
    }
    tell(fleet.lost(node));
}

/// Hears one connection to its end; why it ended.
async fn hear(fleet: &Arc<Fleet>, way: &Way, tell: &impl Fn(Vec<Key>)) -> String {
    let Way {
        identity,
        policies,
        node,
        address,
    } = way;
    let channel = match connect(identity, address).await {
        Ok(channel) => channel,
        Err(error) => return unmet(fleet, node, tell, &error),
    };
    let client = NodeServiceClient::new(channel);
    let mut client = client.max_decoding_message_size(MAX_MESSAGE_BYTES);
    let mut events = match client.watch(WatchRequest {}).await {
        Ok(events) => events.into_inner(),
        // With TLS 1.3 we hear here that we were refused.
        Err(status) => return unmet(fleet, node, tell, &status),
    };
    let (link, asked) = Link::new();
    let hearing = async {
        loop {
            let event = match events.message().await {
                Ok(Some(event)) => event.event,
                Ok(None) => return "it ended the connection".to_owned(),
                Err(status) => {
                    let why = told(&status);
                    if status.code() == Code::OutOfRange {
                        tell(fleet.overrun(node, &format!("{TOO_LONG}: {why}")));
                    }
                    return why;
                }
            };
            match event {
                Some(Event::Node(info)) => {
                    let (keys, met) = meet(fleet, node, info);
                    tell(keys);
                    if let Err(why) = met {
                        return why;
                    }
                }
                Some(Event::Session(session)) => match fleet.told(node, session) {
                    Ok(key) => tell(key.into_iter().collect()),
                    Err(why) => {
                        tell(fleet.overrun(node, &why));
                        return why;
                    }
                },
                Some(Event::Deleted(uid)) => tell(fleet.gone(node, &uid).into_iter().collect()),
                Some(Event::Listed(_)) => {
                    tracing::info!(node, address, "a node host is heard");
                    tell(fleet.listed(node, link.clone()));
                }
                // Of a later version: what it says there is not for us.
                None => {}
            }
        }
    };
    tokio::select! {
        ended = hearing => ended,
        ended = serve(fleet, node, client.clone(), asked, policies.clone()) => ended,
    }
}

/// Notes what a node host tells of itself, if it is one to listen to: else why
/// not. Its sandboxes are looked at again.
fn meet(fleet: &Fleet, node: &str, info: NodeInfo) -> (Vec<Key>, Result<(), String>) {
    if info.name != node {
        let mut why = format!("it calls itself {:?}", info.name);
        cut(&mut why);
        return (Vec::new(), Err(why));
    }
    let kinship = match version::compare(version::OWN, &info.version) {
        Ok(kinship) => kinship,
        Err(why) => return (fleet.refuse(node, &why, Some(Kinship::Other)), Err(why)),
    };
    if let Err(mut why) = fleet.keep_apart(node, &info) {
        cut(&mut why);
        return (fleet.refuse(node, &why, Some(kinship)), Err(why));
    }
    if kinship == Kinship::Other && fleet.link(node).is_none() {
        let (theirs, ours) = (&info.version, version::OWN);
        tracing::warn!(node, theirs, ours, "a node host is of another version");
    }
    (fleet.begin(node, info, kinship), Ok(()))
}

/// Tells the node host who may call its sessions.
async fn police(
    node: &str,
    client: &mut NodeServiceClient<Channel>,
    policies: &mut watch::Receiver<Policies>,
) -> Result<(), String> {
    let Some(policies) = policies.borrow_and_update().clone() else {
        return Ok(());
    };
    let request = PoliceRequest {
        policies: policies.to_vec(),
    };
    let done = client.police(timed(request)).await;
    policed(node, done.map(drop))
}

/// Whether a node host that was told of policies is heard further. What it
/// refuses comes of what people wrote in their templates: that must not take
/// the node from all others. It keeps what it has, and lets in nobody by a
/// policy that it does not know.
fn policed(node: &str, done: Result<(), Status>) -> Result<(), String> {
    let Err(status) = done else {
        return Ok(());
    };
    let why = told(&status);
    if status.code() == Code::InvalidArgument {
        tracing::error!(
            node,
            why,
            "a node host refuses the network policies and keeps those that it has"
        );
        return Ok(());
    }
    Err(format!("it does not take network policies: {why}"))
}

/// Sends what is asked, together what was asked meanwhile. Policies go first:
/// what is made by one finds it there.
async fn serve(
    fleet: &Fleet,
    node: &str,
    mut client: NodeServiceClient<Channel>,
    mut asked: mpsc::Receiver<Ask>,
    mut policies: watch::Receiver<Policies>,
) -> String {
    let mut batch = Vec::with_capacity(MAX_SESSIONS);
    policies.mark_changed();
    loop {
        tokio::select! {
            biased;
            Ok(()) = policies.changed() => {
                if let Err(error) = police(node, &mut client, &mut policies).await {
                    return error;
                }
                continue;
            }
            count = asked.recv_many(&mut batch, MAX_SESSIONS) => if count == 0 {
                return "nobody asks any more".to_owned();
            },
        }
        let (mut ensures, mut deletes) = (Vec::new(), Vec::new());
        for ask in batch.drain(..) {
            match ask {
                Ask::Ensure(spec, answer) => ensures.push((*spec, answer)),
                Ask::Delete(uid, answer) => deletes.push((uid, answer)),
            }
        }
        if !deletes.is_empty() {
            delete(fleet, node, &mut client, deletes).await;
        }
        let split = batch::split(ensures);
        for (refusal, answer) in split.refused {
            // Nobody may wait any more.
            let _ = answer.send(Err(LinkError::Refused(refusal)));
        }
        for request in split.requests {
            ensure(fleet, node, &mut client, request).await;
        }
    }
}

async fn delete(
    fleet: &Fleet,
    node: &str,
    client: &mut NodeServiceClient<Channel>,
    asks: Vec<(String, Deleted)>,
) {
    let uids = asks.iter().map(|(uid, _)| uid.clone()).collect();
    let done = client.delete(timed(DeleteRequest { uids })).await;
    let done = done.map(|answer| answer.into_inner().refusals);
    for (uid, answer) in asks {
        // Nobody may wait any more.
        let _ = answer.send(deletion(fleet, node, &uid, &done));
    }
}

async fn ensure(
    fleet: &Fleet,
    node: &str,
    client: &mut NodeServiceClient<Channel>,
    asks: Vec<(SessionSpec, Ensured)>,
) {
    let (waiting, sessions): (Vec<_>, Vec<_>) = asks
        .into_iter()
        .map(|(spec, answer)| ((spec.uid.clone(), answer), spec))
        .unzip();
    let done = client.ensure(timed(EnsureRequest { sessions })).await;
    let mut results = done.map(|answer| answer.into_inner().results.into_iter());
    for (uid, answer) in waiting {
        let result = match &mut results {
            Ok(results) => ensuring(fleet, node, &uid, results.next().and_then(|it| it.result)),
            Err(status) => Err(LinkError::Unheard(told(status))),
        };
        let _ = answer.send(result);
    }
}

fn timed<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(REQUEST);
    request
}

fn deletion(
    fleet: &Fleet,
    node: &str,
    uid: &str,
    done: &Result<Vec<Refusal>, Status>,
) -> Result<(), LinkError> {
    match done {
        Err(status) => Err(LinkError::Unheard(told(status))),
        Ok(refusals) => match refusals.iter().find(|refusal| refusal.uid == uid) {
            Some(refusal) => Err(LinkError::Refused(short(refusal.clone()))),
            None => {
                fleet.gone(node, uid);
                Ok(())
            }
        },
    }
}

fn ensuring(
    fleet: &Fleet,
    node: &str,
    uid: &str,
    answer: Option<Answer>,
) -> Result<Session, LinkError> {
    match answer {
        // Its addresses would become those of the Sandbox that was asked for.
        Some(Answer::Session(session)) if session.uid != uid => {
            let mut other = session.uid;
            cut(&mut other);
            let why = format!("it told of session {other:?} instead of {uid}");
            Err(LinkError::Unheard(why))
        }
        Some(Answer::Session(session)) => fleet.made(node, session).map_err(LinkError::Unheard),
        Some(Answer::Refusal(refusal)) => Err(LinkError::Refused(short(refusal))),
        None => Err(LinkError::Unheard("it left out an answer".to_owned())),
    }
}

/// Why a node host could not be asked anything. Where that is because one side
/// does not take the other for who it is, its sandboxes are to say so; where it
/// is for anything else, they say no longer what was wrong before.
fn unmet(
    fleet: &Fleet,
    node: &str,
    tell: &impl Fn(Vec<Key>),
    error: &(dyn std::error::Error + 'static),
) -> String {
    let Some(stranger) = Stranger::of(error) else {
        tell(fleet.pardon(node));
        return chain(error);
    };
    let why = stranger.to_string();
    tell(fleet.refuse(node, &why, None));
    why
}

async fn connect(identity: &Identity, address: &str) -> Result<Channel, tonic::transport::Error> {
    let host = if address.contains(':') {
        format!("[{address}]")
    } else {
        address.to_owned()
    };
    call(format!("https://{host}:{PORT}"), identity.of_controller()).await
}

async fn call(url: String, tls: ClientTlsConfig) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(url)?
        .tls_config(tls)?
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(ALIVE_EVERY)
        .keep_alive_timeout(ALIVE_WITHIN)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true);
    endpoint.connect().await
}

fn told(status: &Status) -> String {
    let mut told = format!("{:?}: {}", status.code(), status.message());
    cut(&mut told);
    told
}

/// An error and what it came from: the last word is often the only telling one.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
