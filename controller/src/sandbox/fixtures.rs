//! Sandboxes and what surrounds them, for the tests of this folder.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{
    Container, Pod, PodCondition, PodIP, PodSpec, PodStatus, Service, ServiceSpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use k8s_openapi::jiff::Timestamp;

use super::validate::Subject;
use crate::crd::{
    OperatingMode, Sandbox, SandboxBlueprint, SandboxSpec, ShutdownPolicy, VolumeClaimMetadata,
    VolumeClaimTemplate,
};
use crate::names::{EXTENSIONS_GROUP, label, name_hash};

/// A moment, in seconds after the fixtures' creation.
pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// `default/box`, of generation 3, with one container.
pub(super) fn sandbox() -> Sandbox {
    let mut spec = SandboxSpec {
        blueprint: SandboxBlueprint::default(),
        shutdown_time: None,
        shutdown_policy: ShutdownPolicy::default(),
        operating_mode: OperatingMode::default(),
    };
    spec.blueprint.pod_template.spec = PodSpec {
        containers: vec![Container {
            name: "main".to_owned(),
            ..Container::default()
        }],
        ..PodSpec::default()
    };
    let mut sandbox = Sandbox::new("box", spec);
    sandbox.metadata.namespace = Some("default".to_owned());
    sandbox.metadata.uid = Some("uid-of-box".to_owned());
    sandbox.metadata.generation = Some(3);
    sandbox.metadata.resource_version = Some("77".to_owned());
    sandbox.metadata.creation_timestamp = Some(Time(at(0)));
    sandbox
}

/// [`sandbox`] with its spec changed.
pub(super) fn with(change: impl FnOnce(&mut SandboxSpec)) -> Sandbox {
    let mut sandbox = sandbox();
    change(&mut sandbox.spec);
    sandbox
}

/// [`sandbox`] that shall not run.
pub(super) fn suspended() -> Sandbox {
    with(|spec| spec.operating_mode = OperatingMode::Suspended)
}

/// [`sandbox`] with an annotation, or without.
pub(super) fn annotated(key: &str, value: Option<&str>) -> Sandbox {
    let mut sandbox = sandbox();
    let annotations = value.map(|value| (key.to_owned(), value.to_owned()));
    sandbox.metadata.annotations = Some(annotations.into_iter().collect());
    sandbox
}

/// [`sandbox`] with volume claim templates of these names.
pub(super) fn claiming(names: &[&str]) -> Sandbox {
    let template = |name: &&str| VolumeClaimTemplate {
        metadata: VolumeClaimMetadata {
            name: Some((*name).to_owned()),
            ..Default::default()
        },
        ..VolumeClaimTemplate::default()
    };
    with(|spec| spec.blueprint.volume_claim_templates = names.iter().map(template).collect())
}

/// [`sandbox`] that belongs to a claim or a pool.
pub(super) fn owned_sandbox(kind: &str, labels: &[(&str, &str)]) -> Sandbox {
    let mut sandbox = sandbox();
    sandbox.metadata.owner_references = Some(vec![OwnerReference {
        api_version: format!("{EXTENSIONS_GROUP}/v1beta1"),
        kind: kind.to_owned(),
        name: "owner".to_owned(),
        uid: "uid-of-owner".to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }]);
    sandbox.metadata.labels = Some(map(labels));
    sandbox
}

/// A map of texts.
pub(super) fn map(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// Metadata of an object that a sandbox with this UID controls.
pub(super) fn owned_by(uid: &str) -> ObjectMeta {
    ObjectMeta {
        owner_references: Some(vec![OwnerReference {
            api_version: "agents.x-k8s.io/v1beta1".to_owned(),
            kind: "Sandbox".to_owned(),
            name: "box".to_owned(),
            uid: uid.to_owned(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }]),
        ..ObjectMeta::default()
    }
}

/// A pod of this name and metadata, in a phase.
pub(super) fn pod(name: &str, metadata: ObjectMeta, phase: &str) -> Pod {
    Pod {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some("default".to_owned()),
            resource_version: Some("5".to_owned()),
            uid: Some(format!("uid-of-pod-{name}")),
            ..metadata
        },
        spec: Some(PodSpec::default()),
        status: Some(PodStatus {
            phase: Some(phase.to_owned()),
            ..PodStatus::default()
        }),
    }
}

/// The pod of [`sandbox`], in a phase, with the metadata it was made with.
pub(super) fn own_pod(phase: &str) -> Pod {
    let mut pod = pod("box", owned_by("uid-of-box"), phase);
    pod.metadata.labels = Some(map(&[(label::SANDBOX_NAME_HASH, &name_hash("box"))]));
    pod
}

/// The pod of [`sandbox`] as it serves.
pub(super) fn ready_pod() -> Pod {
    let mut pod = own_pod("Running");
    let status = pod.status.as_mut().unwrap();
    status.conditions = Some(vec![
        condition("PodScheduled", "True", None, None),
        condition("Ready", "True", None, None),
    ]);
    status.pod_ips = Some(vec![PodIP {
        ip: "10.0.0.7".to_owned(),
    }]);
    pod.spec.as_mut().unwrap().node_name = Some("node-a".to_owned());
    pod
}

/// A pod that is going away.
pub(super) fn terminating(mut pod: Pod) -> Pod {
    pod.metadata.deletion_timestamp = Some(Time(at(1)));
    pod
}

/// A condition of a pod.
pub(super) fn condition(
    type_: &str,
    status: &str,
    reason: Option<&str>,
    message: Option<&str>,
) -> PodCondition {
    PodCondition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.map(str::to_owned),
        message: message.map(str::to_owned),
        ..PodCondition::default()
    }
}

/// A service with the name of [`sandbox`].
pub(super) fn service(metadata: ObjectMeta) -> Service {
    Service {
        metadata: ObjectMeta {
            name: Some("box".to_owned()),
            namespace: Some("default".to_owned()),
            resource_version: Some("9".to_owned()),
            ..metadata
        },
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// What a step is given.
pub(super) fn subject(sandbox: &Sandbox) -> Subject<'_> {
    Subject::of(sandbox).unwrap()
}

/// Shared, as the cache has it.
pub(super) fn shared<K>(object: K) -> Arc<K> {
    Arc::new(object)
}
