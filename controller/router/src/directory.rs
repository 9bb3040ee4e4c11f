//! Every sandbox of the cluster, of either tier, as it was last seen.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use crate::sandbox::Entry;

/// Sandboxes by name, by UID and by address. Copies share what they hold.
#[derive(Clone, Debug)]
pub struct Directory {
    index: Arc<RwLock<Index>>,
    /// Counts changes, so that whoever waits for one looks again.
    changes: watch::Sender<u64>,
    filled: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Index {
    /// By namespace, then by name.
    names: HashMap<Arc<str>, HashMap<Arc<str>, Arc<Entry>>>,
    uids: HashMap<Arc<str>, Arc<Entry>>,
    /// Pods in the network of their node share its address.
    addresses: HashMap<IpAddr, Vec<Arc<Entry>>>,
}

impl Index {
    fn insert(&mut self, mut entry: Entry) {
        if let Some((namespace, _)) = self.names.get_key_value(&entry.namespace) {
            // The same text for all, not one each.
            entry.namespace = Arc::clone(namespace);
        }
        self.remove(&entry.namespace, &entry.name);
        let entry = Arc::new(entry);
        for address in &entry.addresses {
            let sharing = self.addresses.entry(*address).or_default();
            sharing.push(Arc::clone(&entry));
        }
        self.uids.insert(entry.uid.clone(), Arc::clone(&entry));
        let namespace = self.names.entry(entry.namespace.clone()).or_default();
        namespace.insert(entry.name.clone(), entry);
    }

    fn remove(&mut self, namespace: &str, name: &str) {
        let Some(names) = self.names.get_mut(namespace) else {
            return;
        };
        let removed = names.remove(name);
        if names.is_empty() {
            self.names.remove(namespace);
        }
        let Some(removed) = removed else { return };
        self.uids.remove(&removed.uid);
        for address in &removed.addresses {
            let Some(sharing) = self.addresses.get_mut(address) else {
                continue;
            };
            sharing.retain(|entry| !Arc::ptr_eq(entry, &removed));
            if sharing.is_empty() {
                self.addresses.remove(address);
            }
        }
    }
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            index: Arc::default(),
            changes: watch::Sender::new(0),
            filled: watch::Sender::new(false),
        }
    }
}

impl Directory {
    /// A sandbox is new, or is now like this.
    pub fn set(&self, entry: Entry) {
        self.change(|index| index.insert(entry));
    }

    /// A sandbox is gone.
    pub fn remove(&self, namespace: &str, name: &str) {
        self.change(|index| index.remove(namespace, name));
    }

    /// These are all sandboxes that there are.
    pub fn replace(&self, entries: Vec<Entry>) {
        let mut index = Index::default();
        for entry in entries {
            index.insert(entry);
        }
        self.change(|old| *old = index);
        self.filled.send_replace(true);
    }

    /// Whether all sandboxes were listed once.
    pub fn is_filled(&self) -> bool {
        *self.filled.borrow()
    }

    /// How many sandboxes there are.
    pub fn len(&self) -> usize {
        self.read(|index| index.uids.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The namespace, if there is a sandbox in it.
    pub fn namespace(&self, name: &str) -> Option<Arc<str>> {
        self.read(|index| Some(Arc::clone(index.names.get_key_value(name)?.0)))
    }

    /// The sandbox of a name.
    pub fn named(&self, namespace: &str, name: &str) -> Option<Arc<Entry>> {
        self.read(|index| index.names.get(namespace)?.get(name).cloned())
    }

    /// The sandbox with this UID.
    pub fn with_uid(&self, uid: &str) -> Option<Arc<Entry>> {
        self.read(|index| index.uids.get(uid).cloned())
    }

    /// A sandbox of the namespace that is ready at this address.
    pub fn ready_at(&self, namespace: &str, address: IpAddr) -> Option<Arc<Entry>> {
        self.read(|index| {
            let mut sharing = index.addresses.get(&address)?.iter();
            let here = |it: &&Arc<Entry>| &*it.namespace == namespace && it.ready && !it.suspended;
            sharing.find(here).cloned()
        })
    }

    /// Waits until `look` finds something: it looks now and after each change.
    pub async fn until<T>(&self, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let mut changes = self.changes.subscribe();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            if changes.changed().await.is_err() {
                // The sender is in `self`: it is never gone.
                return std::future::pending().await;
            }
        }
    }

    fn read<T>(&self, look: impl FnOnce(&Index) -> T) -> T {
        look(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut Index)) {
        change(&mut self.index.write().unwrap_or_else(PoisonError::into_inner));
        self.changes
            .send_modify(|changes| *changes = changes.wrapping_add(1));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A sandbox that is ready, by its name, its UID and its address.
    pub(crate) fn entry(namespace: &str, name: &str, uid: &str, address: &str) -> Entry {
        Entry {
            uid: uid.into(),
            namespace: namespace.into(),
            name: name.into(),
            version: "1".into(),
            addresses: address.parse().into_iter().collect(),
            service: None,
            ready: true,
            settled: true,
            suspended: false,
            wakes: false,
            session: false,
            ended: false,
        }
    }

    fn uid(found: Option<Arc<Entry>>) -> Option<String> {
        found.map(|entry| entry.uid.to_string())
    }

    #[test]
    fn a_sandbox_is_found_by_name_uid_and_address() {
        let directory = Directory::default();
        directory.set(entry("n", "s", "u", "10.0.0.1"));
        let address = "10.0.0.1".parse().unwrap();
        assert_eq!(uid(directory.named("n", "s")), Some("u".to_owned()));
        assert_eq!(uid(directory.with_uid("u")), Some("u".to_owned()));
        assert_eq!(uid(directory.ready_at("n", address)), Some("u".to_owned()));
        assert_eq!(uid(directory.named("m", "s")), None);
        assert_eq!(uid(directory.ready_at("m", address)), None);
    }

    #[test]
    fn nothing_of_what_was_before_is_found() {
        let directory = Directory::default();
        directory.set(entry("n", "s", "old", "10.0.0.1"));
        directory.set(entry("n", "s", "new", "10.0.0.2"));
        assert_eq!(uid(directory.with_uid("old")), None);
        assert_eq!(
            uid(directory.ready_at("n", "10.0.0.1".parse().unwrap())),
            None
        );
        assert_eq!(directory.len(), 1);
        directory.remove("n", "s");
        assert!(directory.is_empty() && directory.namespace("n").is_none());
        assert_eq!(
            uid(directory.ready_at("n", "10.0.0.2".parse().unwrap())),
            None
        );
    }

    #[test]
    fn an_address_that_two_share_stays_with_the_other() {
        let directory = Directory::default();
        directory.set(entry("n", "a", "1", "10.0.0.1"));
        directory.set(entry("m", "b", "2", "10.0.0.1"));
        directory.remove("n", "a");
        let address = "10.0.0.1".parse().unwrap();
        assert_eq!(uid(directory.ready_at("m", address)), Some("2".to_owned()));
        assert_eq!(uid(directory.ready_at("n", address)), None);
    }

    #[test]
    fn an_address_of_one_that_does_not_run_is_nobodys() {
        let directory = Directory::default();
        let address = "10.0.0.1".parse().unwrap();
        let (mut unready, mut suspended) = (
            entry("n", "a", "1", "10.0.0.1"),
            entry("n", "b", "2", "10.0.0.1"),
        );
        unready.ready = false;
        suspended.suspended = true;
        directory.set(unready);
        directory.set(suspended);
        assert_eq!(uid(directory.ready_at("n", address)), None);
    }

    #[test]
    fn a_list_replaces_what_was_there() {
        let directory = Directory::default();
        directory.set(entry("n", "a", "1", "10.0.0.1"));
        assert!(!directory.is_filled());
        directory.replace(vec![entry("n", "b", "2", "10.0.0.2")]);
        assert!(directory.is_filled());
        assert_eq!(uid(directory.with_uid("1")), None);
        assert_eq!(uid(directory.with_uid("2")), Some("2".to_owned()));
    }

    #[tokio::test]
    async fn who_waits_hears_of_a_change() {
        let directory = Directory::default();
        let (found, ()) = tokio::join!(directory.until(|it| it.with_uid("u")), async {
            directory.set(entry("n", "other", "o", "10.0.0.2"));
            directory.set(entry("n", "s", "u", "10.0.0.1"));
        });
        assert_eq!(&*found.name, "s");
    }
}
