//! Who hears of what: one watch a kind, and a queue a controller.

use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::node::v1::RuntimeClass;
use kube::runtime::watcher::Config;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use prometheus_client::registry::Registry;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::cache::{self, Cache, Change, Filler, Watched};
use crate::context::{Caches, Context, Guarded, Metrics};
use crate::crd::{Sandbox, SandboxClaim, SandboxTemplate, SandboxWarmPool};
use crate::driver::{self, Queue, Waiting, queue};
use crate::event::Events;
use crate::freshness::Freshness;
use crate::names::{controller_of, label};
use crate::settings::Settings;
use crate::wasm::{Key, Wasm};
use crate::{claim, pool, sandbox, template, wasm};

/// The controllers, their caches filling, waiting to lead.
pub struct Controllers {
    /// What they share.
    pub context: Arc<Context>,
    waiting: Waitings,
    watches: Vec<BoxFuture<'static, ()>>,
    pushers: Arc<Pushers>,
}

struct Queues<S, C, P, T> {
    sandboxes: S,
    claims: C,
    pools: P,
    templates: T,
}

type Waitings = Queues<
    Waiting<Guarded<Sandbox>>,
    Waiting<Guarded<SandboxClaim>>,
    Waiting<Guarded<SandboxWarmPool>>,
    Waiting<Guarded<SandboxTemplate>>,
>;

type Pushers = Queues<
    Queue<Guarded<Sandbox>>,
    Queue<Guarded<SandboxClaim>>,
    Queue<Guarded<SandboxWarmPool>>,
    Queue<Guarded<SandboxTemplate>>,
>;

impl Controllers {
    /// Makes the caches and the queues; nothing is asked of the API server yet.
    ///
    /// `namespace` is the controller's own, where node hosts are.
    pub fn new(
        client: Client,
        settings: Settings,
        namespace: &str,
        registry: &mut Registry,
    ) -> Self {
        let (sandboxes, fill_sandboxes) = Cache::new(Some(label::WARM_POOL_SANDBOX));
        let (pods, fill_pods) = Cache::new(None);
        let (services, fill_services) = Cache::new(None);
        let (claims, fill_claims) = Cache::new(None);
        let (pools, fill_pools) = Cache::new(None);
        let (templates, fill_templates) = Cache::new(None);
        let (policies, fill_policies) = Cache::new(None);
        let (classes, fill_classes) = Cache::new(None);
        let (hosts, fill_hosts) = Cache::new(None);
        let (nodes, fill_nodes) = Cache::new(None);
        let (maps, fill_maps) = Cache::new(None);
        let (namespaces, fill_namespaces) = Cache::new(None);
        sandbox::metrics::Census::register(registry, sandboxes.clone());
        let (extensions, wasm) = (settings.extensions, settings.wasm);
        let context = Arc::new(Context {
            caches: Caches {
                sandboxes,
                pods,
                services,
                claims,
                pools,
                templates,
                policies,
            },
            settings,
            metrics: Metrics::register(registry),
            events: Events::new(client.clone(), crate::names::FIELD_MANAGER),
            ledger: claim::Ledger::default(),
            freshness: Freshness::default(),
            pools: pool::Memories::default(),
            wasm: wasm.then(|| Wasm::new(namespace, classes, hosts, nodes, maps, namespaces)),
            client,
        });
        if let Some(wasm) = &context.wasm {
            wasm.fleet.register(registry);
        }
        let (pushers, waiting) = queues();
        let pushers = Arc::new(pushers);
        let watch = Watch {
            context: &context,
            pushers: &pushers,
        };
        let ours = || Config::default();
        // What others own is none of our business: their pods do not pass the selector.
        let children = || Config::default().labels(label::SANDBOX_NAME_HASH);
        let mut watches = vec![
            watch.kind(
                fill_sandboxes,
                ours(),
                cache::trim,
                Pushers::sandbox_changed,
            ),
            watch.kind(
                fill_pods,
                children(),
                cache::trim_pod,
                Pushers::child_changed,
            ),
            watch.kind(
                fill_services,
                children(),
                cache::trim_service,
                Pushers::child_changed,
            ),
        ];
        if extensions {
            watches.extend([
                watch.kind(fill_claims, ours(), cache::trim, Pushers::claim_changed),
                watch.kind(fill_pools, ours(), cache::trim, Pushers::pool_changed),
                watch.kind(
                    fill_templates,
                    ours(),
                    cache::trim,
                    Pushers::template_changed,
                ),
                watch.kind(fill_policies, ours(), cache::trim, Pushers::policy_changed),
            ]);
        }
        if wasm {
            watches.extend(watch.fleet(
                fill_classes,
                fill_hosts,
                fill_nodes,
                fill_maps,
                fill_namespaces,
            ));
        }
        Self {
            context,
            waiting,
            watches,
            pushers,
        }
    }

    /// Ends when every kind was listed once.
    pub async fn filled(context: &Context) {
        let Caches {
            sandboxes,
            pods,
            services,
            claims,
            pools,
            templates,
            policies,
        } = &context.caches;
        tokio::join!(sandboxes.filled(), pods.filled(), services.filled());
        if context.settings.extensions {
            tokio::join!(
                claims.filled(),
                pools.filled(),
                templates.filled(),
                policies.filled()
            );
        }
        if let Some(wasm) = &context.wasm {
            tokio::join!(
                wasm.classes.filled(),
                wasm.hosts.filled(),
                // A node that is not known counts as gone.
                wasm.nodes.filled(),
                // An image that is not known yet is no reason for a pod.
                wasm.maps.filled(),
                wasm.police.filled()
            );
        }
    }

    /// Fills the caches from now on, and reconciles once `lead` is done, until
    /// `shutdown`; then finishes what is being reconciled.
    pub async fn run(self, lead: impl Future<Output = ()> + Send, shutdown: CancellationToken) {
        let Self {
            context,
            waiting,
            watches,
            pushers,
        } = self;
        let watching = join_all(watches);
        let reconciling = async {
            lead.await;
            Self::filled(&context).await;
            let pushed = move |(namespace, name): Key| pushers.sandboxes.push(&namespace, &name);
            let leading = wasm::lead(context.clone(), pushed, shutdown.clone());
            let settled = async {
                if let Some(wasm) = &context.wasm {
                    // Whoever is not heard by then is not heard.
                    let _ = tokio::time::timeout(wasm::SETTLE, wasm.fleet.settled()).await;
                }
                reconcile(&context, waiting, &shutdown).await;
            };
            tokio::join!(settled, leading);
        };
        tokio::select! {
            _ = watching => {}
            () = reconciling => {}
        }
    }
}

async fn reconcile(context: &Arc<Context>, waiting: Waitings, shutdown: &CancellationToken) {
    let (caches, settings) = (context.caches.clone(), &context.settings);
    let given = || (context.clone(), shutdown.clone());
    let (shared, stop) = given();
    let sandboxes = driver::run(
        caches.sandboxes,
        waiting.sandboxes,
        settings.sandbox_workers,
        sandbox::reconcile,
        shared,
        stop,
    );
    let extensions = async {
        let (shared, stop) = given();
        let claims = driver::run(
            caches.claims,
            waiting.claims,
            settings.claim_workers,
            claim::reconcile,
            shared,
            stop,
        );
        let (shared, stop) = given();
        let pools = driver::run(
            caches.pools,
            waiting.pools,
            settings.pool_workers,
            pool::reconcile,
            shared,
            stop,
        );
        let (shared, stop) = given();
        let templates = driver::run(
            caches.templates,
            waiting.templates,
            settings.template_workers,
            template::reconcile,
            shared,
            stop,
        );
        if settings.extensions {
            tokio::join!(claims, pools, templates);
        }
    };
    tokio::join!(sandboxes, extensions);
}

fn queues() -> (Pushers, Waitings) {
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

struct Watch<'a> {
    context: &'a Arc<Context>,
    pushers: &'a Arc<Pushers>,
}

impl Watch<'_> {
    /// What the wasm tier looks at: runtime classes, nodes, the pods of hosts,
    /// namespaces, which network policies select, and what images are.
    fn fleet(
        &self,
        fill_classes: Filler<RuntimeClass>,
        fill_hosts: Filler<Pod>,
        fill_nodes: Filler<Node>,
        fill_maps: Filler<ConfigMap>,
        fill_namespaces: Filler<Namespace>,
    ) -> [BoxFuture<'static, ()>; 5] {
        let (key, value) = wasm::HOST_LABEL;
        let own = self
            .context
            .wasm
            .as_ref()
            .map_or("", |wasm| &wasm.namespace);
        // Only who may make pods in our own namespace is believed.
        let hosts = Config::default()
            .labels(&format!("{key}={value}"))
            .fields(&format!("metadata.namespace={own}"));
        [
            self.kind(fill_classes, Config::default(), cache::trim, |_, _, _| {}),
            self.kind(
                fill_nodes,
                Config::default(),
                cache::trim_node,
                Pushers::node_changed,
            ),
            self.kind(fill_hosts, hosts, cache::trim_pod, Pushers::host_changed),
            self.kind(
                fill_namespaces,
                Config::default(),
                cache::trim,
                Pushers::namespace_changed,
            ),
            self.kind_in(
                Api::namespaced(self.context.client.clone(), own),
                fill_maps,
                Config::default().fields(&format!("metadata.name={}", wasm::CONFIG_MAP)),
                cache::trim,
                Pushers::images_changed,
            ),
        ]
    }

    fn kind<K>(
        &self,
        filler: Filler<K>,
        config: Config,
        trim: fn(&mut K),
        told: fn(&Pushers, &Context, &Change<K>),
    ) -> BoxFuture<'static, ()>
    where
        K: Watched + DeserializeOwned,
    {
        let everywhere = Api::all(self.context.client.clone());
        self.kind_in(everywhere, filler, config, trim, told)
    }

    fn kind_in<K>(
        &self,
        api: Api<K>,
        filler: Filler<K>,
        config: Config,
        trim: fn(&mut K),
        told: fn(&Pushers, &Context, &Change<K>),
    ) -> BoxFuture<'static, ()>
    where
        K: Watched + DeserializeOwned,
    {
        let (context, pushers) = (self.context.clone(), self.pushers.clone());
        let events = watcher(api, config).default_backoff().modify(trim);
        Box::pin(filler.fill(events, move |change| told(&pushers, &context, change)))
    }
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
    fn node_changed(&self, context: &Context, change: &Change<Node>) {
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

    fn namespace_changed(&self, context: &Context, _: &Change<Namespace>) {
        if let Some(wasm) = &context.wasm {
            wasm.police.publish();
        }
    }

    fn images_changed(&self, context: &Context, change: &Change<ConfigMap>) {
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

    fn host_changed(&self, context: &Context, change: &Change<Pod>) {
        let Some(wasm) = &context.wasm else {
            return;
        };
        for pod in change.both() {
            if let Some(node) = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref()) {
                wasm.host_changed(node);
            }
        }
    }

    fn sandbox_changed(&self, context: &Context, change: &Change<Guarded<Sandbox>>) {
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

    fn child_changed<K: Watched>(&self, _: &Context, change: &Change<K>) {
        for child in change.both() {
            if let Some(owner) = controller_of(child.meta()).filter(|owner| owner.kind == "Sandbox")
            {
                self.sandboxes
                    .push(&child.namespace().unwrap_or_default(), &owner.name);
            }
        }
    }

    fn claim_changed(&self, context: &Context, change: &Change<Guarded<SandboxClaim>>) {
        claim::heard(context, change);
        forget_gone(context, change);
        change
            .after
            .iter()
            .for_each(|claim| ask(&self.claims, &**claim));
    }

    fn pool_changed(&self, context: &Context, change: &Change<Guarded<SandboxWarmPool>>) {
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

    fn template_changed(&self, context: &Context, change: &Change<Guarded<SandboxTemplate>>) {
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

    fn policy_changed(&self, _: &Context, change: &Change<NetworkPolicy>) {
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
