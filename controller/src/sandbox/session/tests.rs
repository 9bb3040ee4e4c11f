use mote_rpc::v1::Refusal as Declined;
use mote_rpc::v1::refusal::Reason;

use super::*;
use crate::sandbox::fixtures::{at, own_pod, sandbox, shared, subject, suspended, with};
use crate::wasm::{Images, LinkError};

fn session(generation: i64, phase: Phase) -> Session {
    Session {
        uid: "uid-of-box".to_owned(),
        generation,
        phase: phase.into(),
        addresses: vec!["10.9.0.7".to_owned()],
        ..Session::default()
    }
}

fn objections() -> Vec<Objection> {
    let sandbox = with(|spec| spec.blueprint.pod_template.spec.host_network = Some(true));
    classify(&sandbox.spec.blueprint, Class::Auto, &Images::default()).unwrap_err()
}

#[test]
fn without_the_tier_every_sandbox_is_a_pod() {
    assert_eq!(
        tier(&subject(&sandbox()), &View::default(), None),
        Tier::Pod(vec![])
    );
}

#[test]
fn a_pod_that_is_there_stays_whatever_the_template_says() {
    let view = View {
        owned: vec![shared(own_pod("Running"))],
        ..View::default()
    };
    assert_eq!(tier(&subject(&sandbox()), &view, None), Tier::Pod(vec![]));
}

#[test]
fn a_running_session_is_told_as_a_ready_pod_is() {
    let Observed::Here(backing) = observed("a", &session(3, Phase::Running)) else {
        panic!("a session that runs is here");
    };
    assert!(backing.owned && backing.ready);
    assert_eq!(
        (backing.phase.as_str(), backing.node.as_deref()),
        ("Running", Some("a"))
    );
    assert_eq!(backing.ips, ["10.9.0.7"]);
}

#[test]
fn a_suspended_session_is_told_as_a_pod_that_is_gone() {
    assert_eq!(
        observed("a", &session(3, Phase::Suspended)),
        Observed::Resting("a".to_owned())
    );
}

#[test]
fn a_session_whose_node_is_not_heard_is_not_ready() {
    assert!(!backing("a", &session(3, Phase::Running), false).ready);
    let Observed::Here(barred) = observed("a", &session(3, Phase::Barred)) else {
        panic!("a barred session is here");
    };
    assert!(!barred.ready);
}

#[test]
fn a_node_is_asked_only_when_something_differs() {
    let (running, resting) = (sandbox(), suspended());
    let generation = running.metadata.generation.unwrap();
    let wanted = Wanted::default();
    let wants = spec(&subject(&running), &wanted, String::new());
    assert!(is_settled(&session(generation, Phase::Running), &wants));
    assert!(!is_settled(
        &session(generation - 1, Phase::Running),
        &wants
    ));
    assert!(!is_settled(&session(generation, Phase::Suspended), &wants));
    let repoliced = spec(&subject(&running), &wanted, "ns/t".to_owned());
    assert!(!is_settled(
        &session(generation, Phase::Running),
        &repoliced
    ));
    let wants = spec(&subject(&resting), &wanted, String::new());
    assert!(wants.suspended && !is_settled(&session(wants.generation, Phase::Running), &wants));
}

#[test]
fn a_session_is_marked_once_with_its_tier_and_finalizer() {
    let mut marked = sandbox();
    let tier = Tier::Session(Box::default());
    let patch = mark(&subject(&marked), &tier).unwrap();
    assert_eq!(patch["metadata"]["finalizers"], json!([FINALIZER]));
    assert_eq!(patch["metadata"]["annotations"][annotation::TIER], "wasm");
    marked.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    marked.metadata.annotations = Some([(annotation::TIER.to_owned(), "wasm".to_owned())].into());
    assert_eq!(mark(&subject(&marked), &tier), None);
}

#[test]
fn a_pod_that_was_chosen_says_why_and_holds_nothing_back() {
    let patch = mark(&subject(&sandbox()), &Tier::Pod(objections())).unwrap();
    let reason = patch["metadata"]["annotations"][annotation::TIER_REASON]
        .as_str()
        .unwrap();
    assert!(
        reason.contains("hostNetwork is not given to wasm sessions"),
        "{reason}"
    );
    assert!(patch["metadata"].get("finalizers").is_none());
    assert_eq!(mark(&subject(&sandbox()), &Tier::Pod(vec![])), None);
}

#[test]
fn a_pod_for_which_nobody_asks_for_a_choice_any_more_says_nothing_of_one() {
    let mut chosen = sandbox();
    let said = [(annotation::TIER, "pod"), (annotation::TIER_REASON, "why")];
    let said = said.map(|(key, text)| (key.to_owned(), text.to_owned()));
    chosen.metadata.annotations = Some(said.into());
    let patch = mark(&subject(&chosen), &Tier::Pod(vec![])).unwrap();
    let nothing = json!({ annotation::TIER: null, annotation::TIER_REASON: null });
    assert_eq!(patch, json!({ "metadata": { "annotations": nothing } }));
}

#[test]
fn a_sandbox_that_is_no_session_any_more_is_held_back_no_longer() {
    let mut was = sandbox();
    was.metadata.finalizers = Some([FINALIZER, "other"].map(str::to_owned).into());
    was.metadata.annotations = Some([(annotation::TIER.to_owned(), "wasm".to_owned())].into());
    let patch = mark(&subject(&was), &Tier::Pod(vec![])).unwrap();
    assert_eq!(patch["metadata"]["finalizers"], json!(["other"]));
    assert_eq!(
        patch["metadata"]["annotations"],
        json!({ annotation::TIER: null, annotation::TIER_REASON: null })
    );
    let chosen = mark(&subject(&was), &Tier::Pod(objections())).unwrap();
    assert_eq!(chosen["metadata"]["finalizers"], json!(["other"]));
    assert_eq!(chosen["metadata"]["annotations"][annotation::TIER], "pod");
}

#[test]
fn a_session_that_goes_on_as_it_is_says_what_becomes_of_it() {
    let mut was = sandbox();
    was.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    was.metadata.annotations = Some([(annotation::TIER.to_owned(), "wasm".to_owned())].into());
    let patch = mark(&subject(&was), &Tier::Kept("why".to_owned())).unwrap();
    let annotations = json!({ annotation::TIER: "wasm", annotation::TIER_REASON: "why" });
    assert_eq!(patch, json!({ "metadata": { "annotations": annotations } }));
}

#[test]
fn a_sandbox_that_cannot_be_wasm_is_told_every_field_as_an_invalid_configuration() {
    let sandbox = sandbox();
    let findings = Findings::refused(refusal(&objections()));
    let status =
        super::super::report::status(&subject(&sandbox), &findings, "cluster.local", at(1));
    let ready = crate::condition::find(&status.conditions, "Ready").unwrap();
    assert_eq!(
        (ready.status.as_str(), ready.reason.as_str()),
        ("False", "InvalidConfiguration")
    );
    assert!(
        ready
            .message
            .contains("hostNetwork is not given to wasm sessions"),
        "{}",
        ready.message
    );
}

#[test]
fn no_node_is_told_as_the_scheduler_tells_it() {
    let Observed::Here(backing) = unschedulable("0/0 nodes".to_owned()) else {
        panic!("a sandbox that waits is here");
    };
    assert_eq!(backing.phase, "Pending");
    assert_eq!(backing.scheduled.unwrap().reason, "Unschedulable");
}

#[test]
fn what_a_node_will_not_take_as_it_is_is_not_stormed_at() {
    let declined = |reason: Reason| {
        let mut refusal = Declined::default();
        refusal.set_reason(reason);
        Trouble::Node("a".to_owned(), LinkError::Refused(refusal)).is_final()
    };
    assert!(declined(Reason::ImageUnknown) && declined(Reason::Invalid));
    assert!(!declined(Reason::NoRoom) && !declined(Reason::Failed) && !declined(Reason::Stale));
    assert!(!Trouble::Node("a".to_owned(), LinkError::Unheard(String::new())).is_final());
}
