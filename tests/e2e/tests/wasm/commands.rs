//! What a session runs by itself: its end is told as a pod's is.

use mote_e2e::busybox;

use super::*;

/// A pod that runs this shell line once; of a runtime class, if one is named.
fn running(class: Option<&str>, line: &str) -> Value {
    let mut pod = class.map_or_else(patience, session);
    if class.is_none() {
        pod["containers"][0]["image"] = json!(busybox());
    }
    pod["restartPolicy"] = json!("Never");
    pod["containers"][0]["command"] = json!(["sh", "-c"]);
    pod["containers"][0]["args"] = json!([line]);
    pod
}

/// What is said of a sandbox that has come to its end: of each condition, its
/// status, reason and message.
async fn end_of(story: &Story, name: &str) -> Vec<Value> {
    let over = |sandbox: &Sandbox| condition(sandbox, "Finished").is_some();
    let sandbox = story.until::<Sandbox>(name, "finished", over).await;
    let told = ["Finished", "Ready"].map(|type_| {
        let it = condition(&sandbox, type_).unwrap();
        json!([it.type_, it.status, it.reason, it.message])
    });
    told.into()
}

#[tokio::test]
async fn the_end_of_a_command_is_told_in_the_words_of_a_pod() {
    let story = Story::begin("wasm-commands").await;
    let ends = [
        ("well", "echo well", "PodSucceeded"),
        ("badly", "exit 3", "PodFailed"),
        ("late", "while :; do sleep 1; done", "PodFailed"),
    ];
    for (name, line, _) in ends {
        for (tier, class) in [("session", Some("wasm")), ("pod", None)] {
            let mut pod = running(class, line);
            if name == "late" {
                pod["activeDeadlineSeconds"] = json!(2);
            }
            let object = sandbox(&format!("{name}-{tier}"), pod);
            story.create::<Sandbox>(object).await;
        }
    }
    for (name, _, reason) in ends {
        let session = end_of(&story, &format!("{name}-session")).await;
        assert_eq!(session[0][2], reason, "{name}: {session:?}");
        assert_eq!(session, end_of(&story, &format!("{name}-pod")).await);
    }
    // Why, the status of a pod does not say either.
    for why in ["its command ended with status 3", "DeadlineExceeded: "] {
        let told = |event: &Event| {
            let message = event.message.as_deref();
            message.is_some_and(|it| it.starts_with(why))
        };
        let events = |all: &[Event]| all.iter().any(told);
        story.until_all::<Event>("", why, events).await;
    }
    story.end().await;
}

#[tokio::test]
async fn a_command_knows_its_variables_and_its_end_is_final() {
    let story = Story::begin("wasm-commands").await;
    let mut pod = running(Some("wasm"), "echo $(NAME) >> f; [ -e again ]");
    pod["restartPolicy"] = json!("OnFailure");
    pod["containers"][0]["env"] = json!([
        { "name": "NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
    ]);
    story.create::<Sandbox>(sandbox("s", pod)).await;
    // It failed and is to run again: meanwhile it takes calls.
    let address = address(&until_serving(&story, "s").await);
    let known = "sh -c 'until grep -q s f; do :; done; touch again; cat f'";
    let told = execute(&address, known).unwrap();
    assert!(told.starts_with("s\n"), "{told}");
    let end = end_of(&story, "s").await;
    assert_eq!(end[0][2], "PodSucceeded");
    let refused = execute(&address, "cat f").unwrap_err();
    assert!(refused.contains("503"), "{refused}");
    // What is resumed begins anew.
    mode(&story, "Suspended").await;
    story.until_ready_is("s", "False", "SandboxSuspended").await;
    mode(&story, "Running").await;
    assert_eq!(end_of(&story, "s").await[0][2], "PodSucceeded");
    story.end().await;
}
