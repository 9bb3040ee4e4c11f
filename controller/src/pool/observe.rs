//! What there is: a pool's template, its sandboxes, and what was asked for.

use std::collections::HashSet;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::jiff::Timestamp;
use kube::{Resource, ResourceExt};

use super::memory::{Fate, Memory};
use super::validate::{Found, NoTemplate, Owner, Wanted};
use crate::condition::{self, READY};
use crate::context::{Caches, Context, Guarded};
use crate::crd::{Condition, Sandbox, SandboxWarmPool};
use crate::names::{controller_of, label};
use crate::write::WriteError;

/// The condition that says whether a node takes the sandbox.
const POD_SCHEDULED: &str = "PodScheduled";
/// The reason it gives when none can.
const UNSCHEDULABLE: &str = "Unschedulable";

/// What a pool has.
#[derive(Debug, Default)]
pub(super) struct View {
    /// Sandboxes that are its own, or could be.
    pub(super) members: Vec<Member>,
    /// Sandboxes that are its own and on their way out.
    pub(super) terminating: usize,
    /// Sandboxes that were created and not seen yet.
    pub(super) unseen: usize,
}

/// One sandbox of a pool.
#[derive(Clone, Debug, Default)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) resource_version: String,
    pub(super) created: Timestamp,
    /// Whether the pool controls it. If not, nobody does.
    pub(super) owned: bool,
    /// Its owners, none of which controls it unless it is owned.
    pub(super) owners: Vec<OwnerReference>,
    pub(super) ready: bool,
    /// Since when it is ready, or is not.
    pub(super) since: Timestamp,
    /// Why no node can take it, if none can.
    pub(super) unschedulable: Option<String>,
    /// Whether the template would make another today.
    pub(super) stale: bool,
}

/// The template that the pool names.
pub(super) fn template(caches: &Caches, pool: &SandboxWarmPool) -> Found {
    let namespace = pool.namespace().unwrap_or_default();
    let found = caches
        .templates
        .get(&namespace, &pool.spec.sandbox_template_ref.name);
    match found.as_deref().map(|template| &template.0) {
        Some(Ok(template)) => Found::Template(Box::new(template.clone())),
        Some(Err(unreadable)) => Found::None(NoTemplate::Unreadable(unreadable.error.clone())),
        None => Found::None(NoTemplate::Missing),
    }
}

/// The sandboxes of a pool, and those that will be.
pub(super) async fn members(
    context: &Context,
    owner: &Owner,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<View, WriteError> {
    let cache = &context.caches.sandboxes;
    for name in context.pools.with(&owner.uid, |memory| memory.overdue(now)) {
        let is_there = cache.get(&owner.namespace, &name).is_some()
            || context
                .get::<Sandbox>(&owner.namespace, &name)
                .await?
                .is_some();
        context
            .pools
            .with(&owner.uid, |memory| memory.looked_up(&name, is_there));
    }
    // The memory is settled with what was read after it: a creation that is
    // seen by then is a member, one that is not is counted as unseen.
    let sandboxes = cache.labelled(&owner.namespace, &owner.hash);
    Ok(context.pools.with(&owner.uid, |memory| {
        let uids = sandboxes
            .iter()
            .filter_map(|sandbox| sandbox.meta().uid.as_deref())
            .collect();
        let listed: HashSet<_> = sandboxes.iter().map(|sandbox| sandbox.name_any()).collect();
        // One that is here under another label was claimed before it was counted.
        let seen =
            |name: &str| listed.contains(name) || claimed(cache.get(&owner.namespace, name), owner);
        memory.settle(seen, &uids, now);
        view(&sandboxes, owner, wanted, memory)
    }))
}

fn claimed(sandbox: Option<Arc<Guarded<Sandbox>>>, owner: &Owner) -> bool {
    sandbox
        .is_some_and(|sandbox| sandbox.labels().get(label::WARM_POOL_SANDBOX) != Some(&owner.hash))
}

/// Sorts the sandboxes that carry a pool's label. Pure.
pub(super) fn view(
    sandboxes: &[Arc<Guarded<Sandbox>>],
    owner: &Owner,
    wanted: &Wanted,
    memory: &Memory,
) -> View {
    let mut view = View {
        unseen: memory.unseen(),
        ..View::default()
    };
    for sandbox in sandboxes {
        let owned = match controller_of(sandbox.meta()) {
            Some(controller) if controller.uid == owner.uid => true,
            Some(_) => continue,
            None => false,
        };
        let fate = memory.fate(sandbox.meta().uid.as_deref().unwrap_or_default());
        let leaving = sandbox.meta().deletion_timestamp.is_some() || fate == Some(Fate::Accepted);
        match (leaving, fate) {
            (_, Some(Fate::Absent)) => {}
            (true, _) => view.terminating += usize::from(owned),
            // Of an orphan that cannot be read nobody knows what it would become.
            (false, _) if !owned && sandbox.0.is_err() => {}
            (false, _) => view.members.push(member(sandbox, owned, wanted)),
        }
    }
    view
}

fn member(sandbox: &Guarded<Sandbox>, owned: bool, wanted: &Wanted) -> Member {
    let meta = sandbox.meta();
    let readable = sandbox.0.as_ref().ok();
    let status = readable.and_then(|sandbox| sandbox.status.as_ref());
    let conditions = status
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let created = meta
        .creation_timestamp
        .as_ref()
        .map(|time| time.0)
        .unwrap_or_default();
    let ready = condition::find(conditions, READY);
    Member {
        name: sandbox.name_any(),
        uid: meta.uid.clone().unwrap_or_default(),
        resource_version: meta.resource_version.clone().unwrap_or_default(),
        created,
        owned,
        owners: meta.owner_references.clone().unwrap_or_default(),
        ready: condition::is_true(conditions, READY),
        since: ready.map_or(created, |ready| ready.last_transition_time.0.max(created)),
        unschedulable: unschedulable(conditions).map(|condition| condition.message.clone()),
        stale: readable.is_some_and(|sandbox| stale(sandbox, wanted)),
    }
}

fn unschedulable(conditions: &[Condition]) -> Option<&Condition> {
    condition::find(conditions, POD_SCHEDULED)
        .filter(|condition| condition.status == "False" && condition.reason == UNSCHEDULABLE)
}

/// Whether the pool would make another sandbox today. While there is no
/// template it would make none, and what it has is better than nothing.
pub(super) fn stale(sandbox: &Sandbox, wanted: &Wanted) -> bool {
    let Ok(plan) = &wanted.plan else { return false };
    let labels = sandbox.labels();
    if labels.get(label::SANDBOX_TEMPLATE_REF_HASH) != Some(&wanted.template_ref_hash) {
        return true;
    }
    let hash = labels
        .get(label::SANDBOX_TEMPLATE_HASH)
        .or_else(|| labels.get(label::SANDBOX_POD_TEMPLATE_HASH));
    hash != Some(&plan.hash) && !plan.is_same(&sandbox.spec.blueprint)
}

#[cfg(test)]
mod tests;
