use futures_util::stream;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;

use super::*;

const LABEL: &str = "example.com/pool";

fn pod(name: &str, owner: &str, pool: &str) -> Pod {
    Pod {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some("ns".to_owned()),
            labels: Some([(LABEL.to_owned(), pool.to_owned())].into()),
            owner_references: Some(vec![OwnerReference {
                uid: owner.to_owned(),
                controller: Some(true),
                ..Default::default()
            }]),
            ..Default::default()
        },
        ..Default::default()
    }
}

fn names(pods: Vec<Arc<Pod>>) -> Vec<String> {
    pods.iter().map(|pod| pod.name_any()).collect()
}

async fn seen(events: Vec<Event<Pod>>) -> (Cache<Pod>, Vec<(Option<String>, Option<String>)>) {
    let (cache, filler) = Cache::new(Some(LABEL));
    let mut changes = Vec::new();
    let owner = |pod: &Option<Arc<Pod>>| {
        pod.as_ref()
            .and_then(|pod| controller_of(&pod.metadata).map(|owner| owner.uid.clone()))
    };
    filler
        .fill(stream::iter(events.into_iter().map(Ok)), |change| {
            changes.push((owner(&change.before), owner(&change.after)));
        })
        .await;
    (cache, changes)
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test]
async fn a_deletion_is_told_with_the_object_that_is_gone() {
    let (cache, changes) = seen(vec![
        Event::Apply(pod("a", "u1", "p")),
        Event::Delete(pod("a", "u1", "p")),
    ])
    .await;
    assert_eq!(changes, [(None, some("u1")), (some("u1"), None)]);
    assert!(cache.owned_by("u1").is_empty() && cache.labelled("ns", "p").is_empty());
}

#[tokio::test]
async fn what_vanished_between_two_lists_is_told() {
    let (cache, changes) = seen(vec![
        Event::Apply(pod("a", "u1", "p")),
        Event::Init,
        Event::InitApply(pod("b", "u2", "p")),
        Event::InitDone,
    ])
    .await;
    assert_eq!(
        changes,
        [(None, some("u1")), (None, some("u2")), (some("u1"), None)]
    );
    assert_eq!(names(cache.all()), ["b"]);
}

#[tokio::test]
async fn an_object_is_found_by_the_owner_and_the_label_it_has_now() {
    let (cache, _) = seen(vec![
        Event::Apply(pod("a", "u1", "p")),
        Event::Apply(pod("b", "u1", "p")),
        Event::Apply(pod("a", "u2", "q")),
    ])
    .await;
    assert_eq!(names(cache.owned_by("u1")), ["b"]);
    assert_eq!(names(cache.owned_by("u2")), ["a"]);
    assert_eq!(names(cache.labelled("ns", "p")), ["b"]);
    assert_eq!(names(cache.labelled("ns", "q")), ["a"]);
    assert!(cache.labelled("other", "q").is_empty());
}

#[test]
fn of_a_node_that_is_kept_no_more_is_known_than_where_it_is() {
    let mut node: Node = serde_json::from_value(serde_json::json!({
        "metadata": { "name": "a", "managedFields": [{}] },
        "status": {
            "addresses": [{ "type": "InternalIP", "address": "192.0.2.1" }],
            "images": [{ "names": ["large"] }],
        },
    }))
    .unwrap();
    trim_node(&mut node);
    let kept = serde_json::to_value(&node).unwrap();
    let addresses = serde_json::json!([{ "type": "InternalIP", "address": "192.0.2.1" }]);
    assert_eq!(
        kept["status"],
        serde_json::json!({ "addresses": addresses })
    );
    assert!(node.metadata.managed_fields.is_none());
}
