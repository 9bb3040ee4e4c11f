//! What a pass over a claim knows: from the caches, the ledger and, where these
//! lack what the claim names, from the API server.

use kube::ResourceExt;

use super::build::reference;
use super::place::View;
use super::refusal::{Failure, Refusal};
use crate::context::Context;
use crate::crd::{Sandbox, SandboxClaim};

/// Looks around.
///
/// # Errors
/// A sandbox that cannot be read, or what the API server says.
pub(super) async fn observe(context: &Context, claim: &SandboxClaim) -> Result<View, Failure> {
    let (namespace, name) = (claim.namespace().unwrap_or_default(), claim.name_any());
    let pool = context
        .caches
        .pools
        .readable(&namespace, &claim.spec.warm_pool_ref.name);
    let template = pool.as_ref().and_then(|pool| {
        let template = &pool.spec.sandbox_template_ref.name;
        context.caches.templates.readable(&namespace, template)
    });
    let by_status = match assigned(claim) {
        Some(named) => named_sandbox(context, claim, named).await?,
        None => None,
    };
    let by_reference = match reference(claim) {
        Some(named) if Some(named) == assigned(claim) => by_status.clone(),
        Some(named) => named_sandbox(context, claim, named).await?,
        None => None,
    };
    let namesake = match assigned(claim) == Some(&name) {
        true => by_status.clone(),
        false => cached_sandbox(context, claim, &name)?,
    };
    let claim = claim.clone();
    Ok(View {
        claim,
        pool,
        template,
        by_status,
        by_reference,
        namesake,
    })
}

/// The sandbox that the claim's status names.
pub(super) fn assigned(claim: &SandboxClaim) -> Option<&str> {
    let sandbox = claim.status.as_ref()?.sandbox.as_ref()?;
    sandbox.name.as_deref().filter(|name| !name.is_empty())
}

/// A sandbox that the claim was given, by its name. The cache of sandboxes may
/// be behind that of claims: that one is gone, the API server has to say.
pub(super) async fn named_sandbox(
    context: &Context,
    claim: &SandboxClaim,
    name: &str,
) -> Result<Option<Sandbox>, Failure> {
    match cached_sandbox(context, claim, name)? {
        Some(sandbox) => Ok(Some(sandbox)),
        None => {
            let namespace = claim.namespace().unwrap_or_default();
            Ok(context.get::<Sandbox>(&namespace, name).await?)
        }
    }
}

fn cached_sandbox(
    context: &Context,
    claim: &SandboxClaim,
    name: &str,
) -> Result<Option<Sandbox>, Failure> {
    let namespace = claim.namespace().unwrap_or_default();
    let Some(sandbox) = context.caches.sandboxes.get(&namespace, name) else {
        return Ok(None);
    };
    match &sandbox.0 {
        Ok(sandbox) => {
            let uid = claim.uid().unwrap_or_default();
            Ok(Some(context.ledger.newest_sandbox(&uid, sandbox.clone())))
        }
        Err(invalid) => Err(Refusal::Unreadable {
            name: name.to_owned(),
            error: invalid.error.clone(),
        }
        .into()),
    }
}
