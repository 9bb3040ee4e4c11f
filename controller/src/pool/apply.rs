//! Carries out a pool's plan: adopts, deletes, creates, in this order, so that
//! what is taken or gone is known before anything is made in its place.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::build;
use super::memory::Fate;
use super::observe::Member;
use super::place::Plan;
use super::validate::Owner;
use crate::context::Context;
use crate::crd::Sandbox;
use crate::write::{Deletion, WriteError};

/// Adoptions and deletions that are under way at once: enough to hide the time
/// of a request, few enough to leave the API server room for others.
const AT_ONCE: usize = 50;

/// What was done, and what stopped it.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Sandboxes that stay but could not be adopted.
    pub(super) not_adopted: usize,
    /// Sandboxes that were created.
    pub(super) created: usize,
    /// Why a creation failed.
    pub(super) create_error: Option<WriteError>,
    /// Why something else failed.
    pub(super) error: Option<WriteError>,
}

/// Carries out the plan as far as it can be.
pub(super) async fn apply(
    context: &Context,
    owner: &Owner,
    plan: &Plan,
    sandbox: Option<&Sandbox>,
    now: Timestamp,
) -> Done {
    let mut done = Done::default();
    // Collected first: a closure over borrowed members inside a stream is more
    // than the compiler can see through when the whole is to be `Send`.
    let adoptions: Vec<_> = plan
        .adopt
        .iter()
        .map(|member| adopt(context, owner, member))
        .collect();
    let mut adopted = stream::iter(adoptions).buffer_unordered(AT_ONCE);
    while let Some(adopted) = adopted.next().await {
        match adopted {
            Ok(true) => {}
            Ok(false) => done.not_adopted += 1,
            Err(error) => done.error = Some(error),
        }
    }
    let deletions: Vec<_> = plan
        .delete
        .iter()
        .map(|member| delete(context, owner, member))
        .collect();
    let mut deleted = stream::iter(deletions).buffer_unordered(AT_ONCE);
    while let Some(deleted) = deleted.next().await {
        done.error = deleted.err().or(done.error);
    }
    if let Some(sandbox) = sandbox {
        let (created, error) =
            slow_start(plan.create, || create(context, owner, sandbox, now)).await;
        (done.created, done.create_error) = (created, error);
    }
    done
}

/// Whether the sandbox is the pool's now. If it changed or is gone, the next
/// pass sees what became of it.
async fn adopt(context: &Context, owner: &Owner, member: &Member) -> Result<bool, WriteError> {
    let patch = build::adoption(owner, member);
    match context
        .merge_patch::<Sandbox>(&owner.namespace, &member.name, &patch)
        .await
    {
        Ok(_) => Ok(true),
        Err(WriteError::Conflict(_) | WriteError::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Deletes a sandbox unless it has changed: a claim may have taken it since.
async fn delete(context: &Context, owner: &Owner, member: &Member) -> Result<(), WriteError> {
    let how = Deletion {
        uid: Some(member.uid.clone()),
        resource_version: Some(member.resource_version.clone()),
        foreground: false,
    };
    let fate = match context
        .delete::<Sandbox>(&owner.namespace, &member.name, how)
        .await
    {
        Ok(()) => Fate::Accepted,
        Err(WriteError::NotFound(_)) => Fate::Absent,
        Err(WriteError::Conflict(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    context.pools.with(&owner.uid, |memory| {
        memory.deleted(member.uid.clone(), fate)
    });
    Ok(())
}

async fn create(
    context: &Context,
    owner: &Owner,
    sandbox: &Sandbox,
    now: Timestamp,
) -> Result<(), WriteError> {
    let sandbox = build::named(sandbox, RandomState::new().hash_one(&owner.uid));
    let result = context.create(&sandbox).await;
    let name = sandbox.name_any();
    context.pools.with(&owner.uid, |memory| match &result {
        Ok(_) => memory.created(name, now),
        Err(error) if is_doubtful(error) => memory.doubted(name, now),
        Err(_) => {}
    });
    result.map(|_| ())
}

/// Whether the request may have been carried out nevertheless.
fn is_doubtful(error: &WriteError) -> bool {
    match error {
        WriteError::Unreachable { .. } => true,
        WriteError::Rejected { code, .. } => *code >= 500,
        WriteError::NotFound(_) | WriteError::Conflict(_) | WriteError::AlreadyExists(_) => false,
    }
}

/// Makes `count` of something in batches of 1, 2, 4 and so on, and stops after
/// a batch in which one failed: where none can be made, one request says so.
async fn slow_start<F, R, E>(count: usize, make: F) -> (usize, Option<E>)
where
    F: Fn() -> R,
    R: Future<Output = Result<(), E>>,
{
    let (mut made, mut batch) = (0, 1);
    while made < count {
        let results = join_all((0..batch.min(count - made)).map(|_| make())).await;
        made += results.iter().filter(|result| result.is_ok()).count();
        if let Some(error) = results.into_iter().find_map(Result::err) {
            return (made, Some(error));
        }
        batch *= 2;
    }
    (made, None)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::FutureExt;

    use super::*;

    /// Makes `count`, of which those from `fails_at` on fail; what was made,
    /// and how often it was tried.
    fn make(count: usize, fails_at: usize) -> (usize, bool, usize) {
        let tried = Cell::new(0);
        let (made, error) = slow_start(count, || {
            tried.set(tried.get() + 1);
            let fails = tried.get() > fails_at;
            async move { if fails { Err(()) } else { Ok(()) } }
        })
        .now_or_never()
        .unwrap();
        (made, error.is_some(), tried.get())
    }

    #[test]
    fn all_are_made_where_nothing_fails() {
        for count in [0, 1, 2, 10, 300] {
            assert_eq!(make(count, usize::MAX), (count, false, count));
        }
    }

    #[test]
    fn where_none_can_be_made_one_is_tried() {
        assert_eq!(make(300, 0), (0, true, 1));
    }

    #[test]
    fn a_failure_ends_its_batch_and_no_other_follows() {
        // Batches of 1, 2, 4: the fifth is within the third.
        assert_eq!(make(300, 4), (4, true, 7));
    }

    #[test]
    fn the_last_batch_is_no_larger_than_what_is_missing() {
        assert_eq!(make(5, 4), (4, true, 5));
    }
}
