//! What a sandbox's children are to look like.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, Pod, PodSpec, Service, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::metadata::{Metadata, changes};
use super::validate::{Server, Subject, claim_name, template_name};
use crate::crd::VolumeClaimTemplate;
use crate::names::{annotation, label};

/// The pod of a sandbox. Where it was chosen over a session, its runtime class
/// named the choice, which no container runtime knows.
pub(super) fn pod(subject: &Subject<'_>) -> Pod {
    let Metadata {
        labels,
        annotations,
    } = Metadata::of(subject);
    let spec = pod_spec(subject);
    Pod {
        metadata: ObjectMeta {
            labels: Some(labels),
            annotations: Some(annotations),
            ..child(subject, subject.name)
        },
        spec: Some(PodSpec {
            runtime_class_name: spec
                .runtime_class_name
                .filter(|_| subject.server != Server::ChosenPod),
            ..spec
        }),
        status: None,
    }
}

fn pod_spec(subject: &Subject<'_>) -> PodSpec {
    let blueprint = &subject.sandbox.spec.blueprint;
    let mut spec = blueprint.pod_template.spec.clone();
    let claimed: Vec<Volume> = blueprint
        .volume_claim_templates
        .iter()
        .filter_map(|template| volume(template, subject.name))
        .collect();
    if !claimed.is_empty() {
        let mut volumes = spec.volumes.take().unwrap_or_default();
        // As in a StatefulSet: a volume that is claimed replaces its namesake.
        volumes.retain(|volume| !claimed.iter().any(|other| other.name == volume.name));
        volumes.extend(claimed);
        spec.volumes = Some(volumes);
    }
    spec
}

fn volume(template: &VolumeClaimTemplate, sandbox: &str) -> Option<Volume> {
    let name = template_name(template)?;
    Some(Volume {
        name: name.to_owned(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim_name(name, sandbox),
            read_only: None,
        }),
        ..Volume::default()
    })
}

/// A volume claim of a sandbox.
pub(super) fn volume_claim(
    subject: &Subject<'_>,
    name: &str,
    template: &VolumeClaimTemplate,
) -> PersistentVolumeClaim {
    let mut labels = template.metadata.labels.clone();
    labels.insert(label::SANDBOX_NAME_HASH.to_owned(), subject.hash.clone());
    let annotations =
        Some(template.metadata.annotations.clone()).filter(|annotations| !annotations.is_empty());
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            labels: Some(labels),
            annotations,
            ..child(subject, name)
        },
        spec: Some(template.spec.clone()),
        status: None,
    }
}

/// The patch that makes the sandbox the controller of an object without one,
/// if nobody writes to it in between.
pub(super) fn adoption(subject: &Subject<'_>, metadata: &ObjectMeta) -> Value {
    let mut owners = metadata.owner_references.clone().unwrap_or_default();
    owners.retain(|owner| owner.uid != subject.uid);
    owners.push(subject.owner.clone());
    json!({"metadata": {"resourceVersion": metadata.resource_version, "ownerReferences": owners}})
}

/// The patch that makes a pod ours and its metadata what the template says.
pub(super) fn pod_adoption(subject: &Subject<'_>, pod: &Pod) -> Value {
    let mut patch = adoption(subject, &pod.metadata);
    if let (Some(Value::Object(into)), Some(Value::Object(mut more))) = (
        patch.get_mut("metadata"),
        pod_update(subject, pod).and_then(|mut more| more.get_mut("metadata").map(Value::take)),
    ) {
        into.append(&mut more);
    }
    patch
}

/// The patch that makes a pod's labels and annotations what the template says.
/// A pod's specification stays as it is: a template is for the next pod.
pub(super) fn pod_update(subject: &Subject<'_>, pod: &Pod) -> Option<Value> {
    let (labels, annotations) = changes(&Metadata::of(subject), subject, &pod.metadata);
    let mut metadata = serde_json::Map::new();
    for (field, changes) in [("labels", labels), ("annotations", annotations)] {
        if !changes.is_empty() {
            metadata.insert(field.to_owned(), json!(changes));
        }
    }
    (!metadata.is_empty()).then(|| json!({"metadata": metadata}))
}

/// The patch of the sandbox that forgets which pod it tracked, if nobody has
/// named another one since.
pub(super) fn forget_pod_name(subject: &Subject<'_>) -> Value {
    json!({"metadata": {
        "resourceVersion": subject.sandbox.metadata.resource_version,
        "annotations": {annotation::POD_NAME: null},
    }})
}

/// The service of a sandbox.
pub(super) fn service(subject: &Subject<'_>) -> Service {
    Service {
        metadata: ObjectMeta {
            labels: Some(tracking(subject)),
            ..child(subject, subject.name)
        },
        spec: Some(super::service::spec(subject)),
        status: None,
    }
}

/// The labels by which a sandbox's children are found.
pub(super) fn tracking(subject: &Subject<'_>) -> BTreeMap<String, String> {
    BTreeMap::from([(label::SANDBOX_NAME_HASH.to_owned(), subject.hash.clone())])
}

pub(super) fn child(subject: &Subject<'_>, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(subject.namespace.to_owned()),
        owner_references: Some(vec![subject.owner.clone()]),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests;
