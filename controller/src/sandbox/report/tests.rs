use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::names::name_hash;
use crate::sandbox::backing::Scheduled;
use crate::sandbox::fixtures::{
    at, condition as pod_condition, own_pod, ready_pod, sandbox, subject, suspended as paused, with,
};
use crate::write::WriteError;

const DOMAIN: &str = "cluster.local";

fn findings(observed: Observed) -> Findings {
    Findings {
        observed,
        service: ServiceFound::Absent,
        troubles: Vec::new(),
        again: None,
        nowhere: false,
    }
}

fn here(phase: &str) -> Backing {
    Backing {
        owned: true,
        phase: phase.to_owned(),
        ..Backing::default()
    }
}

fn serving_pod(sandbox: &Sandbox) -> Observed {
    Observed::Here(Backing::of_pod(&subject(sandbox), &ready_pod()))
}

fn told(sandbox: &Sandbox, findings: &Findings) -> SandboxStatus {
    status(&subject(sandbox), findings, DOMAIN, at(10))
}

/// Type, status, reason and message of each condition, by type.
fn words(status: &SandboxStatus) -> Vec<[&str; 4]> {
    let mut words: Vec<_> = status
        .conditions
        .iter()
        .map(|it| {
            [
                it.type_.as_str(),
                it.status.as_str(),
                it.reason.as_str(),
                it.message.as_str(),
            ]
        })
        .collect();
    words.sort_unstable();
    words
}

fn word<'a>(status: &'a SandboxStatus, type_: &str) -> Option<[&'a str; 3]> {
    let it = condition::find(&status.conditions, type_)?;
    Some([&it.status, &it.reason, &it.message])
}

fn failed(message: &str) -> Trouble {
    Trouble::Write(WriteError::Rejected {
        code: 403,
        reason: "Forbidden".to_owned(),
        message: message.to_owned(),
    })
}

const NOT_SUSPENDED: [&str; 4] = [
    "Suspended",
    "False",
    "NotSuspended",
    "Sandbox is not suspended",
];

#[test]
fn a_sandbox_that_serves_behind_a_service_says_so_to_the_letter() {
    let sandbox = with(|spec| spec.blueprint.service = Some(true));
    let status = told(
        &sandbox,
        &Findings {
            service: ServiceFound::Here,
            ..findings(serving_pod(&sandbox))
        },
    );
    assert_eq!(
        words(&status),
        [
            ["PodScheduled", "True", "PodScheduled", ""],
            [
                "Ready",
                "True",
                "DependenciesReady",
                "Pod is Ready; Service Exists"
            ],
            NOT_SUSPENDED,
        ]
    );
    assert!(
        status
            .conditions
            .iter()
            .all(|condition| condition.observed_generation == Some(3))
    );
    assert_eq!(status.service.as_deref(), Some("box"));
    assert_eq!(
        status.service_fqdn.as_deref(),
        Some("box.default.svc.cluster.local")
    );
    assert_eq!(
        status.selector,
        Some(format!(
            "agents.x-k8s.io/sandbox-name-hash={}",
            name_hash("box")
        ))
    );
    assert_eq!(
        (status.pod_ips, status.node_name.as_deref()),
        (vec!["10.0.0.7".to_owned()], Some("node-a"))
    );
}

#[test]
fn readiness_says_what_is_missing() {
    let ready = Backing {
        ready: true,
        ..here("Running")
    };
    let serving = Backing {
        ips: vec!["10.0.0.7".to_owned()],
        ..ready.clone()
    };
    for (wanted, service, backing, expected) in [
        (None, ServiceFound::Absent, None, "Pod does not exist"),
        (
            Some(true),
            ServiceFound::Absent,
            None,
            "Pod does not exist; Service does not exist",
        ),
        (
            Some(true),
            ServiceFound::Here,
            None,
            "Pod does not exist; Service Exists",
        ),
        (
            None,
            ServiceFound::Absent,
            Some(here("Pending")),
            "Pod exists with phase: Pending",
        ),
        (
            None,
            ServiceFound::Here,
            Some(here("Pending")),
            "Pod exists with phase: Pending; Service Exists",
        ),
        (
            None,
            ServiceFound::Absent,
            Some(here("Running")),
            "Pod is Running but not Ready",
        ),
        (
            None,
            ServiceFound::Absent,
            Some(ready),
            "Pod is Ready but has no podIPs yet",
        ),
        (
            Some(true),
            ServiceFound::Absent,
            Some(serving.clone()),
            "Pod is Ready; Service does not exist",
        ),
        (
            Some(false),
            ServiceFound::Absent,
            Some(here("Unknown")),
            "Pod exists with phase: Unknown",
        ),
    ] {
        let sandbox = with(|spec| spec.blueprint.service = wanted);
        let observed = backing.map_or(Observed::Absent, Observed::Here);
        let status = told(
            &sandbox,
            &Findings {
                service,
                ..findings(observed)
            },
        );
        assert_eq!(
            word(&status, READY),
            Some(["False", "DependenciesNotReady", expected])
        );
    }
}

#[test]
fn without_a_service_in_sight_the_pod_alone_makes_it_ready() {
    for (wanted, service, expected) in [
        (None, ServiceFound::Absent, "Pod is Ready"),
        (Some(false), ServiceFound::Absent, "Pod is Ready"),
        (None, ServiceFound::Here, "Pod is Ready; Service Exists"),
    ] {
        let sandbox = with(|spec| spec.blueprint.service = wanted);
        let status = told(
            &sandbox,
            &Findings {
                service,
                ..findings(serving_pod(&sandbox))
            },
        );
        assert_eq!(
            word(&status, READY),
            Some(["True", "DependenciesReady", expected])
        );
    }
}

#[test]
fn a_pod_that_was_chosen_over_a_session_says_why() {
    let mut sandbox = sandbox();
    let why = "hostNetwork is not given to wasm sessions".to_owned();
    sandbox.metadata.annotations = Some([(annotation::TIER_REASON.to_owned(), why)].into());
    let status = told(&sandbox, &findings(serving_pod(&sandbox)));
    let message = "Pod is Ready; no wasm session: hostNetwork is not given to wasm sessions";
    assert_eq!(
        word(&status, READY),
        Some(["True", "DependenciesReady", message])
    );
}

#[test]
fn suspension_goes_from_suspending_to_suspended() {
    let status = told(&paused(), &findings(Observed::Here(here("Running"))));
    assert_eq!(
        word(&status, READY),
        Some(["False", "SandboxSuspended", "Sandbox is suspending"])
    );
    assert_eq!(
        word(&status, SUSPENDED),
        Some([
            "False",
            "PodTerminating",
            "Pod is terminating. Sandbox is suspending"
        ])
    );
    let status = told(&paused(), &findings(Observed::Absent));
    assert_eq!(
        word(&status, READY),
        Some(["False", "SandboxSuspended", "Sandbox is suspended"])
    );
    assert_eq!(
        word(&status, SUSPENDED),
        Some([
            "True",
            "PodTerminated",
            "Pod has been terminated. Sandbox is suspended"
        ])
    );
}

#[test]
fn a_resumed_sandbox_is_not_suspended_and_says_so_still() {
    let mut sandbox = paused();
    sandbox.status = Some(told(&sandbox, &findings(Observed::Absent)));
    sandbox.spec.operating_mode = crate::crd::OperatingMode::Running;
    let status = told(&sandbox, &findings(Observed::Here(here("Pending"))));
    assert_eq!(
        word(&status, SUSPENDED),
        Some(["False", "NotSuspended", "Sandbox is not suspended"])
    );
}

#[test]
fn a_suspended_sandbox_tells_nothing_of_a_foreign_pod() {
    let foreign = Backing {
        owned: false,
        ..Backing::of_pod(&subject(&paused()), &ready_pod())
    };
    let status = told(&paused(), &findings(Observed::Here(foreign)));
    assert_eq!(
        word(&status, SUSPENDED),
        Some([
            "False",
            "PodNotOwned",
            "Refused to delete pod because it is not owned by this sandbox"
        ])
    );
    assert_eq!((status.pod_ips.len(), &status.node_name), (0, &None));
    assert_eq!(word(&status, POD_SCHEDULED), None);
}

#[test]
fn a_foreign_pod_that_ended_does_not_finish_the_sandbox() {
    let foreign = Backing {
        owned: false,
        ..here("Failed")
    };
    assert_eq!(
        word(
            &told(&paused(), &findings(Observed::Here(foreign))),
            FINISHED
        ),
        None
    );
}

#[test]
fn a_pod_that_could_not_be_deleted_is_terminating_and_the_error_is_told() {
    let mut findings = findings(Observed::Here(here("Running")));
    findings.troubles = vec![failed("no")];
    let status = told(&paused(), &findings);
    assert_eq!(word(&status, SUSPENDED).unwrap()[1], "PodTerminating");
    assert_eq!(
        word(&status, READY),
        Some(["False", "ReconcilerError", "Error seen: no"])
    );
}

#[test]
fn what_nobody_knows_is_unknown_and_not_gone() {
    let mut findings = findings(Observed::Unknown);
    findings.troubles = vec![failed("no answer")];
    let status = told(&paused(), &findings);
    assert_eq!(
        word(&status, SUSPENDED),
        Some([
            "Unknown",
            "PodStateUnknown",
            "Pod state is unknown. Sandbox suspension cannot be confirmed"
        ])
    );
    assert_eq!(
        word(&status, POD_SCHEDULED),
        Some([
            "Unknown",
            "PodSchedulingUnknown",
            "Pod state is unknown. Pod scheduling cannot be determined"
        ])
    );
}

#[test]
fn what_ran_and_ended_finishes_the_sandbox() {
    for (phase, reason, message) in [
        ("Succeeded", "PodSucceeded", "Pod completed successfully"),
        ("Failed", "PodFailed", "Pod failed"),
    ] {
        let status = told(&sandbox(), &findings(Observed::Here(here(phase))));
        assert_eq!(word(&status, FINISHED), Some(["True", reason, message]));
        assert_eq!(word(&status, READY), Some(["False", reason, message]));
    }
}

#[test]
fn a_sandbox_that_runs_again_is_not_finished() {
    let mut sandbox = sandbox();
    sandbox.status = Some(told(&sandbox, &findings(Observed::Here(here("Failed")))));
    assert_eq!(
        word(
            &told(&sandbox, &findings(Observed::Here(here("Pending")))),
            FINISHED
        ),
        None
    );
}

#[test]
fn an_error_comes_before_all_else_and_all_of_them_are_told() {
    let sandbox = sandbox();
    let mut findings = findings(serving_pod(&sandbox));
    findings.troubles = vec![failed("quota"), Refusal::NamelessClaim { index: 0 }.into()];
    let status = told(&sandbox, &findings);
    assert_eq!(
        word(&status, READY),
        Some([
            "False",
            "ReconcilerError",
            "Error seen: quota; volume claim template number 1 has no name; give it one"
        ])
    );
}

#[test]
fn several_pods_are_told_of_alone_and_leave_the_service_as_it_was() {
    let mut sandbox = with(|spec| spec.blueprint.service = Some(true));
    sandbox.status = Some(SandboxStatus {
        service: Some("box".to_owned()),
        ..SandboxStatus::default()
    });
    let troubles = vec![failed("quota"), Refusal::MultiplePods(2).into()];
    let status = told(
        &sandbox,
        &Findings {
            observed: Observed::Unknown,
            service: ServiceFound::Unknown,
            troubles,
            again: None,
            nowhere: false,
        },
    );
    assert_eq!(
        word(&status, READY),
        Some([
            "False",
            "MultiplePods",
            "multiple Pods (2) are controlled by this Sandbox; refusing to choose or create a Pod"
        ])
    );
    assert_eq!(status.service.as_deref(), Some("box"));
    assert!(status.pod_ips.is_empty());
}

#[test]
fn what_the_scheduler_says_is_repeated_word_by_word() {
    for (reason, message) in [
        ("Unschedulable", "0/1 nodes are available"),
        ("SchedulingGated", ""),
    ] {
        let mut pod = own_pod("Pending");
        pod.status.as_mut().unwrap().conditions = Some(vec![pod_condition(
            "PodScheduled",
            "False",
            Some(reason),
            Some(message),
        )]);
        let sandbox = sandbox();
        let status = told(
            &sandbox,
            &findings(Observed::Here(Backing::of_pod(&subject(&sandbox), &pod))),
        );
        assert_eq!(
            word(&status, POD_SCHEDULED),
            Some(["False", reason, message])
        );
    }
}

#[test]
fn what_the_scheduler_leaves_out_is_filled_in() {
    let long = "x".repeat(REASON_CHARS + 1);
    for (status, reason, expected) in [
        ("True", "", ["True", "PodScheduled"]),
        ("False", "", ["False", "PodSchedulingUnknown"]),
        ("Unknown", "", ["Unknown", "PodSchedulingUnknown"]),
        // What the API server would not take on a sandbox, though it takes it on a pod.
        ("Perhaps", "not a word", ["Unknown", "PodSchedulingUnknown"]),
        ("False", long.as_str(), ["False", "PodSchedulingUnknown"]),
        ("False", "Trailing:", ["False", "PodSchedulingUnknown"]),
    ] {
        let said = Scheduled {
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: String::new(),
        };
        let backing = Backing {
            scheduled: Some(said),
            ..here("Pending")
        };
        let status = told(&sandbox(), &findings(Observed::Here(backing)));
        assert_eq!(word(&status, POD_SCHEDULED).unwrap()[..2], expected);
    }
}

#[test]
fn before_the_schedulers_first_word_nothing_is_known() {
    let status = told(&sandbox(), &findings(Observed::Here(here("Pending"))));
    assert_eq!(
        word(&status, POD_SCHEDULED),
        Some([
            "Unknown",
            "PodSchedulingUnknown",
            "Pod has not reported a PodScheduled condition yet"
        ])
    );
}

#[test]
fn the_schedulers_words_go_with_the_pod() {
    let mut sandbox = sandbox();
    sandbox.status = Some(told(&sandbox, &findings(serving_pod(&sandbox))));
    let status = told(&sandbox, &findings(Observed::Absent));
    assert_eq!(word(&status, POD_SCHEDULED), None);
    assert_eq!((status.pod_ips.len(), status.node_name), (0, None));
    assert!(
        status.selector.is_some(),
        "the selector stays while there is no pod"
    );
}

#[test]
fn conditions_do_not_pile_up() {
    let mut sandbox = sandbox();
    for phase in ["Pending", "Running", "Failed", "Pending", "Succeeded"] {
        sandbox.status = Some(told(&sandbox, &findings(Observed::Here(here(phase)))));
    }
    assert_eq!(sandbox.status.unwrap().conditions.len(), 4);
}

#[test]
fn a_status_that_says_the_same_is_the_same() {
    let mut sandbox = sandbox();
    let first = told(&sandbox, &findings(serving_pod(&sandbox)));
    sandbox.status = Some(first.clone());
    assert_eq!(
        status(
            &subject(&sandbox),
            &findings(serving_pod(&sandbox)),
            DOMAIN,
            at(99)
        ),
        first
    );
}

#[test]
fn the_name_of_the_service_ends_in_the_clusters_domain() {
    let sandbox = sandbox();
    let findings = Findings {
        service: ServiceFound::Here,
        ..findings(Observed::Absent)
    };
    let status = status(&subject(&sandbox), &findings, "example.org", at(1));
    assert_eq!(
        status.service_fqdn.as_deref(),
        Some("box.default.svc.example.org")
    );
}

#[test]
fn a_service_that_went_is_told_of_no_more() {
    let mut sandbox = sandbox();
    sandbox.status = Some(told(
        &sandbox,
        &Findings {
            service: ServiceFound::Here,
            ..findings(Observed::Absent)
        },
    ));
    let status = told(&sandbox, &findings(Observed::Absent));
    assert_eq!((status.service, status.service_fqdn), (None, None));
}

#[test]
fn an_expiry_keeps_how_it_finished_and_drops_what_was_scheduled() {
    let mut sandbox = with(|spec| spec.shutdown_time = Some(Time(at(5))));
    let backing = Backing {
        scheduled: Some(Scheduled::default()),
        ips: vec!["10.0.0.7".to_owned()],
        ..here("Succeeded")
    };
    sandbox.status = Some(told(&sandbox, &findings(Observed::Here(backing))));
    let first = expiring(&sandbox, at(10));
    assert_eq!(
        words(&first),
        [
            [
                "Finished",
                "True",
                "PodSucceeded",
                "Pod completed successfully"
            ],
            ["Ready", "False", "SandboxExpired", "Sandbox has expired"],
            NOT_SUSPENDED,
        ]
    );
    assert_eq!(first.pod_ips.len(), 1, "nothing was removed yet");
    sandbox.status = Some(first.clone());
    assert!(is_marked_expired(&sandbox));
    let last = expired(&sandbox, at(11));
    assert_eq!(
        last,
        SandboxStatus {
            conditions: first.conditions,
            ..SandboxStatus::default()
        }
    );
}

#[test]
fn a_message_fits_into_a_condition() {
    let mut findings = findings(Observed::Unknown);
    findings.troubles = vec![failed(&"é".repeat(MESSAGE_CHARS))];
    let status = told(&sandbox(), &findings);
    assert_eq!(
        word(&status, READY).unwrap()[2].chars().count(),
        MESSAGE_CHARS
    );
}

#[test]
fn a_session_that_stands_still_keeps_its_node_and_says_what_a_pod_would() {
    let sandbox = paused();
    let status = |observed| super::status(&subject(&sandbox), &findings(observed), "d", at(1));
    let (resting, gone) = (
        status(Observed::Resting("a".to_owned())),
        status(Observed::Absent),
    );
    assert_eq!(resting.node_name.as_deref(), Some("a"));
    assert_eq!(
        (resting.conditions, resting.pod_ips),
        (gone.conditions, gone.pod_ips)
    );
}

#[test]
fn the_node_of_a_session_is_forgotten_only_when_nothing_is_there() {
    let mut pod = sandbox();
    pod.status.get_or_insert_default().node_name = Some("a".to_owned());
    let mut kept = pod.clone();
    kept.metadata.finalizers = Some(vec![session::FINALIZER.to_owned()]);
    let of = |sandbox: &Sandbox, server, findings: &Findings| {
        let subject = Subject {
            server,
            ..subject(sandbox)
        };
        status(&subject, findings, "d", at(1)).node_name
    };
    let node = |server, findings: &Findings| of(&kept, server, findings);
    let no_node = || Observed::Here(here("Pending"));
    let refused = || Findings::refused(Refusal::NotWasm("x".to_owned()));
    for unsure in [findings(Observed::Unknown), findings(no_node()), refused()] {
        assert_eq!(node(Server::Session, &unsure).as_deref(), Some("a"));
        assert_eq!(node(Server::Pod, &unsure), None);
        // A pod was there, and no session yet.
        assert_eq!(of(&pod, Server::Session, &unsure), None);
        let nowhere = Findings {
            nowhere: true,
            ..unsure
        };
        assert_eq!(node(Server::Session, &nowhere), None);
    }
    let elsewhere = Backing {
        node: Some("b".to_owned()),
        ..here("Running")
    };
    let elsewhere = findings(Observed::Here(elsewhere));
    assert_eq!(node(Server::Session, &elsewhere).as_deref(), Some("b"));
    assert_eq!(node(Server::Session, &findings(Observed::Absent)), None);
}

#[test]
fn who_is_not_ready_says_why_where_that_is_known() {
    let sandbox = sandbox();
    let backing = Backing {
        owned: true,
        phase: "Running".to_owned(),
        note: Some("node a is not heard".to_owned()),
        ..Backing::default()
    };
    let findings = findings(Observed::Here(backing));
    let status = super::status(&subject(&sandbox), &findings, "d", at(1));
    let ready = condition::find(&status.conditions, READY).unwrap();
    assert_eq!(
        ready.message,
        "Pod is Running but not Ready: node a is not heard"
    );
}
