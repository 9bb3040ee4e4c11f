//! What the controller has seen of the cluster, kept up to date by one watch
//! a kind.
//!
//! kube's shared streams tell nobody of deletions, and a pod that was deleted
//! is what a sandbox most needs to hear of. So each kind has one watch here,
//! and each event becomes a [`Change`]: the object before and after.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

use futures_util::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{ObjectRef, Store, store::Writer};
use kube::runtime::watcher::{Error, Event};
use kube::{Resource, ResourceExt};

use crate::names::controller_of;

/// A kind that can be watched, known by its type.
pub trait Watched: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static {}
impl<K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static> Watched for K {}

/// One kind, as it was last seen. Copies share what they hold.
#[derive(Clone, Debug)]
pub struct Cache<K: Watched> {
    store: Store<K>,
    index: Arc<RwLock<Index>>,
}

/// An object as it was and as it is. `None` before: new; after: gone.
#[derive(Debug)]
pub struct Change<K> {
    /// As it was.
    pub before: Option<Arc<K>>,
    /// As it is.
    pub after: Option<Arc<K>>,
}

impl<K> Change<K> {
    /// The object as it is, or as it last was.
    pub fn latest(&self) -> Option<&Arc<K>> {
        self.after.as_ref().or(self.before.as_ref())
    }

    /// Both, where there are two.
    pub fn both(&self) -> impl Iterator<Item = &Arc<K>> {
        self.before.iter().chain(self.after.iter())
    }
}

/// Namespace and name.
type Key = (String, String);

/// The objects of a kind by owner, and by the value of one label.
#[derive(Debug, Default)]
struct Index {
    label: Option<&'static str>,
    owners: HashMap<String, BTreeSet<Key>>,
    labels: HashMap<(String, String), BTreeSet<Key>>,
}

impl Index {
    fn add(&mut self, object: &impl ResourceExt, key: &Key) {
        if let Some(owner) = controller_of(object.meta()) {
            self.owners
                .entry(owner.uid.clone())
                .or_default()
                .insert(key.clone());
        }
        if let Some(value) = self.label_of(object) {
            self.labels
                .entry((key.0.clone(), value))
                .or_default()
                .insert(key.clone());
        }
    }

    fn remove(&mut self, object: &impl ResourceExt, key: &Key) {
        if let Some(owner) = controller_of(object.meta()) {
            take(&mut self.owners, &owner.uid, key);
        }
        if let Some(value) = self.label_of(object) {
            take(&mut self.labels, &(key.0.clone(), value), key);
        }
    }

    fn label_of(&self, object: &impl ResourceExt) -> Option<String> {
        object.labels().get(self.label?).cloned()
    }
}

fn take<I: Eq + Hash>(map: &mut HashMap<I, BTreeSet<Key>>, index: &I, key: &Key) {
    let Some(keys) = map.get_mut(index) else {
        return;
    };
    keys.remove(key);
    if keys.is_empty() {
        map.remove(index);
    }
}

fn key_of(object: &impl ResourceExt) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

impl<K: Watched> Cache<K> {
    /// An empty cache and the hand that fills it. Objects are found by their
    /// controller, and by the value of `label`.
    pub fn new(label: Option<&'static str>) -> (Self, Filler<K>) {
        let writer = Writer::new(());
        let index = Index {
            label,
            ..Index::default()
        };
        let cache = Self {
            store: writer.as_reader(),
            index: Arc::new(RwLock::new(index)),
        };
        (cache.clone(), Filler { cache, writer })
    }

    /// The object of a name; the namespace is empty for kinds without one.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        let named = ObjectRef::new(name);
        self.store.get(&if namespace.is_empty() {
            named
        } else {
            named.within(namespace)
        })
    }

    /// Every object that the owner with this UID controls, by name.
    pub fn owned_by(&self, uid: &str) -> Vec<Arc<K>> {
        self.find(|index| index.owners.get(uid))
    }

    /// Every object of a namespace whose indexed label has this value, by name.
    pub fn labelled(&self, namespace: &str, value: &str) -> Vec<Arc<K>> {
        self.find(|index| index.labels.get(&(namespace.to_owned(), value.to_owned())))
    }

    /// Every object.
    pub fn all(&self) -> Vec<Arc<K>> {
        self.store.state()
    }

    /// Ends when the kind was listed once.
    pub async fn filled(&self) {
        // An error says that nothing fills it any more: the process ends.
        let _ = self.store.wait_until_ready().await;
    }

    /// kube's view of the same objects.
    pub fn store(&self) -> Store<K> {
        self.store.clone()
    }

    fn find(&self, keys: impl Fn(&Index) -> Option<&BTreeSet<Key>>) -> Vec<Arc<K>> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let keys = keys(&index).into_iter().flatten();
        keys.filter_map(|(namespace, name)| self.get(namespace, name))
            .collect()
    }
}

impl<K: Watched> Cache<DeserializeGuard<K>> {
    /// The object of a name, unless it cannot be read.
    pub fn readable(&self, namespace: &str, name: &str) -> Option<K> {
        self.get(namespace, name)?.0.as_ref().ok().cloned()
    }
}

/// Fills a [`Cache`].
pub struct Filler<K: Watched> {
    cache: Cache<K>,
    writer: Writer<K>,
}

impl<K: Watched> Filler<K> {
    /// Takes every event of a watch and hands on what it changed, until the
    /// watch ends. Errors are logged; the watch itself recovers from them.
    pub async fn fill<S>(mut self, events: S, mut tell: impl FnMut(&Change<K>))
    where
        S: Stream<Item = Result<Event<K>, Error>>,
    {
        let kind = K::kind(&());
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => self.apply(&event).iter().for_each(&mut tell),
                Err(error) => {
                    tracing::warn!(%kind, %error, "a watch was interrupted and starts anew")
                }
            }
        }
    }

    fn apply(&mut self, event: &Event<K>) -> Vec<Change<K>> {
        match event {
            Event::Apply(object) | Event::Delete(object) => {
                let key = key_of(object);
                let before = self.cache.get(&key.0, &key.1);
                self.writer.apply_watcher_event(event);
                vec![self.changed(key, before)]
            }
            Event::InitDone => {
                let before: HashMap<Key, Arc<K>> = self
                    .cache
                    .all()
                    .into_iter()
                    .map(|object| (key_of(&*object), object))
                    .collect();
                self.writer.apply_watcher_event(event);
                self.relisted(before)
            }
            Event::Init | Event::InitApply(_) => {
                self.writer.apply_watcher_event(event);
                Vec::new()
            }
        }
    }

    /// A list may lack what was deleted while nobody watched.
    fn relisted(&self, mut before: HashMap<Key, Arc<K>>) -> Vec<Change<K>> {
        let here = self.cache.all();
        let here = here.iter().map(|object| key_of(&**object));
        let mut changes: Vec<_> = here
            .map(|key| {
                let old = before.remove(&key);
                self.changed(key, old)
            })
            .collect();
        changes.extend(
            before
                .into_iter()
                .map(|(key, old)| self.changed(key, Some(old))),
        );
        changes
    }

    fn changed(&self, key: Key, before: Option<Arc<K>>) -> Change<K> {
        let after = self.cache.get(&key.0, &key.1);
        let mut index = self
            .cache
            .index
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = &before {
            index.remove(&**before, &key);
        }
        if let Some(after) = &after {
            index.add(&**after, &key);
        }
        Change { before, after }
    }
}

/// Leaves of an object what controllers read. `managedFields` are a third of
/// an object's size and nobody here looks at them.
pub fn trim(object: &mut impl ResourceExt) {
    object.meta_mut().managed_fields = None;
}

/// Leaves of a pod what a sandbox reports: a thousand whole pods are 10 MiB.
pub fn trim_pod(pod: &mut Pod) {
    trim(pod);
    if let Some(spec) = pod.spec.take() {
        pod.spec = Some(k8s_openapi::api::core::v1::PodSpec {
            node_name: spec.node_name,
            ..Default::default()
        });
    }
    if let Some(status) = pod.status.take() {
        pod.status = Some(k8s_openapi::api::core::v1::PodStatus {
            phase: status.phase,
            pod_ip: status.pod_ip,
            pod_ips: status.pod_ips,
            conditions: status.conditions,
            ..Default::default()
        });
    }
}

/// Leaves of the pod of a node host where it is, and why it does not start.
pub fn trim_host(pod: &mut Pod) {
    let status = pod.status.as_mut();
    let init = status.and_then(|status| status.init_container_statuses.take());
    trim_pod(pod);
    if let Some(status) = &mut pod.status {
        status.init_container_statuses = init;
    }
}

/// Leaves of a node what placing looks at, and its addresses, which are no
/// sandbox's own: the list of its images alone is tens of kilobytes, and its
/// status changes every few seconds.
pub fn trim_node(node: &mut Node) {
    trim(node);
    if let Some(status) = node.status.take() {
        node.status = Some(k8s_openapi::api::core::v1::NodeStatus {
            addresses: status.addresses,
            ..Default::default()
        });
    }
}

/// Leaves of a service what is compared with the wanted one.
pub fn trim_service(service: &mut Service) {
    trim(service);
    service.status = None;
}

#[cfg(test)]
mod tests;
