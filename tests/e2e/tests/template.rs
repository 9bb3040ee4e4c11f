//! A template and the network policy it keeps.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

use k8s_openapi::api::core::v1::Event;
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicySpec};
use kube::ResourceExt;
use mote_controller::crd::SandboxTemplate;
use mote_controller::names::{label, name_hash};
use mote_e2e::{Story, patience, template};
use serde_json::{Value, json};

const POLICY: &str = "t-network-policy";

/// What the API server keeps of the default policy, to the letter.
fn default_spec() -> Value {
    json!({
        "podSelector": { "matchLabels": { label::SANDBOX_TEMPLATE_REF_HASH: name_hash("t") } },
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{ "from": [{
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "agent-sandbox-system" } },
            "podSelector": { "matchLabels": { "app": "sandbox-router" } },
        }] }],
        "egress": [{ "to": [
            { "ipBlock": { "cidr": "0.0.0.0/0", "except":
                ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"] } },
            { "ipBlock": { "cidr": "::/0", "except": ["fc00::/7", "fe80::/10"] } },
        ] }],
    })
}

fn rules(policy: &NetworkPolicy) -> Value {
    serde_json::to_value(&policy.spec).unwrap()
}

async fn until_rules(story: &Story, what: &str, wanted: Value) -> NetworkPolicy {
    story
        .until(POLICY, what, |policy: &NetworkPolicy| {
            rules(policy) == wanted
        })
        .await
}

async fn until_told(story: &Story, reason: &str) -> Event {
    let told = |event: &Event| event.reason.as_deref() == Some(reason);
    let events = story
        .until_all("", reason, |events: &[Event]| events.iter().any(told))
        .await;
    events.into_iter().find(told).unwrap()
}

async fn a_template(story: &Story) -> SandboxTemplate {
    story
        .create::<SandboxTemplate>(template("t", patience()))
        .await
}

#[tokio::test]
async fn a_template_keeps_a_policy_and_carries_its_hash() {
    let story = Story::begin("template").await;
    let made = a_template(&story).await;
    let policy = until_rules(&story, "the default", default_spec()).await;
    let owner = &policy.owner_references()[0];
    assert_eq!(
        (owner.kind.as_str(), Some(&owner.uid), owner.controller),
        ("SandboxTemplate", made.metadata.uid.as_ref(), Some(true))
    );
    story
        .until("t", "labelled", |it: &SandboxTemplate| {
            it.labels().get(label::SANDBOX_TEMPLATE_REF_HASH) == Some(&name_hash("t"))
        })
        .await;
    story.delete::<SandboxTemplate>("t").await;
    story.until_gone::<NetworkPolicy>(POLICY).await;
    story.end().await;
}

#[tokio::test]
async fn rules_of_the_template_are_the_policys_until_they_go() {
    let story = Story::begin("template").await;
    let mut own = template("t", patience());
    own["spec"]["networkPolicy"] = json!({ "egress": [{ "ports": [{ "port": 443 }] }] });
    story.create::<SandboxTemplate>(own).await;
    let mut denying = default_spec();
    denying.as_object_mut().unwrap().remove("ingress");
    denying["egress"] = json!([{ "ports": [{ "port": 443, "protocol": "TCP" }] }]);
    until_rules(&story, "the template's", denying.clone()).await;
    story
        .patch::<SandboxTemplate>(
            "t",
            json!({ "spec": { "networkPolicy": { "egress": [] } } }),
        )
        .await;
    denying.as_object_mut().unwrap().remove("egress");
    until_rules(&story, "a denial of all", denying).await;
    story
        .patch::<SandboxTemplate>("t", json!({ "spec": { "networkPolicy": null } }))
        .await;
    let policy = until_rules(&story, "the default again", default_spec()).await;
    // Each change was written once: what the API server filled in was no change.
    assert_eq!(policy.metadata.generation, Some(3));
    story.end().await;
}

#[tokio::test]
async fn a_policy_that_someone_changes_or_deletes_comes_back() {
    let story = Story::begin("template").await;
    a_template(&story).await;
    let first = until_rules(&story, "the default", default_spec()).await;
    let opened = json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "ingress": [{}] } });
    story.patch::<NetworkPolicy>(POLICY, opened).await;
    let repaired = until_rules(&story, "repaired", default_spec()).await;
    assert_eq!(repaired.labels().get("a").map(String::as_str), Some("b"));
    story.delete::<NetworkPolicy>(POLICY).await;
    story
        .until(POLICY, "another", |it: &NetworkPolicy| {
            it.uid() != first.uid()
        })
        .await;
    until_rules(&story, "the default again", default_spec()).await;
    story.end().await;
}

#[tokio::test]
async fn where_someone_else_sees_to_policies_there_is_none() {
    let story = Story::begin("template").await;
    a_template(&story).await;
    until_rules(&story, "the default", default_spec()).await;
    let manage = |how: &str| json!({ "spec": { "networkPolicyManagement": how } });
    story
        .patch::<SandboxTemplate>("t", manage("Unmanaged"))
        .await;
    story.until_gone::<NetworkPolicy>(POLICY).await;
    story.patch::<SandboxTemplate>("t", manage("Managed")).await;
    until_rules(&story, "the default again", default_spec()).await;
    story.end().await;
}

#[tokio::test]
async fn a_policy_of_somebody_else_is_left_alone_until_it_goes() {
    let story = Story::begin("template").await;
    let foreign = json!({ "metadata": { "name": POLICY }, "spec": { "podSelector": {} } });
    let foreign: NetworkPolicy = story.create(foreign).await;
    a_template(&story).await;
    until_told(&story, "NetworkPolicyNotOwned").await;
    let now: NetworkPolicy = story.get(POLICY).await;
    assert_eq!(
        (
            now.resource_version(),
            now.spec.map(|_: NetworkPolicySpec| ())
        ),
        (foreign.resource_version(), Some(()))
    );
    story.delete::<NetworkPolicy>(POLICY).await;
    until_rules(&story, "the default", default_spec()).await;
    story.end().await;
}

#[tokio::test]
async fn rules_that_mean_nothing_are_refused_aloud() {
    let story = Story::begin("template").await;
    let mut own = template("t", patience());
    own["spec"]["networkPolicy"] =
        json!({ "egress": [{ "to": [{ "ipBlock": { "cidr": "somewhere" } }] }] });
    story.create::<SandboxTemplate>(own).await;
    let event = until_told(&story, "NetworkPolicyRejected").await;
    assert!(event.message.unwrap().contains("somewhere"));
    story
        .patch::<SandboxTemplate>("t", json!({ "spec": { "networkPolicy": null } }))
        .await;
    until_rules(&story, "the default", default_spec()).await;
    story.end().await;
}
