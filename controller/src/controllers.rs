//! The controllers: one watch a kind, and a queue a controller.

mod pushers;

use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod};
use k8s_openapi::api::node::v1::RuntimeClass;
use kube::runtime::watcher::Config;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use prometheus_client::registry::Registry;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::cache::{self, Cache, Change, Filler, Watched};
use crate::context::{Caches, Context, Metrics};
use crate::driver::{self, Term};
use crate::event::Events;
use crate::freshness::Freshness;
use crate::names::label;
use crate::settings::Settings;
use crate::wasm::{Key, Wasm};
use crate::{claim, pool, sandbox, template, wasm};
use pushers::{Pushers, Waitings, queues};

/// The controllers, their caches filling, waiting to lead.
pub struct Controllers {
    /// What they share.
    pub context: Arc<Context>,
    waiting: Waitings,
    watches: Vec<BoxFuture<'static, ()>>,
    pushers: Arc<Pushers>,
}

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
    let term = || Term {
        context: context.clone(),
        end: shutdown.clone(),
    };
    let sandboxes = driver::run(
        (caches.sandboxes, waiting.sandboxes),
        settings.sandbox_workers,
        sandbox::reconcile,
        term(),
    );
    let claims = driver::run(
        (caches.claims, waiting.claims),
        settings.claim_workers,
        claim::reconcile,
        term(),
    );
    let pools = driver::run(
        (caches.pools, waiting.pools),
        settings.pool_workers,
        pool::reconcile,
        term(),
    );
    let templates = driver::run(
        (caches.templates, waiting.templates),
        settings.template_workers,
        template::reconcile,
        term(),
    );
    if settings.extensions {
        tokio::join!(sandboxes, claims, pools, templates);
    } else {
        sandboxes.await;
    }
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
            self.kind(fill_hosts, hosts, cache::trim_host, Pushers::host_changed),
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
