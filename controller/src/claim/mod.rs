//! A stand-in until the real one is here.
use std::sync::Arc;

use kube::runtime::controller::Action;

use crate::context::{Context, Guarded};
use crate::crd::SandboxClaim;
use crate::driver::ReconcileError;
use crate::cache::Change;
use crate::context::Caches;
use crate::crd::{Sandbox, SandboxWarmPool};
pub mod metrics;

/// Whether what became of a sandbox concerns the claim that has it.
pub fn concerns(_: &Change<Guarded<Sandbox>>) -> bool {
    true
}
/// Claims without a sandbox that a change of this pool may help: namespace and name.
pub fn waiting_for_pool(_: &Caches, _: &Change<Guarded<SandboxWarmPool>>) -> Vec<(String, String)> {
    Vec::new()
}
/// Claims without a sandbox that this template may help: names.
pub fn waiting_for_template(_: &Caches, _namespace: &str, _name: &str) -> Vec<String> {
    Vec::new()
}

/// One pass.
///
/// # Errors
/// None yet.
pub async fn reconcile(_: Arc<Guarded<SandboxClaim>>, _: Arc<Context>) -> Result<Action, ReconcileError> {
    Ok(Action::await_change())
}
