//! The headless service of a sandbox: its ports, and what to do about it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, PodSpec, Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Map, Value, json};

use super::build::tracking;
use super::refusal::{Ownership, Refusal, ownership};
use super::validate::{Server, Subject};

/// The cluster IP of a service that has none.
const HEADLESS: &str = "None";

/// What to do about the service.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ServiceStep {
    /// There is none that is ours to speak of, and none is wanted.
    Nothing,
    /// It is wanted and not there.
    Create,
    /// It is as it should be.
    Keep,
    /// It is ours, or becomes so, by this patch.
    Patch(Value),
    /// It is ours and not wanted.
    Delete(Arc<Service>),
    /// It is wanted, and there is one that is not for us.
    Refuse(Refusal),
}

/// Decides. Without a word in the specification, a service that is ours is
/// kept and none is made.
pub(super) fn decide(subject: &Subject<'_>, here: Option<&Arc<Service>>) -> ServiceStep {
    let wanted = subject.sandbox.spec.blueprint.service;
    let Some(service) = here else {
        return if wanted == Some(true) {
            ServiceStep::Create
        } else {
            ServiceStep::Nothing
        };
    };
    let kind = "Service";
    let name = || service.metadata.name.clone().unwrap_or_default();
    match (wanted, ownership(&service.metadata, subject)) {
        (Some(false), Ownership::Ours) => ServiceStep::Delete(service.clone()),
        (Some(false), _) | (None, Ownership::Offered | Ownership::Nobodys) => ServiceStep::Nothing,
        (_, Ownership::Foreign(owner)) => ServiceStep::Refuse(Refusal::Foreign {
            kind,
            name: name(),
            owner,
        }),
        (_, Ownership::Ours) => repair(subject, service, wanted.is_some()),
        (Some(true), Ownership::Nobodys) => {
            ServiceStep::Refuse(Refusal::NotAdoptable { kind, name: name() })
        }
        (Some(true), Ownership::Offered) => adopt(subject, service, name()),
    }
}

/// The specification of the service of a sandbox.
pub(super) fn spec(subject: &Subject<'_>) -> ServiceSpec {
    let ports = ports(&subject.sandbox.spec.blueprint.pod_template.spec);
    ServiceSpec {
        cluster_ip: Some(HEADLESS.to_owned()),
        // A session is no pod: an endpoint slice of ours leads to it.
        selector: (subject.server != Server::Session).then(|| tracking(subject)),
        ports: Some(ports).filter(|ports| !ports.is_empty()),
        ..ServiceSpec::default()
    }
}

fn adopt(subject: &Subject<'_>, service: &Service, name: String) -> ServiceStep {
    let ip = service
        .spec
        .as_ref()
        .and_then(|spec| spec.cluster_ip.clone())
        .unwrap_or_default();
    if !ip.is_empty() && ip != HEADLESS {
        return ServiceStep::Refuse(Refusal::NotHeadless { name, ip });
    }
    let mut patch = super::build::adoption(subject, &service.metadata);
    if let (Some(into), Some(drift)) = (patch.as_object_mut(), drift(subject, service, true)) {
        merge(into, drift);
    }
    ServiceStep::Patch(patch)
}

/// Only who asks for a service has its ports mended: one that is merely kept
/// may have been given others by hand.
fn repair(subject: &Subject<'_>, service: &Service, with_ports: bool) -> ServiceStep {
    let Some(mut patch) = drift(subject, service, with_ports) else {
        return ServiceStep::Keep;
    };
    merge(
        &mut patch,
        Map::from_iter([(
            "metadata".to_owned(),
            json!({"resourceVersion": service.metadata.resource_version}),
        )]),
    );
    ServiceStep::Patch(Value::Object(patch))
}

fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(into)), Value::Object(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// What of a service is not as wanted, as a patch.
fn drift(subject: &Subject<'_>, service: &Service, with_ports: bool) -> Option<Map<String, Value>> {
    let mut patch = Map::new();
    let labels = service.metadata.labels.as_ref();
    if tracking(subject)
        .iter()
        .any(|(key, value)| labels.and_then(|labels| labels.get(key)) != Some(value))
    {
        patch.insert("metadata".to_owned(), json!({"labels": tracking(subject)}));
    }
    let (is, wanted) = (service.spec.clone().unwrap_or_default(), spec(subject));
    let mut changes = Map::new();
    if is.selector != wanted.selector {
        changes.insert(
            "selector".to_owned(),
            selector_patch(is.selector.as_ref(), wanted.selector.as_ref()),
        );
        if wanted.selector.is_some() {
            changes.extend(one_family(&is));
        }
    }
    let (is, wanted) = (
        is.ports.unwrap_or_default(),
        wanted.ports.unwrap_or_default(),
    );
    if with_ports && !same_ports(&is, &wanted) {
        changes.insert("ports".to_owned(), json!(keeping_unmanaged(&is, wanted)));
    }
    if !changes.is_empty() {
        patch.insert("spec".to_owned(), Value::Object(changes));
    }
    (!patch.is_empty()).then_some(patch)
}

/// A service that was a session's, and leads to a pod now: without a selector
/// it was given both families of addresses wherever it is, and with one it may
/// have those of its cluster alone.
fn one_family(is: &ServiceSpec) -> Map<String, Value> {
    let families = is.ip_families.as_deref().unwrap_or_default();
    match families {
        [first, _, ..] if is.selector.as_ref().is_none_or(BTreeMap::is_empty) => Map::from_iter([
            ("ipFamilyPolicy".to_owned(), json!("SingleStack")),
            ("ipFamilies".to_owned(), json!([first])),
        ]),
        _ => Map::new(),
    }
}

/// A merge patch adds to a map: what shall not be there is named.
fn selector_patch(
    is: Option<&BTreeMap<String, String>>,
    wanted: Option<&BTreeMap<String, String>>,
) -> Value {
    let mut patch: Map<String, Value> = is
        .into_iter()
        .flatten()
        .map(|(key, _)| (key.clone(), Value::Null))
        .collect();
    patch.extend(
        wanted
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), json!(value))),
    );
    Value::Object(patch)
}

fn same_ports(is: &[ServicePort], wanted: &[ServicePort]) -> bool {
    let managed = |port: &ServicePort| {
        (
            port.name.clone(),
            port.protocol.clone(),
            port.port,
            port.target_port.clone(),
        )
    };
    is.iter().map(managed).eq(wanted.iter().map(managed))
}

/// What others say of a port, such as its application protocol, outlives a
/// repair of its name.
fn keeping_unmanaged(is: &[ServicePort], wanted: Vec<ServicePort>) -> Vec<ServicePort> {
    let before = |port: &ServicePort| {
        is.iter()
            .find(|old| old.port == port.port && old.protocol == port.protocol)
            .cloned()
    };
    wanted
        .into_iter()
        .map(|port| match before(&port) {
            Some(old) => ServicePort {
                name: port.name,
                target_port: port.target_port,
                ..old
            },
            None => port,
        })
        .collect()
}

type PortKey = (i32, String);

/// The ports of a pod's containers and of the sidecars that stay with them,
/// each port and protocol once, in order.
pub(super) fn ports(pod: &PodSpec) -> Vec<ServicePort> {
    let sidecars = pod.init_containers.iter().flatten();
    let sidecars =
        sidecars.filter(|container| container.restart_policy.as_deref() == Some("Always"));
    let (mut ports, mut taken) = (BTreeMap::<PortKey, Option<String>>::new(), BTreeSet::new());
    pod.containers
        .iter()
        .chain(sidecars)
        .for_each(|container| collect(container, &mut ports, &mut taken));
    ports
        .into_iter()
        .map(|(key, name)| service_port(key, name, &mut taken))
        .collect()
}

/// The first name of a port is its name, and the first port of a name has it.
fn collect(
    container: &Container,
    ports: &mut BTreeMap<PortKey, Option<String>>,
    taken: &mut BTreeSet<String>,
) {
    for port in container
        .ports
        .iter()
        .flatten()
        .filter(|port| port.container_port != 0)
    {
        let protocol = port
            .protocol
            .clone()
            .filter(|protocol| !protocol.is_empty());
        let name = ports
            .entry((
                port.container_port,
                protocol.unwrap_or_else(|| "TCP".to_owned()),
            ))
            .or_default();
        let given = port.name.as_ref().filter(|given| !given.is_empty());
        if let (None, Some(given)) = (&name, given)
            && taken.insert(given.clone())
        {
            *name = Some(given.clone());
        }
    }
}

fn service_port(
    (port, protocol): PortKey,
    name: Option<String>,
    taken: &mut BTreeSet<String>,
) -> ServicePort {
    let name = name.unwrap_or_else(|| free_name(port, &protocol, taken));
    taken.insert(name.clone());
    ServicePort {
        name: Some(name),
        port,
        protocol: Some(protocol),
        target_port: Some(IntOrString::Int(port)),
        ..ServicePort::default()
    }
}

fn free_name(port: i32, protocol: &str, taken: &BTreeSet<String>) -> String {
    let name = format!("p-{port}-{}", protocol.to_lowercase());
    if !taken.contains(&name) {
        return name;
    }
    let mut numbered = (2u64..).map(|number| format!("{name}-{number}"));
    numbered
        .find(|numbered| !taken.contains(numbered))
        .unwrap_or(name)
}

#[cfg(test)]
mod tests;
