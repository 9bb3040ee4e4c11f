use super::*;
use crate::names::name_hash;
use crate::sandbox::fixtures::{claiming, map, own_pod, owned_by, sandbox, subject, with};

#[test]
fn a_new_pod_has_the_sandboxs_name_labels_and_owner() {
    let sandbox = with(|spec| spec.blueprint.pod_template.metadata.labels = map(&[("app", "x")]));
    let pod = pod(&subject(&sandbox));
    let metadata = &pod.metadata;
    assert_eq!(
        (metadata.name.as_deref(), metadata.namespace.as_deref()),
        (Some("box"), Some("default"))
    );
    assert_eq!(
        metadata.labels,
        Some(map(&[
            ("app", "x"),
            (label::SANDBOX_NAME_HASH, &name_hash("box"))
        ]))
    );
    let owner = &metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!(
        (
            owner.api_version.as_str(),
            owner.kind.as_str(),
            owner.uid.as_str()
        ),
        ("agents.x-k8s.io/v1beta1", "Sandbox", "uid-of-box")
    );
    assert_eq!(
        (owner.controller, owner.block_owner_deletion),
        (Some(true), Some(true))
    );
    assert_eq!(pod.spec.unwrap().containers[0].name, "main");
}

#[test]
fn a_pods_specification_is_the_templates() {
    let sandbox = sandbox();
    let pod = pod(&subject(&sandbox));
    assert_eq!(
        pod.spec.as_ref(),
        Some(&sandbox.spec.blueprint.pod_template.spec)
    );
}

#[test]
fn a_claimed_volume_replaces_its_namesake_and_leaves_the_others() {
    let volume = |name: &str| Volume {
        name: name.to_owned(),
        ..Volume::default()
    };
    let mut sandbox = claiming(&["data"]);
    sandbox.spec.blueprint.pod_template.spec.volumes = Some(vec![volume("data"), volume("tmp")]);
    let volumes = pod(&subject(&sandbox)).spec.unwrap().volumes.unwrap();
    let told: Vec<_> = volumes
        .iter()
        .map(|volume| {
            (
                volume.name.as_str(),
                volume
                    .persistent_volume_claim
                    .as_ref()
                    .map(|claim| claim.claim_name.as_str()),
            )
        })
        .collect();
    assert_eq!(told, [("tmp", None), ("data", Some("data-box"))]);
}

#[test]
fn a_volume_claim_is_labelled_owned_and_named_after_both() {
    let mut sandbox = claiming(&["data"]);
    let template = &mut sandbox.spec.blueprint.volume_claim_templates[0];
    template.metadata.labels = map(&[("tier", "fast"), (label::SANDBOX_NAME_HASH, "victims")]);
    template.metadata.annotations = map(&[("why", "test")]);
    template.spec.storage_class_name = Some("local".to_owned());
    let subject = subject(&sandbox);
    let claim = volume_claim(&subject, "data-box", subject.volume_claims().unwrap()[0].1);
    assert_eq!(claim.metadata.name.as_deref(), Some("data-box"));
    assert_eq!(
        claim.metadata.labels,
        Some(map(&[
            ("tier", "fast"),
            (label::SANDBOX_NAME_HASH, &subject.hash)
        ]))
    );
    assert_eq!(claim.metadata.annotations, Some(map(&[("why", "test")])));
    assert_eq!(
        claim.metadata.owner_references.unwrap()[0].uid,
        "uid-of-box"
    );
    assert_eq!(
        claim.spec.unwrap().storage_class_name.as_deref(),
        Some("local")
    );
}

#[test]
fn an_adoption_holds_only_if_nobody_wrote_in_between() {
    let sandbox = sandbox();
    let mut pod = own_pod("Running");
    pod.metadata.owner_references = None;
    let patch = pod_adoption(&subject(&sandbox), &pod);
    assert_eq!(patch["metadata"]["resourceVersion"], "5");
    assert_eq!(patch["metadata"]["ownerReferences"][0]["uid"], "uid-of-box");
    assert_eq!(patch["metadata"].get("labels"), None);
}

#[test]
fn an_adoption_labels_the_pod_in_the_same_write() {
    let sandbox = sandbox();
    let mut pod = own_pod("Running");
    pod.metadata.owner_references = None;
    pod.metadata.labels = Some(map(&[(label::ADOPTABLE, "true")]));
    let patch = pod_adoption(&subject(&sandbox), &pod);
    assert_eq!(
        patch["metadata"]["labels"][label::SANDBOX_NAME_HASH],
        name_hash("box")
    );
    assert_eq!(patch["metadata"]["ownerReferences"][0]["controller"], true);
}

#[test]
fn an_adoption_keeps_owners_that_do_not_control() {
    let sandbox = sandbox();
    let mut metadata = owned_by("someone");
    metadata.owner_references.as_mut().unwrap()[0].controller = Some(false);
    let patch = adoption(&subject(&sandbox), &metadata);
    let owners = patch["metadata"]["ownerReferences"].as_array().unwrap();
    assert_eq!(
        owners
            .iter()
            .map(|owner| owner["uid"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["someone", "uid-of-box"]
    );
}

#[test]
fn an_update_touches_metadata_alone_and_only_what_differs() {
    let sandbox = with(|spec| {
        spec.blueprint.pod_template.metadata.labels = map(&[("a", "1")]);
        spec.blueprint.pod_template.spec.containers[0].image = Some("another".to_owned());
    });
    let subject = subject(&sandbox);
    assert_eq!(
        pod_update(&subject, &own_pod("Running")),
        Some(
            json!({"metadata": {"labels": {"a": "1"}, "annotations": {annotation::PROPAGATED_LABELS: "a"}}})
        )
    );
    assert_eq!(pod_update(&subject, &pod(&subject)), None);
}

#[test]
fn a_pods_name_is_forgotten_only_if_nobody_named_another() {
    assert_eq!(
        forget_pod_name(&subject(&sandbox())),
        json!({"metadata": {"resourceVersion": "77", "annotations": {"agents.x-k8s.io/pod-name": null}}})
    );
}
