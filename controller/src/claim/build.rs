//! What a claim makes of a sandbox. Pure.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use serde_json::{Map, Value, json};

use super::refusal::Refusal;
use super::{env, metadata, volumes};
use crate::blueprint;
use crate::crd::{
    OperatingMode, PodMetadata, Sandbox, SandboxClaim, SandboxSpec, SandboxTemplate, ShutdownPolicy,
};
use crate::names::{annotation, label, name_hash, owner_reference};

type Texts = BTreeMap<String, String>;

/// How a sandbox came to its claim.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Launch {
    /// It was there before the claim.
    Warm,
    /// It was made for the claim.
    Cold,
}

impl Launch {
    /// The word of the label and of the metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Cold => "cold",
        }
    }
}

/// The sandbox for a claim that gets none from its pool. It has the claim's name.
///
/// # Errors
/// What the claim may not bring.
pub(super) fn cold(claim: &SandboxClaim, template: &SandboxTemplate) -> Result<Sandbox, Refusal> {
    let mut blueprint = blueprint::secure_defaults(&template.spec);
    blueprint.volume_claim_templates = volumes::merge(
        &template.spec.blueprint.volume_claim_templates,
        &claim.spec.volume_claim_templates,
        template.spec.volume_claim_templates_policy,
    )?;
    let policy = template.spec.env_vars_injection_policy;
    env::inject(&mut blueprint.pod_template.spec, &claim.spec.env, policy)?;
    let mut annotations = trace(claim);
    annotations.insert(
        annotation::SANDBOX_TEMPLATE_REF.to_owned(),
        template.name_any(),
    );
    let template_hash = name_hash(&template.name_any());
    let labels = Texts::from([(label::SANDBOX_TEMPLATE_REF_HASH.to_owned(), template_hash)]);
    let sandbox = Sandbox {
        metadata: ObjectMeta {
            name: claim.metadata.name.clone(),
            namespace: claim.metadata.namespace.clone(),
            labels: Some(labels),
            annotations: Some(annotations),
            owner_references: owner_reference(claim).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: SandboxSpec {
            blueprint,
            shutdown_time: None,
            shutdown_policy: ShutdownPolicy::default(),
            operating_mode: OperatingMode::default(),
        },
        status: None,
    };
    marked(&sandbox, claim, Some(template), Launch::Cold)
}

/// A sandbox of a pool, as it is once the claim has it.
///
/// # Errors
/// What the claim may not bring.
pub(super) fn adopted(
    sandbox: &Sandbox,
    claim: &SandboxClaim,
    template: Option<&SandboxTemplate>,
) -> Result<Sandbox, Refusal> {
    let mut adopted = sandbox.clone();
    // What a pool lets the cluster evict has now something to lose.
    let annotations = &mut adopted.spec.blueprint.pod_template.metadata.annotations;
    if annotations
        .get(annotation::SAFE_TO_EVICT)
        .is_some_and(|it| it == "true")
    {
        annotations.remove(annotation::SAFE_TO_EVICT);
    }
    adopted.metadata.owner_references = owner_reference(claim).map(|owner| vec![owner]);
    let name = adopted.name_any();
    let annotations = adopted.annotations_mut();
    annotations.extend(trace(claim));
    annotations.insert(annotation::POD_NAME.to_owned(), name);
    marked(&adopted, claim, template, Launch::Warm)
}

/// A sandbox that the claim has, with the labels and the pod's metadata that
/// follow from the claim and the template.
///
/// # Errors
/// What the claim may not bring.
pub(super) fn kept(
    sandbox: &Sandbox,
    claim: &SandboxClaim,
    template: Option<&SandboxTemplate>,
) -> Result<Sandbox, Refusal> {
    marked(sandbox, claim, template, launch(sandbox, claim))
}

/// How the sandbox came to the claim that has it. An older controller did not
/// always say so; a sandbox of another name was there before.
pub(super) fn launch(sandbox: &Sandbox, claim: &SandboxClaim) -> Launch {
    let name = sandbox.name_any();
    match sandbox.labels().get(label::LAUNCH_TYPE).map(String::as_str) {
        Some("warm") => Launch::Warm,
        Some(_) => Launch::Cold,
        None if reference(claim) == Some(&name) || name != claim.name_any() => Launch::Warm,
        None => Launch::Cold,
    }
}

/// The sandbox that the claim's metadata names: what is to be its own, or is.
pub(super) fn reference(claim: &SandboxClaim) -> Option<&str> {
    let annotation = claim.annotations().get(annotation::SANDBOX_NAME);
    annotation
        .filter(|name| !name.is_empty())
        .or_else(|| claim.labels().get(label::SANDBOX_NAME))
        .map(String::as_str)
        .filter(|name| !name.is_empty())
}

fn marked(
    sandbox: &Sandbox,
    claim: &SandboxClaim,
    template: Option<&SandboxTemplate>,
    launch: Launch,
) -> Result<Sandbox, Refusal> {
    let mut sandbox = sandbox.clone();
    let template = template.filter(|template| is_of(&sandbox, template));
    let pod = pod_metadata(&sandbox, claim, template)?;
    sandbox.spec.blueprint.pod_template.metadata = pod;
    let labels = sandbox.labels_mut();
    for former in [
        label::WARM_POOL_SANDBOX,
        label::SANDBOX_TEMPLATE_HASH,
        label::SANDBOX_POD_TEMPLATE_HASH,
        label::CREATED_BY,
    ] {
        labels.remove(former);
    }
    let mut put = |key: &str, value: String| labels.insert(key.to_owned(), value);
    put(label::LAUNCH_TYPE, launch.as_str().to_owned());
    put(label::CLAIM_UID, claim.uid().unwrap_or_default());
    if let Some(template) = template {
        put(
            label::SANDBOX_TEMPLATE_REF_HASH,
            name_hash(&template.name_any()),
        );
    }
    if let Some(creator) = claim
        .labels()
        .get(label::CREATED_BY)
        .filter(|it| !it.is_empty())
    {
        put(label::CREATED_BY, creator.clone());
    }
    Ok(sandbox)
}

/// Whether the sandbox was made from the template: a pool may have got another
/// one since, which is not this sandbox's.
fn is_of(sandbox: &Sandbox, template: &SandboxTemplate) -> bool {
    let hash = sandbox.labels().get(label::SANDBOX_TEMPLATE_REF_HASH);
    hash.is_none_or(|hash| *hash == name_hash(&template.name_any()))
}

/// The template's, and what the claim brings; nothing else.
fn pod_metadata(
    sandbox: &Sandbox,
    claim: &SandboxClaim,
    template: Option<&SandboxTemplate>,
) -> Result<PodMetadata, Refusal> {
    let base = template.map_or(&sandbox.spec.blueprint, |template| &template.spec.blueprint);
    let mut metadata = base.pod_template.metadata.clone();
    metadata::merge(&mut metadata, &claim.spec.additional_pod_metadata)?;
    Ok(metadata)
}

fn trace(claim: &SandboxClaim) -> Texts {
    let trace = claim.annotations().get_key_value(annotation::TRACE_CONTEXT);
    trace
        .map(|(key, value)| (key.clone(), value.clone()))
        .into_iter()
        .collect()
}

/// The patch from one to the other, valid for `before` alone; `None` if they
/// are the same in all that a claim changes.
pub(super) fn patch(before: &Sandbox, after: &Sandbox) -> Option<Value> {
    let mut meta = Map::new();
    put(
        &mut meta,
        "labels",
        changes(before.labels(), after.labels()),
    );
    put(
        &mut meta,
        "annotations",
        changes(before.annotations(), after.annotations()),
    );
    if before.metadata.owner_references != after.metadata.owner_references {
        meta.insert(
            "ownerReferences".to_owned(),
            json!(after.metadata.owner_references),
        );
    }
    let [old, new] = [before, after].map(|it| &it.spec.blueprint.pod_template.metadata);
    let mut pod = Map::new();
    put(&mut pod, "labels", changes(&old.labels, &new.labels));
    put(
        &mut pod,
        "annotations",
        changes(&old.annotations, &new.annotations),
    );
    if meta.is_empty() && pod.is_empty() {
        return None;
    }
    meta.insert("uid".to_owned(), json!(before.metadata.uid));
    meta.insert(
        "resourceVersion".to_owned(),
        json!(before.metadata.resource_version),
    );
    Some(if pod.is_empty() {
        json!({ "metadata": meta })
    } else {
        json!({ "metadata": meta, "spec": { "podTemplate": { "metadata": pod } } })
    })
}

fn put(into: &mut Map<String, Value>, key: &str, changes: Map<String, Value>) {
    if !changes.is_empty() {
        into.insert(key.to_owned(), Value::Object(changes));
    }
}

/// What to set and, as `null`, what to take away.
fn changes(before: &Texts, after: &Texts) -> Map<String, Value> {
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let new = after
        .iter()
        .filter(|(key, value)| before.get(*key) != Some(value));
    gone.map(|key| (key.clone(), Value::Null))
        .chain(new.map(|(key, value)| (key.clone(), json!(value))))
        .collect()
}

#[cfg(test)]
mod tests;
