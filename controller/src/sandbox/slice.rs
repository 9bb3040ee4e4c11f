//! The endpoint slice that leads from a sandbox's service to its session.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::ServicePort;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use serde_json::json;

use super::apply::Hands;
use super::backing::{Backing, Observed};
use super::build::child;
use super::refusal::{Ownership, Refusal, Trouble, ownership};
use super::report::ServiceFound;
use super::service;
use super::validate::Subject;
use crate::write::{Deletion, WriteError};

/// The label by which a slice is found for its service.
const SERVICE: &str = "kubernetes.io/service-name";
/// The label that keeps Kubernetes' own controllers from a slice of ours.
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// What stands there.
const MANAGER: &str = "mote-controller";

/// The name of the slice.
fn name(subject: &Subject<'_>) -> String {
    format!("{}-session", subject.name)
}

/// The slice to be. A session has addresses of one family.
fn slice(subject: &Subject<'_>, backing: &Backing) -> EndpointSlice {
    let pod = &subject.sandbox.spec.blueprint.pod_template.spec;
    let v6 = |ip: &String| ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6());
    let mut metadata = child(subject, &name(subject));
    metadata.labels = Some(
        [(SERVICE, subject.name), (MANAGED_BY, MANAGER)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
    );
    EndpointSlice {
        metadata,
        address_type: if backing.ips.iter().any(v6) {
            "IPv6"
        } else {
            "IPv4"
        }
        .to_owned(),
        endpoints: Some(vec![Endpoint {
            addresses: backing.ips.clone(),
            conditions: Some(EndpointConditions {
                ready: Some(backing.ready),
                ..EndpointConditions::default()
            }),
            node_name: backing.node.clone(),
            ..Endpoint::default()
        }]),
        ports: Some(service::ports(pod).into_iter().map(port).collect()),
    }
}

fn port(port: ServicePort) -> EndpointPort {
    EndpointPort {
        name: port.name,
        port: Some(port.port),
        protocol: port.protocol,
        app_protocol: port.app_protocol,
    }
}

/// Whether there was something to lead to.
fn had_addresses(subject: &Subject<'_>) -> bool {
    let status = subject.sandbox.status.as_ref();
    status.is_some_and(|status| !status.pod_ips.is_empty())
}

/// Whether the slice, which nobody watches, was last written as it is to be:
/// the status says what was there then.
fn is_written(subject: &Subject<'_>, observed: &Observed) -> bool {
    let Some(status) = &subject.sandbox.status else {
        return false;
    };
    let ready = crate::condition::is_true(&status.conditions, crate::condition::READY);
    match observed {
        Observed::Here(backing) => {
            status.service.is_some() && status.pod_ips == backing.ips && ready == backing.ready
        }
        Observed::Absent | Observed::Resting(_) => status.pod_ips.is_empty(),
        Observed::Unknown => true,
    }
}

impl Hands<'_> {
    /// Lets the service lead to the session, or nowhere.
    pub(super) async fn lead(
        &self,
        found: ServiceFound,
        observed: &Observed,
    ) -> Result<(), Trouble> {
        let Self { context, subject } = self;
        if found != ServiceFound::Here || is_written(subject, observed) {
            return Ok(());
        }
        let name = name(subject);
        match observed {
            Observed::Here(backing) if !backing.ips.is_empty() => {
                let slice = slice(subject, backing);
                match context.create(&slice).await {
                    Ok(_) => Ok(()),
                    Err(WriteError::AlreadyExists(_)) => self.mend(&name, slice).await,
                    Err(error) => Err(error.into()),
                }
            }
            // The address that it leads to is nobody's, or another's soon.
            Observed::Here(_) if !had_addresses(subject) => Ok(()),
            Observed::Here(_) | Observed::Absent | Observed::Resting(_) => {
                let gone =
                    context.delete::<EndpointSlice>(subject.namespace, &name, Deletion::default());
                match gone.await {
                    Ok(()) | Err(WriteError::NotFound(_)) => Ok(()),
                    Err(error) => Err(error.into()),
                }
            }
            Observed::Unknown => Ok(()),
        }
    }

    async fn mend(&self, name: &str, slice: EndpointSlice) -> Result<(), Trouble> {
        let Self { context, subject } = self;
        let namespace = subject.namespace;
        let Some(here) = context.get::<EndpointSlice>(namespace, name).await? else {
            return Err(WriteError::NotFound(format!("EndpointSlice {namespace}/{name}")).into());
        };
        let (kind, name) = ("EndpointSlice", name.to_owned());
        match ownership(&here.metadata, subject) {
            Ownership::Ours => {}
            Ownership::Foreign(owner) => return Err(Refusal::Foreign { kind, name, owner }.into()),
            Ownership::Offered | Ownership::Nobodys => {
                return Err(Refusal::NotAdoptable { kind, name }.into());
            }
        }
        if here.endpoints == slice.endpoints && here.ports == slice.ports {
            return Ok(());
        }
        let patch = json!({
            "metadata": { "resourceVersion": here.metadata.resource_version },
            "endpoints": slice.endpoints,
            "ports": slice.ports,
        });
        context
            .merge_patch::<EndpointSlice>(namespace, &name, &patch)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::fixtures::{sandbox, subject, with};

    fn backing() -> Backing {
        Backing {
            ips: vec!["10.0.0.7".to_owned()],
            ready: true,
            ..Backing::default()
        }
    }

    #[test]
    fn a_slice_leads_from_the_services_ports_to_the_sessions_address() {
        let sandbox = with(|spec| {
            let container = &mut spec.blueprint.pod_template.spec.containers[0];
            container.ports = Some(vec![k8s_openapi::api::core::v1::ContainerPort {
                container_port: 8888,
                ..Default::default()
            }]);
        });
        let slice = slice(&subject(&sandbox), &backing());
        assert_eq!(slice.metadata.labels.unwrap()[SERVICE], "box");
        assert_eq!(slice.endpoints.unwrap()[0].addresses, ["10.0.0.7"]);
        let ports = slice.ports.unwrap();
        assert_eq!(
            (ports[0].port, ports[0].name.as_deref()),
            (Some(8888), Some("p-8888-tcp"))
        );
    }

    #[test]
    fn a_slice_is_written_when_address_or_readiness_change() {
        let mut sandbox = sandbox();
        let here = Observed::Here(backing());
        assert!(!is_written(&subject(&sandbox), &here));
        let mut status = crate::crd::SandboxStatus {
            service: Some("box".to_owned()),
            pod_ips: vec!["10.0.0.7".to_owned()],
            ..Default::default()
        };
        sandbox.status = Some(status.clone());
        assert!(!is_written(&subject(&sandbox), &here));
        let saying = crate::condition::Saying::new(crate::condition::Status::True, "r", "");
        let now = crate::sandbox::fixtures::at(1);
        crate::condition::set(&mut status.conditions, "Ready", saying, 1, now);
        sandbox.status = Some(status);
        assert!(is_written(&subject(&sandbox), &here));
        assert!(!is_written(&subject(&sandbox), &Observed::Absent));
    }
}
