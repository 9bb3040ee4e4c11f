//! Contexts that end, and what the next caller is told.

use std::time::Duration;

use http::StatusCode;
use mote_surface::Backend;
use serde_json::{Value, json};

use crate::sandbox::{PATIENCE, Sandbox};

#[tokio::test]
async fn a_lost_context_refuses_one_call_and_then_starts_anew() {
    let sandbox = Sandbox::new();
    sandbox.ran("main", "x = 1").await;
    let ended = sandbox
        .ran("main", "print('so long')\nimport os; os._exit(7)")
        .await;
    assert_eq!(ended["exit_code"], 7);
    assert_eq!(ended["lost"], true);
    let hint = ended["outcome"]["hint"].as_str().unwrap();
    assert!(
        hint.ends_with("The context and its variables are gone."),
        "{hint}"
    );
    let (status, refused) = sandbox.run("main", "x").await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(refused["code"], "CONFLICT");
    assert_eq!(
        refused["message"],
        "context main was lost: a call ended its interpreter with status 7; its variables are gone, and the next call starts anew"
    );
    let fresh = sandbox.ran("main", "'x' in globals()").await;
    assert_eq!(
        (&fresh["created"], &fresh["result"]),
        (&json!(true), &json!("False"))
    );
}

#[tokio::test]
async fn a_call_past_its_time_limit_ends_the_context() {
    let sandbox = Sandbox::new();
    let body = json!({ "code": "print('here')\nwhile True: pass", "timeout_seconds": 1 });
    let (status, ended) = sandbox
        .call("POST", "/v1/contexts/main/execute", body)
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(ended["exit_code"], 124);
    assert_eq!(ended["stdout"], "here\n");
    assert_eq!(ended["outcome"]["reason"], "deadline");
    let (status, _) = sandbox.run("main", "1").await;
    assert_eq!(status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_caller_that_goes_ends_the_context() {
    let sandbox = Sandbox::new();
    let (started, mut seen) = fifo(&sandbox);
    let code = format!("open({started:?}, 'w').close()\nwhile True: pass");
    let call = sandbox.run("main", &code);
    tokio::select! {
        answered = call => panic!("an endless call answered: {answered:?}"),
        opened = seen.recv() => opened.unwrap(),
    }
    let (status, refused) = sandbox.run("main", "1").await;
    assert_eq!(status, StatusCode::CONFLICT, "{refused}");
    let message = refused["message"].as_str().unwrap();
    assert!(
        message.contains("the caller of a call went away"),
        "{message}"
    );
}

/// A pipe in the sandbox, and a message once a program opens it.
fn fifo(sandbox: &Sandbox) -> (String, tokio::sync::mpsc::Receiver<()>) {
    let path = sandbox.path().join("started");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let opened = path.clone();
    std::thread::spawn(move || {
        std::fs::File::open(opened).unwrap();
        sender.blocking_send(()).unwrap();
    });
    (path.to_str().unwrap().to_owned(), receiver)
}

#[tokio::test]
async fn a_program_that_forges_its_drivers_words_only_loses_its_context() {
    for forged in [
        "{\"id\": 99, \"exit_code\": 0}",
        "no json",
        "{\"id\": 1, \"exit_code\": 4000}",
    ] {
        let sandbox = Sandbox::new();
        let code = format!("import os\nos.write(1, b'\\x1emote:' + {forged:?}.encode() + b'\\n')");
        let ended = sandbox.ran("main", &code).await;
        assert_eq!(ended["lost"], true, "{forged}: {ended}");
        let (status, _) = sandbox.run("main", "1").await;
        assert_eq!(status, StatusCode::CONFLICT, "{forged}");
    }
}

#[tokio::test]
async fn an_endless_line_in_the_drivers_name_loses_the_context() {
    let sandbox = Sandbox::new();
    let code = "import os\nos.write(1, b'\\x1emote:')\nwhile True: os.write(1, b'x' * 65536)";
    let ended = sandbox.ran("main", code).await;
    assert_eq!(ended["lost"], true);
    assert_eq!(ended["stdout"], "");
}

#[tokio::test]
async fn an_idle_context_goes_after_its_time_and_the_next_call_says_so() {
    let sandbox = Sandbox::new();
    let settings = json!({ "idle_timeout_seconds": 1 });
    let (status, made) = sandbox.call("PUT", "/v1/contexts/main", settings).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(made["idle_timeout_seconds"], 1);
    let mut look = tokio::time::interval(Duration::from_millis(50));
    let gone = async {
        loop {
            look.tick().await;
            let (_, listed) = sandbox.call("GET", "/v1/contexts", Value::Null).await;
            if listed["contexts"].as_array().unwrap().is_empty() {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
    let (status, refused) = sandbox.run("main", "1").await;
    assert_eq!(status, StatusCode::CONFLICT);
    let message = refused["message"].as_str().unwrap();
    assert!(
        message.contains("no call came for its idle time"),
        "{message}"
    );
}

#[tokio::test]
async fn a_sandbox_that_is_stopped_ends_its_contexts_and_their_calls() {
    let sandbox = Sandbox::new();
    sandbox.ran("idle", "1").await;
    let (started, mut seen) = fifo(&sandbox);
    let code = format!("open({started:?}, 'w').close()\nwhile True: pass");
    let stop = async {
        seen.recv().await.unwrap();
        sandbox.backend.state().end_all();
    };
    let ((status, ended), ()) = tokio::join!(sandbox.run("busy", &code), stop);
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (&ended["exit_code"], &ended["lost"]),
        (&json!(-1), &json!(true))
    );
    for name in ["idle", "busy"] {
        let (status, refused) = sandbox.run(name, "1").await;
        assert_eq!(status, StatusCode::CONFLICT);
        let message = refused["message"].as_str().unwrap();
        assert!(message.contains("the sandbox was stopped"), "{message}");
    }
}
