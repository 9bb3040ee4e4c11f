use super::*;
use crate::condition::{Saying, Status};
use crate::sandbox::fixtures::{at, sandbox};

fn status(ready: Status, reason: &str, message: &str) -> SandboxStatus {
    let mut status = SandboxStatus::default();
    condition::set(
        &mut status.conditions,
        READY,
        Saying::new(ready, reason, message),
        1,
        at(0),
    );
    status
}

fn on_node(node: Option<&str>, status: &SandboxStatus) -> SandboxStatus {
    SandboxStatus {
        node_name: node.map(str::to_owned),
        ..status.clone()
    }
}

#[test]
fn a_status_that_says_the_same_is_not_written() {
    let before = status(Status::False, "DependenciesNotReady", "x");
    assert_eq!(patch(&before, &before.clone()), None);
}

#[test]
fn the_first_status_is_written() {
    let after = status(Status::False, "DependenciesNotReady", "x");
    let patch = patch(&SandboxStatus::default(), &after).unwrap();
    assert_eq!(
        patch["status"]["conditions"][0]["reason"],
        "DependenciesNotReady"
    );
}

#[test]
fn a_nodes_name_alone_waits_for_the_next_write() {
    let before = status(Status::False, "DependenciesNotReady", "x");
    assert_eq!(patch(&before, &on_node(Some("node-a"), &before)), None);
    let ready = SandboxStatus {
        pod_ips: vec!["10.0.0.7".to_owned()],
        ..status(Status::True, "DependenciesReady", "y")
    };
    let patch = patch(&before, &on_node(Some("node-a"), &ready)).unwrap();
    assert_eq!(patch["status"]["nodeName"], "node-a");
}

#[test]
fn a_nodes_name_is_put_right_where_nothing_else_would_follow() {
    for type_ in [READY, SUSPENDED, FINISHED] {
        let mut stays = status(Status::False, "x", "y");
        condition::set(
            &mut stays.conditions,
            type_,
            Saying::new(Status::True, "z", ""),
            1,
            Timestamp::UNIX_EPOCH,
        );
        for before in [None, Some("node-a")] {
            let patch = patch(&on_node(before, &stays), &on_node(Some("node-b"), &stays));
            assert_eq!(patch, Some(json!({"status": {"nodeName": "node-b"}})));
        }
    }
}

#[test]
fn what_is_told_no_more_is_removed_and_the_rest_is_left() {
    let before = SandboxStatus {
        service: Some("box".to_owned()),
        selector: Some("x=y".to_owned()),
        pod_ips: vec!["10.0.0.7".to_owned()],
        ..status(Status::True, "DependenciesReady", "y")
    };
    let after = SandboxStatus {
        service: None,
        pod_ips: Vec::new(),
        ..before.clone()
    };
    assert_eq!(
        patch(&before, &after),
        Some(json!({"status": {"service": null, "podIPs": null}}))
    );
}

fn reasons(before: &SandboxStatus, after: &SandboxStatus) -> Vec<(String, bool)> {
    let story = story(&before.conditions, &after.conditions);
    story
        .into_iter()
        .map(|told| (told.reason, told.warning))
        .collect()
}

#[test]
fn several_pods_are_an_event_once() {
    let none = SandboxStatus::default();
    let two = status(Status::False, "MultiplePods", "multiple Pods (2)");
    let three = status(Status::False, "MultiplePods", "multiple Pods (3)");
    assert_eq!(reasons(&none, &two), [("MultiplePods".to_owned(), true)]);
    assert!(reasons(&two, &two).is_empty() && reasons(&two, &three).is_empty());
}

#[test]
fn an_error_is_an_event_for_each_thing_it_says() {
    let quota = status(Status::False, "ReconcilerError", "Error seen: quota");
    let image = status(Status::False, "ReconcilerError", "Error seen: image");
    let error = [("ReconcilerError".to_owned(), true)];
    assert_eq!(reasons(&SandboxStatus::default(), &quota), error);
    assert!(reasons(&quota, &quota).is_empty());
    assert_eq!(reasons(&quota, &image), error);
}

#[test]
fn a_sandbox_on_its_way_has_no_events() {
    let waits = status(Status::False, "DependenciesNotReady", "Pod does not exist");
    assert!(reasons(&SandboxStatus::default(), &waits).is_empty());
    assert!(
        reasons(
            &waits,
            &status(Status::True, "DependenciesReady", "Pod is Ready")
        )
        .is_empty()
    );
}

#[test]
fn an_end_is_an_event() {
    let before = status(Status::True, "DependenciesReady", "Pod is Ready");
    let mut after = status(Status::False, "SandboxExpired", "Sandbox has expired");
    for (type_, status, reason) in [
        (SUSPENDED, Status::False, "NotSuspended"),
        (FINISHED, Status::True, "PodFailed"),
    ] {
        condition::set(
            &mut after.conditions,
            type_,
            Saying::new(status, reason, ""),
            1,
            at(0),
        );
    }
    assert_eq!(
        reasons(&before, &after),
        [
            ("SandboxExpired".to_owned(), false),
            ("PodFailed".to_owned(), true)
        ]
    );
    condition::set(
        &mut after.conditions,
        SUSPENDED,
        Saying::new(Status::True, "PodTerminated", ""),
        1,
        at(0),
    );
    assert!(reasons(&before, &after).contains(&("PodTerminated".to_owned(), false)));
    assert!(reasons(&after, &after).is_empty());
}

fn first_pass(at_second: i64) -> SandboxStatus {
    let mut status = SandboxStatus::default();
    for (type_, reason) in [(SUSPENDED, "NotSuspended"), (READY, "DependenciesNotReady")] {
        condition::set(
            &mut status.conditions,
            type_,
            Saying::new(Status::False, reason, ""),
            1,
            at(at_second),
        );
    }
    status
}

fn took(before: Option<SandboxStatus>, after: &SandboxStatus) -> Option<u64> {
    let mut sandbox = sandbox();
    sandbox.status = before;
    first_ready(&sandbox, after, at(7)).map(|took| took.as_secs())
}

#[test]
fn a_sandbox_is_ready_for_the_first_time_once() {
    let ready = status(Status::True, "DependenciesReady", "");
    assert_eq!(took(None, &ready), Some(7));
    assert_eq!(took(Some(first_pass(1)), &ready), Some(7));
    assert_eq!(took(Some(first_pass(1)), &first_pass(1)), None);
    // It was ready, and is so again.
    let mut again = first_pass(1);
    condition::set(
        &mut again.conditions,
        READY,
        Saying::new(Status::True, "DependenciesReady", ""),
        1,
        at(2),
    );
    assert_eq!(took(Some(again.clone()), &ready), None);
    condition::set(
        &mut again.conditions,
        READY,
        Saying::new(Status::False, "DependenciesNotReady", ""),
        1,
        at(3),
    );
    assert_eq!(took(Some(again), &ready), None);
}

#[test]
fn a_resumed_sandbox_is_not_ready_for_the_first_time() {
    let ready = status(Status::True, "DependenciesReady", "");
    let mut resumed = first_pass(1);
    condition::set(
        &mut resumed.conditions,
        SUSPENDED,
        Saying::new(Status::True, "PodTerminated", ""),
        1,
        at(2),
    );
    assert_eq!(took(Some(resumed.clone()), &ready), None);
    condition::set(
        &mut resumed.conditions,
        SUSPENDED,
        Saying::new(Status::False, "NotSuspended", ""),
        1,
        at(3),
    );
    assert_eq!(took(Some(resumed), &ready), None);
}

#[test]
fn a_clock_that_is_behind_makes_no_negative_latency() {
    let ready = status(Status::True, "DependenciesReady", "");
    assert_eq!(
        first_ready(&sandbox(), &ready, at(-5)),
        Some(Duration::ZERO)
    );
}
