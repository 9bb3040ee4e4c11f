//! Carries out a template's plan, and tells what came of it. The policy comes
//! first: until it is there, nothing stands around the sandboxes.

use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::ResourceExt;
use serde_json::json;

use super::place::{Plan, PolicyStep};
use crate::context::Context;
use crate::crd::SandboxTemplate;
use crate::driver::ReconcileError;
use crate::names::label;
use crate::write::{Deletion, WriteError};

const POLICY_NOT_OWNED: &str = "NetworkPolicyNotOwned";
const POLICY_REJECTED: &str = "NetworkPolicyRejected";
/// What the controller was about when an event arose.
const KEEP_POLICY: &str = "KeepNetworkPolicy";

pub(super) async fn apply(
    context: &Context,
    template: &SandboxTemplate,
    plan: Plan,
) -> Result<(), ReconcileError> {
    let Plan { label, policy } = plan;
    let kept = keep_policy(context, template, policy).await;
    if let Err(WriteError::Rejected { message, .. }) = &kept {
        let note = format!("the network policy could not be written: {message}");
        context
            .events
            .warning(template, POLICY_REJECTED, KEEP_POLICY, note);
    }
    if let Some(hash) = label {
        put_label(context, template, &hash).await?;
    }
    match kept {
        // It is not in the cache yet, or someone else took the name.
        Err(WriteError::AlreadyExists(what)) => Err(ReconcileError::Stale(format!(
            "{what} exists already and was not seen"
        ))),
        kept => Ok(kept?),
    }
}

async fn keep_policy(
    context: &Context,
    template: &SandboxTemplate,
    step: PolicyStep,
) -> Result<(), WriteError> {
    match step {
        PolicyStep::Leave => Ok(()),
        PolicyStep::Create(policy) => context.create(&*policy).await.map(|_| ()),
        PolicyStep::Replace(policy) => context.replace(&*policy).await.map(|_| ()),
        PolicyStep::Delete(policy) => delete(context, &policy).await,
        PolicyStep::Refuse => {
            let note = "a network policy of the name that is the template's is not the template's; it is left as it is";
            context
                .events
                .warning(template, POLICY_NOT_OWNED, KEEP_POLICY, note);
            Ok(())
        }
    }
}

async fn delete(context: &Context, policy: &NetworkPolicy) -> Result<(), WriteError> {
    let namespace = policy.namespace().unwrap_or_default();
    let how = Deletion {
        uid: policy.uid(),
        resource_version: policy.resource_version(),
        foreground: false,
    };
    match context
        .delete::<NetworkPolicy>(&namespace, &policy.name_any(), how)
        .await
    {
        Err(WriteError::NotFound(_)) => Ok(()),
        other => other,
    }
}

async fn put_label(
    context: &Context,
    template: &SandboxTemplate,
    hash: &str,
) -> Result<(), WriteError> {
    let (namespace, name) = (
        template.namespace().unwrap_or_default(),
        template.name_any(),
    );
    // The UID keeps it off a template that took the name since.
    let patch = json!({ "metadata": {
        "uid": template.uid(),
        "labels": { label::SANDBOX_TEMPLATE_REF_HASH: hash },
    } });
    match context
        .merge_patch::<SandboxTemplate>(&namespace, &name, &patch)
        .await
    {
        Ok(_) | Err(WriteError::NotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
