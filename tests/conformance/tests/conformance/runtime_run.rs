//! python-runtime: `/` and `/execute`.

use std::time::{Duration, Instant};

use mote_conformance::{Ask, Target, within};
use serde_json::{Value, json};

async fn execute(target: &Target, body: &Value) -> Value {
    let reply = target.runtime().post("/execute", body).await.expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    reply.json()
}

async fn command(target: &Target, command: &str) -> Value {
    execute(target, &json!({ "command": command })).await
}

pub(crate) async fn the_root_says_that_it_is_active(target: &Target) {
    let reply = target.runtime().get("/").await.expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let expected = json!({ "status": "ok", "message": "Sandbox Runtime is active." });
    assert_eq!(reply.json(), expected);
}

pub(crate) async fn a_command_leaves_outputs_and_exit_code(target: &Target) {
    let told = command(target, "sh -c 'echo out; echo err >&2; exit 3'").await;
    // Whether `timed_out` is told where it is false depends on the version.
    let timely =
        json!({ "stdout": "out\n", "stderr": "err\n", "exit_code": 3, "timed_out": false });
    let mut brief = timely.clone();
    brief.as_object_mut().unwrap().remove("timed_out");
    assert!([&timely, &brief].contains(&&told), "{told}");
}

pub(crate) async fn quotes_are_undone_and_no_shell_reads_the_rest(target: &Target) {
    let told = command(target, "echo 'hello world'").await;
    assert_eq!(told["stdout"], "hello world\n");
    let told = command(target, r#"echo "a  b" $HOME '*' > x | y; c\ d"#).await;
    assert_eq!(told["stdout"], "a  b $HOME * > x | y; c d\n");
}

pub(crate) async fn a_command_runs_in_the_base_folder(target: &Target) {
    let told = command(target, "pwd").await;
    assert_eq!(told["stdout"], format!("{}\n", target.root));
}

pub(crate) async fn a_command_that_cannot_start_is_200_with_exit_code_1(target: &Target) {
    for line in ["no-such-program x", "'unclosed", ""] {
        let told = command(target, line).await;
        assert_eq!(told["exit_code"], 1, "{line}: {told}");
        assert_eq!(told["stdout"], "", "{line}: {told}");
        let stderr = told["stderr"].as_str().unwrap();
        assert!(
            stderr.starts_with("Failed to execute command: "),
            "{stderr}"
        );
    }
}

pub(crate) async fn a_command_past_its_time_says_so(target: &Target) {
    let from = Instant::now();
    let body = json!({ "command": "sleep 30", "timeout_seconds": 0.3 });
    let told = execute(target, &body).await;
    assert!(from.elapsed() < Duration::from_secs(20));
    assert_eq!(told["timed_out"], true, "{told}");
    assert_ne!(told["exit_code"], 0, "{told}");
}

pub(crate) async fn in_time_there_is_no_word_of_time(target: &Target) {
    let body = json!({ "command": "echo x", "timeout_seconds": 30 });
    let told = execute(target, &body).await;
    assert_ne!(told["timed_out"], true, "{told}");
    assert_eq!(told["exit_code"], 0);
}

pub(crate) async fn the_root_answers_at_once_while_a_command_runs(target: &Target) {
    let runtime = target.runtime();
    let slow = json!({ "command": "sleep 2" });
    let run = tokio::spawn(async move { runtime.post("/execute", &slow).await });
    for _ in 0..10 {
        let from = Instant::now();
        target.runtime().get("/").await.expect(200);
        let took = from.elapsed();
        assert!(took < Duration::from_millis(200), "{took:?}");
    }
    assert!(!run.is_finished());
    let told = within("the command", run).await.unwrap().expect(200).json();
    assert_eq!(told["exit_code"], 0);
}

pub(crate) async fn output_that_is_no_text_is_replaced(target: &Target) {
    target.file("bytes", [b'a', 0xff, b'b'].to_vec()).await;
    let told = command(target, "cat bytes").await;
    assert_eq!(told["stdout"], "a\u{fffd}b");
}

pub(crate) async fn a_body_that_is_no_request_is_422(target: &Target) {
    let runtime = target.runtime();
    for body in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"command": 3}"#,
        r#"{"cmd": "x"}"#,
        "null",
    ] {
        let ask = Ask::new("POST", "/execute").header("content-type", "application/json");
        let told = runtime.send(ask.body(body)).await.expect(422).json();
        assert!(told["detail"].is_array(), "{body}: {told}");
        assert!(told["detail"][0]["msg"].is_string(), "{body}: {told}");
    }
}

pub(crate) async fn an_unknown_path_or_method_is_told_as_json(target: &Target) {
    let runtime = target.runtime();
    let told = runtime.get("/nothing").await.expect(404).json();
    assert_eq!(told, json!({ "detail": "Not Found" }));
    let told = runtime.get("/execute").await.expect(405).json();
    assert_eq!(told, json!({ "detail": "Method Not Allowed" }));
}
