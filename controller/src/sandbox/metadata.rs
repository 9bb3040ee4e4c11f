//! Labels and annotations on their way from a sandbox to its pod.
//!
//! A template may bring any key but those of the system: by the tracking label
//! a service finds its pod, and by the template's label a network policy finds
//! whom it guards. What a template brought is noted on the pod, so that what it
//! brings no more can be taken away.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::validate::Subject;
use crate::names::{EXTENSIONS_GROUP, annotation, controller_of, created_by, is_reserved, label};

type Map = BTreeMap<String, String>;

/// What to set and what to take away.
pub(super) type Changes = BTreeMap<String, Option<String>>;

/// Labels of the system that a pod has or has not, by its sandbox.
const MANAGED_LABELS: [&str; 5] = [
    label::SANDBOX_NAME_HASH,
    label::CLAIM_UID,
    label::WARM_POOL_SANDBOX,
    label::SANDBOX_TEMPLATE_REF_HASH,
    label::CREATED_BY,
];
/// Annotations of the system that a pod has or has not, by its sandbox.
const MANAGED_ANNOTATIONS: [&str; 2] = [
    annotation::PROPAGATED_LABELS,
    annotation::PROPAGATED_ANNOTATIONS,
];

/// What a pod is to carry.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Metadata {
    /// Labels.
    pub(super) labels: Map,
    /// Annotations.
    pub(super) annotations: Map,
}

impl Metadata {
    /// What the pod of a sandbox is to carry.
    pub(super) fn of(subject: &Subject<'_>) -> Self {
        let template = &subject.sandbox.spec.blueprint.pod_template.metadata;
        let (mut labels, mut annotations) =
            (brought(&template.labels), brought(&template.annotations));
        let notes = [
            (annotation::PROPAGATED_LABELS, keys(&labels)),
            (annotation::PROPAGATED_ANNOTATIONS, keys(&annotations)),
        ];
        // After what users brought, so that nothing of theirs stands in its place.
        labels.extend(system_labels(subject));
        let notes = notes.into_iter().filter(|(_, keys)| !keys.is_empty());
        annotations.extend(notes.map(|(key, keys)| (key.to_owned(), keys)));
        Self {
            labels,
            annotations,
        }
    }
}

fn brought(map: &Map) -> Map {
    map.iter()
        .filter(|(key, _)| !is_reserved(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn keys(map: &Map) -> String {
    map.keys().map(String::as_str).collect::<Vec<_>>().join(",")
}

fn system_labels(subject: &Subject<'_>) -> Map {
    let metadata = &subject.sandbox.metadata;
    let own = |key: &str| {
        metadata
            .labels
            .as_ref()?
            .get(key)
            .filter(|value| !value.is_empty())
            .cloned()
    };
    let owner =
        controller_of(metadata).filter(|owner| group(&owner.api_version) == EXTENSIONS_GROUP);
    let kind = owner.map(|owner| owner.kind.as_str());
    let mut labels = Map::from([(label::SANDBOX_NAME_HASH.to_owned(), subject.hash.clone())]);
    let mut put = |key: &str, value: Option<String>| {
        labels.extend(value.map(|value| (key.to_owned(), value)));
    };
    if kind.is_some() {
        put(
            label::SANDBOX_TEMPLATE_REF_HASH,
            own(label::SANDBOX_TEMPLATE_REF_HASH),
        );
    }
    match kind {
        Some("SandboxClaim") => put(label::CLAIM_UID, own(label::CLAIM_UID)),
        Some("SandboxWarmPool") => put(label::WARM_POOL_SANDBOX, own(label::WARM_POOL_SANDBOX)),
        Some(_) | None => {}
    }
    put(
        label::CREATED_BY,
        created_by(own(label::CREATED_BY).as_deref()).map(str::to_owned),
    );
    labels
}

fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// How a pod's labels and annotations must change to be what is wanted. Keys
/// that neither the template nor the system brought are others' and stay.
pub(super) fn changes(
    wanted: &Metadata,
    subject: &Subject<'_>,
    pod: &ObjectMeta,
) -> (Changes, Changes) {
    let none = Map::new();
    let (labels, annotations) = (
        pod.labels.as_ref().unwrap_or(&none),
        pod.annotations.as_ref().unwrap_or(&none),
    );
    let template = &subject.sandbox.spec.blueprint.pod_template.metadata;
    let noted = |key: &str| annotations.get(key).map_or("", String::as_str);
    (
        difference(
            labels,
            &wanted.labels,
            &template.labels,
            noted(annotation::PROPAGATED_LABELS),
            &MANAGED_LABELS,
        ),
        difference(
            annotations,
            &wanted.annotations,
            &template.annotations,
            noted(annotation::PROPAGATED_ANNOTATIONS),
            &MANAGED_ANNOTATIONS,
        ),
    )
}

fn difference(is: &Map, wanted: &Map, template: &Map, noted: &str, managed: &[&str]) -> Changes {
    // An older controller let templates bring keys of the system, and noted
    // them: those go, though the template may still have them.
    let brought_before = noted
        .split(',')
        .filter(|key| is_reserved(key) || !template.contains_key(*key));
    let gone = brought_before.chain(managed.iter().copied());
    let gone = gone.filter(|key| is.contains_key(*key) && !wanted.contains_key(*key));
    let set = wanted
        .iter()
        .filter(|(key, value)| is.get(*key) != Some(value));
    gone.map(|key| (key.to_owned(), None))
        .chain(set.map(|(key, value)| (key.clone(), Some(value.clone()))))
        .collect()
}

#[cfg(test)]
mod tests;
