//! Sandboxes: to life, to rest, to their end; and what others try with them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use mote_controller::crd::{Condition, Sandbox};
use mote_controller::names::{annotation, is_controlled_by, label, name_hash};
use mote_e2e::{Story, kubectl, patience, sandbox};
use serde_json::{Value, json};

fn with(mut sandbox: Value, spec: Value) -> Value {
    for (key, value) in spec.as_object().unwrap() {
        sandbox["spec"][key] = value.clone();
    }
    sandbox
}

/// A sandbox with a port, a service, and a pod that waits.
fn served() -> Value {
    let mut pod = patience();
    pod["containers"][0]["ports"] = json!([{ "containerPort": 8888 }]);
    with(sandbox("s", pod), json!({ "service": true }))
}

/// A pod that runs a line of shell.
fn running(line: &str) -> Value {
    let mut pod = patience();
    pod["containers"][0]["command"] = json!(["/bin/sh", "-c", line]);
    pod["restartPolicy"] = json!("Never");
    pod
}

async fn create(story: &Story, sandbox: Value) -> Sandbox {
    story.create(sandbox).await
}

async fn until_serving(story: &Story) -> Sandbox {
    story.until_ready_is("s", "True", "DependenciesReady").await
}

fn condition<'a>(sandbox: &'a Sandbox, type_: &str) -> Option<&'a Condition> {
    let status = sandbox.status.as_ref()?;
    status.conditions.iter().find(|it| it.type_ == type_)
}

/// Status, reason and message of a condition.
fn said<'a>(sandbox: &'a Sandbox, type_: &str) -> Option<[&'a str; 3]> {
    condition(sandbox, type_).map(|it| [&*it.status, &*it.reason, &*it.message])
}

async fn until_said(story: &Story, type_: &str, reason: &str) -> Sandbox {
    let says = |sandbox: &Sandbox| condition(sandbox, type_).is_some_and(|it| it.reason == reason);
    story.until("s", reason, says).await
}

async fn until_event(story: &Story, reason: &str) -> Vec<Event> {
    let of = |events: &[Event]| -> Vec<Event> {
        let told = |it: &&Event| it.reason.as_deref() == Some(reason);
        events.iter().filter(told).cloned().collect()
    };
    let all = story
        .until_all("", reason, |events: &[Event]| !of(events).is_empty())
        .await;
    of(&all)
}

async fn mode(story: &Story, mode: &str) {
    story
        .patch::<Sandbox>("s", json!({ "spec": { "operatingMode": mode } }))
        .await;
}

/// An owner reference to a sandbox, as its children have it.
fn owned_by(sandbox: &Sandbox) -> Value {
    json!([{
        "apiVersion": "agents.x-k8s.io/v1beta1", "kind": "Sandbox", "name": sandbox.name_any(),
        "uid": sandbox.uid(), "controller": true, "blockOwnerDeletion": true,
    }])
}

fn pod(name: &str, metadata: Value) -> Value {
    let mut pod = json!({ "metadata": metadata, "spec": patience() });
    pod["metadata"]["name"] = json!(name);
    pod
}

#[tokio::test]
async fn a_sandbox_comes_to_life_and_says_so_to_the_letter() {
    let story = Story::begin("sandbox").await;
    create(&story, served()).await;
    let sandbox = until_serving(&story).await;
    let mut status = serde_json::to_value(&sandbox.status).unwrap();
    let mut conditions = status["conditions"].as_array().unwrap().clone();
    conditions.sort_by_key(|it| it["type"].to_string());
    for condition in &mut conditions {
        assert!(
            condition
                .as_object_mut()
                .unwrap()
                .remove("lastTransitionTime")
                .is_some()
        );
    }
    status["conditions"] = json!(conditions);
    let pod = story.get::<Pod>("s").await;
    let ip = pod.status.as_ref().unwrap().pod_ip.clone().unwrap();
    let node = pod.spec.as_ref().unwrap().node_name.clone().unwrap();
    assert_eq!(
        status,
        json!({
            "conditions": [
                { "type": "PodScheduled", "status": "True", "reason": "PodScheduled", "message": "", "observedGeneration": 1 },
                { "type": "Ready", "status": "True", "reason": "DependenciesReady",
                    "message": "Pod is Ready; Service Exists", "observedGeneration": 1 },
                { "type": "Suspended", "status": "False", "reason": "NotSuspended",
                    "message": "Sandbox is not suspended", "observedGeneration": 1 },
            ],
            "service": "s",
            "serviceFQDN": format!("s.{}.svc.cluster.local", story.namespace),
            "selector": format!("agents.x-k8s.io/sandbox-name-hash={}", name_hash("s")),
            "podIPs": [ip],
            "nodeName": node,
        })
    );
    let uid = sandbox.uid().unwrap();
    assert!(is_controlled_by(&pod.metadata, &uid));
    let service = story.get::<Service>("s").await;
    assert!(is_controlled_by(&service.metadata, &uid));
    let spec = service.spec.unwrap();
    assert_eq!(spec.cluster_ip.as_deref(), Some("None"));
    let port = &spec.ports.unwrap()[0];
    assert_eq!(
        (port.name.as_deref(), port.port),
        (Some("p-8888-tcp"), 8888)
    );
    let row = kubectl(&["get", "sandboxes", "-n", &story.namespace]);
    let words: Vec<_> = row.split_whitespace().collect();
    assert_eq!(
        words[..8],
        [
            "NAME",
            "READY",
            "REASON",
            "TIER",
            "AGE",
            "s",
            "True",
            "DependenciesReady"
        ]
    );
    story.delete::<Sandbox>("s").await;
    story.until_gone::<Pod>("s").await;
    story.until_gone::<Service>("s").await;
    story.end().await;
}

#[tokio::test]
async fn a_service_comes_and_goes_with_the_wish_for_one() {
    let story = Story::begin("sandbox").await;
    create(&story, with(served(), json!({ "service": null }))).await;
    let sandbox = until_serving(&story).await;
    assert_eq!(said(&sandbox, "Ready").unwrap()[2], "Pod is Ready");
    assert!(story.find::<Service>("s").await.is_none());
    let wish = |wanted: Option<bool>| json!({ "spec": { "service": wanted } });
    let message =
        |text: &'static str| move |it: &Sandbox| said(it, "Ready").is_some_and(|it| it[2] == text);
    story.patch::<Sandbox>("s", wish(Some(true))).await;
    story
        .until(
            "s",
            "with a service",
            message("Pod is Ready; Service Exists"),
        )
        .await;
    // Nothing said: what is there stays, and is mended.
    story.patch::<Sandbox>("s", wish(None)).await;
    story
        .patch::<Service>("s", json!({ "spec": { "selector": { "app": "another" } } }))
        .await;
    let mended = |it: &Service| {
        let selector = it
            .spec
            .as_ref()
            .and_then(|spec| spec.selector.clone())
            .unwrap_or_default();
        selector == [(label::SANDBOX_NAME_HASH.to_owned(), name_hash("s"))].into()
    };
    story.until("s", "with its selector", mended).await;
    story.patch::<Sandbox>("s", wish(Some(false))).await;
    story.until_gone::<Service>("s").await;
    let sandbox = story
        .until("s", "without a service", message("Pod is Ready"))
        .await;
    assert_eq!(sandbox.status.unwrap().service_fqdn, None);
    story.end().await;
}

#[tokio::test]
async fn a_sandbox_rests_and_wakes_with_its_data() {
    let story = Story::begin("sandbox").await;
    let mut pod = running(
        "echo once >> /data/starts; wc -l < /data/starts > /dev/termination-log; trap 'exit 0' TERM; while :; do sleep 3600 & wait; done",
    );
    pod["containers"][0]["volumeMounts"] = json!([{ "name": "data", "mountPath": "/data" }]);
    let claims = json!([{
        "metadata": { "name": "data" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Mi" } } },
    }]);
    create(
        &story,
        with(
            sandbox("s", pod),
            json!({ "volumeClaimTemplates": claims, "service": true }),
        ),
    )
    .await;
    let awake = until_serving(&story).await;
    let claim = story.get::<PersistentVolumeClaim>("data-s").await;
    assert!(is_controlled_by(&claim.metadata, &awake.uid().unwrap()));
    assert_eq!(claim.labels()[label::SANDBOX_NAME_HASH], name_hash("s"));
    let first = story.get::<Pod>("s").await;

    mode(&story, "Suspended").await;
    let asleep = until_said(&story, "Suspended", "PodTerminated").await;
    assert_eq!(
        said(&asleep, "Suspended"),
        Some([
            "True",
            "PodTerminated",
            "Pod has been terminated. Sandbox is suspended"
        ])
    );
    assert_eq!(
        said(&asleep, "Ready"),
        Some(["False", "SandboxSuspended", "Sandbox is suspended"])
    );
    assert!(condition(&asleep, "PodScheduled").is_none());
    let status = asleep.status.as_ref().unwrap();
    assert_eq!(
        (
            status.pod_ips.len(),
            &status.node_name,
            status.selector.is_some()
        ),
        (0, &None, true)
    );
    assert!(story.find::<Pod>("s").await.is_none());
    story.get::<Service>("s").await;

    mode(&story, "Running").await;
    let awake = until_serving(&story).await;
    assert_eq!(
        said(&awake, "Suspended"),
        Some(["False", "NotSuspended", "Sandbox is not suspended"])
    );
    assert_ne!(story.get::<Pod>("s").await.uid(), first.uid());
    assert_eq!(
        story.get::<PersistentVolumeClaim>("data-s").await.uid(),
        claim.uid()
    );
    let starts = kubectl(&[
        "exec",
        "-n",
        &story.namespace,
        "s",
        "--",
        "wc",
        "-l",
        "/data/starts",
    ]);
    assert!(starts.starts_with('2'), "{starts}");
    story.end().await;
}

async fn expire(story: &Story, policy: &str) {
    let end = Timestamp::now() - SignedDuration::from_secs(1);
    let end = json!({ "spec": { "shutdownTime": end.to_string(), "shutdownPolicy": policy } });
    story.patch::<Sandbox>("s", end).await;
}

#[tokio::test]
async fn an_expired_sandbox_that_is_retained_is_an_object_and_nothing_else() {
    let story = Story::begin("sandbox").await;
    create(&story, served()).await;
    until_serving(&story).await;
    expire(&story, "Retain").await;
    story.until_gone::<Pod>("s").await;
    story.until_gone::<Service>("s").await;
    let bare = |it: &Sandbox| {
        it.status
            .as_ref()
            .is_some_and(|status| status.selector.is_none())
    };
    let sandbox = story.until("s", "bare", bare).await;
    assert_eq!(
        said(&sandbox, "Ready"),
        Some(["False", "SandboxExpired", "Sandbox has expired"])
    );
    let status = serde_json::to_value(&sandbox.status).unwrap();
    assert_eq!(
        status.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["conditions"]
    );
    assert!(condition(&sandbox, "PodScheduled").is_none());
    assert_eq!(until_event(&story, "SandboxExpired").await.len(), 1);
    story.end().await;
}

#[tokio::test]
async fn an_expired_sandbox_that_is_not_retained_is_gone() {
    let story = Story::begin("sandbox").await;
    let end = Timestamp::now() + SignedDuration::from_secs(3);
    let end = json!({ "shutdownTime": end.to_string(), "shutdownPolicy": "Delete" });
    create(&story, with(served(), end)).await;
    story.until_gone::<Sandbox>("s").await;
    story.until_gone::<Pod>("s").await;
    story.until_gone::<Service>("s").await;
    story.end().await;
}

#[tokio::test]
async fn what_ended_is_finished_and_stays_so_past_its_expiry() {
    for (line, reason, message) in [
        ("exit 0", "PodSucceeded", "Pod completed successfully"),
        ("exit 7", "PodFailed", "Pod failed"),
    ] {
        let story = Story::begin("sandbox").await;
        create(&story, sandbox("s", running(line))).await;
        let done = until_said(&story, "Finished", reason).await;
        assert_eq!(said(&done, "Finished"), Some(["True", reason, message]));
        assert_eq!(said(&done, "Ready"), Some(["False", reason, message]));
        expire(&story, "Retain").await;
        story.until_gone::<Pod>("s").await;
        let expired = until_said(&story, "Ready", "SandboxExpired").await;
        assert_eq!(said(&expired, "Finished"), Some(["True", reason, message]));
        story.end().await;
    }
}

#[tokio::test]
async fn a_pod_that_is_deleted_is_made_again() {
    let story = Story::begin("sandbox").await;
    create(&story, served()).await;
    until_serving(&story).await;
    let first = story.get::<Pod>("s").await;
    story.delete::<Pod>("s").await;
    let another = |pod: &Pod| pod.uid() != first.uid();
    story.until("s", "another", another).await;
    until_serving(&story).await;
    story.end().await;
}

#[tokio::test]
async fn labels_follow_the_template_and_keys_of_the_system_do_not() {
    let story = Story::begin("sandbox").await;
    let mut wanted = served();
    wanted["spec"]["podTemplate"]["metadata"] = json!({
        "labels": { "keep": "1", "drop": "1", label::SANDBOX_NAME_HASH: name_hash("victim"), label::CLAIM_UID: "x" },
        "annotations": { "note": "1", annotation::TRACE_CONTEXT: "x" },
    });
    create(&story, wanted).await;
    until_serving(&story).await;
    let pod = story.get::<Pod>("s").await;
    assert_eq!(pod.labels()[label::SANDBOX_NAME_HASH], name_hash("s"));
    assert!(!pod.labels().contains_key(label::CLAIM_UID));
    assert!(!pod.annotations().contains_key(annotation::TRACE_CONTEXT));
    assert_eq!(
        pod.annotations()[annotation::PROPAGATED_LABELS],
        "drop,keep"
    );
    let change =
        json!({ "labels": { "keep": "2", "drop": null }, "annotations": { "note": null } });
    story
        .patch::<Sandbox>(
            "s",
            json!({ "spec": { "podTemplate": { "metadata": change } } }),
        )
        .await;
    let followed = |pod: &Pod| pod.labels().get("keep").is_some_and(|it| it == "2");
    let after = story.until("s", "relabelled", followed).await;
    assert!(!after.labels().contains_key("drop") && !after.annotations().contains_key("note"));
    assert_eq!(after.uid(), pod.uid(), "the same pod");
    story.end().await;
}

#[tokio::test]
async fn a_pod_of_the_same_name_is_not_taken_without_permission() {
    let story = Story::begin("sandbox").await;
    story.create::<Pod>(pod("s", json!({}))).await;
    create(&story, sandbox("s", patience())).await;
    let refused = until_said(&story, "Ready", "ReconcilerError").await;
    assert!(said(&refused, "Ready").unwrap()[2].starts_with("Error seen: Pod \"s\" is nobody's"));
    assert!(refused.status.unwrap().pod_ips.is_empty());
    until_event(&story, "ReconcilerError").await;
    // Permission is heard of with the next change of the sandbox.
    story
        .patch::<Pod>(
            "s",
            json!({ "metadata": { "labels": { label::ADOPTABLE: "true" } } }),
        )
        .await;
    story
        .patch::<Sandbox>("s", json!({ "metadata": { "labels": { "touched": "1" } } }))
        .await;
    let adopted = until_serving(&story).await;
    let pod = story.get::<Pod>("s").await;
    assert!(is_controlled_by(&pod.metadata, &adopted.uid().unwrap()));
    assert_eq!(pod.labels()[label::SANDBOX_NAME_HASH], name_hash("s"));
    story.end().await;
}

#[tokio::test]
async fn a_pod_that_an_annotation_names_is_adopted_and_deleted_at_rest() {
    let story = Story::begin("sandbox").await;
    story
        .create::<Pod>(pod(
            "warm",
            json!({ "labels": { label::ADOPTABLE: "true" } }),
        ))
        .await;
    let mut wanted = sandbox("s", patience());
    wanted["metadata"]["annotations"] = json!({ annotation::POD_NAME: "warm" });
    create(&story, wanted).await;
    let adopted = until_serving(&story).await;
    let warm = story.get::<Pod>("warm").await;
    assert!(is_controlled_by(&warm.metadata, &adopted.uid().unwrap()));
    assert_eq!(
        adopted.status.unwrap().pod_ips,
        [warm.status.unwrap().pod_ip.unwrap()]
    );
    assert!(story.find::<Pod>("s").await.is_none());
    mode(&story, "Suspended").await;
    let asleep = until_said(&story, "Suspended", "PodTerminated").await;
    assert!(story.find::<Pod>("warm").await.is_none());
    let forgotten = |it: &Sandbox| !it.annotations().contains_key(annotation::POD_NAME);
    assert!(forgotten(&asleep) || forgotten(&story.until("s", "forgetful", forgotten).await));
    story.end().await;
}

#[tokio::test]
async fn the_pod_of_another_sandbox_cannot_be_had_by_an_annotation() {
    let story = Story::begin("sandbox").await;
    let victim = create(&story, sandbox("victim", patience())).await;
    story
        .until_ready_is("victim", "True", "DependenciesReady")
        .await;
    let mut wanted = sandbox("s", patience());
    wanted["metadata"]["annotations"] = json!({ annotation::POD_NAME: "victim" });
    let thief = create(&story, wanted).await;
    // The annotation goes, and the thief has a pod of its own.
    let serving = until_serving(&story).await;
    assert!(!serving.annotations().contains_key(annotation::POD_NAME));
    let own = story.get::<Pod>("s").await;
    assert!(is_controlled_by(&own.metadata, &thief.uid().unwrap()));
    let theirs = story.get::<Pod>("victim").await;
    assert!(is_controlled_by(&theirs.metadata, &victim.uid().unwrap()));
    assert!(
        !serving
            .status
            .unwrap()
            .pod_ips
            .contains(&theirs.status.unwrap().pod_ip.unwrap())
    );
    story.end().await;
}

#[tokio::test]
async fn of_two_pods_neither_is_chosen_until_one_goes() {
    let story = Story::begin("sandbox").await;
    create(&story, sandbox("s", patience())).await;
    let sandbox = until_serving(&story).await;
    let labels = json!({ label::SANDBOX_NAME_HASH: name_hash("s") });
    let second = pod(
        "second",
        json!({ "labels": labels, "ownerReferences": owned_by(&sandbox) }),
    );
    story.create::<Pod>(second).await;
    let confused = until_said(&story, "Ready", "MultiplePods").await;
    assert_eq!(
        said(&confused, "Ready").unwrap()[2],
        "multiple Pods (2) are controlled by this Sandbox; refusing to choose or create a Pod"
    );
    assert!(confused.status.unwrap().pod_ips.is_empty());
    story
        .patch::<Sandbox>("s", json!({ "metadata": { "labels": { "touched": "1" } } }))
        .await;
    story.delete::<Pod>("second").await;
    until_serving(&story).await;
    let events = until_event(&story, "MultiplePods").await;
    assert_eq!(
        (events.len(), events[0].count.unwrap_or(1)),
        (1, 1),
        "{events:?}"
    );
    story.end().await;
}

#[tokio::test]
async fn what_the_api_server_refuses_is_told_and_mended_by_a_change() {
    let story = Story::begin("sandbox").await;
    let mut wrong = patience();
    wrong["containers"][0]["name"] = json!("Not A Name");
    create(&story, sandbox("s", wrong)).await;
    let refused = until_said(&story, "Ready", "ReconcilerError").await;
    let message = said(&refused, "Ready").unwrap()[2].to_owned();
    assert!(
        message.starts_with("Error seen: ") && message.contains("Not A Name"),
        "{message}"
    );
    assert_eq!(until_event(&story, "ReconcilerError").await.len(), 1);
    story
        .patch::<Sandbox>(
            "s",
            json!({ "spec": { "podTemplate": { "spec": patience() } } }),
        )
        .await;
    until_serving(&story).await;
    story.end().await;
}

#[tokio::test]
async fn a_sandbox_that_no_node_takes_says_why() {
    let story = Story::begin("sandbox").await;
    let mut picky = patience();
    picky["nodeSelector"] = json!({ "no": "such-node" });
    create(&story, sandbox("s", picky)).await;
    let waiting = until_said(&story, "PodScheduled", "Unschedulable").await;
    let message = said(&waiting, "PodScheduled").unwrap()[2];
    assert!(message.contains("node"), "{message}");
    story.end().await;
}

#[tokio::test]
async fn services_and_volume_claims_of_others_are_refused_and_left_alone() {
    let story = Story::begin("sandbox").await;
    let theirs = json!({ "metadata": { "name": "s" }, "spec": { "ports": [{ "port": 80 }] } });
    let service = story.create::<Service>(theirs).await;
    let storage = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Mi" } } });
    let claim = json!({ "metadata": { "name": "data-s" }, "spec": storage });
    let claim = story.create::<PersistentVolumeClaim>(claim).await;
    let claims = json!([{ "metadata": { "name": "data" }, "spec": storage }]);
    create(
        &story,
        with(served(), json!({ "volumeClaimTemplates": claims })),
    )
    .await;
    let refused = until_said(&story, "Ready", "ReconcilerError").await;
    let message = said(&refused, "Ready").unwrap()[2];
    assert!(
        message.contains("PersistentVolumeClaim \"data-s\"") && message.contains("Service \"s\""),
        "{message}"
    );
    assert!(
        story.find::<Pod>("s").await.is_none(),
        "no pod without volumes of its own"
    );
    assert_eq!(
        story.get::<Service>("s").await.metadata.resource_version,
        service.metadata.resource_version
    );
    assert!(
        story
            .get::<PersistentVolumeClaim>("data-s")
            .await
            .owner_references()
            .is_empty()
    );
    // Given away, both are taken; a service with an address of its own never is.
    story
        .patch::<PersistentVolumeClaim>(
            &claim.name_any(),
            json!({ "metadata": { "labels": { label::ADOPTABLE: "true" } } }),
        )
        .await;
    story.delete::<Service>("s").await;
    story
        .patch::<Sandbox>("s", json!({ "metadata": { "labels": { "touched": "1" } } }))
        .await;
    let mine = until_serving(&story).await;
    let claim = story.get::<PersistentVolumeClaim>("data-s").await;
    assert!(is_controlled_by(&claim.metadata, &mine.uid().unwrap()));
    story.end().await;
}

#[tokio::test]
async fn volumes_that_no_template_may_name_twice_are_told_of() {
    let story = Story::begin("sandbox").await;
    let storage = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Mi" } } });
    let data = json!({ "metadata": { "name": "data" }, "spec": storage });
    create(
        &story,
        with(
            sandbox("s", patience()),
            json!({ "volumeClaimTemplates": [data, data] }),
        ),
    )
    .await;
    let refused = until_said(&story, "Ready", "ReconcilerError").await;
    assert!(said(&refused, "Ready").unwrap()[2].contains("\"data\""));
    assert!(story.list::<PersistentVolumeClaim>("").await.is_empty());
    story.end().await;
}
