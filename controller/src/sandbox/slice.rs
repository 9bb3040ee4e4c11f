//! The endpoint slices that lead from a sandbox's service to its session: one
//! for each family of its addresses.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::ServicePort;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use serde_json::json;

use super::apply::Hands;
use super::backing::{Backing, Observed};
use super::build::child;
use super::refusal::{Ownership, Refusal, Trouble, ownership};
use super::report::{SUSPENDED, ServiceFound};
use super::service;
use super::session::is_kept;
use super::validate::Subject;
use crate::condition::{self, READY};
use crate::crd::SandboxStatus;
use crate::write::{Deletion, WriteError};

/// The label by which a slice is found for its service.
const SERVICE: &str = "kubernetes.io/service-name";
/// The label that keeps Kubernetes' own controllers from a slice of ours.
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// What stands there.
const MANAGER: &str = "mote-controller";

/// A family of addresses, which has a slice of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Family {
    V4,
    V6,
}

impl Family {
    const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// As slices call it.
    fn told(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    /// The name of its slice.
    fn name(self, subject: &Subject<'_>) -> String {
        match self {
            Self::V4 => format!("{}-session", subject.name),
            Self::V6 => format!("{}-session-ipv6", subject.name),
        }
    }

    /// The addresses that are of it.
    fn of(self, addresses: &[String]) -> Vec<String> {
        let is_of = |address: &&String| {
            let v6 = address.parse::<IpAddr>().is_ok_and(|it| it.is_ipv6());
            v6 == (self == Self::V6)
        };
        addresses.iter().filter(is_of).cloned().collect()
    }
}

/// What to do about the slice of a family.
#[derive(Debug, PartialEq)]
enum Step {
    /// There is none, and none is to be.
    Nothing,
    /// It is to be so.
    Put(Box<EndpointSlice>),
    /// What it leads to is nobody's, or another's soon.
    Remove,
}

/// Decides. Nobody watches slices: the status says what was there when they
/// were last written.
fn decide(subject: &Subject<'_>, backing: Option<&Backing>, family: Family) -> Step {
    let status = subject.sandbox.status.as_ref();
    let had = status.is_some_and(|status| !family.of(&status.pod_ips).is_empty());
    match backing {
        Some(backing) if !family.of(&backing.ips).is_empty() => {
            Step::Put(slice(subject, backing, family).into())
        }
        Some(_) if !had => Step::Nothing,
        Some(_) | None => Step::Remove,
    }
}

/// The slice to be.
fn slice(subject: &Subject<'_>, backing: &Backing, family: Family) -> EndpointSlice {
    let pod = &subject.sandbox.spec.blueprint.pod_template.spec;
    let mut metadata = child(subject, &family.name(subject));
    metadata.labels = Some(
        [(SERVICE, subject.name), (MANAGED_BY, MANAGER)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
    );
    EndpointSlice {
        metadata,
        address_type: family.told().to_owned(),
        endpoints: Some(vec![Endpoint {
            addresses: family.of(&backing.ips),
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

/// Whether the slices, which nobody watches, were last written as they are to
/// be, or nobody knows how: the status says what was there then. It says of a
/// sandbox that stands still that it does when they are gone.
fn is_written(subject: &Subject<'_>, found: ServiceFound, observed: &Observed) -> bool {
    let none = SandboxStatus::default();
    let status = subject.sandbox.status.as_ref().unwrap_or(&none);
    let says = |type_| condition::is_true(&status.conditions, type_);
    match (found, observed) {
        (_, Observed::Unknown) | (ServiceFound::Unknown, Observed::Here(_)) => true,
        (ServiceFound::Here, Observed::Here(backing)) => {
            let led = status.service.is_some() && status.pod_ips == backing.ips;
            led && says(READY) == backing.ready
        }
        (ServiceFound::Absent, _) => status.service.is_none(),
        (ServiceFound::Here | ServiceFound::Unknown, Observed::Absent | Observed::Resting(_)) => {
            let stands = !subject.is_suspended() || says(SUSPENDED);
            status.pod_ips.is_empty() && stands
        }
    }
}

impl Hands<'_> {
    /// Lets the service lead to the session, or nowhere.
    pub(super) async fn lead(
        &self,
        found: ServiceFound,
        observed: &Observed,
    ) -> Result<(), Trouble> {
        let subject = self.subject;
        if is_written(subject, found, observed) {
            return Ok(());
        }
        let backing = match (found, observed) {
            (ServiceFound::Here, Observed::Here(backing)) => Some(backing),
            _ => None,
        };
        for family in Family::ALL {
            match decide(subject, backing, family) {
                Step::Nothing => {}
                Step::Put(slice) => self.put(&family.name(subject), *slice).await?,
                Step::Remove => self.remove(family).await?,
            }
        }
        Ok(())
    }

    /// Lets the service of what was a session lead nowhere, before its address
    /// becomes another's.
    ///
    /// # Errors
    /// What the API server says.
    pub(super) async fn lead_nowhere(&self) -> Result<(), WriteError> {
        if is_kept(self.subject.sandbox) {
            for family in Family::ALL {
                self.remove(family).await?;
            }
        }
        Ok(())
    }

    async fn remove(&self, family: Family) -> Result<(), WriteError> {
        let Self { context, subject } = self;
        let (namespace, name) = (subject.namespace, family.name(subject));
        let here = context.get::<EndpointSlice>(namespace, &name).await?;
        let ours = here.filter(|it| ownership(&it.metadata, subject) == Ownership::Ours);
        let Some(slice) = ours else {
            return Ok(());
        };
        let this = Deletion {
            uid: slice.metadata.uid,
            ..Deletion::default()
        };
        match context
            .delete::<EndpointSlice>(namespace, &name, this)
            .await
        {
            Err(WriteError::NotFound(_)) => Ok(()),
            done => done,
        }
    }

    async fn put(&self, name: &str, slice: EndpointSlice) -> Result<(), Trouble> {
        match self.context.create(&slice).await {
            Ok(_) => Ok(()),
            Err(WriteError::AlreadyExists(_)) => self.mend(name, slice).await,
            Err(error) => Err(error.into()),
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
        let slice = slice(&subject(&sandbox), &backing(), Family::V4);
        assert_eq!(slice.metadata.labels.unwrap()[SERVICE], "box");
        assert_eq!(slice.endpoints.unwrap()[0].addresses, ["10.0.0.7"]);
        let ports = slice.ports.unwrap();
        assert_eq!(
            (ports[0].port, ports[0].name.as_deref()),
            (Some(8888), Some("p-8888-tcp"))
        );
    }

    #[test]
    fn each_family_has_a_slice_and_loses_it_with_its_address() {
        let steps = |sandbox: &_, ips: &[&str]| {
            let backing = Backing {
                ips: ips.iter().map(ToString::to_string).collect(),
                ..backing()
            };
            let subject = subject(sandbox);
            let told = |family| match decide(&subject, Some(&backing), family) {
                Step::Nothing => String::new(),
                Step::Remove => "removed".to_owned(),
                Step::Put(slice) => {
                    let endpoints = slice.endpoints.unwrap();
                    let addresses = endpoints[0].addresses.join(" ");
                    let name = slice.metadata.name.unwrap();
                    format!("{name} {} {addresses}", slice.address_type)
                }
            };
            Family::ALL.map(told)
        };
        let (v4, v6) = ("box-session IPv4 10.0.0.7", "box-session-ipv6 IPv6 fd00::7");
        let mut sandbox = sandbox();
        assert_eq!(steps(&sandbox, &["10.0.0.7", "fd00::7"]), [v4, v6]);
        assert_eq!(steps(&sandbox, &["10.0.0.7"]), [v4, ""]);
        assert_eq!(steps(&sandbox, &["fd00::7"]), ["", v6]);
        assert_eq!(steps(&sandbox, &[]), ["", ""]);
        sandbox.status = Some(crate::crd::SandboxStatus {
            pod_ips: vec!["10.0.0.7".to_owned(), "fd00::7".to_owned()],
            ..Default::default()
        });
        assert_eq!(steps(&sandbox, &["fd00::7"]), ["removed", v6]);
        assert_eq!(steps(&sandbox, &[]), ["removed", "removed"]);
        let gone = Family::ALL.map(|family| decide(&subject(&sandbox), None, family));
        assert_eq!(gone, [Step::Remove, Step::Remove]);
    }

    #[test]
    fn a_slice_is_written_when_address_or_readiness_change() {
        let mut sandbox = sandbox();
        let here = Observed::Here(backing());
        let led = |sandbox: &_, observed: &Observed| {
            is_written(&subject(sandbox), ServiceFound::Here, observed)
        };
        assert!(!led(&sandbox, &here));
        let mut status = crate::crd::SandboxStatus {
            service: Some("box".to_owned()),
            pod_ips: vec!["10.0.0.7".to_owned()],
            ..Default::default()
        };
        sandbox.status = Some(status.clone());
        assert!(!led(&sandbox, &here));
        let saying = condition::Saying::new(condition::Status::True, "r", "");
        let now = crate::sandbox::fixtures::at(1);
        condition::set(&mut status.conditions, "Ready", saying, 1, now);
        sandbox.status = Some(status);
        assert!(led(&sandbox, &here));
        assert!(!led(&sandbox, &Observed::Absent));
        // Without its service it leads nowhere, and that is seen to once.
        for observed in [here, Observed::Absent] {
            let absent =
                |sandbox: &_| is_written(&subject(sandbox), ServiceFound::Absent, &observed);
            assert!(!absent(&sandbox));
            let mut without = sandbox.clone();
            without.status.as_mut().unwrap().service = None;
            assert!(absent(&without));
        }
    }

    #[test]
    fn of_what_stands_still_slices_are_gone_before_the_status_says_that_it_does() {
        let resting = Observed::Resting("a".to_owned());
        let mut sandbox = crate::sandbox::fixtures::suspended();
        let mut status = crate::crd::SandboxStatus::default();
        let written = |sandbox: &_| is_written(&subject(sandbox), ServiceFound::Unknown, &resting);
        sandbox.status = Some(status.clone());
        assert!(!written(&sandbox), "they may have been made unseen");
        let saying = condition::Saying::new(condition::Status::True, "r", "");
        let now = crate::sandbox::fixtures::at(1);
        condition::set(&mut status.conditions, SUSPENDED, saying, 1, now);
        sandbox.status = Some(status);
        assert!(written(&sandbox));
    }
}
