use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::*;
use crate::crd::Sandbox;
use crate::names::{annotation, label, name_hash};
use crate::sandbox::fixtures::{
    annotated, at, map, own_pod, owned_by, pod, sandbox, shared, subject, suspended, terminating,
    with,
};
use crate::sandbox::report;

fn view(owned: &[&Pod], tracked: Option<&Pod>) -> View {
    View {
        owned: owned.iter().map(|pod| shared((*pod).clone())).collect(),
        tracked: tracked.map(|pod| shared(pod.clone())),
        service: None,
    }
}

fn unowned(name: &str, labels: &[(&str, &str)]) -> Pod {
    pod(
        name,
        ObjectMeta {
            labels: Some(map(labels)),
            ..ObjectMeta::default()
        },
        "Running",
    )
}

fn tracking(name: &str) -> Sandbox {
    annotated(annotation::POD_NAME, Some(name))
}

fn paused(mut sandbox: Sandbox) -> Sandbox {
    sandbox.spec = suspended().spec;
    sandbox
}

fn refused(placement: &Placement) -> String {
    let Step::Refuse(refusal) = &placement.step else {
        panic!("{placement:?}")
    };
    refusal.to_string()
}

#[test]
fn a_sandbox_without_a_pod_gets_one() {
    let sandbox = sandbox();
    let placement = place(&subject(&sandbox), &view(&[], None));
    assert_eq!(placement, Step::Create.and_keep_name());
}

#[test]
fn a_pod_of_ours_is_kept() {
    let (sandbox, pod) = (sandbox(), own_pod("Running"));
    let placement = place(&subject(&sandbox), &view(&[&pod], Some(&pod)));
    assert_eq!(placement, Step::Keep(shared(pod)).and_keep_name());
}

#[test]
fn a_pod_of_ours_that_goes_away_is_waited_for_and_not_replaced() {
    let (sandbox, pod) = (sandbox(), terminating(own_pod("Running")));
    let placement = place(&subject(&sandbox), &view(&[&pod], Some(&pod)));
    assert!(matches!(placement.step, Step::Keep(_)), "{placement:?}");
}

#[test]
fn a_pod_that_ended_is_kept_and_not_run_again() {
    for phase in ["Succeeded", "Failed"] {
        let (sandbox, pod) = (sandbox(), own_pod(phase));
        let placement = place(&subject(&sandbox), &view(&[&pod], Some(&pod)));
        assert!(matches!(placement.step, Step::Keep(_)), "{placement:?}");
    }
}

#[test]
fn two_pods_of_one_sandbox_are_refused_and_neither_is_chosen() {
    let (sandbox, one) = (tracking("other"), own_pod("Running"));
    let other = pod("other", owned_by("uid-of-box"), "Running");
    let placement = place(&subject(&sandbox), &view(&[&one, &other], Some(&other)));
    assert!(!placement.forget_pod_name);
    assert_eq!(
        refused(&placement),
        "multiple Pods (2) are controlled by this Sandbox; refusing to choose or create a Pod"
    );
}

#[test]
fn two_pods_are_refused_while_suspended_too() {
    let (sandbox, one) = (suspended(), own_pod("Running"));
    let other = pod("other", owned_by("uid-of-box"), "Running");
    assert!(matches!(
        place(&subject(&sandbox), &view(&[&one, &other], Some(&one))).step,
        Step::Refuse(_)
    ));
}

#[test]
fn a_pod_of_ours_is_found_again_when_the_tracked_one_is_missing() {
    let (sandbox, pod) = (tracking("gone"), own_pod("Running"));
    let placement = place(&subject(&sandbox), &view(&[&pod], None));
    assert_eq!(
        placement,
        Placement {
            forget_pod_name: true,
            step: Step::Keep(shared(pod))
        }
    );
}

#[test]
fn a_pod_of_ours_comes_before_a_stale_target_of_adoption() {
    let (sandbox, ours) = (tracking("target"), own_pod("Running"));
    let target = unowned("target", &[(label::ADOPTABLE, "true")]);
    let placement = place(&subject(&sandbox), &view(&[&ours], Some(&target)));
    assert_eq!(
        placement,
        Placement {
            forget_pod_name: true,
            step: Step::Keep(shared(ours))
        }
    );
}

#[test]
fn a_tracked_pod_that_is_missing_is_forgotten_and_a_new_one_made() {
    let sandbox = tracking("gone");
    let placement = place(&subject(&sandbox), &view(&[], None));
    assert_eq!(
        placement,
        Placement {
            forget_pod_name: true,
            step: Step::Create
        }
    );
}

#[test]
fn an_annotation_that_names_the_right_pod_stays() {
    let (sandbox, pod) = (tracking("box"), own_pod("Running"));
    assert!(!place(&subject(&sandbox), &view(&[&pod], Some(&pod))).forget_pod_name);
}

#[test]
fn a_pod_that_nobody_owns_is_adopted_with_permission() {
    let hash = name_hash("box");
    for permission in [
        (label::ADOPTABLE, "true"),
        (label::SANDBOX_NAME_HASH, hash.as_str()),
    ] {
        let (sandbox, pod) = (tracking("warm"), unowned("warm", &[permission]));
        let placement = place(&subject(&sandbox), &view(&[], Some(&pod)));
        assert_eq!(placement, Step::Adopt(shared(pod)).and_keep_name());
    }
}

#[test]
fn a_pod_that_nobody_owns_is_refused_without_permission() {
    for labels in [
        &[][..],
        &[(label::ADOPTABLE, "false")],
        &[(label::SANDBOX_NAME_HASH, "00000000")],
    ] {
        let (sandbox, pod) = (tracking("warm"), unowned("warm", labels));
        let placement = place(&subject(&sandbox), &view(&[], Some(&pod)));
        assert!(!placement.forget_pod_name);
        assert!(refused(&placement).contains("agents.x-k8s.io/adoptable=true"));
    }
}

#[test]
fn a_foreign_pod_is_refused_and_the_annotation_forgotten() {
    let foreign = |name| pod(name, owned_by("another-uid"), "Running");
    for (sandbox, pod, forget) in [
        (tracking("other"), foreign("other"), true),
        (tracking("box"), foreign("box"), true),
        (sandbox(), foreign("box"), false),
    ] {
        let placement = place(&subject(&sandbox), &view(&[], Some(&pod)));
        assert_eq!(placement.forget_pod_name, forget);
        assert!(refused(&placement).contains("another-uid"));
    }
}

#[test]
fn a_foreign_pod_is_refused_though_its_labels_offer_it() {
    let sandbox = tracking("other");
    let mut foreign = pod("other", owned_by("another-uid"), "Running");
    foreign.metadata.labels = Some(map(&[(label::ADOPTABLE, "true")]));
    assert!(matches!(
        place(&subject(&sandbox), &view(&[], Some(&foreign))).step,
        Step::Refuse(_)
    ));
}

#[test]
fn suspended_a_pod_of_ours_is_deleted() {
    let (sandbox, pod) = (suspended(), own_pod("Running"));
    let placement = place(&subject(&sandbox), &view(&[&pod], Some(&pod)));
    assert_eq!(placement, Step::Delete(shared(pod)).and_keep_name());
}

#[test]
fn suspended_an_annotated_pod_of_ours_is_deleted() {
    let sandbox = paused(tracking("warm"));
    let pod = pod("warm", owned_by("uid-of-box"), "Running");
    let placement = place(&subject(&sandbox), &view(&[&pod], Some(&pod)));
    assert_eq!(placement, Step::Delete(shared(pod)).and_keep_name());
}

#[test]
fn suspended_a_pod_that_goes_away_is_left_to_go() {
    let (sandbox, pod) = (suspended(), terminating(own_pod("Running")));
    let placement = place(&subject(&sandbox), &view(&[&pod], Some(&pod)));
    assert_eq!(placement, Step::Leave(shared(pod)).and_keep_name());
}

#[test]
fn suspended_without_a_pod_there_is_nothing_to_do_but_to_forget_its_name() {
    let placement = place(&subject(&suspended()), &view(&[], None));
    assert_eq!(placement, Step::Nothing.and_keep_name());
    let sandbox = paused(tracking("gone"));
    let placement = place(&subject(&sandbox), &view(&[], None));
    assert_eq!(
        placement,
        Placement {
            forget_pod_name: true,
            step: Step::Nothing
        }
    );
}

#[test]
fn suspended_a_pod_that_is_not_ours_is_left_and_forgotten() {
    let sandbox = paused(tracking("other"));
    for pod in [
        unowned("other", &[(label::ADOPTABLE, "true")]),
        pod("other", owned_by("another-uid"), "Running"),
    ] {
        let placement = place(&subject(&sandbox), &view(&[], Some(&pod)));
        assert_eq!(
            placement,
            Placement {
                forget_pod_name: true,
                step: Step::Leave(shared(pod))
            }
        );
    }
}

fn until(second: i64) -> Sandbox {
    with(|spec| spec.shutdown_time = Some(Time(at(second))))
}

#[test]
fn without_an_end_a_sandbox_lives_on() {
    assert_eq!(life(&subject(&sandbox()), at(5)), Life::Alive(None));
}

#[test]
fn before_its_end_a_sandbox_is_looked_at_again_then() {
    assert_eq!(
        life(&subject(&until(100)), at(40)),
        Life::Alive(Some(Duration::from_secs(60)))
    );
}

#[test]
fn the_wait_for_an_end_is_two_seconds_at_least() {
    assert_eq!(
        life(&subject(&until(100)), at(99)),
        Life::Alive(Some(Duration::from_secs(2)))
    );
}

#[test]
fn at_its_end_and_after_it_a_sandbox_expires() {
    for now in [100, 101, 1_000_000] {
        assert_eq!(life(&subject(&until(100)), at(now)), Life::Expiring);
    }
}

#[test]
fn an_expiry_is_said_before_anything_is_removed() {
    let mut sandbox = until(100);
    assert_eq!(life(&subject(&sandbox), at(100)), Life::Expiring);
    sandbox.status = Some(report::expiring(&sandbox, at(100)));
    assert_eq!(life(&subject(&sandbox), at(101)), Life::Expired);
}

#[test]
fn an_end_that_was_moved_on_gives_life_back() {
    let mut sandbox = until(100);
    sandbox.status = Some(report::expiring(&sandbox, at(100)));
    sandbox.spec.shutdown_time = Some(Time(at(500)));
    assert!(matches!(
        life(&subject(&sandbox), at(101)),
        Life::Alive(Some(_))
    ));
}

#[test]
fn an_end_beyond_all_clocks_is_far_away_and_no_panic() {
    let sandbox = with(|spec| spec.shutdown_time = Some(Time(Timestamp::MAX)));
    assert!(matches!(
        life(&subject(&sandbox), Timestamp::MIN),
        Life::Alive(Some(_))
    ));
}
