//! A stand-in until the real one is here.
use std::sync::Arc;

use kube::runtime::controller::Action;

use crate::context::{Context, Guarded};
use crate::crd::Sandbox;
use crate::driver::ReconcileError;
pub mod metrics;
/// One pass.
///
/// # Errors
/// None yet.
pub async fn reconcile(_: Arc<Guarded<Sandbox>>, _: Arc<Context>) -> Result<Action, ReconcileError> {
    Ok(Action::await_change())
}
