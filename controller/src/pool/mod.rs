//! A stand-in until the real one is here.
use std::sync::Arc;

use kube::runtime::controller::Action;

use crate::context::{Context, Guarded};
use crate::crd::SandboxWarmPool;
use crate::driver::ReconcileError;
use crate::context::Caches;
/// The pools that make their sandboxes from this template: names.
pub fn of_template(_: &Caches, _namespace: &str, _name: &str) -> Vec<String> {
    Vec::new()
}

/// One pass.
///
/// # Errors
/// None yet.
pub async fn reconcile(_: Arc<Guarded<SandboxWarmPool>>, _: Arc<Context>) -> Result<Action, ReconcileError> {
    Ok(Action::await_change())
}
