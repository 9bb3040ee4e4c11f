use futures_util::stream;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher::Event;
use serde_json::{Value, json};

use super::*;

fn template(spec: Value) -> SandboxTemplate {
    let mut whole =
        json!({ "podTemplate": { "spec": { "containers": [], "runtimeClassName": "wasm" } } });
    let fields = whole.as_object_mut().unwrap();
    fields.extend(spec.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": "SandboxTemplate",
        "metadata": { "name": "t", "namespace": "ns" }, "spec": whole,
    }))
    .unwrap()
}

/// A cache that was listed and holds these.
async fn holding<K: crate::cache::Watched>(filler: crate::cache::Filler<K>, objects: Vec<K>) {
    let mut events = vec![Ok(Event::Init)];
    events.extend(
        objects
            .into_iter()
            .map(|object| Ok(Event::InitApply(object))),
    );
    events.push(Ok(Event::InitDone));
    filler.fill(stream::iter(events), |_| {}).await;
}

/// The namespaces `agent-sandbox-system` and `ns`, each labelled by its name.
async fn police() -> Police {
    let (namespaces, filler) = Cache::new(None);
    let named = |name: &str| {
        serde_json::from_value(json!({ "metadata": { "name": name,
            "labels": { "kubernetes.io/metadata.name": name } } }))
        .unwrap()
    };
    holding(filler, ["agent-sandbox-system", "ns"].map(named).into()).await;
    Police::new(namespaces)
}

fn pod(namespace: &str, name: &str, ip: &str) -> Pod {
    serde_json::from_value(
        json!({ "metadata": { "namespace": namespace, "name": name },
        "status": { "phase": "Running", "podIPs": [{ "ip": ip }] } }),
    )
    .unwrap()
}

/// Lists these pods for every selector that waits to be watched.
async fn list(police: &Police, pods: &[Pod]) {
    for (selector, fill, _stop) in police.to_watch() {
        holding(fill.1, pods.to_vec()).await;
        police.listed(&selector);
    }
}

fn peers(police: &Police, policy: &str) -> Vec<String> {
    let policies = police.policies().borrow().clone().expect("published");
    let policy = policies.iter().find(|it| it.name == policy);
    let rules = policy
        .map(|policy| policy.rules.as_slice())
        .unwrap_or_default();
    let peers = rules.iter().flat_map(|rule| &rule.peers);
    peers.map(|peer| peer.prefix.clone()).collect()
}

#[tokio::test]
async fn nothing_is_published_before_what_is_selected_was_listed() {
    let police = police().await;
    police.publish();
    assert!(police.policies().borrow().is_none());
    list(&police, &[pod("agent-sandbox-system", "r", "10.0.0.7")]).await;
    assert_eq!(peers(&police, DEFAULT), ["10.0.0.7/32"]);
    let rules = json!({ "networkPolicy": { "ingress": [{ "from": [{ "podSelector": {} }] }] } });
    police.template_changed("ns", "t", Some(&template(rules)));
    assert!(
        peers(&police, "ns/t").is_empty(),
        "its pods are not known yet"
    );
    list(&police, &[pod("ns", "p", "10.0.0.8")]).await;
    assert_eq!(peers(&police, "ns/t"), ["10.0.0.8/32"]);
}

#[tokio::test]
async fn pods_of_other_namespaces_are_not_meant() {
    let police = police().await;
    let impostor = pod("ns", "r", "10.0.0.9");
    list(
        &police,
        &[impostor, pod("agent-sandbox-system", "r", "10.0.0.7")],
    )
    .await;
    assert_eq!(peers(&police, DEFAULT), ["10.0.0.7/32"]);
}

#[tokio::test]
async fn a_template_that_goes_leaves_its_sandboxes_to_the_default() {
    let police = police().await;
    list(&police, &[]).await;
    assert_eq!(police.policy_of("ns", "t"), DEFAULT);
    assert!(police.template_changed("ns", "t", Some(&template(json!({})))));
    assert!(!police.template_changed("ns", "t", Some(&template(json!({})))));
    assert_eq!(police.policy_of("ns", "t"), "ns/t");
    assert!(police.template_changed("ns", "t", None));
    assert_eq!(police.policy_of("ns", "t"), DEFAULT);
}

#[tokio::test]
async fn what_nobody_selects_is_not_watched_any_more() {
    let police = police().await;
    let rules = json!({ "networkPolicy": { "ingress": [{ "from": [{ "podSelector": {} }] }] } });
    police.template_changed("ns", "t", Some(&template(rules)));
    let stops: Vec<_> = police
        .to_watch()
        .into_iter()
        .map(|(_, _, stop)| stop)
        .collect();
    assert_eq!(stops.len(), 2);
    police.template_changed("ns", "t", None);
    assert!(police.to_watch().is_empty());
    let stopped = stops.iter().filter(|stop| stop.is_cancelled());
    assert_eq!(stopped.count(), 1);
}
