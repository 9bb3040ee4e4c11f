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
mod share;
mod tell;

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
use draft::{Draft, MAX_PORTS, MAX_PREFIXES, MAX_RULES, Resolved, Selection, Within};
use fit::fit;
use share::{in_turn, namespace_of};
use tell::Omissions;

pub(super) use tell::tell;

/// The policy of sandboxes whose template is gone. No template's is called so:
/// theirs have a slash.
const DEFAULT: &str = "default";
/// Most policies, as a node host takes them, shared out to namespaces in turn;
/// what is beyond lets nobody in.
const MAX_POLICIES: usize = 4_096;
/// Most selectors that are watched at once, shared out to namespaces in turn.
/// Each costs the API server a watch and this process the pods it finds; what
/// is beyond lets nobody in.
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
    /// What of them lets nobody in, and why.
    omissions: watch::Sender<Omissions>,
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
            omissions: watch::Sender::default(),
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
        let (kept, mut omissions) = state.kept();
        let resolved = kept.into_iter().map(|(name, draft)| {
            let resolved = draft.resolve(name, |it| self.addresses(&state, it));
            if let Some(why) = omission(draft, &resolved, &selectors) {
                omissions.insert(name.clone(), why);
            }
            resolved.policy
        });
        let mut policies: Vec<Policy> = resolved.collect();
        drop(state);
        let too_large = fit(&mut policies).into_iter();
        omissions.extend(too_large.map(|name| (name, TOO_LARGE.to_owned())));
        self.published.send_if_modified(|published| {
            let changed = published.as_deref() != Some(&policies);
            if changed {
                *published = Some(Arc::new(policies));
            }
            changed
        });
        self.omissions.send_if_modified(|told| {
            let changed = **told != omissions;
            if changed {
                *told = Arc::new(omissions);
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
    /// The selectors that are watched: the default's, whatever there is, and
    /// those of templates.
    fn selectors(&self) -> BTreeSet<String> {
        let pods = |draft: &Draft| -> BTreeSet<String> {
            let selections = draft.selections();
            selections.map(|it| it.pods.clone()).collect()
        };
        let mut selectors = self.drafts.get(DEFAULT).map(pods).unwrap_or_default();
        let mut by_namespace = BTreeSet::new();
        for (name, draft) in &self.drafts {
            let all = draft.selections();
            by_namespace.extend(all.map(|it| (namespace_of(name), it.pods.as_str())));
        }
        // What another selects too takes nobody's turn.
        by_namespace.retain(|(_, pods)| !selectors.contains(*pods));
        for pods in in_turn(by_namespace.iter().map(|it| (it.0, it.1))) {
            if selectors.len() >= MAX_SELECTORS {
                break;
            }
            selectors.insert(pods.to_owned());
        }
        selectors
    }

    /// As many drafts as a node host takes policies, the default among them; and
    /// why the others are left out.
    fn kept(&self) -> (BTreeMap<&String, &Draft>, BTreeMap<String, String>) {
        let default = self.drafts.get_key_value(DEFAULT);
        let of_templates = self.drafts.iter().filter(|(name, _)| *name != DEFAULT);
        let mut shared = in_turn(of_templates.map(|it| (namespace_of(it.0), it)));
        let most = MAX_POLICIES - 1;
        let kept = default.into_iter().chain(shared.by_ref().take(most));
        let kept = kept.collect();
        let left_out = shared.map(|(name, _)| (name.clone(), too_many()));
        (kept, left_out.collect())
    }
}

/// Why a policy lets in nobody that is too large beside the others.
const TOO_LARGE: &str = "the network policy lets nobody in: all policies of the cluster together are \
                         too large for node hosts, and this is among the largest; give it fewer peers";

fn too_many() -> String {
    format!(
        "the network policy lets nobody in: node hosts take {MAX_POLICIES} policies, which are shared \
         out to namespaces in turn; remove templates of this namespace that are of no use"
    )
}

/// Whom a policy does not let in that it should: why, if there is somebody.
fn omission(draft: &Draft, resolved: &Resolved, watched: &BTreeSet<String>) -> Option<String> {
    let mut selections = draft.selections();
    if let Some(unseen) = selections.find(|it| !watched.contains(&it.pods)) {
        return Some(format!(
            "the network policy lets in none of the pods that it selects by {:?}: {MAX_SELECTORS} \
             selectors of pods are watched in the cluster, which are shared out to namespaces in \
             turn; use fewer, or ipBlock",
            unseen.pods
        ));
    }
    if resolved.is_cut {
        return Some(format!(
            "the network policy lets in nobody by what is beyond {MAX_RULES} rules, {MAX_PORTS} ports \
             and {MAX_PREFIXES} addresses; use prefixes and ranges of ports"
        ));
    }
    resolved.has_nobody.then(|| {
        "the network policy lets in nobody by a peer that makes no sense; give each an ipBlock whose \
         exceptions are part of it, or selectors"
            .to_owned()
    })
}

fn name_of(namespace: &str, template: &str) -> String {
    format!("{namespace}/{template}")
}

#[cfg(test)]
mod tests;
