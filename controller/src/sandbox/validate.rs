//! What is known of a sandbox before anything is done for it.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::refusal::Refusal;
use crate::crd::{OperatingMode, Sandbox, VolumeClaimTemplate};
use crate::names::{annotation, name_hash, owner_reference};

/// More volumes than a node attaches to one pod. A sandbox that asks for more
/// can never run, and its claims would only burden the storage.
const MAX_VOLUME_CLAIMS: usize = 128;

/// A sandbox that the API server has named. Names are never read from the
/// object again: every step has them from here.
#[derive(Clone, Debug)]
pub(super) struct Subject<'a> {
    /// The object.
    pub(super) sandbox: &'a Sandbox,
    /// Where it is.
    pub(super) namespace: &'a str,
    /// Its name; also that of its pod and its service.
    pub(super) name: &'a str,
    /// Whom its children belong to. Names come back, UIDs do not.
    pub(super) uid: &'a str,
    /// The value of the tracking label.
    pub(super) hash: String,
    /// What makes it the controller of a child.
    pub(super) owner: OwnerReference,
    /// By what it is served.
    pub(super) server: Server,
}

/// By what a sandbox is served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Server {
    /// A pod.
    Pod,
    /// A pod that was chosen over a wasm session.
    ChosenPod,
    /// A wasm session.
    Session,
}

impl<'a> Subject<'a> {
    /// `None` for an object that did not come from an API server.
    pub(super) fn of(sandbox: &'a Sandbox) -> Option<Self> {
        let metadata = &sandbox.metadata;
        let (namespace, name) = (metadata.namespace.as_deref()?, metadata.name.as_deref()?);
        let uid = metadata.uid.as_deref().filter(|uid| !uid.is_empty())?;
        let (hash, owner) = (name_hash(name), owner_reference(sandbox)?);
        Some(Self {
            sandbox,
            namespace,
            name,
            uid,
            hash,
            owner,
            server: Server::Pod,
        })
    }

    /// The pod that the annotation names; an empty name is none.
    pub(super) fn tracked_pod(&self) -> Option<&'a str> {
        let annotations = self.sandbox.metadata.annotations.as_ref()?;
        annotations
            .get(annotation::POD_NAME)
            .map(String::as_str)
            .filter(|name| !name.is_empty())
    }

    /// The pod to look for: the one the annotation names, else the sandbox's namesake.
    pub(super) fn pod_name(&self) -> &'a str {
        self.tracked_pod().unwrap_or(self.name)
    }

    /// Whether the annotation is there at all.
    pub(super) fn has_pod_annotation(&self) -> bool {
        let annotations = self.sandbox.metadata.annotations.as_ref();
        annotations.is_some_and(|annotations| annotations.contains_key(annotation::POD_NAME))
    }

    /// Whether it is to stand still.
    pub(super) fn is_suspended(&self) -> bool {
        self.sandbox.spec.operating_mode == OperatingMode::Suspended
    }

    /// The volume claims to be, each with its name.
    ///
    /// # Errors
    /// Names that are missing or stand twice, and too many of them.
    pub(super) fn volume_claims(&self) -> Result<Vec<(String, &'a VolumeClaimTemplate)>, Refusal> {
        let templates = &self.sandbox.spec.blueprint.volume_claim_templates;
        if templates.len() > MAX_VOLUME_CLAIMS {
            return Err(Refusal::TooManyClaims {
                count: templates.len(),
                most: MAX_VOLUME_CLAIMS,
            });
        }
        let mut seen = BTreeSet::new();
        templates
            .iter()
            .enumerate()
            .map(|(index, template)| {
                let name = template_name(template).ok_or(Refusal::NamelessClaim { index })?;
                if !seen.insert(name) {
                    return Err(Refusal::DoubleClaim {
                        name: name.to_owned(),
                    });
                }
                Ok((claim_name(name, self.name), template))
            })
            .collect()
    }
}

/// The name of a template, which is that of its volume.
pub(super) fn template_name(template: &VolumeClaimTemplate) -> Option<&str> {
    template
        .metadata
        .name
        .as_deref()
        .filter(|name| !name.is_empty())
}

/// The name of the volume claim that a template makes for a sandbox.
pub(super) fn claim_name(template: &str, sandbox: &str) -> String {
    format!("{template}-{sandbox}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::fixtures::{annotated, claiming, sandbox};

    #[test]
    fn the_annotated_pod_comes_before_the_namesake() {
        for (annotation, pod) in [(None, "box"), (Some(""), "box"), (Some("other"), "other")] {
            let sandbox = annotated(annotation::POD_NAME, annotation);
            assert_eq!(
                Subject::of(&sandbox).unwrap().pod_name(),
                pod,
                "{annotation:?}"
            );
        }
    }

    #[test]
    fn a_sandbox_without_a_uid_owns_nothing() {
        let mut nameless = sandbox();
        nameless.metadata.uid = Some(String::new());
        assert!(Subject::of(&nameless).is_none());
    }

    #[test]
    fn volume_claims_are_named_after_template_and_sandbox() {
        let sandbox = claiming(&["data", "cache"]);
        let claims = Subject::of(&sandbox).unwrap().volume_claims().unwrap();
        let names: Vec<_> = claims.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["data-box", "cache-box"]);
    }

    #[test]
    fn volume_claims_without_a_name_or_with_the_same_are_refused() {
        for (names, told) in [(["data", ""], "number 2"), (["data", "data"], "\"data\"")] {
            let sandbox = claiming(&names);
            let refusal = Subject::of(&sandbox).unwrap().volume_claims().unwrap_err();
            assert!(refusal.to_string().contains(told), "{refusal}");
        }
    }

    #[test]
    fn as_many_volume_claims_as_a_node_attaches_and_no_more() {
        let names: Vec<String> = (0..=MAX_VOLUME_CLAIMS)
            .map(|index| format!("v{index}"))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let sandbox = claiming(&names[1..]);
        assert_eq!(
            Subject::of(&sandbox)
                .unwrap()
                .volume_claims()
                .unwrap()
                .len(),
            MAX_VOLUME_CLAIMS
        );
        let sandbox = claiming(&names);
        assert!(Subject::of(&sandbox).unwrap().volume_claims().is_err());
    }
}
