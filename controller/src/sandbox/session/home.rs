//! Where a sandbox's session is, whether it stays there, and its way elsewhere.

use std::time::Duration;

use mote_rpc::v1::refusal::Reason;
use mote_rpc::v1::{Phase, Session, SessionSpec};

use super::equip::room;
use super::{FINALIZER, Tier, backing, is_settled, observed, policy, spec, unschedulable, waiting};
use crate::condition::{self, FINISHED};
use crate::sandbox::ACTION;
use crate::sandbox::apply::Hands;
use crate::sandbox::backing::{Backing, Observed};
use crate::sandbox::refusal::Trouble;
use crate::sandbox::report::{SUSPENDED, reason};
use crate::sandbox::validate::Subject;
use crate::wasm::{Fate, Found, Key, LinkError, Reserved, Wanted, Wasm};

/// Events: a session without files is made anew on another node.
const MOVED: &str = "SessionMoved";
/// Events: a session is made anew without the files it had.
const FILES_LOST: &str = "SessionFilesLost";
/// Events: a session should leave its node and does not.
const STAYS: &str = "SessionStays";

/// Events: what a session ran has failed, or its time is over.
const FAILED: &str = "SessionFailed";

/// What a session was found to be, and what was done for it.
pub(super) struct Settled {
    pub(super) observed: Observed,
    pub(super) trouble: Option<Trouble>,
    /// When to look again, though nothing may have changed.
    pub(super) again: Option<Duration>,
}

impl Settled {
    fn as_is(observed: Observed) -> Self {
        Self {
            observed,
            trouble: None,
            again: None,
        }
    }

    fn with(observed: Observed, trouble: impl Into<Trouble>) -> Self {
        Self {
            trouble: Some(trouble.into()),
            ..Self::as_is(observed)
        }
    }

    fn again(self, again: Option<Duration>) -> Self {
        Self { again, ..self }
    }
}

/// Where a session is, as far as can be told.
enum Whereabouts {
    /// There, and it stays. To be asked again after this time, if any.
    Here(Found, Option<Duration>),
    /// On a node that is not heard: nobody else may start it. Why, and when to
    /// ask again.
    Unheard(Found, String, Option<Duration>),
    /// On a node that it has to leave: why.
    Leaving(Found, String),
    /// Nowhere. Before, it was on this node.
    Nowhere(Option<String>),
}

/// The node on which the status says that it is.
fn said<'a>(subject: &Subject<'a>) -> Option<&'a str> {
    let Subject { sandbox, .. } = subject;
    let mut finalizers = sandbox.metadata.finalizers.iter().flatten();
    // A pod has been on a node too.
    let is_session = finalizers.any(|it| it == FINALIZER);
    let status = sandbox.status.as_ref().filter(|_| is_session)?;
    // One that is only on its way there has no address, and nothing is lost
    // with it.
    let was_there = !status.pod_ips.is_empty()
        || condition::is_true(&status.conditions, SUSPENDED)
        || condition::is_true(&status.conditions, FINISHED);
    status.node_name.as_deref().filter(|_| was_there)
}

/// Of what is not known, files are taken for granted.
fn may_have_files(found: &Found) -> bool {
    found
        .session
        .as_ref()
        .is_none_or(|session| session.has_files)
}

/// How what ran has ended, as far as is known: it is not to run again because
/// its node goes.
fn ended(subject: &Subject<'_>, session: Option<&Session>) -> Option<Phase> {
    if subject.is_suspended() {
        return None;
    }
    if let Some(session) = session {
        let phase = session.phase();
        return matches!(phase, Phase::Succeeded | Phase::Failed).then_some(phase);
    }
    let status = subject.sandbox.status.as_ref()?;
    let finished = condition::find(&status.conditions, FINISHED)?;
    Some(match finished.reason.as_str() {
        reason::POD_SUCCEEDED => Phase::Succeeded,
        _ => Phase::Failed,
    })
}

/// A session on a node that is not heard, as it was last seen.
fn unheard(subject: &Subject<'_>, found: &Found, why: String) -> Observed {
    let status = subject.sandbox.status.as_ref();
    let resting = match &found.session {
        Some(session) => session.phase() == Phase::Suspended,
        None => status.is_some_and(|it| condition::is_true(&it.conditions, SUSPENDED)),
    };
    if subject.is_suspended() && resting {
        return Observed::Resting(found.node.clone());
    }
    let ips = status.map(|status| status.pod_ips.clone());
    let told = found.session.as_deref().cloned();
    let session = told.unwrap_or_else(|| Session {
        addresses: ips.unwrap_or_default(),
        // What has ended has not begun again because nobody hears of it.
        phase: ended(subject, None).unwrap_or_default().into(),
        ..Session::default()
    });
    Observed::Here(Backing {
        note: Some(why),
        ..backing(&found.node, &session, false)
    })
}

impl Hands<'_> {
    fn whereabouts(&self, wasm: &Wasm) -> Whereabouts {
        let Self { context, subject } = self;
        let said = said(subject);
        let Some(found) = wasm.fleet.find(subject.uid, said) else {
            return Whereabouts::Nowhere(said.map(str::to_owned));
        };
        let pod = &subject.sandbox.spec.blueprint.pod_template.spec;
        let tolerations = pod.tolerations.as_deref().unwrap_or_default();
        let (files, grace) = (may_have_files(&found), context.settings.node_grace);
        match wasm.fleet.fate(&found.node, files, tolerations, grace) {
            Fate::Stays(again) => Whereabouts::Here(found, again),
            Fate::Lingers(why) => {
                self.tell_once(wasm, &found.node, why);
                Whereabouts::Here(found, None)
            }
            Fate::Waits(why, again) => Whereabouts::Unheard(found, why, again),
            Fate::Moves(why) => Whereabouts::Leaving(found, why),
        }
    }

    /// Makes the session what it is to be.
    pub(super) async fn settle_session(
        &self,
        wasm: &Wasm,
        tier: &Tier,
        wanted: &Wanted,
    ) -> Settled {
        let subject = self.subject;
        let spec = spec(subject, wanted, policy(subject.sandbox, &wasm.police));
        match self.whereabouts(wasm) {
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
                Settled::as_is(unheard(subject, &found, why)).again(again)
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
                match wasm.fleet.place(wanted, &self.key(), subject.uid) {
                    Ok(place) => {
                        let before = why.as_deref().map(|why| (why, true));
                        self.begin(wasm, tier, (spec, wanted), &place, before).await
                    }
                    Err(full) => Settled::as_is(unschedulable(full)),
                }
            }
        }
    }

    fn key(&self) -> Key {
        let subject = self.subject;
        (subject.namespace.to_owned(), subject.name.to_owned())
    }

    /// Finds a place elsewhere for a session and ends it where it is, if that
    /// node is heard; where it is not, what is left there is swept away when it
    /// is heard again.
    ///
    /// # Errors
    /// It does not go elsewhere now: how it is.
    async fn vacate<'a>(
        &self,
        wasm: &'a Wasm,
        spec: &SessionSpec,
        wanted: &Wanted,
        found: &Found,
        why: &str,
    ) -> Result<Reserved<'a>, Settled> {
        let subject = self.subject;
        let here = || match &found.session {
            Some(session) => observed(&found.node, session),
            None => Observed::Unknown,
        };
        if let Some(phase) = ended(subject, found.session.as_deref()) {
            let at_its_end = || at_its_end(phase);
            return Err(Settled::as_is(
                found.session.as_ref().map_or_else(at_its_end, |session| {
                    Observed::Here(backing(&found.node, session, false))
                }),
            ));
        }
        if subject.is_suspended() {
            if found.heard {
                self.empty(wasm, (spec, wanted), found).await?;
            }
            // Only while the status has the node's name: once.
            if may_have_files(found) && said(subject).is_some() {
                self.tell_lost(why);
            }
            return Err(Settled::as_is(Observed::Absent));
        }
        let place = match wasm.fleet.place(wanted, &self.key(), subject.uid) {
            Ok(place) => place,
            // It is better where it is than nowhere.
            Err(full) if found.heard => {
                self.tell_once(
                    wasm,
                    &found.node,
                    format!("{why}, and no other takes this sandbox: {full}"),
                );
                return Err(Settled::as_is(here()));
            }
            Err(full) => return Err(Settled::as_is(unschedulable(full))),
        };
        if found.heard {
            self.empty(wasm, (spec, wanted), found).await?;
        }
        Ok(place)
    }

    /// Takes a session away from a node that is heard, unless it has got files
    /// there that would be missed.
    ///
    /// # Errors
    /// It is there still: how it is.
    async fn empty(
        &self,
        wasm: &Wasm,
        (spec, wanted): (&SessionSpec, &Wanted),
        found: &Found,
    ) -> Result<(), Settled> {
        let node = &found.node;
        let failed = |error| {
            Settled::with(
                self.as_it_was(wasm, &error),
                Trouble::Node(node.clone(), error),
            )
        };
        let link = wasm.fleet.link(node).ok_or_else(not_connected);
        let link = link.map_err(failed)?;
        if !may_have_files(found) {
            // While it stands still, nobody writes.
            let resting = SessionSpec {
                suspended: true,
                ..spec.clone()
            };
            let rests = link.ensure(resting).await.map_err(failed)?;
            if rests.has_files {
                let busy = |error| {
                    Settled::with(observed(node, &rests), Trouble::Node(node.clone(), error))
                };
                let _room = room(wanted, node).await.map_err(busy)?;
                let spec = self.equip(spec.clone(), wanted).await;
                let spec =
                    spec.map_err(|trouble| Settled::with(observed(node, &rests), trouble))?;
                let session = link.ensure(spec).await.map_err(failed)?;
                return Err(Settled::as_is(observed(node, &session)).again(Some(Duration::ZERO)));
            }
        }
        link.delete(self.subject.uid).await.map_err(failed)
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
            Err(settled) => return settled,
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
        let before = || self.there(wasm).unwrap_or(Observed::Absent);
        let busy = |error| Settled::with(before(), Trouble::Node(node.to_owned(), error));
        let _room = room(wanted, node).await.map_err(busy)?;
        let equipped = self.equip(spec, wanted).await;
        let spec = equipped.map_err(|trouble| Settled::with(before(), trouble))?;
        let link = wasm.fleet.link(node).ok_or_else(not_connected);
        let ensuring = async { link?.ensure(spec).await };
        // Both at once: a session whose sandbox went meanwhile is swept away.
        let (marked, ensured) = tokio::join!(self.mark(tier), ensuring);
        marked.map_err(|error| Settled::with(Observed::Unknown, error))?;
        ensured.map_err(|error| match error {
            // Others were quicker, or the node counts otherwise than we do.
            LinkError::Refused(refusal) if refusal.reason() == Reason::NoRoom => {
                wasm.fleet.waits(self.key());
                let message = format!("node {node}: {}", refusal.message);
                Settled::as_is(unschedulable(message))
            }
            // The node says when it has it: then it is asked again.
            LinkError::Refused(refusal) if refusal.reason() == Reason::ImagePending => {
                wasm.fleet.waits(self.key());
                Settled::as_is(waiting(node))
            }
            error => Settled::with(
                self.as_it_was(wasm, &error),
                Trouble::Node(node.to_owned(), error),
            ),
        })
    }

    /// What is there when a node declines a change: what was there before.
    fn as_it_was(&self, wasm: &Wasm, error: &LinkError) -> Observed {
        let declined =
            matches!(error, LinkError::Refused(refusal) if refusal.reason() != Reason::Failed);
        self.there(wasm).unwrap_or(if declined {
            Observed::Absent
        } else {
            Observed::Unknown
        })
    }

    /// Its session, as it was last told.
    fn there(&self, wasm: &Wasm) -> Option<Observed> {
        let found = wasm.fleet.find(self.subject.uid, said(self.subject))?;
        Some(observed(&found.node, found.session.as_deref()?))
    }

    /// Whether a session is somewhere.
    pub(in crate::sandbox) fn has_session(&self, wasm: &Wasm) -> bool {
        let found = wasm.fleet.find(self.subject.uid, said(self.subject));
        found.is_some_and(|found| found.session.is_some())
    }

    /// Ends the session, files and all; whether it is gone for certain. Of a
    /// node that is given up, nothing certain is to be had: what is left there
    /// is swept away when it is heard again.
    pub(in crate::sandbox) async fn end_session(&self, wasm: &Wasm) -> Result<bool, Trouble> {
        let node = match self.whereabouts(wasm) {
            Whereabouts::Nowhere(_) => return Ok(true),
            Whereabouts::Unheard(..) => return Ok(false),
            Whereabouts::Leaving(found, _) if !found.heard => return Ok(true),
            Whereabouts::Leaving(found, _) | Whereabouts::Here(found, _) => found.node,
        };
        let Some(link) = wasm.fleet.link(&node) else {
            return Ok(false);
        };
        match link.delete(self.subject.uid).await {
            Ok(()) => Ok(true),
            Err(error) => Err(Trouble::Node(node, error)),
        }
    }

    /// Tells, once for each state of the node, of a session that should leave
    /// it and does not.
    fn tell_once(&self, wasm: &Wasm, node: &str, why: String) {
        let Self { context, subject } = self;
        if wasm.fleet.warn(node, subject.uid) {
            context.events.warning(subject.sandbox, STAYS, ACTION, why);
        }
    }

    fn tell_lost(&self, why: &str) {
        let note = format!("{why}; the session will be made anew without its files");
        let Self { context, subject } = self;
        context
            .events
            .warning(subject.sandbox, FILES_LOST, ACTION, note);
    }
}

/// Of a session whose node nobody hears of, what is known of its end.
fn at_its_end(phase: Phase) -> Observed {
    let session = Session {
        phase: phase.into(),
        ..Session::default()
    };
    Observed::Here(Backing {
        node: None,
        ..backing("", &session, false)
    })
}

fn not_connected() -> LinkError {
    LinkError::Unheard("it is not connected".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::crd::{Sandbox, SandboxStatus};
    use crate::sandbox::fixtures::{at, sandbox, subject, suspended};

    fn found(session: Option<Session>) -> Found {
        Found {
            node: "a".to_owned(),
            session: session.map(Arc::new),
            heard: false,
        }
    }

    fn session(phase: Phase) -> Session {
        Session {
            phase: phase.into(),
            addresses: vec!["10.9.0.7".to_owned()],
            ..Session::default()
        }
    }

    /// A sandbox of the tier that was on node `a`, with this condition.
    fn placed(mut sandbox: Sandbox, type_: &str, reason: &str, ips: &[&str]) -> Sandbox {
        sandbox.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
        let mut status = SandboxStatus {
            node_name: Some("a".to_owned()),
            pod_ips: ips.iter().map(ToString::to_string).collect(),
            ..SandboxStatus::default()
        };
        let saying = condition::Saying::new(condition::Status::True, reason, "");
        condition::set(&mut status.conditions, type_, saying, 1, at(1));
        sandbox.status = Some(status);
        sandbox
    }

    #[test]
    fn what_was_never_there_is_not_missed() {
        let was = |type_, ips: &[&str]| {
            let placed = placed(sandbox(), type_, "r", ips);
            said(&subject(&placed)).map(str::to_owned)
        };
        assert_eq!(was("Ready", &["10.9.0.7"]).as_deref(), Some("a"));
        assert_eq!(was(SUSPENDED, &[]).as_deref(), Some("a"));
        assert_eq!(was("PodScheduled", &[]), None);
        let mut pod = placed(sandbox(), "Ready", "r", &["10.9.0.7"]);
        pod.metadata.finalizers = None;
        assert_eq!(said(&subject(&pod)), None);
    }

    #[test]
    fn of_a_node_that_was_not_heard_yet_files_are_taken_for_granted() {
        assert!(may_have_files(&found(None)));
        assert!(!may_have_files(&found(Some(session(Phase::Running)))));
    }

    #[test]
    fn a_session_that_waits_for_its_node_says_why_and_keeps_its_address() {
        let running = placed(sandbox(), "Ready", "r", &["10.9.0.7"]);
        for session in [Some(session(Phase::Running)), None] {
            let told = unheard(&subject(&running), &found(session), "why".to_owned());
            let Observed::Here(backing) = told else {
                panic!("it is there, as far as anybody knows");
            };
            assert!(!backing.ready);
            assert_eq!(backing.note.as_deref(), Some("why"));
            assert_eq!(backing.ips, ["10.9.0.7"]);
        }
    }

    #[test]
    fn a_session_that_stands_still_does_so_whether_its_node_is_heard_or_not() {
        let resting = placed(suspended(), SUSPENDED, reason::POD_TERMINATED, &[]);
        for session in [Some(session(Phase::Suspended)), None] {
            assert_eq!(
                unheard(&subject(&resting), &found(session), String::new()),
                Observed::Resting("a".to_owned())
            );
        }
    }

    #[test]
    fn what_has_ended_stays_so_whether_its_node_is_heard_or_not() {
        let over = placed(sandbox(), FINISHED, reason::POD_SUCCEEDED, &["10.9.0.7"]);
        for session in [Some(session(Phase::Succeeded)), None] {
            let told = unheard(&subject(&over), &found(session), String::new());
            let Observed::Here(backing) = told else {
                panic!("it is there, as far as anybody knows");
            };
            assert_eq!(backing.phase, "Succeeded");
        }
    }

    #[test]
    fn what_has_ended_does_not_run_again_because_its_node_goes() {
        let over = placed(sandbox(), FINISHED, reason::POD_SUCCEEDED, &[]);
        assert_eq!(ended(&subject(&over), None), Some(Phase::Succeeded));
        let failed = session(Phase::Failed);
        assert_eq!(ended(&subject(&over), Some(&failed)), Some(Phase::Failed));
        assert_eq!(ended(&subject(&over), Some(&session(Phase::Running))), None);
        let resting = placed(suspended(), FINISHED, reason::POD_SUCCEEDED, &[]);
        assert_eq!(ended(&subject(&resting), None), None);
    }
}
