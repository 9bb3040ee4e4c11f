//! Claims: somebody wants a sandbox, soon.
//!
//! ```text
//!          has one ─────────────────────────────► keep ─┐
//! active ─ wrote one down ─► take it ─► (lost) ─┐       │
//!   │      neither ─► write one down ─► take it ┴► make │
//!   │                          nothing to take ────┘ ▼  ▼
//!   │ its time is over                              status ─► counted
//!   ▼
//! expiring (said) ─► expired: the claim goes, or its sandbox
//! ```

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use crate::context::{Context, Guarded};
use crate::crd::SandboxClaim;
use crate::driver::ReconcileError;
use crate::sandbox::is_session;
use crate::write::WriteError;

mod adopt;
mod build;
mod candidate;
mod domains;
mod end;
mod env;
mod expiry;
mod ledger;
mod malformed;
mod metadata;
pub mod metrics;
mod observe;
mod pass;
mod place;
mod refusal;
mod report;
mod volumes;
mod watch;

#[cfg(test)]
mod fixtures;

pub use ledger::Ledger;
pub use watch::{concerns, heard, hopeful, waiting_for_pool, waiting_for_template};

use expiry::Phase;
use pass::{Pass, Provided};
use refusal::{Failure, Refusal};
use report::Standing;

/// Between saying that a claim has expired and acting on it. The pass that
/// acts begins anew from what was said.
const SAID_TO_DONE: Duration = Duration::from_millis(1);

/// One pass over a claim.
///
/// # Errors
/// What the API server says, where trying again may help.
pub async fn reconcile(
    object: Arc<Guarded<SandboxClaim>>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    match pass(&object, &context).await {
        // The claim or its sandbox went meanwhile: both are heard of.
        Err(WriteError::NotFound(_)) => Ok(Action::await_change()),
        result => Ok(result?),
    }
}

async fn pass(object: &Guarded<SandboxClaim>, context: &Context) -> Result<Action, WriteError> {
    let now = Timestamp::now();
    let claim = match &object.0 {
        Ok(claim) => context.ledger.newest_claim(claim),
        Err(invalid) => return malformed::tell(context, invalid, now).await,
    };
    // What a claim owns goes with it, by its owner references.
    if claim.metadata.deletion_timestamp.is_some() {
        context.ledger.release(&claim.uid().unwrap_or_default());
        return Ok(Action::await_change());
    }
    context.ledger.seen(&claim.uid().unwrap_or_default(), now);
    end::drop_former_policy(context, &claim).await;
    let phase = expiry::phase(&claim, now);
    let mut pass = Pass {
        context,
        claim,
        now,
        again: None,
    };
    match phase {
        Phase::Active(_) => pass.active().await,
        Phase::Expiring => pass.expire().await,
        Phase::Expired(policy) => pass.end(policy).await,
    }
}

impl Pass<'_> {
    async fn active(&mut self) -> Result<Action, WriteError> {
        match self.provide().await {
            // It says how it is in a moment, once for all.
            Ok(Provided::Sandbox(sandbox)) if is_session(&sandbox) && sandbox.status.is_none() => {}
            Ok(Provided::Sandbox(sandbox)) => {
                self.report(&Standing::Has(&sandbox)).await?;
            }
            Ok(Provided::Soon(wait)) => self.again = Some(wait),
            Err(Failure::Refused(refusal)) => {
                self.report(&Standing::Refused(&refusal)).await?;
                self.again = refusal.again();
            }
            Err(Failure::Write(error)) => {
                self.declined(&error).await?;
                return Err(error);
            }
        }
        Ok(self.next())
    }

    /// Says on the claim what the API server declines. What passes by itself,
    /// such as a conflict, is no news.
    async fn declined(&mut self, error: &WriteError) -> Result<(), WriteError> {
        if let WriteError::Rejected { message, .. } = error {
            let refusal = Refusal::Declined(message.clone());
            self.report(&Standing::Refused(&refusal)).await?;
        }
        Ok(())
    }

    /// When to look again: as the pass found, or when the claim ends.
    fn next(&self) -> Action {
        let end = match expiry::phase(&self.claim, Timestamp::now()) {
            Phase::Active(left) => left,
            Phase::Expiring | Phase::Expired(_) => Some(SAID_TO_DONE),
        };
        let soonest = self.again.into_iter().chain(end).min();
        soonest.map_or_else(Action::await_change, Action::requeue)
    }
}
