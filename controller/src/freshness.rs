//! Whether the cache shows what this controller wrote last.
//!
//! A pass that begins before the watch has brought the last write would judge
//! by what was before it, and write the same again. It is left out: the watch
//! brings the object, and with it the pass.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::api::ObjectMeta;

/// The resource versions that were written and not yet seen, by UID.
#[derive(Debug, Default)]
pub struct Freshness(Mutex<HashMap<String, u64>>);

impl Freshness {
    fn written(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        // Each critical section is one operation of the map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a write made of an object. One that it let go is not waited
    /// for: the watch may have said already that it is gone, and says no more.
    pub fn wrote(&self, object: &ObjectMeta) {
        let is_held = object.finalizers.iter().flatten().next().is_some();
        if object.deletion_timestamp.is_some() && !is_held {
            return;
        }
        if let (Some(uid), Some(version)) = (&object.uid, version(object)) {
            let mut written = self.written();
            let last = written.entry(uid.clone()).or_default();
            *last = version.max(*last);
        }
    }

    /// Whether the object, as the cache has it, is older than what was written
    /// of it. What has been seen is forgotten.
    pub fn is_behind(&self, object: &ObjectMeta) -> bool {
        let (Some(uid), Some(version)) = (&object.uid, version(object)) else {
            return false;
        };
        let mut written = self.written();
        match written.get(uid) {
            Some(last) if *last > version => true,
            Some(_) => {
                written.remove(uid);
                false
            }
            None => false,
        }
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, object: &ObjectMeta) {
        if let Some(uid) = &object.uid {
            self.written().remove(uid);
        }
    }
}

/// Since Kubernetes 1.35 these are numbers that grow, by contract, as they
/// always were; one that is no number says nothing.
fn version(object: &ObjectMeta) -> Option<u64> {
    object.resource_version.as_ref()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn object(version: &str) -> ObjectMeta {
        ObjectMeta {
            uid: Some("u".to_owned()),
            resource_version: Some(version.to_owned()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn a_pass_waits_until_the_cache_shows_the_last_write() {
        let freshness = Freshness::default();
        assert!(!freshness.is_behind(&object("5")));
        freshness.wrote(&object("9"));
        freshness.wrote(&object("7"));
        assert!(freshness.is_behind(&object("8")));
        assert!(!freshness.is_behind(&object("9")));
        assert!(freshness.written().is_empty());
    }

    #[test]
    fn what_is_no_number_or_is_gone_holds_nothing_up() {
        let freshness = Freshness::default();
        freshness.wrote(&object("x"));
        assert!(!freshness.is_behind(&object("1")));
        freshness.wrote(&object("9"));
        assert!(!freshness.is_behind(&object("x")));
        freshness.forget(&object("9"));
        assert!(!freshness.is_behind(&object("1")));
    }

    #[test]
    fn what_a_write_let_go_is_not_waited_for() {
        let freshness = Freshness::default();
        let mut goes = object("9");
        goes.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        freshness.wrote(&goes);
        assert!(freshness.written().is_empty());
        goes.finalizers = Some(vec!["example.com/other".to_owned()]);
        freshness.wrote(&goes);
        assert!(freshness.is_behind(&object("8")), "others hold it still");
    }
}
