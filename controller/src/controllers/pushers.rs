//! Who hears of what: which objects someone should look at after a change.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::{Resource, ResourceExt};

use crate::cache::{Change, Watched};
use crate::context::{Context, Guarded};
use crate::crd::{Sandbox, SandboxClaim, SandboxTemplate, SandboxWarmPool};
use crate::driver::{Queue, Waiting, queue};
use crate::names::controller_of;
use crate::{claim, pool, sandbox, template};

/// Something for each controller.
pub(super) struct Queues<S, C, P, T> {
    pub(super) sandboxes: S,
    pub(super) claims: C,
    pub(super) pools: P,
    pub(super) templates: T,
}

/// The ends that controllers hold.
pub(super) type Waitings = Queues<
    Waiting<Guarded<Sandbox>>,
    Waiting<Guarded<SandboxClaim>>,
    Waiting<Guarded<SandboxWarmPool>>,
    Waiting<Guarded<SandboxTemplate>>,
>;

/// The ends by which they are told.
pub(super) type Pushers = Queues<
    Queue<Guarded<Sandbox>>,
    Queue<Guarded<SandboxClaim>>,
    Queue<Guarded<SandboxWarmPool>>,
    Queue<Guarded<SandboxTemplate>>,
>;

/// A queue for each controller.
pub(super) fn queues() -> (Pushers, Waitings) {
    let (sandboxes, waiting_sandboxes) = queue();
    let (claims, waiting_claims) = queue();
    let (pools, waiting_pools) = queue();
    let (templates, waiting_templates) = queue();
    (
        Queues {
            sandboxes,
            claims,
            pools,
            templates,
        },
        Queues {
            sandboxes: waiting_sandboxes,
            claims: waiting_claims,
            pools: waiting_pools,
            templates: waiting_templates,
        },
    )
}

fn ask<K: Watched>(queue: &Queue<K>, object: &K) {
    let meta = object.meta();
    queue.push(
        meta.namespace.as_deref().unwrap_or_default(),
        meta.name.as_deref().unwrap_or_default(),
    );
}

/// Of what is gone, no write is waited for.
fn forget_gone<K: Watched>(context: &Context, change: &Change<K>) {
    if let (Some(before), None) = (&change.before, &change.after) {
        context.freshness.forget(before.meta());
    }
}

impl Pushers {
    pub(super) fn node_changed(&self, context: &Context, change: &Change<Node>) {
        let (Some(wasm), Some(node)) = (&context.wasm, change.latest()) else {
            return;
        };
        let keys = wasm
            .fleet
            .node_changed(&node.name_any(), change.after.as_deref());
        for (namespace, name) in keys {
            self.sandboxes.push(&namespace, &name);
        }
    }

    pub(super) fn namespace_changed(&self, context: &Context, _: &Change<Namespace>) {
        if let Some(wasm) = &context.wasm {
            wasm.police.publish();
        }
    }

    pub(super) fn images_changed(&self, context: &Context, change: &Change<ConfigMap>) {
        let Some(wasm) = &context.wasm else {
            return;
        };
        wasm.images_changed(change.after.as_deref());
        for sandbox in context.caches.sandboxes.all() {
            let blueprint = sandbox.0.as_ref().ok().map(|it| &it.spec.blueprint);
            let classed =
                blueprint.is_some_and(|it| it.pod_template.spec.runtime_class_name.is_some());
            if classed {
                ask(&self.sandboxes, &*sandbox);
            }
        }
    }

    pub(super) fn host_changed(&self, context: &Context, change: &Change<Pod>) {
        let Some(wasm) = &context.wasm else {
            return;
        };
        for pod in change.both() {
            if let Some(node) = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref()) {
                for (namespace, name) in wasm.host_changed(node) {
                    self.sandboxes.push(&namespace, &name);
                }
            }
        }
    }

    pub(super) fn sandbox_changed(&self, context: &Context, change: &Change<Guarded<Sandbox>>) {
        change
            .after
            .iter()
            .for_each(|sandbox| ask(&self.sandboxes, &**sandbox));
        forget_gone(context, change);
        let heard = claim::concerns(change);
        for (namespace, name) in claim::hopeful(context, change) {
            self.claims.push(&namespace, &name);
        }
        for sandbox in change.both() {
            let namespace = sandbox.namespace().unwrap_or_default();
            let Some(owner) = controller_of(sandbox.meta()) else {
                let pool = pool::of_orphan(&context.caches, sandbox);
                pool.iter()
                    .for_each(|pool| self.pools.push(&namespace, pool));
                continue;
            };
            match owner.kind.as_str() {
                "SandboxClaim" if heard => self.claims.push(&namespace, &owner.name),
                "SandboxWarmPool" => self.pools.push(&namespace, &owner.name),
                _ => {}
            }
        }
    }

    pub(super) fn child_changed<K: Watched>(&self, _: &Context, change: &Change<K>) {
        for child in change.both() {
            if let Some(owner) = controller_of(child.meta()).filter(|owner| owner.kind == "Sandbox")
            {
                self.sandboxes
                    .push(&child.namespace().unwrap_or_default(), &owner.name);
            }
        }
    }

    pub(super) fn claim_changed(&self, context: &Context, change: &Change<Guarded<SandboxClaim>>) {
        claim::heard(context, change);
        forget_gone(context, change);
        change
            .after
            .iter()
            .for_each(|claim| ask(&self.claims, &**claim));
    }

    pub(super) fn pool_changed(
        &self,
        context: &Context,
        change: &Change<Guarded<SandboxWarmPool>>,
    ) {
        let Some(pool) = change.latest() else { return };
        ask(&self.pools, &**pool);
        forget_gone(context, change);
        if change.after.is_none() {
            pool::forget(context, pool);
        }
        for (namespace, name) in claim::waiting_for_pool(&context.caches, change) {
            self.claims.push(&namespace, &name);
        }
    }

    pub(super) fn template_changed(
        &self,
        context: &Context,
        change: &Change<Guarded<SandboxTemplate>>,
    ) {
        let Some(template) = change.latest() else {
            return;
        };
        let (namespace, name) = (
            template.namespace().unwrap_or_default(),
            template.name_any(),
        );
        // Before anything is made of it.
        if let Some(wasm) = &context.wasm {
            let readable = change.after.as_ref().and_then(|it| it.0.as_ref().ok());
            if wasm.police.template_changed(&namespace, &name, readable) {
                for sandbox in sandbox::of_template(&context.caches, &namespace, &name) {
                    self.sandboxes.push(&namespace, &sandbox);
                }
            }
        }
        ask(&self.templates, &**template);
        forget_gone(context, change);
        for pool in pool::of_template(&context.caches, &namespace, &name) {
            self.pools.push(&namespace, &pool);
        }
        for claim in claim::waiting_for_template(&context.caches, &namespace, &name) {
            self.claims.push(&namespace, &claim);
        }
    }

    pub(super) fn policy_changed(&self, _: &Context, change: &Change<NetworkPolicy>) {
        let Some(policy) = change.latest() else {
            return;
        };
        // By name: a template also waits for one that is not its own to go.
        if let Some(template) = template::of_policy(policy) {
            self.templates
                .push(&policy.namespace().unwrap_or_default(), &template);
        }
    }
}
