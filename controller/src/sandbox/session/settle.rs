//! A session is made what it is to be, where it is or elsewhere.

use std::time::Duration;

use mote_rpc::v1::refusal::Reason;
use mote_rpc::v1::{Phase, Session, SessionSpec};

use super::equip::room;
use super::home::{Whereabouts, at_its_end, ended, may_have_files, unheard};
use super::leave::FILES_LOST;
use super::{RECHECK, Tier, is_settled, observed, policy, spec, unschedulable, waiting};
use crate::condition::{self, FINISHED};
use crate::sandbox::ACTION;
use crate::sandbox::apply::Hands;
use crate::sandbox::backing::Observed;
use crate::sandbox::refusal::Trouble;
use crate::wasm::{Key, LinkError, Reserved, Wanted, Wasm};

/// Events: a session without files is made anew on another node.
const MOVED: &str = "SessionMoved";
/// Events: what a session ran has failed, or its time is over.
const FAILED: &str = "SessionFailed";
/// When a node host that is behind is asked again, where a session serves there
/// as it was.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What a session was found to be, and what was done for it.
pub(super) struct Settled {
    pub(super) observed: Observed,
    pub(super) trouble: Option<Trouble>,
    /// When to look again, though nothing may have changed.
    pub(super) again: Option<Duration>,
    /// Whether it is certain, or decided, that no node has it.
    pub(super) nowhere: bool,
}

impl Settled {
    pub(super) fn as_is(observed: Observed) -> Self {
        Self {
            observed,
            trouble: None,
            again: None,
            nowhere: false,
        }
    }

    pub(super) fn with(observed: Observed, trouble: impl Into<Trouble>) -> Self {
        Self {
            trouble: Some(trouble.into()),
            ..Self::as_is(observed)
        }
    }

    /// The same, looked at again at this time at the latest.
    pub(super) fn again(self, again: Option<Duration>) -> Self {
        let again = self.again.into_iter().chain(again).min();
        Self { again, ..self }
    }
}

impl Hands<'_> {
    /// Makes the session what it is to be.
    pub(super) async fn settle_session(
        &self,
        wasm: &Wasm,
        tier: &Tier,
        wanted: &Wanted,
    ) -> Settled {
        let subject = self.subject;
        let spec = spec(subject, wanted, policy(subject.sandbox, &wasm.police));
        let whereabouts = match tier {
            Tier::Kept(..) => self.stay(wasm),
            _ => Some(self.whereabouts(wasm)),
        };
        let Some(whereabouts) = whereabouts else {
            // It left meanwhile: what its template says counts now.
            return Settled::as_is(Observed::Unknown).again(Some(Duration::ZERO));
        };
        match whereabouts {
            Whereabouts::Here(found, again) => {
                let settled = found.session.as_ref().filter(|it| is_settled(it, &spec));
                let settled = match settled {
                    Some(session) => {
                        self.tell_failure(session);
                        let now = observed(&found.node, session);
                        match self.mark(tier).await {
                            Ok(()) => Settled::as_is(now),
                            Err(error) => Settled::with(now, error),
                        }
                    }
                    None => match self.make(wasm, tier, &found.node, (spec, wanted)).await {
                        Ok(session) => Settled::as_is(observed(&found.node, &session)),
                        Err(settled) => settled,
                    },
                };
                settled.again(again)
            }
            Whereabouts::Unheard(found, why, again) => {
                // Who is told of a node that goes for good are the sandboxes of
                // the sessions that it told of.
                let untold = found.session.is_none().then_some(RECHECK);
                let unheard = Settled::as_is(unheard(subject, &found, why));
                unheard.again(again).again(untold)
            }
            Whereabouts::Leaving(found, why) => {
                match self.vacate(wasm, &spec, wanted, &found, &why).await {
                    Ok(place) => {
                        let lost = may_have_files(&found);
                        self.begin(wasm, tier, (spec, wanted), &place, Some((&why, lost)))
                            .await
                    }
                    Err(settled) => settled,
                }
            }
            Whereabouts::Nowhere(before) => {
                let why = before.map(|node| format!("node {node} is gone, or has lost it"));
                if let Some(phase) = ended(subject, None).filter(|_| why.is_some()) {
                    return Settled::as_is(at_its_end(phase));
                }
                // A sandbox that is to stand still needs no node for it.
                if subject.is_suspended() {
                    if let Some(why) = why {
                        self.tell_lost(&why);
                    }
                    return Settled::as_is(Observed::Absent);
                }
                let before = why.as_deref().map(|why| (why, true));
                match wasm.fleet.place(wanted, &self.key(), subject.uid) {
                    Ok(place) => self.begin(wasm, tier, (spec, wanted), &place, before).await,
                    Err(full) => self.nowhere(before, Settled::as_is(unschedulable(full))),
                }
            }
        }
    }

    pub(super) fn key(&self) -> Key {
        let subject = self.subject;
        (subject.namespace.to_owned(), subject.name.to_owned())
    }

    /// Notes that the sandbox waits for no node.
    pub(in crate::sandbox) fn needs_no_node(&self) {
        if let Some(wasm) = &self.context.wasm {
            wasm.fleet.waits_no_more(&self.key());
        }
    }

    /// Tells people why a session has failed, before the status says that it
    /// has: in the words of pods, it does not say why.
    fn tell_failure(&self, session: &Session) {
        let Self { context, subject } = self;
        let status = subject.sandbox.status.as_ref();
        let known = status.is_some_and(|it| condition::is_true(&it.conditions, FINISHED));
        if session.phase() == Phase::Failed && !known {
            let events = &context.events;
            events.warning(subject.sandbox, FAILED, ACTION, session.message.clone());
        }
    }

    /// Begins the session on a node; people are told why, where it was on
    /// another before, and whether it had files there.
    async fn begin(
        &self,
        wasm: &Wasm,
        tier: &Tier,
        asked: (SessionSpec, &Wanted),
        place: &Reserved<'_>,
        before: Option<(&str, bool)>,
    ) -> Settled {
        let node = place.node();
        let session = match self.make(wasm, tier, node, asked).await {
            Ok(session) => session,
            Err(settled) => return self.nowhere(before, settled),
        };
        let (events, sandbox) = (&self.context.events, self.subject.sandbox);
        match before {
            Some((why, true)) => {
                let note =
                    format!("{why}; the session is made anew on node {node}, without its files");
                events.warning(sandbox, FILES_LOST, ACTION, note);
            }
            Some((why, false)) => {
                let note =
                    format!("{why}; the session, which had no files, is made anew on node {node}");
                events.normal(sandbox, MOVED, ACTION, note);
            }
            None => {}
        }
        Settled::as_is(observed(node, &session))
    }

    /// No node has it, and none has taken it yet. Its status forgets the node
    /// it was on, so that people are told of that now.
    fn nowhere(&self, before: Option<(&str, bool)>, settled: Settled) -> Settled {
        let (events, sandbox) = (&self.context.events, self.subject.sandbox);
        match before {
            Some((why, true)) => self.tell_lost(why),
            Some((why, false)) => {
                let note =
                    format!("{why}; the session, which had no files, will be made anew elsewhere");
                events.normal(sandbox, MOVED, ACTION, note);
            }
            None => {}
        }
        Settled {
            // What a node has that was given up does not count.
            observed: match settled.observed {
                Observed::Here(backing) if backing.node.is_some() => Observed::Absent,
                // Nor does what may have begun on another: what leads to the
                // address of the one before must not wait for it.
                Observed::Resting(_) | Observed::Unknown => Observed::Absent,
                other => other,
            },
            nowhere: true,
            ..settled
        }
    }

    /// The node host is behind: what serves there serves on, and is asked for
    /// again in a moment.
    fn busy(&self, wasm: &Wasm, node: &str, error: LinkError) -> Settled {
        let trouble = || Trouble::Node(node.to_owned(), error);
        self.there(wasm).map_or_else(
            || Settled::with(Observed::Absent, trouble()),
            |there| Settled::as_is(there).again(Some(ASK_AGAIN)),
        )
    }

    /// Makes the session what it is to be, on this node.
    ///
    /// # Errors
    /// It is not so: how it is.
    async fn make(
        &self,
        wasm: &Wasm,
        tier: &Tier,
        node: &str,
        (spec, wanted): (SessionSpec, &Wanted),
    ) -> Result<Session, Settled> {
        let busy = |error| self.busy(wasm, node, error);
        let _room = room(wanted, node).await.map_err(busy)?;
        let equipped = self.equip(spec, wanted).await;
        let spec = equipped.map_err(|trouble| {
            Settled::with(self.there(wasm).unwrap_or(Observed::Absent), trouble)
        })?;
        let link = wasm.fleet.link(node).ok_or_else(not_connected);
        let ensuring = async { link?.ensure(spec).await };
        // Both at once: a session whose sandbox went meanwhile is swept away.
        let (marked, ensured) = tokio::join!(self.mark(tier), ensuring);
        marked.map_err(|error| Settled::with(Observed::Unknown, error))?;
        if ensured.is_ok() {
            self.needs_no_node();
        }
        let ensured = ensured.map_err(|error| match error {
            LinkError::Busy => busy(error),
            // Others were quicker, or the node counts otherwise than we do.
            LinkError::Refused(refusal) if refusal.reason() == Reason::NoRoom => {
                wasm.fleet.waits(self.key());
                let message = format!("node {node}: {}", refusal.message);
                Settled::as_is(unschedulable(message))
            }
            // The node says when it has it: then it is asked again.
            LinkError::Refused(refusal) if refusal.reason() == Reason::ImagePending => {
                wasm.fleet.waits(self.key());
                Settled::as_is(waiting())
            }
            error => Settled::with(
                self.as_it_was(wasm, &error),
                Trouble::Node(node.to_owned(), error),
            ),
        })?;
        // It may have come to its end before it was told as begun.
        self.tell_failure(&ensured);
        Ok(ensured)
    }

    /// What is there when a node declines a change: what was there before.
    pub(super) fn as_it_was(&self, wasm: &Wasm, error: &LinkError) -> Observed {
        let declined = match error {
            LinkError::Refused(refusal) => refusal.reason() != Reason::Failed,
            LinkError::Busy => true,
            LinkError::Unheard(_) => false,
        };
        self.there(wasm).unwrap_or(if declined {
            Observed::Absent
        } else {
            Observed::Unknown
        })
    }
}

pub(super) fn not_connected() -> LinkError {
    LinkError::Unheard("it is not connected".to_owned())
}
