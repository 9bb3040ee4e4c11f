//! Says what a pool has: its status, its events, and when to look again.

use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use serde_json::json;

use super::apply::Done;
use super::memory::Memory;
use super::observe::View;
use super::place::Plan;
use super::validate::{NoTemplate, Wanted};
use crate::context::Context;
use crate::crd::{SandboxWarmPool, SandboxWarmPoolStatus};
use crate::driver::ReconcileError;
use crate::event::Events;
use crate::names::{label, name_hash};
use crate::write::WriteError;

const NOT_PROGRESSING: &str = "WarmPoolNotProgressing";
const PROGRESSING: &str = "WarmPoolProgressing";
const TEMPLATE_NOT_FOUND: &str = "TemplateNotFound";
const FAILED_CREATE: &str = "FailedCreate";
const INVALID_CONFIGURATION: &str = "InvalidConfiguration";
/// What the controller was about when an event arose.
const FILL: &str = "FillPool";

/// One event that a pass tells of.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Told {
    warning: bool,
    reason: &'static str,
    note: String,
}

/// Writes the status where it changed, tells what is new, and says when the
/// next pass is.
pub(super) async fn report(
    context: &Context,
    pool: &SandboxWarmPool,
    wanted: &Wanted,
    view: &View,
    plan: &Plan,
    done: Done,
) -> Result<Action, ReconcileError> {
    let uid = pool.uid().unwrap_or_default();
    let told = context
        .pools
        .with(&uid, |memory| news(memory, wanted, plan, &done));
    for Told {
        warning,
        reason,
        note,
    } in told
    {
        if warning {
            context.events.warning(pool, reason, FILL, note);
        } else {
            context.events.normal(pool, reason, FILL, note);
        }
    }
    let status = status(pool, view, plan, &done);
    let written = if pool.status.as_ref() == Some(&status) {
        Ok(())
    } else {
        write(context, pool, &status).await
    };
    match done.create_error.or(done.error) {
        // A namespace that is gone, or a pool: nothing is left to do.
        Some(WriteError::NotFound(_)) | None => {}
        Some(error) => return Err(error.into()),
    }
    written?;
    Ok(plan
        .again_in
        .map_or_else(Action::await_change, Action::requeue))
}

async fn write(
    context: &Context,
    pool: &SandboxWarmPool,
    status: &SandboxWarmPoolStatus,
) -> Result<(), WriteError> {
    let (namespace, name) = (pool.namespace().unwrap_or_default(), pool.name_any());
    let patch = json!({ "status": status });
    match context
        .merge_patch_status::<SandboxWarmPool>(&namespace, &name, &patch)
        .await
    {
        Ok(_) | Err(WriteError::NotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What the pool has, as far as it is known: what was created counts before it
/// is seen. Zeros are said, or a merge would keep what was there. Pure.
pub(super) fn status(
    pool: &SandboxWarmPool,
    view: &View,
    plan: &Plan,
    done: &Done,
) -> SandboxWarmPoolStatus {
    let kept = plan.keep.len().saturating_sub(done.not_adopted);
    let ready = plan
        .keep
        .iter()
        .filter(|member| member.ready && member.owned)
        .count();
    SandboxWarmPoolStatus {
        replicas: count(kept + view.unseen + done.created),
        ready_replicas: count(ready),
        selector: Some(format!(
            "{}={}",
            label::WARM_POOL_SANDBOX,
            name_hash(&pool.name_any())
        )),
        observed_generation: pool.metadata.generation,
    }
}

fn count(many: usize) -> i32 {
    i32::try_from(many).unwrap_or(i32::MAX)
}

/// What is worth an event and was not told before. Pure, but for the memory.
pub(super) fn news(memory: &mut Memory, wanted: &Wanted, plan: &Plan, done: &Done) -> Vec<Told> {
    let stuck = plan
        .unschedulable
        .as_deref()
        .map(|why| format!("no node can take a sandbox of the pool, which waits: {why}"));
    let missing = wanted.plan.as_ref().err();
    let missing = missing.map(|why| no_template(&wanted.template_name, why));
    let failed = done.create_error.as_ref();
    let failed = failed.map(|error| format!("a sandbox could not be created: {error}"));
    let progresses = stuck.is_none() && memory.told.contains(NOT_PROGRESSING);
    let mut told = vec![
        once(memory, NOT_PROGRESSING, stuck),
        once(memory, TEMPLATE_NOT_FOUND, missing),
    ];
    // A pass that had nothing to create has not shown that it can.
    if failed.is_some() || done.created > 0 {
        told.push(once(memory, FAILED_CREATE, failed));
    }
    told.push(progresses.then(|| Told {
        warning: false,
        reason: PROGRESSING,
        note: "no sandbox of the pool waits for a node any more".to_owned(),
    }));
    told.into_iter().flatten().collect()
}

/// A warning when something begins to hold; silence while it does.
fn once(memory: &mut Memory, reason: &'static str, note: Option<String>) -> Option<Told> {
    let Some(note) = note else {
        memory.told.remove(reason);
        return None;
    };
    memory.told.insert(reason).then_some(Told {
        warning: true,
        reason,
        note,
    })
}

fn no_template(name: &str, why: &NoTemplate) -> String {
    match why {
        NoTemplate::Missing => format!("SandboxTemplate {name:?} not found"),
        NoTemplate::Unreadable(why) => format!("SandboxTemplate {name:?} cannot be read: {why}"),
    }
}

/// Tells that a pool cannot be read, and why.
pub(super) fn unreadable<K: Resource<DynamicType = ()>>(events: &Events, pool: &K, why: &str) {
    events.warning(pool, INVALID_CONFIGURATION, "ReadPool", why);
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::pool::observe::Member;

    fn template() -> serde_json::Value {
        json!({ "podTemplate": { "spec": { "containers": [] } } })
    }

    fn member(owned: bool, ready: bool) -> Member {
        Member {
            owned,
            ready,
            ..Member::default()
        }
    }

    #[test]
    fn the_status_counts_what_stays_and_what_was_made() {
        let pool = testing::object(9, json!({}));
        let keep = vec![member(true, true), member(true, false), member(false, true)];
        let plan = Plan {
            keep,
            ..Plan::default()
        };
        let done = Done {
            created: 2,
            ..Done::default()
        };
        let view = View {
            unseen: 1,
            terminating: 4,
            ..View::default()
        };
        let status = status(&pool, &view, &plan, &done);
        assert_eq!((status.replicas, status.ready_replicas), (6, 1));
        let selector = format!("agents.x-k8s.io/warm-pool-sandbox={}", name_hash("my-pool"));
        assert_eq!(status.selector, Some(selector));
        assert_eq!(status.observed_generation, Some(4));
    }

    #[test]
    fn an_orphan_that_got_away_does_not_count() {
        let pool = testing::object(9, json!({}));
        let plan = Plan {
            keep: vec![member(false, true)],
            ..Plan::default()
        };
        let done = Done {
            not_adopted: 1,
            ..Done::default()
        };
        assert_eq!(status(&pool, &View::default(), &plan, &done).replicas, 0);
    }

    #[test]
    fn zeros_are_written_so_that_they_replace_what_was_there() {
        let pool = testing::object(0, json!({}));
        let status = status(&pool, &View::default(), &Plan::default(), &Done::default());
        let written = serde_json::to_value(status).unwrap();
        assert_eq!(
            (&written["replicas"], &written["readyReplicas"]),
            (&json!(0), &json!(0))
        );
    }

    #[test]
    fn a_pool_that_is_stuck_says_so_once_and_once_that_it_goes_on() {
        let (_, wanted) = testing::pool(1, &template());
        let (mut memory, done) = (Memory::default(), Done::default());
        let stuck = Plan {
            unschedulable: Some("0/1 nodes".into()),
            ..Plan::default()
        };
        let told = news(&mut memory, &wanted, &stuck, &done);
        assert_eq!(
            (told.len(), told[0].reason, told[0].warning),
            (1, NOT_PROGRESSING, true)
        );
        assert!(told[0].note.contains("0/1 nodes"));
        assert!(news(&mut memory, &wanted, &stuck, &done).is_empty());
        let told = news(&mut memory, &wanted, &Plan::default(), &done);
        assert_eq!(
            (told.len(), told[0].reason, told[0].warning),
            (1, PROGRESSING, false)
        );
        assert!(news(&mut memory, &wanted, &Plan::default(), &done).is_empty());
    }

    #[test]
    fn a_missing_template_is_told_once_and_again_after_it_was_there() {
        let (_, with) = testing::pool(1, &template());
        let without = testing::without_template(1);
        let (mut memory, plan, done) = (Memory::default(), Plan::default(), Done::default());
        let told = news(&mut memory, &without, &plan, &done);
        assert_eq!(told[0].note, "SandboxTemplate \"my-template\" not found");
        assert!(news(&mut memory, &without, &plan, &done).is_empty());
        assert!(news(&mut memory, &with, &plan, &done).is_empty());
        assert_eq!(news(&mut memory, &without, &plan, &done).len(), 1);
    }

    #[test]
    fn a_failure_is_told_once_until_something_could_be_created() {
        let (_, wanted) = testing::pool(1, &template());
        let (mut memory, plan) = (Memory::default(), Plan::default());
        let refused = || WriteError::Rejected {
            code: 422,
            reason: "Invalid".into(),
            message: "no".into(),
        };
        let failed = || Done {
            create_error: Some(refused()),
            ..Done::default()
        };
        assert_eq!(
            news(&mut memory, &wanted, &plan, &failed())[0].reason,
            FAILED_CREATE
        );
        assert!(news(&mut memory, &wanted, &plan, &Done::default()).is_empty());
        assert!(news(&mut memory, &wanted, &plan, &failed()).is_empty());
        let created = Done {
            created: 1,
            ..Done::default()
        };
        assert!(news(&mut memory, &wanted, &plan, &created).is_empty());
        assert_eq!(news(&mut memory, &wanted, &plan, &failed()).len(), 1);
    }
}
