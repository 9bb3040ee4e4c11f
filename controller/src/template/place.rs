//! Decides what becomes of a template's label and of its policy. Pure.

use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::ResourceExt;

use super::build;
use crate::crd::{NetworkPolicyManagement, SandboxTemplate};
use crate::names::{is_controlled_by, label, name_hash};

/// What a pass is to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// The value of the label that the template lacks.
    pub(super) label: Option<String>,
    pub(super) policy: PolicyStep,
}

/// What is to become of the policy.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PolicyStep {
    /// It is as it should be.
    Leave,
    Create(Box<NetworkPolicy>),
    /// It says something else than the template: this goes in its place.
    Replace(Box<NetworkPolicy>),
    /// The template's author sees to policies: ours goes.
    Delete(Box<NetworkPolicy>),
    /// A policy of this name is not the template's, and is not touched.
    Refuse,
}

/// Makes the plan; none for a template on its way out, whose policy follows it.
pub(super) fn place(template: &SandboxTemplate, policy: Option<&NetworkPolicy>) -> Plan {
    if template.metadata.deletion_timestamp.is_some() || template.metadata.uid.is_none() {
        let policy = PolicyStep::Leave;
        return Plan {
            label: None,
            policy,
        };
    }
    let hash = name_hash(&template.name_any());
    let labelled = template.labels().get(label::SANDBOX_TEMPLATE_REF_HASH) == Some(&hash);
    Plan {
        label: (!labelled).then_some(hash),
        policy: step(template, policy),
    }
}

fn step(template: &SandboxTemplate, policy: Option<&NetworkPolicy>) -> PolicyStep {
    use NetworkPolicyManagement::{Managed, Unmanaged};
    let uid = template.metadata.uid.as_deref().unwrap_or_default();
    let own = policy.map(|policy| (policy, is_controlled_by(&policy.metadata, uid)));
    match (template.spec.network_policy_management, own) {
        (Managed, None) => PolicyStep::Create(Box::new(build::policy(template))),
        (Managed, Some((_, false))) => PolicyStep::Refuse,
        (Managed, Some((policy, true))) => compare(policy, &build::policy(template)),
        (Unmanaged, Some((policy, true))) => PolicyStep::Delete(Box::new(policy.clone())),
        (Unmanaged, Some((_, false)) | None) => PolicyStep::Leave,
    }
}

fn compare(policy: &NetworkPolicy, wanted: &NetworkPolicy) -> PolicyStep {
    if policy.spec.clone().map(build::normal) == wanted.spec {
        return PolicyStep::Leave;
    }
    PolicyStep::Replace(Box::new(NetworkPolicy {
        // Labels and annotations of others stay.
        metadata: policy.metadata.clone(),
        spec: wanted.spec.clone(),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn template(more: Value) -> SandboxTemplate {
        let mut spec = json!({ "podTemplate": { "spec": { "containers": [] } } });
        let fields = spec.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        serde_json::from_value(json!({
            "apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": "SandboxTemplate",
            "metadata": { "name": "t", "namespace": "ns", "uid": "t-uid",
                "labels": { label::SANDBOX_TEMPLATE_REF_HASH: name_hash("t") } },
            "spec": spec,
        }))
        .unwrap()
    }

    fn unmanaged() -> SandboxTemplate {
        template(json!({ "networkPolicyManagement": "Unmanaged" }))
    }

    /// The policy of a template, as it was made and written.
    fn made(template: &SandboxTemplate) -> NetworkPolicy {
        let mut policy = build::policy(template);
        policy.metadata.uid = Some("np-uid".into());
        policy.metadata.resource_version = Some("7".into());
        policy
    }

    fn foreign() -> NetworkPolicy {
        let mut policy = made(&template(json!({})));
        policy.metadata.owner_references = None;
        policy.spec = None;
        policy
    }

    #[test]
    fn a_template_without_a_policy_gets_one() {
        let template = template(json!({}));
        let expected = PolicyStep::Create(Box::new(build::policy(&template)));
        assert_eq!(place(&template, None).policy, expected);
    }

    #[test]
    fn a_policy_as_it_should_be_is_left() {
        for rules in [json!({}), json!({ "networkPolicy": {} })] {
            let template = template(rules);
            let plan = place(&template, Some(&made(&template)));
            assert_eq!((plan.label, plan.policy), (None, PolicyStep::Leave));
        }
    }

    #[test]
    fn a_policy_that_says_something_else_is_replaced_and_keeps_its_labels() {
        let mut before = made(&template(json!({})));
        before.metadata.labels = Some([("a".to_owned(), "b".to_owned())].into());
        let denying = template(json!({ "networkPolicy": {} }));
        let PolicyStep::Replace(after) = place(&denying, Some(&before)).policy else {
            panic!("replaced");
        };
        assert_eq!(after.metadata, before.metadata);
        assert_eq!(after.spec, build::policy(&denying).spec);
        // And back again.
        assert!(matches!(
            place(&template(json!({})), Some(&after)).policy,
            PolicyStep::Replace(_)
        ));
    }

    #[test]
    fn a_policy_that_someone_widened_is_replaced() {
        let template = template(json!({}));
        let mut widened = made(&template);
        widened.spec.as_mut().unwrap().ingress = Some(vec![Default::default()]);
        assert!(matches!(
            place(&template, Some(&widened)).policy,
            PolicyStep::Replace(_)
        ));
    }

    #[test]
    fn where_someone_else_sees_to_policies_ours_goes() {
        let policy = made(&unmanaged());
        let expected = PolicyStep::Delete(Box::new(policy.clone()));
        assert_eq!(place(&unmanaged(), Some(&policy)).policy, expected);
        assert_eq!(place(&unmanaged(), None).policy, PolicyStep::Leave);
    }

    #[test]
    fn a_policy_of_somebody_else_is_never_touched() {
        assert_eq!(
            place(&template(json!({})), Some(&foreign())).policy,
            PolicyStep::Refuse
        );
        assert_eq!(
            place(&unmanaged(), Some(&foreign())).policy,
            PolicyStep::Leave
        );
        let mut of_another = made(&template(json!({})));
        of_another.metadata.owner_references.as_mut().unwrap()[0].uid = "other".into();
        assert_eq!(
            place(&template(json!({})), Some(&of_another)).policy,
            PolicyStep::Refuse
        );
    }

    #[test]
    fn a_template_carries_the_hash_of_its_name() {
        let mut bare = template(json!({}));
        bare.metadata.labels = None;
        assert_eq!(place(&bare, None).label, Some(name_hash("t")));
        let wrong = [(label::SANDBOX_TEMPLATE_REF_HASH.to_owned(), "0".to_owned())];
        bare.metadata.labels = Some(wrong.into());
        assert_eq!(place(&bare, None).label, Some(name_hash("t")));
    }

    #[test]
    fn a_template_on_its_way_out_gets_nothing() {
        let mut leaving = template(json!({}));
        leaving.metadata.labels = None;
        leaving.metadata.deletion_timestamp =
            Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
        let plan = place(&leaving, None);
        assert_eq!((plan.label, plan.policy), (None, PolicyStep::Leave));
    }
}
