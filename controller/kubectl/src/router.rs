//! The router: the way to sandboxes that are no pods.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use crate::cluster::{Cluster, Denied, answer};
use crate::failure::Failure;
use crate::tunnel::Tunnel;

/// The Service that every router of Agent Sandbox has.
const SERVICE: &str = "sandbox-router-svc";
/// Most pods of it that are looked at; one that is ready is enough.
const MAX_PODS: u32 = 50;

/// The way to a router that is ready.
pub(crate) async fn tunnel(cluster: &Cluster) -> Result<Tunnel, Failure> {
    let namespace = &cluster.router_namespace;
    let services: Api<Service> = Api::namespaced(cluster.client.clone(), namespace);
    let service = answer(services.get(SERVICE)).await;
    let service = service.map_err(|denied| match denied {
        Denied::Missing => Failure::Refused(format!(
            "there is no router in namespace {namespace} (Service {SERVICE}), by which sandboxes in wasm are reached; install it, or say with --router-namespace where it is"
        )),
        denied => denied.during(&format!("read Service {SERVICE} in namespace {namespace}")),
    })?;
    let spec = service.spec.unwrap_or_default();
    let labels = selector(&spec.selector.unwrap_or_default());
    let pods = cluster.pods(namespace);
    let params = ListParams::default().labels(&labels).limit(MAX_PODS);
    let found = answer(pods.list(&params)).await;
    let found = found.map_err(|denied| {
        denied.during(&format!("list pods of the router in namespace {namespace}"))
    })?;
    let port = spec.ports.unwrap_or_default();
    let ready = found.items.iter().find(|pod| is_ready(pod));
    let way = ready.and_then(|pod| Some((pod.name_any(), target(port.first()?, pod)?)));
    let (pod, port) = way.ok_or_else(|| {
        Failure::Refused(format!(
            "no router is ready in namespace {namespace}; `kubectl -n {namespace} get pods -l {labels}` tells more"
        ))
    })?;
    Ok(Tunnel::new(pods, &pod, port))
}

fn selector(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<_> = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.join(",")
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|it| it.conditions.as_ref());
    let ready = conditions
        .into_iter()
        .flatten()
        .any(|it| it.type_ == "Ready" && it.status == "True");
    ready && pod.metadata.deletion_timestamp.is_none()
}

/// The pod's port that a service's port leads to.
fn target(port: &ServicePort, pod: &Pod) -> Option<u16> {
    let number = match &port.target_port {
        None => port.port,
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(name)) => {
            let containers = &pod.spec.as_ref()?.containers;
            let ports = containers
                .iter()
                .filter_map(|it| it.ports.as_ref())
                .flatten();
            ports
                .into_iter()
                .find(|it| it.name.as_ref() == Some(name))?
                .container_port
        }
    };
    u16::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(ready: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": { "name": "r" },
            "spec": { "containers": [{ "name": "c", "ports": [
                { "name": "metrics", "containerPort": 9090 },
                { "name": "http", "containerPort": 8081 },
            ] }] },
            "status": { "conditions": [{ "type": "Ready", "status": ready }] },
        }))
        .unwrap()
    }

    #[test]
    fn a_port_of_the_service_leads_to_one_of_the_pod() {
        let target =
            |port: serde_json::Value| target(&serde_json::from_value(port).unwrap(), &pod("True"));
        assert_eq!(
            target(json!({ "port": 80, "targetPort": "http" })),
            Some(8081)
        );
        assert_eq!(
            target(json!({ "port": 80, "targetPort": 8082 })),
            Some(8082)
        );
        assert_eq!(target(json!({ "port": 80 })), Some(80));
        assert_eq!(target(json!({ "port": 80, "targetPort": "none" })), None);
    }

    #[test]
    fn a_pod_that_ends_is_not_ready() {
        assert!(is_ready(&pod("True")) && !is_ready(&pod("False")));
        let mut ends = pod("True");
        ends.metadata.deletion_timestamp =
            serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        assert!(!is_ready(&ends));
    }
}
