//! Events: the story that `kubectl describe` tells.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Client, Resource};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Events that wait to be sent, at most. Beyond it the newest are dropped: no
/// reconcile waits for a story to be told.
const WAITING_EVENTS: usize = 4096;
/// What nobody waits for is written so much later. In a rush the API server is
/// what everybody waits for, and what makes objects ready comes first.
pub const LATER: Duration = Duration::from_secs(2);
/// What the API server takes as the note of an event, in bytes.
const NOTE_BYTES: usize = 1024;

/// Takes events and sends them in the background, in order.
#[derive(Clone, Debug)]
pub struct Events {
    queue: mpsc::Sender<Waiting>,
    /// From then on nothing is written later.
    hurry: CancellationToken,
}

enum Waiting {
    Event {
        due: Instant,
        event: Box<Event>,
        about: Box<ObjectReference>,
    },
    /// Whoever waits for all that came before.
    Flush(oneshot::Sender<()>),
}

impl Events {
    /// Starts to send what it is given until its last copy is gone.
    pub fn new(client: Client, controller: &str) -> Self {
        let (queue, mut waiting) = mpsc::channel::<Waiting>(WAITING_EVENTS);
        let recorder = Recorder::new(client, controller.into());
        let hurry = CancellationToken::new();
        let hurried = hurry.clone();
        tokio::spawn(async move {
            while let Some(next) = waiting.recv().await {
                let (due, event, about) = match next {
                    Waiting::Event { due, event, about } => (due, event, about),
                    Waiting::Flush(done) => {
                        // Whoever waited may have given up.
                        let _ = done.send(());
                        continue;
                    }
                };
                hurried.run_until_cancelled(sleep_until(due)).await;
                if let Err(error) = recorder.publish(&event, &about).await {
                    tracing::debug!(%error, reason = event.reason, "an event could not be written");
                }
            }
        });
        Self { queue, hurry }
    }

    /// Returns when all that was told is written: the last thing that a process
    /// does. From now on nothing is written later.
    pub async fn flush(&self) {
        self.hurry.cancel();
        let (done, told) = oneshot::channel();
        if self.queue.send(Waiting::Flush(done)).await.is_ok() {
            // It ends with the one that writes, at the latest.
            let _ = told.await;
        }
    }

    /// Tells that something went as it should.
    pub fn normal<K: Resource<DynamicType = ()>>(
        &self,
        about: &K,
        reason: &str,
        action: &str,
        note: impl Into<String>,
    ) {
        self.tell(about, EventType::Normal, reason, action, note.into());
    }

    /// Tells that someone should look.
    pub fn warning<K: Resource<DynamicType = ()>>(
        &self,
        about: &K,
        reason: &str,
        action: &str,
        note: impl Into<String>,
    ) {
        self.tell(about, EventType::Warning, reason, action, note.into());
    }

    fn tell<K: Resource<DynamicType = ()>>(
        &self,
        about: &K,
        type_: EventType,
        reason: &str,
        action: &str,
        note: String,
    ) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            action: action.to_owned(),
            note: Some(shorten(note)),
            secondary: None,
        };
        let waiting = Waiting::Event {
            due: Instant::now() + LATER,
            event: Box::new(event),
            about: Box::new(about.object_ref(&())),
        };
        if self.queue.try_send(waiting).is_err() {
            tracing::debug!(reason, "an event was dropped: too many wait to be written");
        }
    }
}

fn shorten(mut note: String) -> String {
    if note.len() > NOTE_BYTES {
        note.truncate(note.floor_char_boundary(NOTE_BYTES - '…'.len_utf8()));
        note.push('…');
    }
    note
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_is_cut_between_characters() {
        assert_eq!(shorten("short".to_owned()), "short");
        let cut = shorten("é".repeat(NOTE_BYTES));
        assert!(cut.len() <= NOTE_BYTES && cut.ends_with('…'));
    }
}
