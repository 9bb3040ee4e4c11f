//! Decides what becomes of each sandbox of a pool, and how many are missing. Pure.

use std::cmp::Reverse;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::memory::LOOK_UP_AFTER;
use super::observe::{Member, View};
use super::pace::Pace;
use super::validate::{Wanted, since};
use crate::crd::PoolUpdateStrategyType;
use crate::settings::Settings;

/// What a pass is to do.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// Sandboxes that nobody controls: the pool takes them.
    pub(super) adopt: Vec<Member>,
    /// Sandboxes that are stale, stuck, or too many.
    pub(super) delete: Vec<Member>,
    /// Sandboxes that stay, adopted ones included.
    pub(super) keep: Vec<Member>,
    /// Why no node can take a sandbox that is kept nevertheless.
    pub(super) unschedulable: Option<String>,
    /// How many to create now.
    pub(super) create: usize,
    /// When to look again, if nothing is heard before.
    pub(super) again_in: Option<Duration>,
}

/// What is to become of one sandbox.
enum Verdict {
    Delete,
    /// Kept, and to be judged again when this has passed.
    Keep(Option<Duration>),
    /// Kept although it has long not been ready: another would do no better.
    Hold(String),
}

/// Makes the plan of one pass.
pub(super) fn place(
    wanted: &Wanted,
    view: &View,
    pace: &mut Pace,
    settings: &Settings,
    now: Timestamp,
) -> Plan {
    let mut plan = judge(wanted, view, settings, now);
    let excess = plan.keep.len().saturating_sub(wanted.replicas);
    plan.keep
        .sort_by_key(|member| (member.ready, Reverse(member.created), member.name.clone()));
    plan.delete.extend(plan.keep.drain(..excess));
    plan.adopt = plan
        .keep
        .iter()
        .filter(|member| !member.owned)
        .cloned()
        .collect();
    // What is on its way out still takes its place: a pool never has more than
    // it says, not even for a moment.
    let leaving = view.terminating + plan.delete.iter().filter(|member| member.owned).count();
    let total = plan.keep.len() + leaving + view.unseen;
    let missing = wanted.replicas.saturating_sub(total);
    if wanted.plan.is_ok() {
        let allowed = pace.allow(
            (missing, wanted.replicas),
            settings.pool_replenish_delay,
            settings.pool_refill_rate,
            now,
        );
        plan.create = allowed.count.min(settings.pool_batch);
        plan.again_in = sooner(plan.again_in, allowed.again_in);
    }
    if view.unseen + plan.create > 0 {
        plan.again_in = sooner(plan.again_in, Some(LOOK_UP_AFTER));
    }
    plan
}

fn judge(wanted: &Wanted, view: &View, settings: &Settings, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    for member in &view.members {
        match verdict(member, wanted.update, settings, now) {
            Verdict::Delete => plan.delete.push(member.clone()),
            Verdict::Keep(again_in) => {
                plan.keep.push(member.clone());
                plan.again_in = sooner(plan.again_in, again_in);
            }
            Verdict::Hold(why) => {
                plan.keep.push(member.clone());
                plan.unschedulable.get_or_insert(why);
                plan.again_in = sooner(plan.again_in, Some(settings.pool_unschedulable_recheck));
            }
        }
    }
    plan
}

fn verdict(
    member: &Member,
    update: PoolUpdateStrategyType,
    settings: &Settings,
    now: Timestamp,
) -> Verdict {
    if member.stale && update == PoolUpdateStrategyType::Recreate {
        return Verdict::Delete;
    }
    let grace = settings.pool_readiness_grace;
    // No grace would delete each sandbox as it is made: it means no end of it.
    if member.ready || !member.owned || grace.is_zero() {
        return Verdict::Keep(None);
    }
    let left = grace.saturating_sub(since(member.since, now));
    match &member.unschedulable {
        _ if !left.is_zero() => Verdict::Keep(Some(left)),
        Some(why) => Verdict::Hold(why.clone()),
        None => Verdict::Delete,
    }
}

fn sooner(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests;
