//! What claims hear of, besides what happens to themselves.

use kube::{Resource, ResourceExt};

use super::observe::assigned;
use crate::cache::Change;
use crate::condition::{FINISHED, READY, find};
use crate::context::{Caches, Context, Guarded};
use crate::crd::{Condition, Sandbox, SandboxClaim, SandboxStatus, SandboxWarmPool};
use crate::names::controller_of;
use k8s_openapi::jiff::Timestamp;

/// Whether what became of a sandbox concerns the claim that has it: whether it
/// goes, where it answers, and whether it is ready or finished. A claim does
/// not follow every word of its sandbox.
pub fn concerns(change: &Change<Guarded<Sandbox>>) -> bool {
    let (Some(before), Some(after)) = (&change.before, &change.after) else {
        return true;
    };
    let (Ok(before), Ok(after)) = (&before.0, &after.0) else {
        return true;
    };
    let owner = |sandbox: &Sandbox| controller_of(&sandbox.metadata).map(|it| it.uid.clone());
    before.metadata.deletion_timestamp != after.metadata.deletion_timestamp
        || owner(before) != owner(after)
        || told(before.status.as_ref()) != told(after.status.as_ref())
}

type Told<'a> = (
    &'a [String],
    Option<(&'a str, &'a str)>,
    Option<&'a Condition>,
);

fn told(status: Option<&SandboxStatus>) -> Told<'_> {
    let Some(status) = status else {
        return (&[], None, None);
    };
    let ready = find(&status.conditions, READY);
    (
        &status.pod_ips,
        ready.map(|ready| (ready.status.as_str(), ready.reason.as_str())),
        find(&status.conditions, FINISHED),
    )
}

/// Claims without a sandbox that a change of this pool may help or stop:
/// namespace and name.
pub fn waiting_for_pool(
    caches: &Caches,
    change: &Change<Guarded<SandboxWarmPool>>,
) -> Vec<(String, String)> {
    let spec = |pool: &Guarded<SandboxWarmPool>| (pool.uid(), pool.meta().generation);
    let (before, after) = (change.before.as_deref(), change.after.as_deref());
    // Its status changes with each sandbox; its spec seldom does.
    if before.map(spec) == after.map(spec) {
        return Vec::new();
    }
    let Some(pool) = change.latest() else {
        return Vec::new();
    };
    let (namespace, name) = (pool.namespace().unwrap_or_default(), pool.name_any());
    let waiting = unbound(caches, &namespace, |of| of == name);
    waiting
        .into_iter()
        .map(|claim| (namespace.clone(), claim))
        .collect()
}

/// Claims without a sandbox that this template may help: names.
pub fn waiting_for_template(caches: &Caches, namespace: &str, name: &str) -> Vec<String> {
    let uses = |pool: &str| {
        let pool = caches.pools.readable(namespace, pool);
        pool.is_some_and(|pool| pool.spec.sandbox_template_ref.name == name)
    };
    unbound(caches, namespace, uses)
}

fn unbound(caches: &Caches, namespace: &str, of: impl Fn(&str) -> bool) -> Vec<String> {
    let claims = caches.claims.all();
    let claims = claims.iter().filter_map(|claim| claim.0.as_ref().ok());
    claims
        .filter(|claim| claim.metadata.namespace.as_deref() == Some(namespace))
        .filter(|claim| assigned(claim).is_none() && of(&claim.spec.warm_pool_ref.name))
        .map(ResourceExt::name_any)
        .collect()
}

/// Claims that wait for this sandbox of a pool to have an address, which it has
/// now: namespace and name.
pub fn hopeful(context: &Context, change: &Change<Guarded<Sandbox>>) -> Vec<(String, String)> {
    let networked = |sandbox: &Guarded<Sandbox>| {
        let status = sandbox
            .0
            .as_ref()
            .ok()
            .and_then(|sandbox| sandbox.status.as_ref());
        status.is_some_and(|status| !status.pod_ips.is_empty())
    };
    let Some(after) = change.after.as_ref().filter(|after| networked(after)) else {
        return Vec::new();
    };
    let owner = controller_of(after.meta()).filter(|owner| owner.kind == "SandboxWarmPool");
    match owner {
        Some(owner)
            if !change
                .before
                .as_ref()
                .is_some_and(|before| networked(before)) =>
        {
            let namespace = after.namespace().unwrap_or_default();
            let names = context.ledger.hopeful(&namespace, &owner.name);
            names
                .into_iter()
                .map(|name| (namespace.clone(), name))
                .collect()
        }
        Some(_) | None => Vec::new(),
    }
}

/// Notes when a claim came, and forgets one that went.
pub fn heard(context: &Context, change: &Change<Guarded<SandboxClaim>>) {
    let uid = |claim: &Guarded<SandboxClaim>| claim.uid().unwrap_or_default();
    let (before, after) = (
        change.before.as_deref().map(uid),
        change.after.as_deref().map(uid),
    );
    if before == after {
        return;
    }
    if let Some(gone) = before {
        context.ledger.forget(&gone);
    }
    if let Some(new) = after {
        context.ledger.seen(&new, Timestamp::now());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::claim::fixtures::{at, claim, finished, owned, ready};

    fn concerned(alter: impl FnOnce(&mut Sandbox)) -> bool {
        let before = owned("s", &claim("c"));
        let mut after = before.clone();
        alter(&mut after);
        let guard = |sandbox| Some(Arc::new(kube::core::DeserializeGuard(Ok(sandbox))));
        concerns(&Change {
            before: guard(before),
            after: guard(after),
        })
    }

    fn status(sandbox: &mut Sandbox) -> &mut SandboxStatus {
        sandbox.status.as_mut().unwrap()
    }

    #[test]
    fn a_claim_hears_of_deletion_addresses_readiness_and_the_end() {
        assert!(concerned(
            |it| it.metadata.deletion_timestamp = Some(crate::crd::Time(at(1)))
        ));
        assert!(concerned(|it| it.metadata.owner_references = None));
        assert!(concerned(|it| status(it).pod_ips.clear()));
        assert!(concerned(
            |it| status(it).conditions[0].status = "False".to_owned()
        ));
        assert!(concerned(
            |it| status(it).conditions[0].reason = "MultiplePods".to_owned()
        ));
        assert!(concerned(|it| status(it).conditions.push(finished(at(1)))));
        assert!(concerned(|it| it.status = None));
    }

    #[test]
    fn a_claim_does_not_hear_of_the_rest() {
        assert!(!concerned(|_| {}));
        assert!(!concerned(
            |it| status(it).node_name = Some("other".to_owned())
        ));
        assert!(!concerned(
            |it| status(it).conditions[0].message = "other".to_owned()
        ));
        assert!(!concerned(
            |it| it.metadata.resource_version = Some("9".to_owned())
        ));
        let suspended = |it: &mut Sandbox| {
            status(it).conditions.push(Condition {
                type_: "Suspended".to_owned(),
                ..ready("False", "NotSuspended", "m")
            });
        };
        assert!(!concerned(suspended));
    }

    #[test]
    fn a_new_sandbox_and_one_that_is_gone_concern_their_claim() {
        let sandbox = || {
            Some(Arc::new(kube::core::DeserializeGuard(Ok(owned(
                "s",
                &claim("c"),
            )))))
        };
        assert!(concerns(&Change {
            before: None,
            after: sandbox()
        }));
        assert!(concerns(&Change {
            before: sandbox(),
            after: None
        }));
    }
}
