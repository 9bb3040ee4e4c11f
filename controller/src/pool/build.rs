//! What a pool writes: its sandboxes, and its name on an orphan. Pure.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::observe::Member;
use super::validate::{Blueprint, Owner, Wanted};
use crate::crd::{OperatingMode, Sandbox, SandboxBlueprint, SandboxSpec, ShutdownPolicy};
use crate::names::{annotation, label};
use crate::settings::Settings;

/// How a sandbox of a pool is started: before anybody asks.
const WARM: &str = "warm";
/// Who asks for a sandbox of a pool.
const CONTROLLER: &str = "controller";

/// What the API server leaves of `generateName`, so that the name is still a
/// label of DNS, which a pod's host name must be.
const NAME_BASE_LENGTH: usize = 58;
/// Letters after it: 14 million names.
const NAME_SUFFIX_LENGTH: usize = 5;
/// The API server's alphabet: no vowels, so no words.
const NAME_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A sandbox of the pool, not named yet: see [`named`].
pub(super) fn sandbox(owner: &Owner, wanted: &Wanted, settings: &Settings) -> Option<Sandbox> {
    let plan = wanted.plan.as_ref().ok()?;
    Some(Sandbox {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", owner.name)),
            namespace: Some(owner.namespace.clone()),
            labels: Some(labels(owner, wanted, plan)),
            annotations: Some(BTreeMap::from([(
                annotation::SANDBOX_TEMPLATE_REF.to_owned(),
                wanted.template_name.clone(),
            )])),
            owner_references: Some(vec![owner.reference.clone()]),
            ..ObjectMeta::default()
        },
        spec: SandboxSpec {
            blueprint: evictable(plan.blueprint.clone(), settings),
            shutdown_time: None,
            shutdown_policy: ShutdownPolicy::default(),
            operating_mode: OperatingMode::Running,
        },
        status: None,
    })
}

fn labels(owner: &Owner, wanted: &Wanted, plan: &Blueprint) -> BTreeMap<String, String> {
    [
        (label::WARM_POOL_SANDBOX, owner.hash.as_str()),
        (label::SANDBOX_TEMPLATE_REF_HASH, &wanted.template_ref_hash),
        (label::SANDBOX_TEMPLATE_HASH, &plan.hash),
        (label::SANDBOX_POD_TEMPLATE_HASH, &plan.hash),
        (label::CREATED_BY, CONTROLLER),
        (label::LAUNCH_TYPE, WARM),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// A sandbox that nobody uses yet may be moved, unless its template objects.
fn evictable(mut blueprint: SandboxBlueprint, settings: &Settings) -> SandboxBlueprint {
    if settings.pool_eviction {
        let annotations = &mut blueprint.pod_template.metadata.annotations;
        annotations
            .entry(annotation::SAFE_TO_EVICT.to_owned())
            .or_insert_with(|| "true".to_owned());
    }
    blueprint
}

/// Gives a sandbox a name as the API server would, from what chance says. Who
/// knows the name can ask for it when the answer to its creation was lost.
pub(super) fn named(sandbox: &Sandbox, mut chance: u64) -> Sandbox {
    let mut sandbox = sandbox.clone();
    let base = sandbox.metadata.generate_name.take().unwrap_or_default();
    let mut name: String = base.chars().take(NAME_BASE_LENGTH).collect();
    for _ in 0..NAME_SUFFIX_LENGTH {
        let count = NAME_LETTERS.len() as u64;
        let letter = usize::try_from(chance % count).unwrap_or_default();
        name.extend(NAME_LETTERS.get(letter).copied().map(char::from));
        chance /= count;
    }
    sandbox.metadata.name = Some(name);
    sandbox
}

/// Puts the pool's name on a sandbox, if nobody wrote to it since.
pub(super) fn adoption(owner: &Owner, member: &Member) -> Value {
    let mut owners = member.owners.clone();
    owners.push(owner.reference.clone());
    json!({ "metadata": {
        "uid": member.uid,
        "resourceVersion": member.resource_version,
        "ownerReferences": owners,
    } })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

    use super::super::testing;
    use super::*;

    const EVICT: &str = annotation::SAFE_TO_EVICT;

    fn built(template: Value, settings: &Settings) -> Sandbox {
        let (owner, wanted) = testing::pool(3, &template);
        sandbox(&owner, &wanted, settings).unwrap()
    }

    fn plain() -> Value {
        json!({ "podTemplate": { "spec": { "containers": [{ "name": "main", "image": "a" }] } } })
    }

    fn evict(template: Value, settings: &Settings) -> Option<String> {
        let sandbox = built(template, settings);
        let annotations = sandbox.spec.blueprint.pod_template.metadata.annotations;
        annotations.get(EVICT).cloned()
    }

    #[test]
    fn a_sandbox_of_a_pool_says_whose_it_is_and_what_from() {
        let sandbox = built(plain(), &Settings::default());
        let labels = sandbox.metadata.labels.unwrap();
        let value = |key: &str| labels.get(key).map(String::as_str).unwrap_or_default();
        assert_eq!(sandbox.metadata.generate_name.as_deref(), Some("my-pool-"));
        assert_eq!(
            value(label::WARM_POOL_SANDBOX),
            crate::names::name_hash("my-pool")
        );
        assert_eq!(
            value(label::SANDBOX_TEMPLATE_REF_HASH),
            crate::names::name_hash("my-template")
        );
        assert_eq!(value(label::SANDBOX_TEMPLATE_HASH).len(), 8);
        assert_eq!(
            value(label::SANDBOX_TEMPLATE_HASH),
            value(label::SANDBOX_POD_TEMPLATE_HASH)
        );
        assert_eq!(
            (value(label::CREATED_BY), value(label::LAUNCH_TYPE)),
            ("controller", "warm")
        );
        let annotations = sandbox.metadata.annotations.unwrap();
        assert_eq!(annotations[annotation::SANDBOX_TEMPLATE_REF], "my-template");
        let owner = &sandbox.metadata.owner_references.unwrap()[0];
        assert_eq!(
            (owner.kind.as_str(), owner.name.as_str()),
            ("SandboxWarmPool", "my-pool")
        );
        assert_eq!(
            (owner.controller, owner.block_owner_deletion),
            (Some(true), Some(true))
        );
    }

    #[test]
    fn a_name_is_made_as_the_api_server_makes_it() {
        let name = |base: &str, chance| {
            let mut sandbox = built(plain(), &Settings::default());
            sandbox.metadata.generate_name = Some(base.into());
            let named = named(&sandbox, chance);
            assert_eq!(named.metadata.generate_name, None);
            named.metadata.name.unwrap()
        };
        assert_eq!(name("my-pool-", 0), "my-pool-bbbbb");
        assert_eq!(name("my-pool-", 28), "my-pool-ccbbb");
        assert_eq!(name("my-pool-", u64::MAX).len(), "my-pool-".len() + 5);
        assert_eq!(name(&"x".repeat(253), 1).len(), 63);
    }

    #[test]
    fn a_sandbox_of_a_pool_has_secure_defaults() {
        let spec = built(plain(), &Settings::default())
            .spec
            .blueprint
            .pod_template
            .spec;
        assert_eq!(spec.automount_service_account_token, Some(false));
        assert_eq!(spec.dns_policy.as_deref(), Some("None"));
    }

    #[test]
    fn volume_claims_and_service_of_the_template_reach_the_sandbox() {
        let mut template = plain();
        template["service"] = json!(true);
        template["volumeClaimTemplates"] = json!([{ "metadata": { "name": "data" }, "spec": {} }]);
        let blueprint = built(template, &Settings::default()).spec.blueprint;
        assert_eq!(blueprint.service, Some(true));
        assert_eq!(
            blueprint.volume_claim_templates[0].metadata.name.as_deref(),
            Some("data")
        );
    }

    #[test]
    fn pods_of_a_pool_may_be_evicted_unless_the_template_or_the_operator_objects() {
        let off = Settings {
            pool_eviction: false,
            ..Settings::default()
        };
        let saying = |value: &str| {
            let mut template = plain();
            template["podTemplate"]["metadata"] = json!({ "annotations": { EVICT: value } });
            template
        };
        for (template, settings, expected) in [
            (plain(), &Settings::default(), Some("true")),
            (saying("true"), &Settings::default(), Some("true")),
            (saying("false"), &Settings::default(), Some("false")),
            (plain(), &off, None),
            (saying("true"), &off, Some("true")),
            (saying("false"), &off, Some("false")),
        ] {
            assert_eq!(evict(template, settings).as_deref(), expected);
        }
    }

    #[test]
    fn permission_to_evict_makes_no_sandbox_stale() {
        let (owner, wanted) = testing::pool(1, &plain());
        let sandbox = sandbox(&owner, &wanted, &Settings::default()).unwrap();
        assert!(!super::super::observe::stale(&sandbox, &wanted));
        assert!(wanted.plan.unwrap().is_same(&sandbox.spec.blueprint));
    }

    #[test]
    fn an_adoption_keeps_other_owners_and_holds_for_what_was_seen() {
        let (owner, _) = testing::pool(1, &plain());
        let other = OwnerReference {
            kind: "ConfigMap".into(),
            uid: "9".into(),
            ..Default::default()
        };
        let member = Member {
            uid: "1".into(),
            resource_version: "7".into(),
            owners: vec![other],
            ..Member::default()
        };
        let patch = adoption(&owner, &member);
        assert_eq!(
            (
                &patch["metadata"]["uid"],
                &patch["metadata"]["resourceVersion"]
            ),
            (&json!("1"), &json!("7"))
        );
        assert_eq!(patch["metadata"]["ownerReferences"][0]["uid"], "9");
        assert_eq!(patch["metadata"]["ownerReferences"][1]["uid"], "pool-uid");
        assert_eq!(patch["metadata"]["ownerReferences"][1]["controller"], true);
    }
}
