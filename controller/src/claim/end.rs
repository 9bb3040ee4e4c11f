//! The end of a claim, and what older controllers left of it.

use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::expiry::CLAIM_EXPIRED;
use super::observe::{assigned, named_sandbox};
use super::pass::Pass;
use super::place::controls;
use super::refusal::Failure;
use super::report::Standing;
use super::{SAID_TO_DONE, build};
use crate::context::Context;
use crate::crd::{ClaimShutdownPolicy, Sandbox, SandboxClaim};
use crate::names::{controller_of, is_controlled_by};
use crate::write::{Deletion, WriteError};

impl Pass<'_> {
    /// Says that the claim has expired. Nothing is removed before that is said:
    /// whoever watches the claim learns why its sandbox goes.
    pub(super) async fn expire(&mut self) -> Result<Action, WriteError> {
        let sandbox = match self.sandbox().await {
            Ok(sandbox) => sandbox,
            Err(error) => return self.unread(error).await,
        };
        let said = self.report(&Standing::Ended(sandbox.as_ref())).await?;
        if !said {
            return Ok(Action::await_change());
        }
        self.tell(CLAIM_EXPIRED, "Expiring", "Claim expired".to_owned());
        Ok(Action::requeue(SAID_TO_DONE))
    }

    /// Removes what the policy says.
    pub(super) async fn end(&mut self, policy: ClaimShutdownPolicy) -> Result<Action, WriteError> {
        match policy {
            ClaimShutdownPolicy::Delete => self.delete(false).await,
            ClaimShutdownPolicy::DeleteForeground => self.delete(true).await,
            ClaimShutdownPolicy::Retain => self.retain().await,
        }
    }

    async fn delete(&mut self, foreground: bool) -> Result<Action, WriteError> {
        let policy = if foreground {
            "DeleteForeground"
        } else {
            "Delete"
        };
        let note = format!("Deleting Claim (ShutdownPolicy={policy})");
        self.tell(CLAIM_EXPIRED, "Deleting", note);
        let how = Deletion {
            uid: self.claim.uid(),
            resource_version: None,
            foreground,
        };
        let (namespace, name) = (self.namespace(), self.claim.name_any());
        self.context
            .delete::<SandboxClaim>(&namespace, &name, how)
            .await?;
        Ok(Action::await_change())
    }

    async fn retain(&mut self) -> Result<Action, WriteError> {
        let sandbox = match self.sandbox().await {
            Ok(sandbox) => sandbox,
            Err(error) => return self.unread(error).await,
        };
        let Some(sandbox) = sandbox else {
            self.report(&Standing::Ended(None)).await?;
            return Ok(Action::await_change());
        };
        if !controls(&self.claim, &sandbox) {
            let name = sandbox.name_any();
            self.report(&Standing::EndedWithout(&name)).await?;
            return Ok(Action::await_change());
        }
        if sandbox.metadata.deletion_timestamp.is_none() {
            self.remove(&sandbox).await?;
        }
        self.report(&Standing::Ended(Some(&sandbox))).await?;
        Ok(Action::await_change())
    }

    async fn remove(&self, sandbox: &Sandbox) -> Result<(), WriteError> {
        let how = Deletion {
            uid: sandbox.uid(),
            ..Deletion::default()
        };
        let (namespace, name) = (self.namespace(), sandbox.name_any());
        match self.context.delete::<Sandbox>(&namespace, &name, how).await {
            Err(WriteError::NotFound(_) | WriteError::Conflict(_)) => Ok(()),
            result => result,
        }
    }

    /// The sandbox that the claim has or, after a crash, may have.
    async fn sandbox(&self) -> Result<Option<Sandbox>, Failure> {
        let own = self.claim.name_any();
        let names = [
            assigned(&self.claim),
            build::reference(&self.claim),
            Some(own.as_str()),
        ];
        let mut foreign = None;
        for (place, name) in names.into_iter().enumerate() {
            let Some(name) = name else { continue };
            let found = named_sandbox(self.context, &self.claim, name).await?;
            match found {
                Some(sandbox) if controls(&self.claim, &sandbox) => return Ok(Some(sandbox)),
                // Only what the status names, or would name, is told of.
                Some(sandbox) if place != 1 => foreign = foreign.or(Some(sandbox)),
                Some(_) | None => {}
            }
        }
        Ok(foreign)
    }

    async fn unread(&mut self, failure: Failure) -> Result<Action, WriteError> {
        match failure {
            Failure::Write(error) => Err(error),
            Failure::Refused(refusal) => {
                self.report(&Standing::Refused(&refusal)).await?;
                Ok(refusal
                    .again()
                    .map_or_else(Action::await_change, Action::requeue))
            }
        }
    }
}

/// Removes the network policy that older controllers made for each claim. One
/// of that name that the claim does not control is somebody's own.
pub(super) async fn drop_former_policy(context: &Context, claim: &SandboxClaim) {
    let namespace = claim.namespace().unwrap_or_default();
    let name = format!("{}-network-policy", claim.name_any());
    let Some(policy) = context.caches.policies.get(&namespace, &name) else {
        return;
    };
    if !is_former_policy(&policy, claim) {
        return;
    }
    let how = Deletion {
        uid: policy.uid(),
        ..Deletion::default()
    };
    match context
        .delete::<NetworkPolicy>(&namespace, &name, how)
        .await
    {
        Ok(()) | Err(WriteError::NotFound(_) | WriteError::Conflict(_)) => {}
        // The next pass tries again; nobody's sandbox waits for this.
        Err(error) => tracing::warn!(namespace, name, %error, "a former network policy stays"),
    }
}

fn is_former_policy(policy: &NetworkPolicy, claim: &SandboxClaim) -> bool {
    let uid = claim.metadata.uid.as_deref().unwrap_or_default();
    policy.metadata.deletion_timestamp.is_none()
        && is_controlled_by(&policy.metadata, uid)
        && controller_of(&policy.metadata).is_some_and(|owner| owner.kind == "SandboxClaim")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::fixtures::{claim, pool};
    use crate::names::owner_reference;

    #[test]
    fn only_a_policy_that_the_claim_controls_is_removed() {
        let claim = claim("c");
        let mut policy = NetworkPolicy::default();
        assert!(
            !is_former_policy(&policy, &claim),
            "somebody's own, of the reserved name"
        );
        policy.metadata.owner_references = Some(vec![owner_reference(&claim).unwrap()]);
        assert!(is_former_policy(&policy, &claim));
        let mut other = claim.clone();
        other.metadata.uid = Some("other".to_owned());
        assert!(!is_former_policy(&policy, &other));
        policy.metadata.owner_references = Some(vec![owner_reference(&pool("c", "t")).unwrap()]);
        assert!(!is_former_policy(&policy, &claim));
    }
}
