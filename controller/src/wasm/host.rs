//! The pods of node hosts: where one is called, or why it does not start.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};

use super::fleet::Host;

/// Longest word of a container that is told on, in characters.
const MAX_TOLD_CHARS: usize = 500;

/// The host that runs in a pod of this node, and whether it is going away.
pub(super) fn running(pod: &Pod, node: &str) -> Option<(bool, Host)> {
    let status = pod.status.as_ref()?;
    let runs = status.phase.as_deref() == Some("Running");
    let host = Host {
        address: status.pod_ip.clone()?,
        pod: pod.metadata.uid.clone()?,
    };
    (is_on(pod, node) && runs).then(|| (pod.metadata.deletion_timestamp.is_some(), host))
}

/// Why the host in a pod of this node does not start, if a container that runs
/// before it has failed: its last word.
pub(super) fn failure(pod: &Pod, node: &str) -> Option<String> {
    if !is_on(pod, node) || pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let all = pod.status.as_ref()?.init_container_statuses.as_ref()?;
    all.iter().find_map(|container| {
        let ended = failed(container)?;
        let message = ended.message.as_deref().unwrap_or_default();
        let last = message.lines().rev().find(|line| !line.trim().is_empty());
        let told: String = last
            .unwrap_or("its log says why")
            .chars()
            .take(MAX_TOLD_CHARS)
            .collect();
        Some(format!(
            "its node host does not start: {}: {told}",
            container.name
        ))
    })
}

/// Whether a pod is on this node.
pub(super) fn is_on(pod: &Pod, node: &str) -> bool {
    pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(node)
}

/// How it ended, unless it ended well or runs again.
fn failed(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    let now = container.state.as_ref();
    if now.is_some_and(|state| state.running.is_some()) {
        return None;
    }
    let ended = now.and_then(|state| state.terminated.as_ref());
    let before = container.last_state.as_ref();
    let ended = ended.or_else(|| before?.terminated.as_ref())?;
    (ended.exit_code != 0).then_some(ended)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(phase: &str, init: Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": { "uid": "u" },
            "spec": { "nodeName": "a", "containers": [] },
            "status": { "phase": phase, "podIP": "10.0.0.1", "initContainerStatuses": init },
        }))
        .unwrap()
    }

    fn address(state: Value, last: Value) -> Value {
        json!([{
            "name": "address", "image": "", "imageID": "", "ready": false, "restartCount": 1,
            "state": state, "lastState": last,
        }])
    }

    fn ended(code: i32, message: &str) -> Value {
        json!({ "terminated": { "exitCode": code, "message": message } })
    }

    #[test]
    fn a_host_runs_where_its_pod_does() {
        let runs = pod("Running", Value::Null);
        assert_eq!(running(&runs, "a").unwrap().1.address, "10.0.0.1");
        assert!(running(&runs, "b").is_none());
        assert!(running(&pod("Pending", Value::Null), "a").is_none());
    }

    #[test]
    fn of_a_host_that_does_not_start_the_last_word_is_told() {
        let told = "its node host does not start: address: the prefix overlaps";
        let says = "one line\nthe prefix overlaps\n\n";
        for status in [
            address(ended(1, says), json!({})),
            address(
                json!({ "waiting": { "reason": "CrashLoopBackOff" } }),
                ended(1, says),
            ),
        ] {
            assert_eq!(failure(&pod("Pending", status), "a").as_deref(), Some(told));
        }
        let mute = failure(&pod("Pending", address(ended(1, ""), json!({}))), "a").unwrap();
        assert!(mute.ends_with("address: its log says why"), "{mute}");
        let long = failure(
            &pod("Pending", address(ended(1, &"x".repeat(9_999)), json!({}))),
            "a",
        );
        assert!(long.unwrap().len() < 600);
    }

    #[test]
    fn a_host_that_starts_or_is_elsewhere_has_not_failed() {
        for status in [
            Value::Null,
            address(json!({ "running": {} }), ended(1, "before")),
            address(
                ended(0, "sandboxes of node a have the addresses"),
                json!({}),
            ),
        ] {
            assert_eq!(failure(&pod("Pending", status), "a"), None);
        }
        let fails = pod("Pending", address(ended(1, "why"), json!({})));
        assert_eq!(failure(&fails, "b"), None);
    }
}
