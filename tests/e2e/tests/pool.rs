//! A pool: filled, scaled, rolled out, left behind and taken over.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod};
use kube::ResourceExt;
use kube::api::DeleteParams;
use mote_controller::crd::{Sandbox, SandboxTemplate, SandboxWarmPool, SandboxWarmPoolStatus};
use mote_controller::names::{annotation, controller_of, is_controlled_by, label, name_hash};
use mote_e2e::{Story, kubectl, patience, pool, sandbox, template};
use serde_json::{Value, json};

/// A change of the template that makes other sandboxes.
fn other_environment() -> Value {
    let mut pod = patience();
    pod["containers"][0]["env"] = json!([{ "name": "EDITION", "value": "second" }]);
    json!({ "spec": { "podTemplate": { "spec": pod } } })
}

fn is_second(sandbox: &Sandbox) -> bool {
    let pod = &sandbox.spec.blueprint.pod_template.spec;
    pod.containers[0]
        .env
        .iter()
        .flatten()
        .any(|variable| variable.name == "EDITION")
}

async fn begin(replicas: u32) -> Story {
    let story = Story::begin("pool").await;
    story
        .create::<SandboxTemplate>(template("t", patience()))
        .await;
    story
        .create::<SandboxWarmPool>(pool("p", "t", replicas))
        .await;
    until_full(&story, replicas).await;
    story
}

async fn until_full(story: &Story, replicas: u32) -> SandboxWarmPool {
    let replicas = i32::try_from(replicas).unwrap();
    story
        .until("p", "full", |pool: &SandboxWarmPool| {
            let status = pool.status.clone().unwrap_or_default();
            status.observed_generation == pool.metadata.generation
                && (status.replicas, status.ready_replicas) == (replicas, replicas)
        })
        .await
}

async fn uids(story: &Story) -> BTreeSet<String> {
    let all = story.list::<Sandbox>("").await;
    all.iter().filter_map(ResourceExt::uid).collect()
}

fn scale(story: &Story, replicas: u32) {
    let replicas = format!("--replicas={replicas}");
    kubectl(&["-n", &story.namespace, "scale", "swp/p", &replicas]);
}

#[tokio::test]
async fn a_pool_fills_and_says_so() {
    let story = begin(3).await;
    let pool = story.get::<SandboxWarmPool>("p").await;
    let selector = format!("{}={}", label::WARM_POOL_SANDBOX, name_hash("p"));
    let status = SandboxWarmPoolStatus {
        replicas: 3,
        ready_replicas: 3,
        selector: Some(selector.clone()),
        observed_generation: Some(1),
    };
    assert_eq!(pool.status, Some(status));
    for sandbox in story.list::<Sandbox>("").await {
        let value = |key: &str| sandbox.labels().get(key).cloned().unwrap_or_default();
        assert!(sandbox.name_any().starts_with("p-"));
        assert!(is_controlled_by(
            &sandbox.metadata,
            pool.metadata.uid.as_deref().unwrap()
        ));
        assert_eq!(value(label::SANDBOX_TEMPLATE_REF_HASH), name_hash("t"));
        assert_eq!(
            (value(label::LAUNCH_TYPE), value(label::CREATED_BY)),
            ("warm".into(), "controller".into())
        );
        let spec = &sandbox.spec.blueprint.pod_template.spec;
        assert_eq!(spec.automount_service_account_token, Some(false));
    }
    // The scale subresource's selector finds the pool's pods.
    let pods = story.list::<Pod>(&selector).await;
    assert_eq!(pods.len(), 3);
    assert!(
        pods.iter()
            .all(|pod| pod.annotations()[annotation::SAFE_TO_EVICT] == "true")
    );
    let row = kubectl(&["-n", &story.namespace, "get", "swp", "p", "--no-headers"]);
    let columns: Vec<_> = row.split_whitespace().take(3).collect();
    assert_eq!(columns, ["p", "3", "3"]);
    story.end().await;
}

#[tokio::test]
async fn a_pool_of_twenty_makes_twenty_and_never_one_more() {
    let story = begin(20).await;
    // Deleted ones are listed by nobody, but names are only given once: had
    // there ever been more, a pod more would have been scheduled.
    assert_eq!(uids(&story).await.len(), 20);
    let told = story.list::<Event>("").await;
    let scheduled = told
        .iter()
        .filter(|it| it.reason.as_deref() == Some("Scheduled"))
        .count();
    assert_eq!(scheduled, 20);
    story.end().await;
}

#[tokio::test]
async fn a_pool_is_scaled_up_and_down_by_kubectl() {
    let story = begin(2).await;
    let first = uids(&story).await;
    scale(&story, 5);
    until_full(&story, 5).await;
    assert!(uids(&story).await.is_superset(&first));
    scale(&story, 2);
    until_full(&story, 2).await;
    story
        .until_all("", "two", |pods: &[Pod]| pods.len() == 2)
        .await;
    assert_eq!(uids(&story).await.len(), 2);
    scale(&story, 0);
    until_full(&story, 0).await;
    story
        .until_all("", "none", |pods: &[Pod]| pods.is_empty())
        .await;
    story.end().await;
}

#[tokio::test]
async fn what_is_deleted_is_replaced() {
    let story = begin(2).await;
    let before = story.list::<Sandbox>("").await;
    story.delete::<Sandbox>(&before[0].name_any()).await;
    let after = story
        .until_all("", "two again", |all: &[Sandbox]| {
            all.len() == 2 && all.iter().all(|it| it.uid() != before[0].uid())
        })
        .await;
    assert!(after.iter().any(|it| it.uid() == before[1].uid()));
    until_full(&story, 2).await;
    story.end().await;
}

#[tokio::test]
async fn recreate_replaces_all_at_once() {
    let story = begin(3).await;
    let recreate = json!({ "spec": { "updateStrategy": { "type": "Recreate" } } });
    story.patch::<SandboxWarmPool>("p", recreate).await;
    until_full(&story, 3).await;
    let first = uids(&story).await;
    // What makes no other sandbox replaces none.
    let labels =
        json!({ "spec": { "podTemplate": { "metadata": { "labels": { "edition": "first" } } } } });
    story.patch::<SandboxTemplate>("t", labels).await;
    story
        .patch::<SandboxTemplate>("t", other_environment())
        .await;
    let second = story
        .until_all("", "all of the second edition", |all: &[Sandbox]| {
            all.len() == 3 && all.iter().all(is_second)
        })
        .await;
    assert!(second.iter().all(|it| !first.contains(&it.uid().unwrap())));
    until_full(&story, 3).await;
    story.end().await;
}

#[tokio::test]
async fn labels_of_a_template_replace_nothing() {
    let story = begin(1).await;
    let recreate = json!({ "spec": { "updateStrategy": { "type": "Recreate" } } });
    story.patch::<SandboxWarmPool>("p", recreate).await;
    let first = uids(&story).await;
    let labels =
        json!({ "spec": { "podTemplate": { "metadata": { "labels": { "edition": "first" } } } } });
    story.patch::<SandboxTemplate>("t", labels).await;
    // A larger pool shows that the change was seen: the second has the label.
    scale(&story, 2);
    until_full(&story, 2).await;
    let all = story.list::<Sandbox>("").await;
    let labelled = all.iter().filter(|it| {
        let metadata = &it.spec.blueprint.pod_template.metadata;
        metadata.labels.contains_key("edition")
    });
    assert_eq!(labelled.count(), 1);
    assert!(uids(&story).await.is_superset(&first));
    story.end().await;
}

#[tokio::test]
async fn on_replenish_replaces_as_they_are_used_up() {
    let story = begin(2).await;
    let first = uids(&story).await;
    story
        .patch::<SandboxTemplate>("t", other_environment())
        .await;
    let one = story.list::<Sandbox>("").await[0].name_any();
    story.delete::<Sandbox>(&one).await;
    let all = story
        .until_all("", "one of each edition", |all: &[Sandbox]| {
            all.len() == 2 && all.iter().filter(|it| is_second(it)).count() == 1
        })
        .await;
    let kept = all.iter().find(|it| !is_second(it)).unwrap();
    assert!(first.contains(&kept.uid().unwrap()));
    story.end().await;
}

#[tokio::test]
async fn another_template_is_another_edition() {
    let story = begin(1).await;
    let first = uids(&story).await;
    story
        .create::<SandboxTemplate>(template("same", patience()))
        .await;
    let other = json!({ "spec": { "sandboxTemplateRef": { "name": "same" },
        "updateStrategy": { "type": "Recreate" } } });
    story.patch::<SandboxWarmPool>("p", other).await;
    let all = story
        .until_all("", "one of the other template", |all: &[Sandbox]| {
            all.len() == 1
                && all[0].labels().get(label::SANDBOX_TEMPLATE_REF_HASH) == Some(&name_hash("same"))
        })
        .await;
    assert!(!first.contains(&all[0].uid().unwrap()));
    story.end().await;
}

#[tokio::test]
async fn what_a_pool_leaves_behind_the_next_one_takes() {
    let story = begin(2).await;
    let first = uids(&story).await;
    story
        .api::<SandboxWarmPool>()
        .delete("p", &DeleteParams::orphan())
        .await
        .unwrap();
    story
        .until_all("", "orphans", |all: &[Sandbox]| {
            all.len() == 2 && all.iter().all(|it| controller_of(&it.metadata).is_none())
        })
        .await;
    // The pool itself goes after the last of them has let go of it.
    story.until_gone::<SandboxWarmPool>("p").await;
    story.create::<SandboxWarmPool>(pool("p", "t", 2)).await;
    until_full(&story, 2).await;
    assert_eq!(uids(&story).await, first);
    story.end().await;
}

#[tokio::test]
async fn a_label_alone_makes_no_sandbox_the_pools() {
    let story = begin(1).await;
    let map: ConfigMap = story
        .create(json!({ "metadata": { "name": "owner" } }))
        .await;
    let mut foreign = sandbox("foreign", patience());
    foreign["metadata"]["labels"] = json!({ label::WARM_POOL_SANDBOX: name_hash("p") });
    foreign["metadata"]["ownerReferences"] = json!([{ "apiVersion": "v1", "kind": "ConfigMap",
        "name": "owner", "uid": map.uid(), "controller": true }]);
    story.create::<Sandbox>(foreign).await;
    story
        .until_ready_is("foreign", "True", "DependenciesReady")
        .await;
    scale(&story, 2);
    until_full(&story, 2).await;
    scale(&story, 0);
    until_full(&story, 0).await;
    let left = story
        .until_all("", "one", |all: &[Sandbox]| all.len() == 1)
        .await;
    assert_eq!(left[0].name_any(), "foreign");
    story.end().await;
}

#[tokio::test]
async fn a_pool_takes_its_sandboxes_with_it() {
    let story = begin(2).await;
    story.delete::<SandboxWarmPool>("p").await;
    story
        .until_all("", "gone", |all: &[Sandbox]| all.is_empty())
        .await;
    story
        .until_all("", "gone", |all: &[Pod]| all.is_empty())
        .await;
    story.end().await;
}

#[tokio::test]
async fn a_pool_waits_for_its_template_and_says_so() {
    let story = Story::begin("pool").await;
    story.create::<SandboxWarmPool>(pool("p", "t", 1)).await;
    let waiting = story
        .until("p", "observed", |pool: &SandboxWarmPool| {
            pool.status
                .as_ref()
                .is_some_and(|it| it.observed_generation == Some(1))
        })
        .await;
    assert_eq!(waiting.status.unwrap().replicas, 0);
    let message = "SandboxTemplate \"t\" not found";
    story
        .until_all("", "told", |events: &[Event]| {
            events
                .iter()
                .any(|it| it.message.as_deref() == Some(message))
        })
        .await;
    story
        .create::<SandboxTemplate>(template("t", patience()))
        .await;
    until_full(&story, 1).await;
    story.end().await;
}
