use super::*;
use crate::claim::fixtures::{claim, owned, pool, template, warm};
use crate::crd::{ClaimEnvVar, EnvVarsInjectionPolicy, VolumeClaimTemplate};
use crate::names::annotation::SAFE_TO_EVICT;

fn labelled(key: &str, value: &str) -> SandboxClaim {
    let mut claim = claim("c");
    claim.labels_mut().insert(key.to_owned(), value.to_owned());
    claim
}

fn pod_annotation(sandbox: &Sandbox) -> Option<&str> {
    let annotations = &sandbox.spec.blueprint.pod_template.metadata.annotations;
    annotations.get(SAFE_TO_EVICT).map(String::as_str)
}

#[test]
fn a_cold_sandbox_has_the_claims_name_and_says_whose_and_how() {
    let claim = labelled(label::CREATED_BY, "python-client");
    let sandbox = cold(&claim, &template("t")).unwrap();
    assert_eq!(
        (sandbox.name_any().as_str(), sandbox.namespace().as_deref()),
        ("c", Some("ns"))
    );
    let owner = &sandbox.metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!(
        (owner.kind.as_str(), owner.uid.as_str()),
        ("SandboxClaim", "uid-of-c")
    );
    assert_eq!(
        (owner.controller, owner.block_owner_deletion),
        (Some(true), Some(true))
    );
    assert_eq!(sandbox.annotations()[annotation::SANDBOX_TEMPLATE_REF], "t");
    let wanted = [
        (label::LAUNCH_TYPE, "cold"),
        (label::CLAIM_UID, "uid-of-c"),
        (label::CREATED_BY, "python-client"),
        (label::SANDBOX_TEMPLATE_REF_HASH, &name_hash("t")),
    ];
    assert_eq!(sandbox.labels().len(), wanted.len());
    for (key, value) in wanted {
        assert_eq!(sandbox.labels()[key], value, "{key}");
    }
}

#[test]
fn the_end_of_a_claim_is_not_its_sandboxs() {
    let mut claim = claim("c");
    claim.spec.lifecycle = Some(crate::crd::ClaimLifecycle {
        shutdown_time: Some(crate::crd::Time(crate::claim::fixtures::at(9))),
        ..Default::default()
    });
    assert_eq!(
        cold(&claim, &template("t")).unwrap().spec.shutdown_time,
        None
    );
}

#[test]
fn a_cold_sandbox_has_no_token_unless_the_template_wants_one() {
    let token = |template: &SandboxTemplate| {
        let sandbox = cold(&claim("c"), template).unwrap();
        sandbox
            .spec
            .blueprint
            .pod_template
            .spec
            .automount_service_account_token
    };
    let mut template = template("t");
    assert_eq!(token(&template), Some(false));
    template
        .spec
        .blueprint
        .pod_template
        .spec
        .automount_service_account_token = Some(true);
    assert_eq!(token(&template), Some(true));
}

#[test]
fn what_the_policies_refuse_makes_no_sandbox() {
    let mut with_env = claim("c");
    with_env.spec.env = vec![ClaimEnvVar {
        name: "A".to_owned(),
        ..ClaimEnvVar::default()
    }];
    let mut template = template("t");
    assert_eq!(
        cold(&with_env, &template).unwrap_err().reason(),
        "EnvVarsInjectionRejected"
    );
    template.spec.env_vars_injection_policy = EnvVarsInjectionPolicy::Allowed;
    let sandbox = cold(&with_env, &template).unwrap();
    assert_eq!(
        sandbox.spec.blueprint.pod_template.spec.containers[0]
            .env
            .iter()
            .flatten()
            .count(),
        1
    );
    let mut with_volume = claim("c");
    with_volume.spec.volume_claim_templates = vec![VolumeClaimTemplate::default()];
    assert_eq!(
        cold(&with_volume, &template).unwrap_err().reason(),
        "VolumeClaimTemplatesError"
    );
}

#[test]
fn adoption_takes_the_pools_marks_away_and_puts_the_claims_on() {
    let before = warm("s", &pool("p", "t"));
    let after = adopted(&before, &claim("c"), Some(&template("t"))).unwrap();
    let owners = after.metadata.owner_references.as_ref().unwrap();
    assert_eq!((owners.len(), owners[0].uid.as_str()), (1, "uid-of-c"));
    let wanted = [
        (label::LAUNCH_TYPE, "warm"),
        (label::CLAIM_UID, "uid-of-c"),
        (label::SANDBOX_TEMPLATE_REF_HASH, &name_hash("t")),
    ];
    assert_eq!(
        after.labels().len(),
        wanted.len(),
        "created-by of the pool is gone too"
    );
    for (key, value) in wanted {
        assert_eq!(after.labels()[key], value, "{key}");
    }
    assert_eq!(after.annotations()[annotation::POD_NAME], "s");
    assert_eq!(after.annotations()[annotation::SANDBOX_TEMPLATE_REF], "t");
}

#[test]
fn adoption_mends_the_pods_name() {
    let mut before = warm("s", &pool("p", "t"));
    before
        .annotations_mut()
        .insert(annotation::POD_NAME.to_owned(), "other".to_owned());
    let after = adopted(&before, &claim("c"), None).unwrap();
    assert_eq!(after.annotations()[annotation::POD_NAME], "s");
}

#[test]
fn created_by_is_the_claims_or_nobodys() {
    let before = warm("s", &pool("p", "t"));
    let creator = |claim: &SandboxClaim| {
        let after = adopted(&before, claim, None).unwrap();
        after.labels().get(label::CREATED_BY).cloned()
    };
    assert_eq!(creator(&claim("c")), None);
    let ours = labelled(label::CREATED_BY, "go-client");
    assert_eq!(creator(&ours).as_deref(), Some("go-client"));
}

#[test]
fn permission_to_evict_ends_with_adoption_unless_someone_set_it() {
    let before = warm("s", &pool("p", "t"));
    let taken = |claim: &SandboxClaim, template: Option<&SandboxTemplate>| {
        let after = adopted(&before, claim, template).unwrap();
        pod_annotation(&after).map(str::to_owned)
    };
    let mut template = template("t");
    assert_eq!(taken(&claim("c"), Some(&template)), None);
    assert_eq!(taken(&claim("c"), None), None);
    let mut wants = claim("c");
    let annotations = &mut wants.spec.additional_pod_metadata.annotations;
    annotations.insert(SAFE_TO_EVICT.to_owned(), "true".to_owned());
    assert_eq!(taken(&wants, Some(&template)).as_deref(), Some("true"));
    let annotations = &mut template.spec.blueprint.pod_template.metadata.annotations;
    annotations.insert(SAFE_TO_EVICT.to_owned(), "false".to_owned());
    assert_eq!(
        taken(&claim("c"), Some(&template)).as_deref(),
        Some("false")
    );
    assert!(
        adopted(&before, &wants, Some(&template)).is_err(),
        "a claim cannot overrule it"
    );
}

#[test]
fn metadata_of_the_claim_reaches_the_pod_and_the_trace_the_sandbox() {
    let mut claim = claim("c");
    let trace = r#"{"traceparent":"x"}"#.to_owned();
    claim
        .annotations_mut()
        .insert(annotation::TRACE_CONTEXT.to_owned(), trace.clone());
    let labels = &mut claim.spec.additional_pod_metadata.labels;
    labels.insert("sandbox.users.io/team".to_owned(), "a".to_owned());
    let before = warm("s", &pool("p", "t"));
    for sandbox in [
        cold(&claim, &template("t")).unwrap(),
        adopted(&before, &claim, Some(&template("t"))).unwrap(),
    ] {
        let pod = &sandbox.spec.blueprint.pod_template.metadata;
        assert_eq!(pod.labels["sandbox.users.io/team"], "a");
        assert_eq!(sandbox.annotations()[annotation::TRACE_CONTEXT], trace);
    }
}

#[test]
fn a_patch_holds_what_changes_and_holds_for_one_version_only() {
    let before = warm("s", &pool("p", "t"));
    let after = adopted(&before, &claim("c"), Some(&template("t"))).unwrap();
    let patch = patch(&before, &after).unwrap();
    let metadata = &patch["metadata"];
    assert_eq!(
        (&metadata["uid"], &metadata["resourceVersion"]),
        (&json!("uid-of-s"), &json!("7"))
    );
    assert_eq!(metadata["labels"][label::WARM_POOL_SANDBOX], Value::Null);
    assert!(
        metadata["labels"]
            .get(label::SANDBOX_TEMPLATE_REF_HASH)
            .is_none(),
        "it stays"
    );
    assert_eq!(metadata["ownerReferences"][0]["kind"], "SandboxClaim");
    let pod = &patch["spec"]["podTemplate"]["metadata"];
    assert_eq!(pod, &json!({ "annotations": { SAFE_TO_EVICT: null } }));
    assert!(patch.get("status").is_none());
}

#[test]
fn what_was_adopted_or_made_needs_no_more_writes() {
    let (claim, template) = (claim("c"), template("t"));
    let before = warm("s", &pool("p", "t"));
    let after = adopted(&before, &claim, Some(&template)).unwrap();
    for sandbox in [after, cold(&claim, &template).unwrap()] {
        let again = kept(&sandbox, &claim, Some(&template)).unwrap();
        assert_eq!(patch(&sandbox, &again), None);
        assert_eq!(
            patch(&sandbox, &kept(&sandbox, &claim, None).unwrap()),
            None
        );
    }
}

#[test]
fn a_sandbox_of_a_former_template_keeps_its_own_marks() {
    let sandbox = kept(&owned("s", &claim("c")), &claim("c"), Some(&template("t"))).unwrap();
    let again = kept(&sandbox, &claim("c"), Some(&template("new"))).unwrap();
    assert_eq!(patch(&sandbox, &again), None);
}

#[test]
fn an_unmarked_sandbox_is_taken_for_warm_by_its_name() {
    let claim = claim("c");
    let unmarked = |name: &str| owned(name, &claim);
    assert_eq!(launch(&unmarked("c"), &claim), Launch::Cold);
    assert_eq!(launch(&unmarked("s"), &claim), Launch::Warm);
}
