//! Server-sent events: what happens to sandboxes, from now on.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream;
use mote_api::{SandboxEvent, SandboxEventKind, SandboxId};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::{Answer, find};
use crate::node::Node;

/// How often a comment is sent where nothing happens, so that a dead
/// connection is found out: below the idle times of usual proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

type Stream_ = Sse<axum::response::sse::KeepAliveStream<Told>>;
type Told = std::pin::Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>>;

/// Of all sandboxes.
pub(super) async fn of_all(State(node): State<Node>) -> Stream_ {
    told(&node, node.0.shared.feed.listen(), None)
}

/// Of one; they end when it does.
pub(super) async fn of_one(State(node): State<Node>, Path(id): Path<String>) -> Answer<Stream_> {
    let feed = node.0.shared.feed.listen();
    let sandbox = find(&node, &id)?;
    Ok(told(&node, feed, Some(sandbox.id.clone())))
}

struct Listener {
    feed: broadcast::Receiver<SandboxEvent>,
    stopping: CancellationToken,
    only: Option<SandboxId>,
    over: bool,
}

impl Listener {
    async fn next(&mut self) -> Option<Event> {
        while !self.over {
            let told = tokio::select! {
                told = self.feed.recv() => told,
                () = self.stopping.cancelled() => return None,
            };
            match told {
                Ok(event) if self.only.as_ref().is_none_or(|id| *id == event.id) => {
                    self.over = self.only.is_some() && event.kind == SandboxEventKind::Deleted;
                    return shown(&event);
                }
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => {
                    return Some(Event::default().event("missed").data(missed.to_string()));
                }
                Err(RecvError::Closed) => return None,
            }
        }
        None
    }
}

fn shown(event: &SandboxEvent) -> Option<Event> {
    Event::default()
        .id(event.sequence.to_string())
        .json_data(event)
        .ok()
}

fn told(node: &Node, feed: broadcast::Receiver<SandboxEvent>, only: Option<SandboxId>) -> Stream_ {
    let listener = Listener {
        feed,
        stopping: node.0.shared.stopping.clone(),
        only,
        over: false,
    };
    let events = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    });
    let events: Told = Box::pin(events);
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}
