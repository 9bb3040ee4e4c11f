//! Who may call sessions: the network policies of templates, as node hosts
//! keep them.
//!
//! ```text
//! templates ──► Draft ──► resolve ──► Policy, to every node host
//! pods that drafts select ─┘ (one watch for each selector)
//! ```
//!
//! A node host lets in nobody by a policy that it does not know, so that what
//! is late denies. Nothing is sent before what is selected was listed: it
//! would take from node hosts what they know from before.

mod crowd;
mod draft;
mod fit;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::Namespace;
use kube::core::SelectorExt;
use kube::{Client, ResourceExt};
use mote_rpc::v1::Policy;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cache::Cache;
use crate::crd::SandboxTemplate;

use crowd::Crowd;
use draft::{Draft, Selection, Within};
use fit::fit;

/// The policy of sandboxes whose template is gone. No template's is called so:
/// theirs have a slash.
const DEFAULT: &str = "default";
/// Most policies, as a node host takes them; what is beyond lets nobody in.
const MAX_POLICIES: usize = 4_096;
/// Most selectors that are watched at once. Each costs the API server a watch
/// and this process the pods it finds; what is beyond lets nobody in.
const MAX_SELECTORS: usize = 64;

/// The policies of node hosts.
pub(super) type Policies = Option<Arc<Vec<Policy>>>;

/// Keeps the policies up to date.
pub struct Police {
    namespaces: Cache<Namespace>,
    state: Mutex<State>,
    /// Other selectors are to be watched.
    selectors: Notify,
    /// `None` until all that is selected was listed once.
    published: watch::Sender<Policies>,
}

struct State {
    drafts: BTreeMap<String, Draft>,
    /// By selector.
    crowds: BTreeMap<String, Crowd>,
}

impl Police {
    /// Policies of no template yet.
    pub fn new(namespaces: Cache<Namespace>) -> Self {
        let drafts = BTreeMap::from([(DEFAULT.to_owned(), Draft::default_rules())]);
        Self {
            namespaces,
            state: Mutex::new(State {
                drafts,
                crowds: BTreeMap::new(),
            }),
            selectors: Notify::new(),
            published: watch::Sender::new(None),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each critical section leaves it consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Completes when namespaces were listed once.
    pub async fn filled(&self) {
        self.namespaces.filled().await;
    }

    /// The policies, and word of every change.
    pub(super) fn policies(&self) -> watch::Receiver<Policies> {
        self.published.subscribe()
    }

    /// The name of the policy of a template's sandboxes. Of a template that is
    /// gone, or cannot be read, it is that of the default rules.
    pub fn policy_of(&self, namespace: &str, template: &str) -> String {
        let name = name_of(namespace, template);
        if self.state().drafts.contains_key(&name) {
            name
        } else {
            DEFAULT.to_owned()
        }
    }

    /// Takes over what a template says now; `None` for one that is gone or
    /// cannot be read. Whether its policy has another name from now on.
    pub fn template_changed(
        &self,
        namespace: &str,
        name: &str,
        template: Option<&SandboxTemplate>,
    ) -> bool {
        // No other template's sandboxes are ever sessions.
        let is_classed = |template: &&SandboxTemplate| {
            let pod = &template.spec.blueprint.pod_template.spec;
            pod.runtime_class_name.is_some()
        };
        let policy = name_of(namespace, name);
        let draft = template.filter(is_classed).map(Draft::of);
        let is = draft.is_some();
        let mut state = self.state();
        let before = match draft {
            Some(draft) => state.drafts.insert(policy, draft),
            None => state.drafts.remove(&policy),
        };
        drop(state);
        self.selectors.notify_one();
        self.publish();
        is != before.is_some()
    }

    /// Resolves and publishes all policies, if what they select is known.
    pub fn publish(&self) {
        let state = self.state();
        let selectors = state.selectors();
        let is_known = |selector| state.crowds.get(selector).is_some_and(Crowd::is_listed);
        if !selectors.iter().all(is_known) {
            return;
        }
        let drafts = state.drafts.iter();
        let mut policies: Vec<Policy> = drafts
            .take(MAX_POLICIES)
            .map(|(name, draft)| draft.resolve(name, |it| self.addresses(&state, it)))
            .collect();
        drop(state);
        let left_out = fit(&mut policies);
        self.published.send_if_modified(|published| {
            let changed = published.as_deref() != Some(&policies);
            if changed {
                if let Some(first) = left_out.first() {
                    let count = left_out.len();
                    tracing::error!(count, first, "policies are too large for node hosts, and let nobody in; give their templates fewer peers");
                }
                *published = Some(Arc::new(policies));
            }
            changed
        });
    }

    fn addresses(&self, state: &State, selection: &Selection) -> BTreeSet<IpAddr> {
        let within = |namespace: &str| match &selection.within {
            Within::Namespace(only) => only == namespace,
            Within::Labelled(selector) => {
                let namespace = self.namespaces.get("", namespace);
                namespace.is_some_and(|it| selector.matches(it.labels()))
            }
        };
        let crowd = state.crowds.get(&selection.pods);
        crowd
            .map(|crowd| crowd.addresses(within))
            .unwrap_or_default()
    }

    /// Watches what policies select, until `shutdown`.
    pub(super) async fn run(self: &Arc<Self>, client: &Client, shutdown: &CancellationToken) {
        let watches = TaskTracker::new();
        while !shutdown.is_cancelled() {
            for (selector, fill, stop) in self.to_watch() {
                let (police, client) = (self.clone(), client.clone());
                watches.spawn(async move {
                    let watching = crowd::watch(&police, client, selector, fill);
                    stop.run_until_cancelled(watching).await;
                });
            }
            self.publish();
            tokio::select! {
                () = self.selectors.notified() => {}
                () = shutdown.cancelled() => {}
            }
        }
        self.state().crowds.clear();
        watches.close();
        watches.wait().await;
    }

    /// Begins crowds that are selected and not watched, and ends those that are
    /// watched and not selected.
    fn to_watch(&self) -> Vec<(String, crowd::Fill, CancellationToken)> {
        let mut state = self.state();
        let selectors = state.selectors();
        state.crowds.retain(|it, _| selectors.contains(it));
        let mut begun = Vec::new();
        for selector in selectors {
            if !state.crowds.contains_key(&selector) {
                let (crowd, fill, stop) = Crowd::new();
                state.crowds.insert(selector.clone(), crowd);
                begun.push((selector, fill, stop));
            }
        }
        begun
    }

    /// Notes that the pods of a selector were listed, or take too long to be.
    fn listed(&self, selector: &str) {
        if let Some(crowd) = self.state().crowds.get_mut(selector) {
            crowd.list();
        }
        self.publish();
    }
}

impl State {
    /// Those of all drafts. The default's is among them, whatever there is.
    fn selectors(&self) -> BTreeSet<String> {
        let mut selectors = BTreeSet::new();
        let default = self.drafts.get(DEFAULT).into_iter();
        for selection in default
            .chain(self.drafts.values())
            .flat_map(Draft::selections)
        {
            if selectors.len() == MAX_SELECTORS {
                break;
            }
            selectors.insert(selection.pods.clone());
        }
        selectors
    }
}

fn name_of(namespace: &str, template: &str) -> String {
    format!("{namespace}/{template}")
}

#[cfg(test)]
mod tests;
