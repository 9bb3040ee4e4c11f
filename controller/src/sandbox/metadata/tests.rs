use super::*;
use crate::crd::Sandbox;
use crate::names::name_hash;
use crate::sandbox::fixtures::{map, owned_sandbox, sandbox, subject, with};

const HASH: &str = label::SANDBOX_NAME_HASH;

fn templated(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Sandbox {
    with(|spec| {
        spec.blueprint.pod_template.metadata.labels = map(labels);
        spec.blueprint.pod_template.metadata.annotations = map(annotations);
    })
}

fn pod(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> ObjectMeta {
    let hash = name_hash("box");
    let mut labels = map(labels);
    labels.entry(HASH.to_owned()).or_insert(hash);
    ObjectMeta {
        labels: Some(labels),
        annotations: Some(map(annotations)),
        ..ObjectMeta::default()
    }
}

fn changed(sandbox: &Sandbox, pod: &ObjectMeta) -> (Changes, Changes) {
    let subject = subject(sandbox);
    changes(&Metadata::of(&subject), &subject, pod)
}

fn one(key: &str, value: Option<&str>) -> Changes {
    Changes::from([(key.to_owned(), value.map(str::to_owned))])
}

#[test]
fn a_pod_carries_what_the_template_brings_and_a_note_of_it() {
    let sandbox = templated(&[("b", "2"), ("a", "1")], &[("note", "x")]);
    let metadata = Metadata::of(&subject(&sandbox));
    assert_eq!(
        metadata.labels,
        map(&[("a", "1"), ("b", "2"), (HASH, &name_hash("box"))])
    );
    assert_eq!(
        metadata.annotations,
        map(&[
            ("note", "x"),
            (annotation::PROPAGATED_LABELS, "a,b"),
            (annotation::PROPAGATED_ANNOTATIONS, "note")
        ])
    );
}

#[test]
fn a_template_that_brings_nothing_leaves_no_note() {
    let metadata = Metadata::of(&subject(&sandbox()));
    assert_eq!(metadata.labels, map(&[(HASH, &name_hash("box"))]));
    assert!(metadata.annotations.is_empty());
}

#[test]
fn keys_of_the_system_never_reach_the_pod_through_a_template() {
    let sandbox = templated(
        &[
            (HASH, "victims"),
            (label::SANDBOX_TEMPLATE_REF_HASH, "x"),
            (label::CLAIM_UID, "x"),
            ("ok", "1"),
        ],
        &[
            (annotation::PROPAGATED_LABELS, "x"),
            (annotation::TRACE_CONTEXT, "x"),
            ("extensions.agents.x-k8s.io/x", "x"),
        ],
    );
    let metadata = Metadata::of(&subject(&sandbox));
    assert_eq!(
        metadata.labels,
        map(&[("ok", "1"), (HASH, &name_hash("box"))])
    );
    assert_eq!(
        metadata.annotations,
        map(&[(annotation::PROPAGATED_LABELS, "ok")])
    );
}

#[test]
fn keys_of_the_system_that_an_older_controller_let_through_are_scrubbed() {
    let sandbox = templated(
        &[(label::CLAIM_UID, "stolen"), ("ok", "1")],
        &[(annotation::TRACE_CONTEXT, "x")],
    );
    let pod = pod(
        &[
            (label::LAUNCH_TYPE, "warm"),
            (label::CLAIM_UID, "stolen"),
            ("ok", "1"),
        ],
        &[
            (annotation::TRACE_CONTEXT, "x"),
            (
                annotation::PROPAGATED_LABELS,
                &format!("{HASH},{},{},ok", label::CLAIM_UID, label::LAUNCH_TYPE),
            ),
            (
                annotation::PROPAGATED_ANNOTATIONS,
                annotation::TRACE_CONTEXT,
            ),
        ],
    );
    let (labels, annotations) = changed(&sandbox, &pod);
    assert_eq!(
        labels,
        [one(label::CLAIM_UID, None), one(label::LAUNCH_TYPE, None)]
            .into_iter()
            .flatten()
            .collect()
    );
    assert_eq!(annotations.get(annotation::TRACE_CONTEXT), Some(&None));
    assert_eq!(
        annotations.get(annotation::PROPAGATED_LABELS),
        Some(&Some("ok".to_owned()))
    );
    assert_eq!(
        annotations.get(annotation::PROPAGATED_ANNOTATIONS),
        Some(&None)
    );
}

#[test]
fn what_the_template_brings_no_more_is_taken_away() {
    let sandbox = templated(&[("stays", "1")], &[]);
    let pod = pod(
        &[("stays", "1"), ("goes", "1")],
        &[
            ("goes-too", "x"),
            (annotation::PROPAGATED_LABELS, "goes,stays"),
            (annotation::PROPAGATED_ANNOTATIONS, "goes-too"),
        ],
    );
    let (labels, annotations) = changed(&sandbox, &pod);
    assert_eq!(labels, one("goes", None));
    assert_eq!(
        annotations,
        [
            one("goes-too", None),
            one(annotation::PROPAGATED_ANNOTATIONS, None),
            one(annotation::PROPAGATED_LABELS, Some("stays")),
        ]
        .into_iter()
        .flatten()
        .collect()
    );
}

#[test]
fn what_others_put_on_the_pod_stays() {
    let (labels, annotations) = changed(
        &sandbox(),
        &pod(&[("theirs", "1")], &[("cni.example/ip", "x")]),
    );
    assert!(labels.is_empty() && annotations.is_empty());
}

#[test]
fn a_value_that_was_changed_on_the_pod_is_put_right() {
    let sandbox = templated(&[("a", "1")], &[]);
    let (labels, _) = changed(
        &sandbox,
        &pod(
            &[("a", "2"), (HASH, "other")],
            &[(annotation::PROPAGATED_LABELS, "a")],
        ),
    );
    assert_eq!(
        labels,
        [one("a", Some("1")), one(HASH, Some(&name_hash("box")))]
            .into_iter()
            .flatten()
            .collect()
    );
}

#[test]
fn a_pod_that_is_as_wanted_is_not_written_to() {
    let sandbox = templated(&[("a", "1")], &[("n", "x")]);
    let Metadata {
        labels,
        annotations,
    } = Metadata::of(&subject(&sandbox));
    let pod = ObjectMeta {
        labels: Some(labels),
        annotations: Some(annotations),
        ..ObjectMeta::default()
    };
    assert_eq!(changed(&sandbox, &pod), Default::default());
}

const POOLED: [(&str, &str); 3] = [
    (label::WARM_POOL_SANDBOX, "pool"),
    (label::SANDBOX_TEMPLATE_REF_HASH, "template"),
    (label::CLAIM_UID, "claim"),
];

#[test]
fn labels_of_pool_and_template_follow_the_sandboxs_owner() {
    for (kind, expected) in [
        ("SandboxWarmPool", &POOLED[..2]),
        ("SandboxClaim", &POOLED[1..]),
        ("SandboxSomethingElse", &POOLED[1..2]),
    ] {
        let sandbox = owned_sandbox(kind, &POOLED);
        let mut labels = Metadata::of(&subject(&sandbox)).labels;
        labels.remove(HASH);
        assert_eq!(labels, map(expected), "{kind}");
    }
}

#[test]
fn labels_of_pool_and_template_need_an_owner_of_the_extensions() {
    let mut owned = owned_sandbox("SandboxClaim", &POOLED);
    owned.metadata.owner_references.as_mut().unwrap()[0].api_version = "example.com/v1".to_owned();
    let mut free = sandbox();
    free.metadata.labels = Some(map(&POOLED));
    for sandbox in [owned, free] {
        assert_eq!(
            Metadata::of(&subject(&sandbox)).labels,
            map(&[(HASH, &name_hash("box"))])
        );
    }
}

#[test]
fn a_claimed_pod_loses_the_pools_label_and_gains_the_claims() {
    let sandbox = owned_sandbox("SandboxClaim", &POOLED[1..]);
    let (labels, _) = changed(&sandbox, &pod(&POOLED[..2], &[]));
    assert_eq!(
        labels,
        [
            one(label::WARM_POOL_SANDBOX, None),
            one(label::CLAIM_UID, Some("claim"))
        ]
        .into_iter()
        .flatten()
        .collect()
    );
}

#[test]
fn a_pod_gains_the_pools_label_when_its_sandbox_joins_a_pool() {
    let sandbox = owned_sandbox("SandboxWarmPool", &POOLED[..1]);
    let (labels, _) = changed(&sandbox, &pod(&[], &[]));
    assert_eq!(labels, one(label::WARM_POOL_SANDBOX, Some("pool")));
}

#[test]
fn a_pod_loses_the_templates_label_with_its_owner() {
    let (labels, _) = changed(&sandbox(), &pod(&POOLED[1..2], &[]));
    assert_eq!(labels, one(label::SANDBOX_TEMPLATE_REF_HASH, None));
}

#[test]
fn the_permission_to_evict_goes_with_the_template_that_brought_it() {
    let sandbox = owned_sandbox("SandboxClaim", &[]);
    let pod = pod(
        &[],
        &[
            (annotation::SAFE_TO_EVICT, "true"),
            (
                annotation::PROPAGATED_ANNOTATIONS,
                annotation::SAFE_TO_EVICT,
            ),
        ],
    );
    assert_eq!(
        changed(&sandbox, &pod).1.get(annotation::SAFE_TO_EVICT),
        Some(&None)
    );
}

#[test]
fn who_asked_is_one_of_the_known_clients_on_the_pod() {
    for (asked, told) in [
        (Some("python-client"), Some("python-client")),
        (Some("evil\"} 1\n"), Some("unknown")),
        (Some(""), None),
        (None, None),
    ] {
        let mut sandbox = sandbox();
        sandbox.metadata.labels = asked.map(|asked| map(&[(label::CREATED_BY, asked)]));
        let labels = Metadata::of(&subject(&sandbox)).labels;
        assert_eq!(
            labels.get(label::CREATED_BY).map(String::as_str),
            told,
            "{asked:?}"
        );
    }
}

#[test]
fn who_asked_is_removed_from_the_pod_with_the_sandboxs_label() {
    let (labels, _) = changed(&sandbox(), &pod(&[(label::CREATED_BY, "controller")], &[]));
    assert_eq!(labels, one(label::CREATED_BY, None));
}
