//! Claims: warm, cold, many at once, refused, hijacked, at their end.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

use std::collections::BTreeSet;

use futures_util::future::join_all;
use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use mote_controller::crd::{
    Condition, Sandbox, SandboxClaim, SandboxClaimStatus, SandboxTemplate, SandboxWarmPool,
};
use mote_controller::names::{annotation, is_controlled_by, label, name_hash};
use mote_e2e::{Story, claim, patience, pool, template};
use serde_json::{Value, json};

/// A story with a template and a pool that is full.
async fn begin(replicas: u32) -> Story {
    begin_with(template("t", patience()), replicas).await
}

async fn begin_with(template: Value, replicas: u32) -> Story {
    let story = Story::begin("claim").await;
    story.create::<SandboxTemplate>(template).await;
    story
        .create::<SandboxWarmPool>(pool("p", "t", replicas))
        .await;
    let replicas = i32::try_from(replicas).unwrap();
    story
        .until("p", "full", |pool: &SandboxWarmPool| {
            pool.status
                .as_ref()
                .is_some_and(|it| it.ready_replicas == replicas)
        })
        .await;
    story
}

fn ready(claim: &SandboxClaim) -> Option<&Condition> {
    condition(claim, "Ready")
}

fn condition<'a>(claim: &'a SandboxClaim, type_: &str) -> Option<&'a Condition> {
    let status = claim.status.as_ref()?;
    status.conditions.iter().find(|it| it.type_ == type_)
}

fn is_ready(claim: &SandboxClaim) -> bool {
    ready(claim).is_some_and(|ready| ready.status == "True")
}

fn bound(claim: &SandboxClaim) -> String {
    let status = claim.status.clone().unwrap_or_default();
    status.sandbox.and_then(|it| it.name).unwrap_or_default()
}

async fn until_refused(story: &Story, name: &str, reason: &str) -> String {
    let refused = |claim: &SandboxClaim| {
        ready(claim).is_some_and(|ready| ready.status == "False" && ready.reason == reason)
    };
    let claim = story.until(name, reason, refused).await;
    ready(&claim).unwrap().message.clone()
}

fn with(mut claim: Value, spec: Value) -> Value {
    for (key, value) in spec.as_object().unwrap() {
        claim["spec"][key] = value.clone();
    }
    claim
}

#[tokio::test]
async fn a_warm_claim_has_a_sandbox_of_its_pool_as_it_stands() {
    let story = begin(1).await;
    let warm = story.list::<Sandbox>("").await.remove(0);
    let pod = story.get::<Pod>(&warm.name_any()).await;
    let mut wanted = claim("c", "p");
    wanted["metadata"]["labels"] = json!({ label::CREATED_BY: "go-client" });
    wanted["spec"]["additionalPodMetadata"] = json!({
        "labels": { "sandbox.users.io/team": "red" },
    });
    story.create::<SandboxClaim>(wanted).await;
    let claim = story.until("c", "ready", is_ready).await;
    assert_eq!(bound(&claim), warm.name_any());
    let said = ready(&claim).unwrap();
    assert_eq!(
        (said.reason.as_str(), said.message.as_str()),
        ("DependenciesReady", "Pod is Ready")
    );
    let addresses = claim.status.as_ref().unwrap().sandbox.clone().unwrap();
    let before = warm.status.clone().unwrap();
    assert_eq!(addresses.pod_ips, before.pod_ips);

    let taken = story.get::<Sandbox>(&warm.name_any()).await;
    assert_eq!(taken.uid(), warm.metadata.uid);
    assert!(is_controlled_by(&taken.metadata, &claim.uid().unwrap()));
    assert_eq!(taken.owner_references().len(), 1);
    let labels = taken.labels();
    assert!(!labels.contains_key(label::WARM_POOL_SANDBOX));
    assert!(!labels.contains_key(label::SANDBOX_TEMPLATE_HASH));
    assert_eq!(labels[label::LAUNCH_TYPE], "warm");
    assert_eq!(labels[label::CLAIM_UID], claim.uid().unwrap());
    assert_eq!(labels[label::CREATED_BY], "go-client");
    assert_eq!(labels[label::SANDBOX_TEMPLATE_REF_HASH], name_hash("t"));
    assert_eq!(taken.annotations()[annotation::POD_NAME], taken.name_any());

    let marked = |pod: &Pod| {
        pod.labels().get(label::CLAIM_UID) == claim.metadata.uid.as_ref()
            && pod.labels().contains_key("sandbox.users.io/team")
            && !pod.labels().contains_key(label::WARM_POOL_SANDBOX)
            && !pod.annotations().contains_key(annotation::SAFE_TO_EVICT)
    };
    let same = story
        .until(&warm.name_any(), "marked as the claim's", marked)
        .await;
    assert_eq!(same.uid(), pod.uid(), "it is the pod that ran before");
    story.end().await;
}

#[tokio::test]
async fn a_claim_says_when_it_was_seen_and_when_it_was_ready() {
    let story = begin(1).await;
    story.create::<SandboxClaim>(claim("c", "p")).await;
    let noted = |claim: &SandboxClaim| {
        claim
            .annotations()
            .contains_key(annotation::CLAIM_FIRST_READY_AT)
    };
    let claim = story.until("c", "noted", noted).await;
    let time = |key: &str| claim.annotations()[key].parse::<Timestamp>().unwrap();
    let seen = time(annotation::CONTROLLER_FIRST_OBSERVED_AT);
    assert!(seen < time(annotation::CLAIM_FIRST_READY_AT));
    assert_eq!(claim.annotations()[annotation::SANDBOX_NAME], bound(&claim));
    story.end().await;
}

#[tokio::test]
async fn a_claim_on_an_empty_pool_has_a_sandbox_made_for_it() {
    let story = begin(0).await;
    story.create::<SandboxClaim>(claim("c", "p")).await;
    let claim = story.until("c", "ready", is_ready).await;
    assert_eq!(bound(&claim), "c");
    let made = story.get::<Sandbox>("c").await;
    assert!(is_controlled_by(&made.metadata, &claim.uid().unwrap()));
    assert_eq!(made.labels()[label::LAUNCH_TYPE], "cold");
    assert_eq!(made.annotations()[annotation::SANDBOX_TEMPLATE_REF], "t");
    let pod = &made.spec.blueprint.pod_template.spec;
    assert_eq!(pod.automount_service_account_token, Some(false));
    assert_eq!(pod.dns_policy.as_deref(), Some("None"));
    story
        .until_all::<Event>("", "told", |events| {
            events
                .iter()
                .any(|event| event.reason.as_deref() == Some("SandboxProvisioned"))
        })
        .await;
    story.end().await;
}

async fn at_once(story: &Story, count: usize) -> Vec<SandboxClaim> {
    let names: Vec<_> = (0..count).map(|number| format!("c{number}")).collect();
    join_all(
        names
            .iter()
            .map(|name| story.create::<SandboxClaim>(claim(name, "p"))),
    )
    .await;
    join_all(
        names
            .iter()
            .map(|name| story.until(name, "ready", is_ready)),
    )
    .await
}

/// Each claim has one sandbox, each sandbox one claim.
async fn one_each(story: &Story, claims: &[SandboxClaim]) {
    let names: BTreeSet<_> = claims.iter().map(bound).collect();
    assert_eq!(names.len(), claims.len(), "no two have the same");
    let sandboxes = story.list::<Sandbox>("").await;
    for claim in claims {
        let uid = claim.uid().unwrap();
        let own = sandboxes
            .iter()
            .filter(|it| is_controlled_by(&it.metadata, &uid));
        let own: Vec<_> = own.map(ResourceExt::name_any).collect();
        assert_eq!(own, [bound(claim)]);
    }
}

#[tokio::test]
async fn twenty_claims_at_once_from_a_pool_of_twenty_five_are_all_warm() {
    let story = begin(25).await;
    let claims = at_once(&story, 20).await;
    one_each(&story, &claims).await;
    let warm = claims.iter().filter(|it| bound(it) != it.name_any());
    assert_eq!(warm.count(), 20);
    story.end().await;
}

#[tokio::test]
async fn twenty_claims_at_once_from_a_pool_of_five_all_get_one() {
    let story = begin(5).await;
    let claims = at_once(&story, 20).await;
    one_each(&story, &claims).await;
    let warm = claims.iter().filter(|it| bound(it) != it.name_any());
    assert!(warm.count() >= 5);
    story.end().await;
}

#[tokio::test]
async fn a_claim_waits_for_what_it_lacks_and_says_what() {
    let story = Story::begin("claim").await;
    story.create::<SandboxClaim>(claim("c", "p")).await;
    let message = until_refused(&story, "c", "WarmPoolNotFound").await;
    assert_eq!(message, "SandboxWarmPool \"p\" not found");
    story.create::<SandboxWarmPool>(pool("p", "t", 0)).await;
    let message = until_refused(&story, "c", "TemplateNotFound").await;
    assert_eq!(message, "SandboxTemplate \"t\" not found");
    story
        .create::<SandboxTemplate>(template("t", patience()))
        .await;
    story.until("c", "ready", is_ready).await;
    story.end().await;
}

#[tokio::test]
async fn a_claim_with_its_sandbox_outlives_pool_and_template() {
    let story = begin(1).await;
    story.create::<SandboxClaim>(claim("c", "p")).await;
    let before = story.until("c", "ready", is_ready).await;
    story.delete::<SandboxWarmPool>("p").await;
    story.delete::<SandboxTemplate>("t").await;
    story.until_gone::<SandboxTemplate>("t").await;
    let touch = json!({ "metadata": { "labels": { "touched": "yes" } } });
    story.patch::<SandboxClaim>("c", touch).await;
    let owned = |all: &[Sandbox]| all.len() == 1;
    let left = story
        .until_all::<Sandbox>("", "the claim's alone", owned)
        .await;
    assert_eq!(left[0].name_any(), bound(&before));
    assert!(is_ready(&story.get::<SandboxClaim>("c").await));
    story.end().await;
}

#[tokio::test]
async fn what_a_template_forbids_is_refused_and_what_it_allows_is_made_cold() {
    let story = begin(1).await;
    let env = json!({ "env": [{ "name": "GREETING", "value": "hello" }] });
    let forbidden = with(claim("c", "p"), env.clone());
    story.create::<SandboxClaim>(forbidden).await;
    until_refused(&story, "c", "EnvVarsInjectionRejected").await;
    let volume = json!({ "volumeClaimTemplates": [{
        "metadata": { "name": "data" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Mi" } } },
    }] });
    let forbidden = with(claim("v", "p"), volume);
    story.create::<SandboxClaim>(forbidden).await;
    until_refused(&story, "v", "VolumeClaimTemplatesError").await;
    let allow = json!({ "spec": { "envVarsInjectionPolicy": "Allowed" } });
    story.patch::<SandboxTemplate>("t", allow).await;
    let claim = story.until("c", "ready", is_ready).await;
    assert_eq!(bound(&claim), "c", "though a warm one was there");
    let pod = story.get::<Pod>("c").await.spec.unwrap();
    let env = pod.containers[0].env.clone().unwrap_or_default();
    assert!(
        env.iter()
            .any(|it| it.name == "GREETING" && it.value.as_deref() == Some("hello"))
    );
    story.end().await;
}

#[tokio::test]
async fn metadata_that_would_pass_for_others_is_refused() {
    let story = begin(0).await;
    for (number, metadata) in [
        json!({ "labels": { "app": "sandbox-router" } }),
        json!({ "labels": { "team": "red" } }),
        json!({ "labels": { "example.com/team": "red" } }),
        json!({ "labels": { label::SANDBOX_TEMPLATE_REF_HASH: "00000000" } }),
        json!({ "annotations": { "container.apparmor.security.beta.kubernetes.io/main": "unconfined" } }),
        json!({ "annotations": { annotation::POD_NAME: "other" } }),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("c{number}");
        let wanted = with(claim(&name, "p"), json!({ "additionalPodMetadata": metadata }));
        story.create::<SandboxClaim>(wanted).await;
        until_refused(&story, &name, "InvalidMetadata").await;
    }
    assert!(story.list::<Sandbox>("").await.is_empty());
    story.end().await;
}

#[tokio::test]
async fn a_sandbox_of_the_claims_name_that_is_another_ones_is_not_taken() {
    let story = begin(0).await;
    story
        .create::<Sandbox>(mote_e2e::sandbox("c", patience()))
        .await;
    let theirs = story.until_ready_is("c", "True", "DependenciesReady").await;
    story.create::<SandboxClaim>(claim("c", "p")).await;
    until_refused(&story, "c", "ReconcilerError").await;
    let after = story.get::<Sandbox>("c").await;
    assert_eq!(
        (after.uid(), after.owner_references().len()),
        (theirs.uid(), 0)
    );
    story.end().await;
}

#[tokio::test]
async fn a_claim_that_names_another_ones_sandbox_does_not_get_it() {
    let story = begin(1).await;
    story.create::<SandboxClaim>(claim("first", "p")).await;
    let first = story.until("first", "ready", is_ready).await;
    let mut thief = claim("thief", "p");
    thief["metadata"]["annotations"] = json!({ annotation::SANDBOX_NAME: bound(&first) });
    story.create::<SandboxClaim>(thief).await;
    let thief = story.until("thief", "ready", is_ready).await;
    assert_ne!(bound(&thief), bound(&first));
    let kept = story.get::<Sandbox>(&bound(&first)).await;
    assert!(is_controlled_by(&kept.metadata, &first.uid().unwrap()));
    story.end().await;
}

#[tokio::test]
async fn a_sandbox_that_only_looks_like_the_pools_is_not_adopted() {
    let story = begin(0).await;
    let mut decoy = mote_e2e::sandbox("decoy", patience());
    // Another controller has it, whatever its labels say.
    let owner = story.get::<SandboxTemplate>("t").await;
    decoy["metadata"]["labels"] = json!({ label::WARM_POOL_SANDBOX: name_hash("p") });
    decoy["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": "SandboxTemplate",
        "name": "t", "uid": owner.uid(), "controller": true,
    }]);
    story.create::<Sandbox>(decoy).await;
    story
        .until_ready_is("decoy", "True", "DependenciesReady")
        .await;
    story.create::<SandboxClaim>(claim("c", "p")).await;
    let claim = story.until("c", "ready", is_ready).await;
    assert_eq!(bound(&claim), "c");
    story.end().await;
}

fn ending(policy: &str, after: SignedDuration) -> Value {
    let time = Timestamp::now().checked_add(after).unwrap();
    json!({ "lifecycle": { "shutdownTime": time.to_string(), "shutdownPolicy": policy } })
}

#[tokio::test]
async fn a_claim_that_is_to_be_deleted_at_its_end_goes_with_all_it_has() {
    let story = begin(1).await;
    let wanted = with(
        claim("c", "p"),
        ending("Delete", SignedDuration::from_secs(3)),
    );
    story.create::<SandboxClaim>(wanted).await;
    let claim = story.until("c", "ready", is_ready).await;
    let pod = story.get::<Pod>(&bound(&claim)).await;
    story.until_gone::<SandboxClaim>("c").await;
    story.until_gone::<Sandbox>(&bound(&claim)).await;
    story.until_gone::<Pod>(&pod.name_any()).await;
    story.end().await;
}

#[tokio::test]
async fn a_claim_that_is_retained_loses_its_sandbox_and_says_so() {
    let story = begin(1).await;
    let wanted = with(
        claim("c", "p"),
        ending("Retain", SignedDuration::from_secs(3)),
    );
    story.create::<SandboxClaim>(wanted).await;
    let claim = story.until("c", "ready", is_ready).await;
    let message = until_refused(&story, "c", "ClaimExpired").await;
    assert_eq!(message, "Claim expired. Sandbox cleanup initiated.");
    story.until_gone::<Sandbox>(&bound(&claim)).await;
    let empty = |claim: &SandboxClaim| claim.status.as_ref().is_some_and(|it| it.sandbox.is_none());
    story.until("c", "without a sandbox", empty).await;
    story.end().await;
}

#[tokio::test]
async fn a_claim_deleted_in_the_foreground_stays_until_its_pod_is_gone() {
    let mut slow = patience();
    // Long enough to be seen, whatever else the machine does.
    slow["terminationGracePeriodSeconds"] = json!(3);
    slow["containers"][0]["command"] =
        json!(["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"]);
    let story = begin_with(template("t", slow), 1).await;
    let end = ending("DeleteForeground", SignedDuration::from_secs(3));
    story
        .create::<SandboxClaim>(with(claim("c", "p"), end))
        .await;
    let claim = story.until("c", "ready", is_ready).await;
    let name = bound(&claim);
    let going = |claim: &SandboxClaim| claim.metadata.deletion_timestamp.is_some();
    let lingering = story.until("c", "going", going).await;
    let finalizers = lingering.metadata.finalizers.unwrap_or_default();
    assert_eq!(finalizers, ["foregroundDeletion"]);
    assert!(story.find::<Pod>(&name).await.is_some());
    story.until_gone::<SandboxClaim>("c").await;
    assert!(
        story.find::<Pod>(&name).await.is_none(),
        "the pod went first"
    );
    assert!(story.find::<Sandbox>(&name).await.is_none());
    story.end().await;
}

#[tokio::test]
async fn a_claim_that_is_done_says_so_and_goes_some_time_after() {
    let mut short = patience();
    short["restartPolicy"] = json!("Never");
    short["containers"][0]["command"] = json!(["/bin/true"]);
    let story = begin_with(template("t", short), 0).await;
    let ttl = json!({ "lifecycle": { "ttlSecondsAfterFinished": 2, "shutdownPolicy": "Delete" } });
    story
        .create::<SandboxClaim>(with(claim("c", "p"), ttl))
        .await;
    let finished = |claim: &SandboxClaim| condition(claim, "Finished").is_some();
    let claim = story.until("c", "finished", finished).await;
    assert_eq!(
        condition(&claim, "Finished").unwrap().reason,
        "PodSucceeded"
    );
    assert_eq!(ready(&claim).unwrap().reason, "PodSucceeded");
    story.until_gone::<SandboxClaim>("c").await;
    story.until_gone::<Sandbox>("c").await;
    story.end().await;
}

#[tokio::test]
async fn a_claim_whose_sandbox_is_deleted_gets_another() {
    let story = begin(1).await;
    story.create::<SandboxClaim>(claim("c", "p")).await;
    let before = bound(&story.until("c", "ready", is_ready).await);
    story.delete::<Sandbox>(&before).await;
    let another = |claim: &SandboxClaim| is_ready(claim) && bound(claim) != before;
    let claim = story.until("c", "ready with another", another).await;
    one_each(&story, &[claim]).await;
    story.end().await;
}

#[tokio::test]
async fn a_claim_mirrors_its_sandbox_asleep_and_awake() {
    let story = begin(1).await;
    story.create::<SandboxClaim>(claim("c", "p")).await;
    let name = bound(&story.until("c", "ready", is_ready).await);
    let mode = |mode: &str| json!({ "spec": { "operatingMode": mode } });
    story.patch::<Sandbox>(&name, mode("Suspended")).await;
    until_refused(&story, "c", "SandboxSuspended").await;
    story.patch::<Sandbox>(&name, mode("Running")).await;
    let claim = story.until("c", "ready again", is_ready).await;
    let SandboxClaimStatus { sandbox, .. } = claim.status.unwrap();
    assert_eq!(sandbox.unwrap().pod_ips.len(), 1);
    story.end().await;
}
