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

/// A template that lets in the pods that each of these labels selects.
fn selecting(labels: impl Iterator<Item = String>) -> SandboxTemplate {
    let from: Vec<_> = labels
        .map(|label| json!({ "podSelector": { "matchLabels": { "app": label } } }))
        .collect();
    template(json!({ "networkPolicy": { "ingress": [{ "from": from }] } }))
}

fn omitted(police: &Police) -> Vec<String> {
    police.omissions.borrow().keys().cloned().collect()
}

#[tokio::test]
async fn a_template_of_many_selectors_takes_none_of_those_of_other_namespaces() {
    let police = police().await;
    let greedy = selecting((0..200).map(|number| format!("greedy-{number}")));
    police.template_changed("aaa", "t", Some(&greedy));
    police.template_changed("ns", "t", Some(&selecting(["own".to_owned()].into_iter())));
    let shared = selecting(["own".to_owned()].into_iter());
    police.template_changed("zzz", "t", Some(&shared));
    assert_eq!(police.state().selectors().len(), MAX_SELECTORS);
    list(
        &police,
        &[
            pod("agent-sandbox-system", "r", "10.0.0.7"),
            pod("ns", "p", "10.0.0.8"),
        ],
    )
    .await;
    assert_eq!(peers(&police, DEFAULT), ["10.0.0.7/32"]);
    assert_eq!(peers(&police, "ns/t"), ["10.0.0.8/32"]);
    assert_eq!(peers(&police, "zzz/t"), ["10.0.0.8/32"]);
    assert_eq!(omitted(&police), ["aaa/t"]);
    let why = police.omissions.borrow()["aaa/t"].clone();
    assert!(why.contains("64 selectors of pods are watched"), "{why}");

    police.template_changed("aaa", "t", None);
    list(&police, &[]).await;
    assert!(omitted(&police).is_empty());
}

#[tokio::test]
async fn a_namespace_of_many_templates_takes_no_policy_of_another_and_not_the_default() {
    let police = police().await;
    let nobody = template(json!({ "networkPolicy": { "ingress": [] } }));
    {
        let mut state = police.state();
        for number in 0..5_000 {
            state
                .drafts
                .insert(format!("aaa/t{number}"), Draft::of(&nobody));
        }
    }
    let everybody = template(json!({ "networkPolicy": { "ingress": [{}] } }));
    police.template_changed("zzz", "t", Some(&everybody));
    list(&police, &[]).await;
    let policies = police.policies().borrow().clone().expect("published");
    assert_eq!(policies.len(), MAX_POLICIES);
    assert!(policies.is_sorted_by_key(|policy| policy.name.clone()));
    for name in [DEFAULT, "zzz/t"] {
        assert!(policies.iter().any(|policy| policy.name == name), "{name}");
    }
    let omitted = omitted(&police);
    assert_eq!(omitted.len(), 5_002 - MAX_POLICIES);
    assert!(omitted.iter().all(|name| name.starts_with("aaa/")));
}

#[tokio::test]
async fn a_policy_that_is_cut_off_or_makes_no_sense_is_told_of() {
    let police = police().await;
    list(&police, &[]).await;
    let block = |cidr| json!({ "networkPolicy": { "ingress": [{ "from": [{ "ipBlock": { "cidr": cidr } }] }] } });
    police.template_changed("ns", "good", Some(&template(block("10.0.0.0/8"))));
    police.template_changed("ns", "odd", Some(&template(block("10.0.0.0"))));
    let rules = vec![json!({ "ports": [{ "port": 80 }] }); MAX_RULES + 1];
    let many = json!({ "networkPolicy": { "ingress": rules } });
    police.template_changed("ns", "many", Some(&template(many)));
    assert_eq!(omitted(&police), ["ns/many", "ns/odd"]);
}
