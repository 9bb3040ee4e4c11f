use serde_json::{Value, json};

use super::super::testing;
use super::*;
use crate::pool::build;
use crate::settings::Settings;

fn template(image: &str) -> Value {
    json!({ "podTemplate": { "spec": { "containers": [{ "name": "main", "image": image }] } } })
}

/// A sandbox as the pool makes it.
fn made(spec: &Value) -> Sandbox {
    let (owner, wanted) = testing::pool(1, spec);
    let mut sandbox = build::sandbox(&owner, &wanted, &Settings::default()).unwrap();
    sandbox.metadata.name = Some("my-pool-1".into());
    sandbox.metadata.uid = Some("1".into());
    sandbox
}

fn guarded(sandbox: Sandbox) -> Arc<Guarded<Sandbox>> {
    Arc::new(serde_json::from_value(serde_json::to_value(sandbox).unwrap()).unwrap())
}

fn see(sandbox: Sandbox, memory: &Memory) -> View {
    let (owner, wanted) = testing::pool(1, &template("a"));
    view(&[guarded(sandbox)], &owner, &wanted, memory)
}

fn is_stale(sandbox: &Sandbox, spec: &Value) -> bool {
    stale(sandbox, &testing::pool(1, spec).1)
}

fn with_condition(type_: &str, status: &str, reason: &str) -> Sandbox {
    let mut sandbox = made(&template("a"));
    sandbox.metadata.creation_timestamp =
        Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
    sandbox.status = Some(
        serde_json::from_value(json!({ "conditions": [{ "type": type_, "status": status,
            "reason": reason, "message": "why", "lastTransitionTime": "2026-01-02T00:00:00Z" }] }))
        .unwrap(),
    );
    sandbox
}

#[test]
fn a_sandbox_of_the_pool_is_its_own() {
    let view = see(made(&template("a")), &Memory::default());
    assert_eq!((view.members.len(), view.terminating), (1, 0));
    assert!(view.members[0].owned);
}

#[test]
fn a_sandbox_of_somebody_else_is_ignored() {
    let mut sandbox = made(&template("a"));
    sandbox.metadata.owner_references.as_mut().unwrap()[0].uid = "other".into();
    assert!(see(sandbox, &Memory::default()).members.is_empty());
}

#[test]
fn a_sandbox_that_nobody_controls_could_be_the_pools() {
    let mut sandbox = made(&template("a"));
    sandbox.metadata.owner_references.as_mut().unwrap()[0].controller = None;
    let view = see(sandbox, &Memory::default());
    assert_eq!(
        (
            view.members.len(),
            view.members[0].owned,
            view.members[0].owners.len()
        ),
        (1, false, 1)
    );
}

#[test]
fn a_sandbox_on_its_way_out_is_counted_as_such() {
    let mut sandbox = made(&template("a"));
    sandbox.metadata.deletion_timestamp =
        Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
    let view = see(sandbox, &Memory::default());
    assert_eq!((view.members.len(), view.terminating), (0, 1));
}

#[test]
fn a_deletion_the_cache_does_not_show_is_counted() {
    let mut memory = Memory::default();
    memory.deleted("1".into(), Fate::Accepted);
    let view = see(made(&template("a")), &memory);
    assert_eq!((view.members.len(), view.terminating), (0, 1));
}

#[test]
fn a_sandbox_that_was_gone_when_it_was_to_be_deleted_takes_no_place() {
    let mut memory = Memory::default();
    memory.deleted("1".into(), Fate::Absent);
    let view = see(made(&template("a")), &memory);
    assert_eq!((view.members.len(), view.terminating), (0, 0));
}

#[test]
fn a_sandbox_that_cannot_be_read_keeps_its_place_if_it_is_the_pools() {
    let broken = |owners: Value| -> Arc<Guarded<Sandbox>> {
        Arc::new(
            serde_json::from_value(json!({
                "apiVersion": "agents.x-k8s.io/v1beta1", "kind": "Sandbox",
                "metadata": { "name": "x", "namespace": "ns", "uid": "1", "ownerReferences": owners },
                "spec": { "podTemplate": 7 },
            }))
            .unwrap(),
        )
    };
    let (owner, wanted) = testing::pool(1, &template("a"));
    let ours = broken(json!([owner.reference]));
    assert!(ours.0.is_err());
    let seen = view(&[ours], &owner, &wanted, &Memory::default());
    assert_eq!(
        (
            seen.members.len(),
            seen.members[0].ready,
            seen.members[0].stale
        ),
        (1, false, false)
    );
    assert!(
        view(&[broken(json!([]))], &owner, &wanted, &Memory::default())
            .members
            .is_empty()
    );
}

#[test]
fn readiness_is_the_sandboxs_own() {
    let view = see(
        with_condition("Ready", "True", "DependenciesReady"),
        &Memory::default(),
    );
    assert!(view.members[0].ready);
    let view = see(
        with_condition("Ready", "False", "DependenciesNotReady"),
        &Memory::default(),
    );
    assert!(!view.members[0].ready);
    assert_eq!(view.members[0].since.to_string(), "2026-01-02T00:00:00Z");
    assert_eq!(view.members[0].created.to_string(), "2026-01-01T00:00:00Z");
}

#[test]
fn without_a_status_a_sandbox_is_unready_since_it_was_made() {
    let mut sandbox = with_condition("Ready", "True", "x");
    sandbox.status = None;
    let view = see(sandbox, &Memory::default());
    assert_eq!(view.members[0].since.to_string(), "2026-01-01T00:00:00Z");
}

#[test]
fn only_unschedulable_is_a_reason_to_hold() {
    let why = |status, reason| {
        let view = see(
            with_condition("PodScheduled", status, reason),
            &Memory::default(),
        );
        view.members[0].unschedulable.clone()
    };
    assert_eq!(why("False", "Unschedulable").as_deref(), Some("why"));
    assert_eq!(why("False", "SchedulingGated"), None);
    assert_eq!(why("Unknown", "Unschedulable"), None);
}

#[test]
fn a_sandbox_as_made_is_not_stale() {
    assert!(!is_stale(&made(&template("a")), &template("a")));
}

#[test]
fn what_makes_another_sandbox_makes_it_stale() {
    let mut served = template("a");
    served["service"] = json!(true);
    let mut claimed = template("a");
    claimed["volumeClaimTemplates"] = json!([{ "metadata": { "name": "data" }, "spec": {} }]);
    let mut unmanaged = template("a");
    unmanaged["networkPolicyManagement"] = json!("Unmanaged");
    for changed in [template("b"), served, claimed, unmanaged] {
        assert!(is_stale(&made(&template("a")), &changed), "{changed}");
    }
}

#[test]
fn labels_and_annotations_of_the_template_make_nothing_stale() {
    let mut labelled = template("a");
    labelled["podTemplate"]["metadata"] =
        json!({ "labels": { "a": "b" }, "annotations": { "c": "d" } });
    assert!(!is_stale(&made(&template("a")), &labelled));
}

#[test]
fn what_claims_may_do_makes_nothing_stale() {
    let mut changed = template("a");
    changed["envVarsInjectionPolicy"] = json!("Allowed");
    changed["volumeClaimTemplatesPolicy"] = json!("Allowed");
    assert!(!is_stale(&made(&template("a")), &changed));
}

#[test]
fn a_sandbox_of_another_template_is_stale_even_if_it_is_the_same() {
    let mut sandbox = made(&template("a"));
    let labels = sandbox.metadata.labels.as_mut().unwrap();
    labels.insert(
        label::SANDBOX_TEMPLATE_REF_HASH.into(),
        crate::names::name_hash("other"),
    );
    assert!(is_stale(&sandbox, &template("a")));
}

#[test]
fn an_older_label_has_the_hash_too_and_without_any_the_meaning_decides() {
    let mut sandbox = made(&template("a"));
    let labels = sandbox.metadata.labels.as_mut().unwrap();
    labels.remove(label::SANDBOX_TEMPLATE_HASH);
    assert!(!is_stale(&sandbox, &template("a")));
    sandbox
        .metadata
        .labels
        .as_mut()
        .unwrap()
        .remove(label::SANDBOX_POD_TEMPLATE_HASH);
    assert!(!is_stale(&sandbox, &template("a")));
    assert!(is_stale(&sandbox, &template("b")));
}

#[test]
fn without_a_template_nothing_is_stale() {
    assert!(!stale(&made(&template("a")), &testing::without_template(1)));
}
