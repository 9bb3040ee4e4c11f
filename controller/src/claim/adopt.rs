//! How a claim takes a sandbox out of its pool.
//!
//! First the claim writes down which one it is about to take, then it takes it,
//! each under an optimistic lock. After a crash between the two the next pass
//! reads what was written down and goes on. Whoever loses a race for a sandbox
//! sees that from the API server itself, not from a cache.

use std::collections::BTreeSet;

use kube::ResourceExt;

use super::build;
use super::candidate::{Candidate, Pool};
use super::pass::Pass;
use super::place::{View, controls};
use super::refusal::{Failure, Refusal};
use crate::crd::{Sandbox, SandboxClaim};
use crate::names::name_hash;
use crate::write::WriteError;

/// Sandboxes that a pass tries for, and tries with each, at most. Claims in
/// parallel choose each its own, so that even the second is rare.
const TRIES: usize = 3;

/// How the attempt ended.
#[derive(Debug)]
pub(super) enum Adoption {
    /// The claim has this one.
    Done(Box<Sandbox>),
    /// The pool has none to give. One that has no address yet may get it.
    None {
        /// Whether there is such a one.
        hopeful: bool,
    },
}

enum Taken {
    Ours(Box<Sandbox>),
    /// It is gone, or another's.
    Lost,
    Contended,
}

impl Pass<'_> {
    /// Takes a sandbox: `named`, which the claim has written down before, or
    /// else the best that the pool has.
    ///
    /// # Errors
    /// What the claim may not bring, contention, what the API server says.
    pub(super) async fn adopt(
        &mut self,
        view: &View,
        named: Option<&Sandbox>,
    ) -> Result<Adoption, Failure> {
        let mut lost = BTreeSet::new();
        for attempt in 0..TRIES {
            let named = named.filter(|_| attempt == 0);
            let Some(sandbox) = named.cloned().or_else(|| self.choose(view, &lost)) else {
                break;
            };
            if named.is_none() {
                self.write_down(&sandbox).await?;
            }
            let name = sandbox.name_any();
            lost.extend(sandbox.uid());
            match self.take(view, sandbox).await? {
                Taken::Ours(sandbox) => return Ok(Adoption::Done(sandbox)),
                Taken::Lost => self.context.ledger.release(&self.uid()),
                // What is written down stays so: the next pass goes on with it.
                Taken::Contended => {
                    let detail = format!("sandbox {name:?} is being written by others");
                    return Err(Refusal::Contended(detail).into());
                }
            }
        }
        let waiting = |it: &Candidate| !it.networked && !lost.contains(&it.uid);
        let hopeful = self.candidates(view).iter().any(waiting);
        Ok(Adoption::None { hopeful })
    }

    /// What the pool offers, as the cache has it.
    fn candidates(&self, view: &View) -> Vec<Candidate> {
        let Some(pool) = &view.pool else {
            return Vec::new();
        };
        let offered = Pool::new(pool, view.template.as_ref());
        let hash = name_hash(&pool.name_any());
        let sandboxes = &self.context.caches.sandboxes;
        sandboxes
            .labelled(&self.namespace(), &hash)
            .iter()
            .filter_map(|sandbox| sandbox.0.as_ref().ok())
            .filter(|sandbox| offered.offers(sandbox))
            .map(Candidate::of)
            .collect()
    }

    fn choose(&self, view: &View, lost: &BTreeSet<String>) -> Option<Sandbox> {
        let mut candidates = self.candidates(view);
        candidates.retain(|candidate| !lost.contains(&candidate.uid));
        let chosen = self.context.ledger.reserve(&self.uid(), &candidates)?;
        let sandboxes = &self.context.caches.sandboxes;
        sandboxes.readable(&self.namespace(), &chosen.name)
    }

    async fn write_down(&mut self, sandbox: &Sandbox) -> Result<(), WriteError> {
        let seen = self.seen();
        let written = self.note(Some(&sandbox.name_any()), seen).await;
        if written.is_err() {
            self.context.ledger.release(&self.uid());
        }
        written
    }

    async fn take(&mut self, view: &View, mut sandbox: Sandbox) -> Result<Taken, Failure> {
        let (namespace, name) = (self.namespace(), sandbox.name_any());
        for _ in 0..TRIES {
            let wanted = build::adopted(&sandbox, &self.claim, view.template.as_ref())?;
            let Some(patch) = build::patch(&sandbox, &wanted) else {
                return Ok(Taken::Ours(Box::new(sandbox)));
            };
            match self
                .context
                .merge_patch::<Sandbox>(&namespace, &name, &patch)
                .await
            {
                Ok(taken) => {
                    self.context.ledger.wrote_sandbox(&self.uid(), &taken);
                    return Ok(Taken::Ours(Box::new(taken)));
                }
                Err(WriteError::NotFound(_)) => return Ok(Taken::Lost),
                Err(WriteError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
            let now = self.context.get::<Sandbox>(&namespace, &name).await?;
            match judge(&self.claim, view, &sandbox, now) {
                Judgement::Ours(taken) => {
                    self.context.ledger.wrote_sandbox(&self.uid(), &taken);
                    return Ok(Taken::Ours(taken));
                }
                Judgement::Again(newer) => sandbox = *newer,
                Judgement::Lost => return Ok(Taken::Lost),
            }
        }
        Ok(Taken::Contended)
    }
}

#[derive(Debug, PartialEq)]
enum Judgement {
    Ours(Box<Sandbox>),
    Again(Box<Sandbox>),
    Lost,
}

/// What a conflict means, by the sandbox as the API server has it now.
fn judge(claim: &SandboxClaim, view: &View, tried: &Sandbox, now: Option<Sandbox>) -> Judgement {
    match now.filter(|now| now.uid() == tried.uid()) {
        Some(now) if controls(claim, &now) => Judgement::Ours(Box::new(now)),
        Some(now) if view.offers(&now) => Judgement::Again(Box::new(now)),
        Some(_) | None => Judgement::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::fixtures::{claim, owned, pool, template, warm};

    fn judged(now: Option<Sandbox>) -> Judgement {
        let (claim, swp) = (claim("c"), pool("p", "t"));
        let tried = warm("s", &swp);
        let view = View {
            claim: claim.clone(),
            pool: Some(swp),
            template: Some(template("t")),
            by_status: None,
            by_reference: None,
            namesake: None,
        };
        judge(&claim, &view, &tried, now)
    }

    #[test]
    fn a_conflict_with_another_writer_is_tried_again_on_the_same_sandbox() {
        let mut newer = warm("s", &pool("p", "t"));
        newer.metadata.resource_version = Some("8".to_owned());
        assert_eq!(
            judged(Some(newer.clone())),
            Judgement::Again(Box::new(newer))
        );
    }

    #[test]
    fn a_conflict_with_oneself_is_a_success() {
        let ours = owned("s", &claim("c"));
        assert_eq!(judged(Some(ours.clone())), Judgement::Ours(Box::new(ours)));
    }

    #[test]
    fn a_sandbox_that_another_claim_has_is_lost() {
        let mut other = claim("other");
        other.metadata.uid = Some("other".to_owned());
        assert_eq!(judged(Some(owned("s", &other))), Judgement::Lost);
    }

    #[test]
    fn a_sandbox_that_is_gone_or_was_made_anew_is_lost() {
        assert_eq!(judged(None), Judgement::Lost);
        let mut anew = warm("s", &pool("p", "t"));
        anew.metadata.uid = Some("another".to_owned());
        assert_eq!(judged(Some(anew)), Judgement::Lost);
    }
}
