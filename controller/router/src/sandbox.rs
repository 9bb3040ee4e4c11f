//! What the router reads of a `Sandbox`, and the little it keeps.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use kube::core::{NamespaceResourceScope, ObjectMeta};
use kube::{Resource, ResourceExt};
use serde::{Deserialize, Deserializer};

use crate::target::{is_dialled, is_label};

/// On a sandbox: `"true"` lets traffic set a suspended one running.
pub const WAKE_ON_TRAFFIC: &str = "mote.dev/wake-on-traffic";
/// On a sandbox: what serves it, `wasm` or `pod`.
const TIER: &str = "mote.dev/tier";
/// Addresses of one sandbox that are kept: a pod has one for each family.
const MAX_ADDRESSES: usize = 4;

/// A `Sandbox` of `agents.x-k8s.io/v1beta1`, as far as the router looks.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Sandbox {
    metadata: ObjectMeta,
    #[serde(default, deserialize_with = "or_default")]
    spec: Spec,
    #[serde(default, deserialize_with = "or_default")]
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    operating_mode: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Status {
    #[serde(default, rename = "podIPs", deserialize_with = "or_default")]
    pod_ips: Vec<String>,
    #[serde(default, rename = "serviceFQDN")]
    service_fqdn: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    observed_generation: Option<i64>,
}

fn or_default<'de, D, T>(value: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

impl Resource for Sandbox {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "Sandbox".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "agents.x-k8s.io".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1beta1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "sandboxes".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// What is kept of a sandbox: half a kilobyte, with the ways to find it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The UID of its object.
    pub uid: Arc<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// The version of the object that this was read from.
    pub version: Box<str>,
    /// Where it answers, IPv4 first.
    pub addresses: Box<[IpAddr]>,
    /// The name of its service in the cluster's DNS.
    pub service: Option<Box<str>>,
    /// Whether it can be used.
    pub ready: bool,
    /// Whether `ready` was said of the specification as it is now.
    pub settled: bool,
    /// Whether it shall stand still.
    pub suspended: bool,
    /// Whether traffic may set it running.
    pub wakes: bool,
    /// Whether it is a session, and no pod.
    pub session: bool,
    /// Whether it is a session whose command has ended: it takes no calls, but
    /// tells its log, and its addresses are nobody else's. Those of a pod may
    /// be.
    pub ended: bool,
}

/// What the router takes of what a sandbox says of itself.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The end of every name in the cluster's DNS: `cluster.local`.
    pub cluster_domain: String,
    /// Whether a sandbox may be at an address of this machine's own.
    pub loopback: bool,
}

impl Entry {
    /// Takes from the object what is kept. `None` for one that the API server
    /// has not named, which it always has.
    pub fn of(sandbox: &Sandbox, trust: &Trust) -> Option<Self> {
        let meta = sandbox.meta();
        let (uid, namespace) = (meta.uid.as_deref()?, meta.namespace.as_deref()?);
        let find = |kind| {
            let mut conditions = sandbox.status.conditions.iter();
            conditions.find(|it| it.kind == kind)
        };
        let ready = find("Ready");
        let finished = find("Finished").is_some_and(|it| it.status == "True");
        let tier = sandbox.annotations().get(TIER);
        let session = tier.is_some_and(|tier| tier == "wasm");
        let generation = meta.generation.unwrap_or_default();
        let settled =
            ready.is_some_and(|it| it.observed_generation.unwrap_or(generation) >= generation);
        let wakes = sandbox.annotations().get(WAKE_ON_TRAFFIC);
        Some(Self {
            uid: uid.into(),
            namespace: namespace.into(),
            name: meta.name.as_deref()?.into(),
            version: meta.resource_version.as_deref().unwrap_or_default().into(),
            addresses: addresses(&sandbox.status.pod_ips, trust.loopback),
            service: service(sandbox.status.service_fqdn.as_deref(), namespace, trust),
            ready: ready.is_some_and(|it| it.status == "True"),
            settled,
            suspended: sandbox.is_suspended(),
            wakes: wakes.is_some_and(|value| value == "true"),
            session,
            ended: finished && session,
        })
    }
}

impl Sandbox {
    /// Whether it shall stand still.
    pub fn is_suspended(&self) -> bool {
        self.spec.operating_mode.as_deref() == Some("Suspended")
    }
}

/// Whoever may write a sandbox's status could write any address there.
fn addresses(texts: &[String], loopback: bool) -> Box<[IpAddr]> {
    let addresses = texts.iter().filter_map(|text| text.parse::<IpAddr>().ok());
    let mut addresses: Vec<_> = addresses
        .map(|address| address.to_canonical())
        .filter(|address| is_dialled(*address, loopback))
        .take(MAX_ADDRESSES)
        .collect();
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses.into()
}

/// The service's name, if it is one of the sandbox's own namespace.
fn service(name: Option<&str>, namespace: &str, trust: &Trust) -> Option<Box<str>> {
    let name = name?;
    let label = name
        .strip_suffix(trust.cluster_domain.as_str())?
        .strip_suffix(".svc.")?
        .strip_suffix(namespace)?
        .strip_suffix('.')?;
    is_label(label).then(|| name.into())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn entry(object: Value) -> Entry {
        let trust = Trust {
            cluster_domain: "cluster.local".to_owned(),
            loopback: false,
        };
        Entry::of(&serde_json::from_value(object).unwrap(), &trust).unwrap()
    }

    fn object() -> Value {
        json!({
            "apiVersion": "agents.x-k8s.io/v1beta1",
            "kind": "Sandbox",
            "metadata": {
                "uid": "u", "namespace": "n", "name": "s", "resourceVersion": "7", "generation": 3,
                "annotations": { WAKE_ON_TRAFFIC: "true" },
            },
            "spec": { "operatingMode": "Running", "podTemplate": { "spec": { "containers": [] } } },
            "status": {
                "podIPs": ["fd00::1", "10.1.2.3"],
                "serviceFQDN": "s.n.svc.cluster.local",
                "conditions": [
                    { "type": "Suspended", "status": "False" },
                    { "type": "Ready", "status": "True", "observedGeneration": 3 },
                ],
            },
        })
    }

    #[test]
    fn an_entry_has_what_routing_needs() {
        let expected = Entry {
            uid: "u".into(),
            namespace: "n".into(),
            name: "s".into(),
            version: "7".into(),
            addresses: ["10.1.2.3".parse().unwrap(), "fd00::1".parse().unwrap()].into(),
            service: Some("s.n.svc.cluster.local".into()),
            ready: true,
            settled: true,
            suspended: false,
            wakes: true,
            session: false,
            ended: false,
        };
        assert_eq!(entry(object()), expected);
    }

    #[test]
    fn a_sandbox_without_a_status_is_not_ready() {
        let bare = json!({ "metadata": { "uid": "u", "namespace": "n", "name": "s" },
            "spec": null, "status": { "podIPs": null, "conditions": null } });
        let bare = entry(bare);
        assert!(!bare.ready && !bare.settled && !bare.suspended && !bare.wakes);
        assert!(bare.addresses.is_empty() && bare.service.is_none());
    }

    #[test]
    fn a_session_at_its_end_is_told_from_a_pod_at_its_end() {
        for (tier, ended) in [("wasm", true), ("pod", false)] {
            let mut over = object();
            over["metadata"]["annotations"] = json!({ TIER: tier });
            over["status"]["conditions"] = json!([
                { "type": "Finished", "status": "True" },
                { "type": "Ready", "status": "False", "observedGeneration": 3 },
            ]);
            let over = entry(over);
            assert_eq!(
                (over.ready, over.session, over.ended),
                (false, ended, ended)
            );
        }
    }

    #[test]
    fn readiness_of_an_older_specification_is_not_settled() {
        let mut old = object();
        old["metadata"]["generation"] = json!(4);
        let old = entry(old);
        assert!(old.ready && !old.settled);
    }

    #[test]
    fn addresses_and_names_that_lead_elsewhere_are_dropped() {
        let mut evil = object();
        evil["status"]["podIPs"] =
            json!(["169.254.169.254", "127.0.0.1", "kubernetes", "10.0.0.1"]);
        assert_eq!(
            entry(evil.clone()).addresses[..],
            ["10.0.0.1".parse::<IpAddr>().unwrap()]
        );
        for name in [
            "kubernetes.default.svc.cluster.local",
            "a.b.n.svc.cluster.local",
            ".n.svc.cluster.local",
            "n.svc.cluster.local",
            "s.n.svc.example.com",
            "s.n.svc.cluster.local.",
        ] {
            evil["status"]["serviceFQDN"] = json!(name);
            assert_eq!(entry(evil.clone()).service, None, "{name}");
        }
    }
}
