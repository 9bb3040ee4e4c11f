use mote_rpc::rules::{MAX_COMMAND_BYTES, MAX_COMMAND_WORDS};
use mote_rpc::v1::command::Restart;

use super::*;

/// What a session of this pod and container runs by itself.
fn command(pod: Value, container: Value) -> (Vec<String>, Restart) {
    let wanted = classify(&blueprint(pod, container), Class::Wasm, &images());
    let Command { argv, restart } = wanted.unwrap().command.unwrap();
    (argv, restart)
}

#[test]
fn a_command_and_its_arguments_are_one_and_the_pod_says_what_follows_it() {
    let container = json!({ "command": ["sh", "-c"], "args": ["echo $(A)"] });
    for (policy, restart) in [
        (json!(null), Restart::Always),
        (json!("Always"), Restart::Always),
        (json!("OnFailure"), Restart::OnFailure),
        (json!("Never"), Restart::Never),
    ] {
        let pod = json!({ "restartPolicy": policy });
        let (argv, follows) = command(pod, container.clone());
        assert_eq!(argv, ["sh", "-c", "echo $(A)"]);
        assert_eq!(follows, restart);
    }
    let other = blueprint(json!({ "restartPolicy": "Sometimes" }), container);
    assert_eq!(told(&other), ["restartPolicy"]);
}

#[test]
fn a_session_of_no_command_runs_nothing_by_itself() {
    let wanted = wanted(&blueprint(json!({}), json!({ "command": [], "tty": true })));
    assert_eq!((wanted.command, wanted.active_deadline_seconds), (None, 0));
}

#[test]
fn arguments_alone_are_those_of_a_pulled_image_and_of_no_other() {
    let image = "registry.example:5000/tools/greet:v1@sha256:0";
    let pulled = json!({ "image": image, "args": ["-v"] });
    assert_eq!(command(json!({}), pulled).0, ["greet", "-v"]);
    let built_in = blueprint(json!({}), json!({ "args": ["-v"] }));
    assert_eq!(told(&built_in), ["containers[0].args"]);
}

#[test]
fn what_is_written_for_an_image_of_pods_is_a_pod_where_there_is_a_choice() {
    let image = "registry.k8s.io/agent-sandbox/python-runtime-sandbox:v0.1.0";
    let container = json!({ "image": image, "command": ["python3", "app.py"] });
    let blueprint = blueprint(json!({}), container);
    assert_eq!(told(&blueprint), ["containers[0].command"]);
    assert!(classify(&blueprint, Class::Wasm, &images()).is_ok());
}

#[test]
fn nobody_is_at_the_other_end_of_what_a_session_runs() {
    for field in ["stdin", "tty"] {
        let container = json!({ "command": ["sh"], (field): true });
        let told = told(&blueprint(json!({}), container));
        assert_eq!(told, [format!("containers[0].{field}")]);
    }
}

#[test]
fn words_that_no_session_can_run_are_named() {
    let told = |argv: Value| told(&blueprint(json!({}), json!({ "command": argv })));
    let word = "x".repeat(MAX_COMMAND_BYTES);
    for possible in [
        json!([word]),
        json!(["sh", format!("$(A){word}")]),
        json!(vec!["x"; MAX_COMMAND_WORDS]),
    ] {
        assert!(told(possible).is_empty());
    }
    for wrong in [
        json!([""]),
        json!(["sh", "a\0b"]),
        json!(["sh", word]),
        json!(vec!["x"; MAX_COMMAND_WORDS + 1]),
    ] {
        assert_eq!(told(wrong), ["containers[0].command"]);
    }
}

#[test]
fn a_deadline_is_honoured() {
    let wanted = wanted(&blueprint(json!({ "activeDeadlineSeconds": 5 }), json!({})));
    assert_eq!(wanted.active_deadline_seconds, 5);
    let wrong = blueprint(json!({ "activeDeadlineSeconds": -5 }), json!({}));
    assert_eq!(told(&wrong), ["activeDeadlineSeconds"]);
}
