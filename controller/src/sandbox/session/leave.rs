//! A session leaves its node: for another, or for good.

use std::time::Duration;

use mote_rpc::v1::SessionSpec;

use super::equip::room;
use super::home::{Whereabouts, at_its_end, ended, may_have_files, said, unheard};
use super::settle::{Settled, not_connected};
use super::{RECHECK, backing, is_kept, observed, unschedulable};
use crate::driver::ReconcileError;
use crate::sandbox::ACTION;
use crate::sandbox::apply::Hands;
use crate::sandbox::backing::Observed;
use crate::sandbox::refusal::Trouble;
use crate::sandbox::report::Findings;
use crate::wasm::{Found, Reserved, Wanted, Wasm};

/// Events: a session is made anew without the files it had.
pub(super) const FILES_LOST: &str = "SessionFilesLost";
/// Events: a session should leave its node and does not.
const STAYS: &str = "SessionStays";

impl Hands<'_> {
    /// Finds a place elsewhere for a session and ends it where it is, if that
    /// node is heard; where it is not, what is left there is swept away when it
    /// is heard again.
    ///
    /// # Errors
    /// It does not go elsewhere now: how it is.
    pub(super) async fn vacate<'a>(
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

    /// Ends the session of a sandbox that is to be a pod, if it has one. What it
    /// is still, where that is not done yet.
    pub(in crate::sandbox) async fn quit(
        &self,
        wasm: &Wasm,
    ) -> Result<Option<Findings>, ReconcileError> {
        let Self { context, subject } = self;
        if !is_kept(subject.sandbox) {
            self.end_leftover(wasm).await?;
            return Ok(None);
        }
        if let Whereabouts::Unheard(found, why, again) = self.whereabouts(wasm) {
            let observed = unheard(subject, &found, why);
            return Ok(Some(Findings {
                again: Some(again.map_or(RECHECK, |again| again.min(RECHECK))),
                ..Findings::of(observed)
            }));
        }
        self.lead_nowhere().await?;
        let found = wasm.fleet.find(subject.uid, said(subject));
        let files = found.is_some_and(|found| may_have_files(&found));
        if !self.end_session(wasm).await? {
            let why = "its session is not gone yet".to_owned();
            return Err(ReconcileError::Stale(why));
        }
        if files {
            let note =
                "its template asks for a pod now, which begins without the files of its session";
            let events = &context.events;
            events.warning(subject.sandbox, FILES_LOST, ACTION, note.to_owned());
        }
        Ok(None)
    }

    /// Ends the session that a sandbox has beside its pod: one that was given up
    /// with its node, which is heard again.
    async fn end_leftover(&self, wasm: &Wasm) -> Result<(), Trouble> {
        // The status has the pod's node.
        let found = wasm.fleet.find(self.subject.uid, None);
        let Some(Found { node, .. }) = found.filter(|it| it.session.is_some()) else {
            return Ok(());
        };
        self.end_on(wasm, node).await.map(drop)
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
        self.end_on(wasm, node).await
    }

    /// Ends the session on this node; whether its host is heard.
    async fn end_on(&self, wasm: &Wasm, node: String) -> Result<bool, Trouble> {
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
    pub(super) fn tell_once(&self, wasm: &Wasm, node: &str, why: String) {
        let Self { context, subject } = self;
        if wasm.fleet.warn(node, subject.uid) {
            context.events.warning(subject.sandbox, STAYS, ACTION, why);
        }
    }

    pub(super) fn tell_lost(&self, why: &str) {
        let note = format!("{why}; the session will be made anew without its files");
        let Self { context, subject } = self;
        context
            .events
            .warning(subject.sandbox, FILES_LOST, ACTION, note);
    }
}
