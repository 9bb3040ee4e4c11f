//! One pass over one claim: the requests it makes, in their order.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use super::adopt::Adoption;
use super::build::{self, Launch};
use super::metrics::{Milestone, milestone};
use super::observe::observe;
use super::place::{Decision, View, controls, decide, grace};
use super::refusal::{Failure, Refusal};
use super::report::{self, Standing};
use crate::condition::{READY, find, is_true};
use crate::context::Context;
use crate::crd::{Sandbox, SandboxClaim};
use crate::event::LATER;
use crate::sandbox::is_session;
use crate::write::WriteError;

/// A claim, and the hands to work on it.
pub(super) struct Pass<'a> {
    /// The hands.
    pub context: &'a Context,
    /// The claim, as the last write left it.
    pub claim: SandboxClaim,
    /// When the pass began.
    pub now: Timestamp,
    /// In how long to look again, if there is a reason.
    pub again: Option<Duration>,
}

/// What a pass found or made.
pub(super) enum Provided {
    /// The claim's sandbox.
    Sandbox(Box<Sandbox>),
    /// None yet: one of the pool is about to have an address.
    Soon(Duration),
}

impl Pass<'_> {
    /// The claim's UID.
    pub(super) fn uid(&self) -> String {
        self.claim.uid().unwrap_or_default()
    }

    /// The claim's namespace.
    pub(super) fn namespace(&self) -> String {
        self.claim.namespace().unwrap_or_default()
    }

    /// When the claim was first seen, if that is to be written.
    pub(super) fn seen(&self) -> Option<Timestamp> {
        let wanted = self.context.settings.claim_observability_annotations;
        wanted.then(|| self.context.ledger.seen(&self.uid(), self.now))
    }

    /// Sees to it that the claim has a sandbox.
    ///
    /// # Errors
    /// Why it has none.
    pub(super) async fn provide(&mut self) -> Result<Provided, Failure> {
        let view = observe(self.context, &self.claim).await?;
        let domains = self
            .context
            .ledger
            .domains(&self.context.settings.allowed_label_domains);
        let adopted = match decide(&view, &domains) {
            Decision::Refuse(refusal) => return Err(refusal.into()),
            Decision::Keep(sandbox) => {
                let kept = self.keep(&view, sandbox).await?;
                return Ok(Provided::Sandbox(Box::new(kept)));
            }
            Decision::Create => Adoption::None { hopeful: false },
            Decision::Finish(sandbox) => self.adopt(&view, Some(sandbox)).await?,
            Decision::Adopt => self.adopt(&view, None).await?,
        };
        let hopeful = match adopted {
            Adoption::Done(sandbox) => {
                self.provided(&sandbox, Launch::Warm);
                return Ok(Provided::Sandbox(sandbox));
            }
            Adoption::None { hopeful } => hopeful,
        };
        if let Some(wait) = grace(&self.claim, self.now).filter(|_| hopeful) {
            let pool = &self.claim.spec.warm_pool_ref.name;
            self.context
                .ledger
                .hope(&self.uid(), &self.claim.name_any(), &self.namespace(), pool);
            return Ok(Provided::Soon(wait));
        }
        self.create(&view)
            .await
            .map(|made| Provided::Sandbox(Box::new(made)))
    }

    async fn keep(&mut self, view: &View, sandbox: &Sandbox) -> Result<Sandbox, Failure> {
        let reference = report::reference_kept(&self.claim, view.reference_is_stale());
        let reference = reference.map(str::to_owned);
        self.note(reference.as_deref(), None).await?;
        if sandbox.metadata.deletion_timestamp.is_some() {
            return Ok(sandbox.clone());
        }
        let wanted = build::kept(sandbox, &self.claim, view.template.as_ref())?;
        let Some(patch) = build::patch(sandbox, &wanted) else {
            return Ok(sandbox.clone());
        };
        let (namespace, name) = (self.namespace(), sandbox.name_any());
        let kept = self.context.merge_patch(&namespace, &name, &patch).await?;
        self.context.ledger.wrote_sandbox(&self.uid(), &kept);
        Ok(kept)
    }

    /// Makes a sandbox of the claim's own name.
    async fn create(&mut self, view: &View) -> Result<Sandbox, Failure> {
        let sandbox = build::cold(&self.claim, view.template()?)?;
        let sandbox = crate::sandbox::marked(sandbox, self.context);
        // A session is ready in a moment, and the claim is written to then.
        let seen = self.seen().filter(|_| !is_session(&sandbox));
        // What was written down before led nowhere.
        self.note(None, seen).await?;
        match self.context.create(&sandbox).await {
            Ok(made) => {
                self.provided(&made, Launch::Cold);
                Ok(made)
            }
            Err(WriteError::AlreadyExists(_)) => self.already_there().await,
            Err(error) => Err(error.into()),
        }
    }

    /// A pass before this one may have made it, and the cache lacks it yet.
    async fn already_there(&self) -> Result<Sandbox, Failure> {
        let name = self.claim.name_any();
        match self
            .context
            .get::<Sandbox>(&self.namespace(), &name)
            .await?
        {
            Some(sandbox) if controls(&self.claim, &sandbox) => Ok(sandbox),
            Some(_) => Err(Refusal::Taken(name).into()),
            None => Err(Refusal::Pending.into()),
        }
    }

    fn provided(&self, sandbox: &Sandbox, launch: Launch) {
        self.context
            .metrics
            .claims
            .provided(&self.claim, sandbox, launch);
        let name = sandbox.name_any();
        match launch {
            Launch::Warm => {
                self.tell(
                    "SandboxAdopted",
                    "Adoption",
                    format!("Adopted warm pool Sandbox {name:?}"),
                );
            }
            Launch::Cold => {
                self.tell(
                    "SandboxProvisioned",
                    "Provisioning",
                    format!("Created Sandbox {name:?}"),
                );
            }
        }
    }

    /// Tells people, if they want to hear of claims.
    pub(super) fn tell(&self, reason: &str, action: &str, note: String) {
        if self.context.settings.claim_events {
            self.context
                .events
                .normal(&self.claim, reason, action, note);
        }
    }

    /// Writes down which sandbox the claim takes, if it is not written so.
    ///
    /// # Errors
    /// What the API server says; a conflict if someone wrote to the claim since.
    pub(super) async fn note(
        &mut self,
        reference: Option<&str>,
        seen: Option<Timestamp>,
    ) -> Result<(), WriteError> {
        match report::note(&self.claim, reference, seen) {
            Some(patch) => self.write_claim(&patch).await,
            None => Ok(()),
        }
    }

    async fn write_claim(&mut self, patch: &serde_json::Value) -> Result<(), WriteError> {
        let (namespace, name) = (self.namespace(), self.claim.name_any());
        self.claim = self.context.merge_patch(&namespace, &name, patch).await?;
        self.context.ledger.wrote_claim(&self.claim);
        Ok(())
    }

    /// Writes the claim's status, if it is another, and what follows from it.
    /// `false` if someone wrote to the claim since: the next pass sees what.
    ///
    /// # Errors
    /// What the API server says.
    pub(super) async fn report(&mut self, standing: &Standing<'_>) -> Result<bool, WriteError> {
        let before = self.claim.clone();
        let now = Timestamp::now();
        let status = report::status(&before, standing, now);
        if let Some(patch) = report::patch(&before, &status) {
            let (namespace, name) = (self.namespace(), before.name_any());
            let context = self.context;
            let written = match &before.status {
                None => context.put_first_status(&before, &json!(status)).await,
                Some(_) => context.merge_patch_status(&namespace, &name, &patch).await,
            };
            match written {
                Ok(claim) => self.claim = claim,
                Err(WriteError::Conflict(_)) => return Ok(false),
                Err(error) => return Err(error),
            }
            self.context.ledger.wrote_claim(&self.claim);
        }
        match standing {
            Standing::Has(sandbox) => self.count(&before, sandbox, now).await?,
            Standing::Refused(refusal) if refusal.is_fault() => self.complain(&before, refusal),
            Standing::Refused(_) | Standing::Ended(_) | Standing::EndedWithout(_) => {}
        }
        Ok(true)
    }

    /// Counts a claim that is ready for the first time, and notes that it was:
    /// [`LATER`], for a note is as much work as what made the claim ready.
    async fn count(
        &mut self,
        before: &SandboxClaim,
        sandbox: &Sandbox,
        now: Timestamp,
    ) -> Result<(), WriteError> {
        let (uid, ledger) = (self.uid(), &self.context.ledger);
        let seen = ledger.seen(&uid, self.now);
        let status = self.claim.status.as_ref();
        let ready = status.is_some_and(|status| is_true(&status.conditions, READY));
        let at = match milestone(before, ready, ledger.ready_since(&uid)) {
            Milestone::None => return Ok(()),
            Milestone::Counted(at) => Some(at),
            Milestone::Unknown => None,
            Milestone::First => {
                self.context
                    .metrics
                    .claims
                    .ready(&self.claim, sandbox, seen, now);
                Some(now)
            }
        };
        ledger.counted(&uid, at.unwrap_or(now));
        if !self.context.settings.claim_observability_annotations {
            return Ok(());
        }
        self.again = at.and_then(|at| left(at, now));
        if self.again.is_some() {
            return Ok(());
        }
        self.write_claim(&report::note_ready(&self.claim, seen, at))
            .await
    }

    /// Tells people of a fault once, not with every pass.
    fn complain(&self, before: &SandboxClaim, refusal: &Refusal) {
        let conditions = before
            .status
            .as_ref()
            .map(|status| status.conditions.as_slice());
        let told = find(conditions.unwrap_or_default(), READY).is_some_and(|ready| {
            ready.reason == refusal.reason() && ready.message == refusal.to_string()
        });
        if !told && self.context.settings.claim_events {
            let note = refusal.to_string();
            self.context
                .events
                .warning(&self.claim, refusal.reason(), "Reconciling", note);
        }
    }
}

/// How long to wait yet with the note of a claim that was first ready at `at`.
fn left(at: Timestamp, now: Timestamp) -> Option<Duration> {
    let waited = now.duration_since(at).try_into().unwrap_or_default();
    LATER.checked_sub(waited).filter(|left| !left.is_zero())
}
