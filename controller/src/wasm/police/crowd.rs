//! The pods that one selector finds, in all namespaces.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, PodSpec, PodStatus};
use kube::runtime::watcher::Config;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Police;
use crate::cache::{Cache, Filler};

/// How long other policies wait for the pods of a new selector. A list takes
/// milliseconds; this is for one that is forbidden or fails.
const LIST_TIME: Duration = Duration::from_secs(5);

/// The pods of one selector.
pub(super) struct Crowd {
    pods: Cache<Pod>,
    listed: bool,
    /// Ends the watch when the crowd is dropped.
    _watch: DropGuard,
}

/// What is filled, and the hand that fills it.
pub(super) type Fill = (Cache<Pod>, Filler<Pod>);

impl Crowd {
    /// One that nobody has looked for yet, what fills it, and what ends that.
    pub(super) fn new() -> (Self, Fill, CancellationToken) {
        let (pods, filler) = Cache::new(None);
        let stop = CancellationToken::new();
        let crowd = Self {
            pods: pods.clone(),
            listed: false,
            _watch: stop.clone().drop_guard(),
        };
        (crowd, (pods, filler), stop)
    }

    pub(super) fn is_listed(&self) -> bool {
        self.listed
    }

    pub(super) fn list(&mut self) {
        self.listed = true;
    }

    /// The addresses of those in namespaces that are meant.
    pub(super) fn addresses(&self, within: impl Fn(&str) -> bool) -> BTreeSet<IpAddr> {
        let pods = self.pods.all();
        let meant = pods
            .iter()
            .filter(|pod| within(pod.metadata.namespace.as_deref().unwrap_or_default()));
        meant.flat_map(addresses).collect()
    }
}

/// The addresses that are this pod's own. One that has ended may have left its
/// address to another, and one on its node's network shares the node's.
fn addresses(pod: &Arc<Pod>) -> Vec<IpAddr> {
    let shared = pod
        .spec
        .as_ref()
        .is_some_and(|spec| spec.host_network == Some(true));
    let Some(status) = pod.status.as_ref().filter(|_| !shared) else {
        return Vec::new();
    };
    if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return Vec::new();
    }
    let ips = status.pod_ips.iter().flatten();
    ips.filter_map(|ip| ip.ip.parse().ok()).collect()
}

/// Follows the pods of a selector for as long as it is polled.
pub(super) async fn watch(police: &Police, client: Client, selector: String, (pods, filler): Fill) {
    let events = watcher(Api::<Pod>::all(client), Config::default().labels(&selector))
        .default_backoff()
        .modify(trim);
    let listing = async {
        if tokio::time::timeout(LIST_TIME, pods.filled())
            .await
            .is_err()
        {
            tracing::warn!(
                selector,
                "the pods that a network policy lets in cannot be listed; it lets in none of them until they can"
            );
        }
        police.listed(&selector);
    };
    tokio::join!(filler.fill(events, |_| police.publish()), listing);
}

/// Leaves of a pod what a policy asks for.
fn trim(pod: &mut Pod) {
    let meta = pod.meta_mut();
    (meta.managed_fields, meta.annotations, meta.labels) = (None, None, None);
    pod.spec = pod.spec.take().map(|spec| PodSpec {
        host_network: spec.host_network,
        ..PodSpec::default()
    });
    pod.status = pod.status.take().map(|status| PodStatus {
        phase: status.phase,
        pod_ips: status.pod_ips,
        ..PodStatus::default()
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_addresses_of_a_pods_own_count() {
        let pod = |spec, phase| {
            let pod = serde_json::from_value(json!({
                "metadata": { "name": "p" }, "spec": spec,
                "status": { "phase": phase, "podIPs": [{ "ip": "10.0.0.7" }, { "ip": "fd00::7" }, { "ip": "?" }] },
            }));
            addresses(&Arc::new(pod.unwrap())).len()
        };
        assert_eq!(pod(json!({}), "Running"), 2);
        assert_eq!(pod(json!({ "hostNetwork": true }), "Running"), 0);
        for ended in ["Succeeded", "Failed"] {
            assert_eq!(pod(json!({}), ended), 0);
        }
    }
}
