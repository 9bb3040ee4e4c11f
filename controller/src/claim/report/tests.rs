use super::*;
use crate::claim::fixtures::{at, claim, finished, owned, ready, ready_status};

fn ready_of(status: &SandboxClaimStatus) -> (&str, &str, &str) {
    let ready = condition::find(&status.conditions, READY).unwrap();
    (&ready.status, &ready.reason, &ready.message)
}

fn bound() -> SandboxClaim {
    let mut claim = claim("c");
    claim.status = Some(status(&claim, &Standing::Has(&owned("s", &claim)), at(0)));
    claim
}

#[test]
fn a_claim_is_ready_as_its_sandbox_is_in_its_own_generation() {
    let mut claim = claim("c");
    claim.metadata.generation = Some(3);
    let status = status(&claim, &Standing::Has(&owned("s", &claim)), at(9));
    assert_eq!(
        ready_of(&status),
        ("True", "DependenciesReady", "Pod is Ready")
    );
    let ready = condition::find(&status.conditions, READY).unwrap();
    assert_eq!(
        (ready.observed_generation, ready.last_transition_time.0),
        (Some(3), at(9))
    );
    let sandbox = status.sandbox.unwrap();
    assert_eq!(
        (sandbox.name.as_deref(), sandbox.pod_ips),
        (Some("s"), vec!["10.0.0.1".to_owned()])
    );
}

#[test]
fn a_sandbox_that_says_nothing_is_not_ready() {
    let claim = claim("c");
    let mut sandbox = owned("s", &claim);
    sandbox.status = None;
    let status = status(&claim, &Standing::Has(&sandbox), at(0));
    assert_eq!(
        ready_of(&status),
        ("False", "SandboxNotReady", "Sandbox is not ready")
    );
    assert!(status.sandbox.unwrap().pod_ips.is_empty());
}

#[test]
fn a_sandbox_that_has_expired_on_its_own_is_told_as_such() {
    let claim = claim("c");
    let mut sandbox = owned("s", &claim);
    sandbox.status.as_mut().unwrap().conditions =
        vec![ready("False", "SandboxExpired", "Sandbox has expired")];
    let status = status(&claim, &Standing::Has(&sandbox), at(0));
    let message = "Underlying Sandbox resource has expired independently of the Claim.";
    assert_eq!(ready_of(&status), ("False", "SandboxExpired", message));
}

#[test]
fn finished_is_mirrored_with_its_time_and_goes_with_it() {
    let claim = claim("c");
    let mut sandbox = owned("s", &claim);
    sandbox
        .status
        .as_mut()
        .unwrap()
        .conditions
        .push(finished(at(4)));
    let mut before = claim.clone();
    before.status = Some(status(&claim, &Standing::Has(&sandbox), at(9)));
    let conditions = &before.status.as_ref().unwrap().conditions;
    let types: Vec<_> = conditions.iter().map(|it| it.type_.as_str()).collect();
    assert_eq!(types, ["Finished", "Ready"], "sorted by type");
    assert_eq!(conditions[0].last_transition_time.0, at(4));
    let again = status(&before, &Standing::Has(&owned("s", &claim)), at(10));
    assert!(condition::find(&again.conditions, FINISHED).is_none());
}

#[test]
fn finished_survives_the_end_of_the_claim_and_the_sandbox_does_not() {
    let mut claim = bound();
    claim
        .status
        .as_mut()
        .unwrap()
        .conditions
        .push(finished(at(4)));
    let going = owned("s", &claim);
    let during = status(&claim, &Standing::Ended(Some(&going)), at(9));
    let message = "Claim expired. Sandbox cleanup initiated.";
    assert_eq!(ready_of(&during), ("False", "ClaimExpired", message));
    assert_eq!(during.sandbox.unwrap().name.as_deref(), Some("s"));
    let after = status(&claim, &Standing::Ended(None), at(9));
    assert!(condition::is_true(&after.conditions, FINISHED) && after.sandbox.is_none());
}

#[test]
fn a_sandbox_that_is_not_the_claims_survives_it() {
    let status = status(&bound(), &Standing::EndedWithout("s"), at(9));
    let (_, reason, message) = ready_of(&status);
    assert_eq!(reason, "ClaimExpired");
    assert!(message.starts_with("Claim expired. ") && message.ends_with("; deletion skipped."));
    assert!(status.sandbox.is_none());
}

#[test]
fn a_refusal_keeps_what_the_status_has() {
    for refusal in [
        Refusal::Declined("quota".to_owned()),
        Refusal::Contended("sandbox \"s\" is written by others".to_owned()),
        Refusal::TemplateNotFound("t".to_owned()),
    ] {
        let status = status(&bound(), &Standing::Refused(&refusal), at(9));
        assert_eq!(ready_of(&status).1, refusal.reason());
        assert_eq!(status.sandbox.unwrap().name.as_deref(), Some("s"));
    }
}

#[test]
fn refusals_speak_as_the_reference_does() {
    for (refusal, reason, message) in [
        (
            Refusal::PoolNotFound("x".into()),
            "WarmPoolNotFound",
            "SandboxWarmPool \"x\" not found",
        ),
        (
            Refusal::TemplateNotFound("x".into()),
            "TemplateNotFound",
            "SandboxTemplate \"x\" not found",
        ),
        (
            Refusal::Pending,
            "SandboxCreatePending",
            "Sandbox already created; waiting for cache to converge",
        ),
        (
            Refusal::Declined("no".into()),
            "ReconcilerError",
            "Error seen: no",
        ),
        (
            Refusal::Contended("busy".into()),
            "AdoptionConflict",
            "busy; the next pass retries from a converged view",
        ),
    ] {
        let status = status(&claim("c"), &Standing::Refused(&refusal), at(0));
        assert_eq!(ready_of(&status), ("False", reason, message));
    }
}

#[test]
fn a_status_patch_holds_for_one_version_of_the_claim() {
    let claim = claim("c");
    let status = status(&claim, &Standing::Has(&owned("s", &claim)), at(0));
    let patch = patch(&claim, &status).unwrap();
    assert_eq!(
        patch["metadata"],
        json!({ "uid": "uid-of-c", "resourceVersion": "7" })
    );
    assert_eq!(
        patch["status"]["sandbox"],
        json!({ "name": "s", "podIPs": ["10.0.0.1"] })
    );
}

#[test]
fn a_status_that_is_told_already_is_not_written_again() {
    let claim = bound();
    let again = status(&claim, &Standing::Has(&owned("s", &claim)), at(99));
    assert_eq!(patch(&claim, &again), None);
}

#[test]
fn addresses_and_the_sandbox_are_taken_out_of_the_status() {
    let claim = bound();
    let mut sandbox = owned("s", &claim);
    let without = crate::crd::SandboxStatus {
        pod_ips: vec![],
        ..ready_status()
    };
    sandbox.status = Some(without);
    let fewer = status(&claim, &Standing::Has(&sandbox), at(0));
    assert_eq!(
        patch(&claim, &fewer).unwrap()["status"]["sandbox"]["podIPs"],
        Value::Null
    );
    let none = status(&claim, &Standing::Ended(None), at(0));
    assert_eq!(
        patch(&claim, &none).unwrap()["status"]["sandbox"],
        Value::Null
    );
}

#[test]
fn what_is_to_be_adopted_is_written_down_first_under_a_lock() {
    let claim = claim("c");
    let patch = note(&claim, Some("s"), Some(at(1))).unwrap();
    assert_eq!(patch["metadata"]["resourceVersion"], "7");
    let annotations = &patch["metadata"]["annotations"];
    assert_eq!(annotations[annotation::SANDBOX_NAME], "s");
    assert_eq!(
        annotations[annotation::CONTROLLER_FIRST_OBSERVED_AT],
        "2027-01-15T08:00:01.000000000Z"
    );
    assert_eq!(note(&claim, None, None), None);
}

#[test]
fn a_stale_reference_is_taken_back_and_an_old_label_becomes_an_annotation() {
    let mut noted = claim("c");
    noted
        .annotations_mut()
        .insert(annotation::SANDBOX_NAME.to_owned(), "s".to_owned());
    assert_eq!(note(&noted, Some("s"), None), None);
    let patch = note(&noted, reference_kept(&noted, true), None).unwrap();
    assert_eq!(
        patch["metadata"]["annotations"],
        json!({ annotation::SANDBOX_NAME: null })
    );
    let mut old = claim("c");
    old.labels_mut()
        .insert(label::SANDBOX_NAME.to_owned(), "s".to_owned());
    let patch = note(&old, reference_kept(&old, false), None).unwrap();
    assert_eq!(
        patch["metadata"]["annotations"],
        json!({ annotation::SANDBOX_NAME: "s" })
    );
    assert_eq!(
        patch["metadata"]["labels"],
        json!({ label::SANDBOX_NAME: null })
    );
}

#[test]
fn the_note_of_the_first_readiness_says_when_or_unknown() {
    let claim = claim("c");
    let annotations = |ready| note_ready(&claim, at(1), ready)["metadata"]["annotations"].clone();
    let key = annotation::CLAIM_FIRST_READY_AT;
    assert_eq!(annotations(None)[key], "unknown");
    assert_eq!(
        annotations(Some(at(2)))[key],
        "2027-01-15T08:00:02.000000000Z"
    );
    assert!(
        annotations(None)
            .get(annotation::CONTROLLER_FIRST_OBSERVED_AT)
            .is_some()
    );
}
