//! Templates: each keeps one network policy for all its sandboxes.
//!
//! ```text
//!   the policy of that name, as seen ──► place ── Plan ──► apply ──► report
//!                              build ──────┘
//! ```

mod apply;
mod build;
mod place;

use std::sync::Arc;

use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use crate::context::{Context, Guarded};
use crate::crd::SandboxTemplate;
use crate::driver::ReconcileError;

pub use build::{default_rules, rules};

/// The reason of the event about a template that cannot be read.
const INVALID_CONFIGURATION: &str = "InvalidConfiguration";

/// One pass over a template.
///
/// # Errors
/// What the API server refuses, or fails to answer.
pub async fn reconcile(
    object: Arc<Guarded<SandboxTemplate>>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let template = match &object.0 {
        Ok(template) => template,
        Err(unreadable) => {
            let why = unreadable.error.as_str();
            context
                .events
                .warning(&*object, INVALID_CONFIGURATION, "ReadTemplate", why);
            return Ok(Action::await_change());
        }
    };
    let namespace = template.namespace().unwrap_or_default();
    let name = build::policy_name(&template.name_any());
    let policy = context.caches.policies.get(&namespace, &name);
    let plan = place::place(template, policy.as_deref());
    apply::apply(&context, template, plan).await?;
    Ok(Action::await_change())
}

/// The template that a network policy belongs to by its name, if any does.
pub fn of_policy(policy: &NetworkPolicy) -> Option<String> {
    build::template_name(&policy.name_any()).map(str::to_owned)
}
