//! Pools: as many sandboxes as are wanted, running before somebody asks.
//!
//! ```text
//!   observe ── members, template ──► validate ── Wanted ──► place ── Plan
//!      ▲                                                              │
//!   Memory (what was asked and is not seen yet) ◄── apply ◄── build ◄─┘
//!                                                     └──► report
//! ```

mod apply;
mod build;
mod memory;
mod observe;
mod pace;
mod place;
mod report;
#[cfg(test)]
mod testing;
mod validate;

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};

use crate::context::{Caches, Context, Guarded};
use crate::crd::{Sandbox, SandboxWarmPool};
use crate::driver::ReconcileError;
use crate::names::{controller_of, label, name_hash};

pub use memory::Memories;

/// One pass over a pool.
///
/// # Errors
/// What the API server refuses, or fails to answer.
pub async fn reconcile(
    object: Arc<Guarded<SandboxWarmPool>>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let pool = match &object.0 {
        Ok(pool) => pool,
        Err(unreadable) => {
            report::unreadable(&context.events, &*object, &unreadable.error);
            return Ok(Action::await_change());
        }
    };
    let Some(owner) = validate::owner(pool) else {
        return Ok(Action::await_change());
    };
    let now = Timestamp::now();
    let wanted = validate::wanted(pool, &observe::template(&context.caches, pool));
    let view = observe::members(&context, &owner, &wanted, now).await?;
    let plan = context.pools.with(&owner.uid, |memory| {
        place::place(&wanted, &view, &mut memory.pace, &context.settings, now)
    });
    let sandbox = build::sandbox(&owner, &wanted, &context.settings)
        .map(|sandbox| crate::sandbox::marked(sandbox, &context));
    let done = apply::apply(&context, &owner, &plan, sandbox.as_ref(), now).await;
    report::report(&context, pool, &wanted, &view, &plan, done).await
}

/// The pools that make their sandboxes from this template: names.
pub fn of_template(caches: &Caches, namespace: &str, name: &str) -> Vec<String> {
    let pools = caches.pools.all();
    let readable = pools.iter().filter_map(|pool| pool.0.as_ref().ok());
    readable
        .filter(|pool| pool.namespace().as_deref() == Some(namespace))
        .filter(|pool| pool.spec.sandbox_template_ref.name == name)
        .map(ResourceExt::name_any)
        .collect()
}

/// The pool that a sandbox without a controller belongs to by its label: a name.
pub fn of_orphan(caches: &Caches, sandbox: &Guarded<Sandbox>) -> Option<String> {
    if controller_of(sandbox.meta()).is_some() {
        return None;
    }
    let hash = sandbox.labels().get(label::WARM_POOL_SANDBOX)?;
    let namespace = sandbox.namespace();
    let pools = caches.pools.all();
    let mut here = pools.iter().filter(|pool| pool.namespace() == namespace);
    here.find(|pool| name_hash(&pool.name_any()) == *hash)
        .map(|pool| pool.name_any())
}

/// Forgets what is remembered of a pool that is gone.
pub fn forget(context: &Context, pool: &Guarded<SandboxWarmPool>) {
    if let Some(uid) = &pool.meta().uid {
        context.pools.forget(uid);
    }
    let namespace = pool.namespace().unwrap_or_default();
    context.ledger.forget_pool(&namespace, &pool.name_any());
}
