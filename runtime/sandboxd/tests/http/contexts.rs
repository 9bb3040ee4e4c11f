//! Long-lived interpreters over real processes.

mod lost;

use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::sandbox::Sandbox;

impl Sandbox {
    async fn call(&self, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(path);
        let answer = self.rest(request.body(body.to_string().into()).unwrap());
        let answer = answer.await;
        (answer.status, answer.json())
    }

    async fn run(&self, name: &str, code: &str) -> (StatusCode, Value) {
        let path = format!("/v1/contexts/{name}/execute");
        self.call("POST", &path, json!({ "code": code })).await
    }

    /// Runs what must be taken.
    async fn ran(&self, name: &str, code: &str) -> Value {
        let (status, body) = self.run(name, code).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    /// Runs a command line in a context, as clients of the image do.
    async fn command(&self, context: &str, line: &str) -> Value {
        let request = Request::post("/execute")
            .header("content-type", "application/json")
            .header("mote-call", json!({ "context": context }).to_string())
            .body(json!({ "command": line }).to_string().into());
        let answer = self.runtime(request.unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()
    }
}

#[tokio::test]
async fn a_call_finds_what_the_call_before_left() {
    let sandbox = Sandbox::new();
    let first = sandbox.ran("main", "import math\nx = 20").await;
    assert_eq!(
        (&first["created"], &first["exit_code"]),
        (&json!(true), &json!(0))
    );
    let second = sandbox
        .ran("main", "print('hi', end='')\nx + math.floor(1.5)")
        .await;
    assert_eq!(second["created"], false);
    assert_eq!(second["stdout"], "hi");
    assert_eq!(second["stderr"], "");
    assert_eq!(second["result"], "21");
    assert_eq!(second["outcome"]["reason"], "exited");
    assert_eq!(sandbox.ran("main", "_ * 2").await["result"], "42");
    let other = sandbox.ran("other", "x").await;
    assert_eq!(other["error"]["name"], "NameError");
}

#[tokio::test]
async fn an_exception_is_told_and_the_context_lives_on() {
    let sandbox = Sandbox::new();
    sandbox.ran("main", "def f():\n    return 1 / 0").await;
    let failed = sandbox.ran("main", "print('before')\nf()").await;
    assert_eq!(failed["exit_code"], 1);
    assert_eq!(failed["stdout"], "before\n");
    assert_eq!(failed["error"]["name"], "ZeroDivisionError");
    assert_eq!(failed["error"]["message"], "division by zero");
    let trace = failed["error"]["traceback"].as_str().unwrap();
    assert!(trace.starts_with("Traceback (most recent call last):\n  File \"<call 2>\", line 2, in <module>\n    f()\n  File \"<call 1>\", line 2, in f\n    return 1 / 0\n"), "{trace}");
    assert_eq!(failed["lost"], false);
    for (code, exit_code) in [
        ("raise SystemExit(300)", 44),
        ("import sys; sys.exit()", 0),
        ("sys.exit('bye')", 1),
        ("x = (", 1),
        ("input()", 1),
        ("f()", 1),
    ] {
        let ended = sandbox.ran("main", code).await;
        assert_eq!(ended["exit_code"], exit_code, "{code}: {ended}");
    }
}

#[tokio::test]
async fn what_children_and_libraries_write_belongs_to_the_call() {
    let sandbox = Sandbox::new();
    let code = "import os, sys\n\
        os.system('echo child; echo error >&2; cat')\n\
        os.write(1, b'\\xff raw')\n\
        sys.stdout.buffer.write(b' buffer')\n\
        print(' last', end='')";
    let ran = sandbox.ran("main", code).await;
    assert_eq!(ran["stdout"], "child\n\u{fffd} raw buffer last");
    assert_eq!(ran["stderr"], "error\n");
    assert_eq!(ran["result"], Value::Null);
}

#[tokio::test]
async fn contexts_are_made_listed_and_deleted() {
    let sandbox = Sandbox::new();
    let put = |body| sandbox.call("PUT", "/v1/contexts/main", body);
    assert_eq!(put(json!({})).await.0, StatusCode::CREATED);
    assert_eq!(put(json!({})).await.0, StatusCode::OK);
    assert_eq!(
        put(json!({ "idle_timeout_seconds": 600 })).await.0,
        StatusCode::OK
    );
    let other = put(json!({ "idle_timeout_seconds": 601 })).await;
    assert_eq!(other.0, StatusCode::BAD_REQUEST, "{}", other.1);
    let (_, listed) = sandbox.call("GET", "/v1/contexts", Value::Null).await;
    let expected = json!({ "contexts": [
        { "name": "main", "limits": {}, "idle_timeout_seconds": 600, "busy": false },
    ] });
    assert_eq!(listed, expected);
    let delete = || sandbox.call("DELETE", "/v1/contexts/main", Value::Null);
    assert_eq!(delete().await.0, StatusCode::NO_CONTENT);
    assert_eq!(delete().await.0, StatusCode::NOT_FOUND);
    // Whoever deletes one knows that its variables are gone.
    assert_eq!(sandbox.ran("main", "1").await["created"], true);
}

#[tokio::test]
async fn calls_of_one_context_take_turns() {
    let sandbox = Sandbox::new();
    sandbox.ran("main", "n = 0").await;
    let code = "before = n\nfor _ in range(100000): pass\nn = before + 1";
    let calls = (0..16).map(|_| sandbox.run("main", code));
    let answers = futures(calls).await;
    assert!(answers.iter().all(|(status, _)| *status == StatusCode::OK));
    assert_eq!(sandbox.ran("main", "n").await["result"], "16");
}

#[tokio::test]
async fn more_calls_than_may_wait_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.ran("main", "1").await;
    let answers = futures((0..17).map(|_| sandbox.run("main", "1"))).await;
    let refused: Vec<_> = answers
        .iter()
        .filter(|(status, _)| *status == StatusCode::SERVICE_UNAVAILABLE)
        .collect();
    assert_eq!(refused.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn more_contexts_than_a_sandbox_may_have_are_refused() {
    let sandbox = Sandbox::new();
    for number in 0..8 {
        sandbox.ran(&format!("c{number}"), "1").await;
    }
    let (status, refused) = sandbox.run("one-more", "1").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        refused["message"],
        "the sandbox has 8 contexts already; delete one first"
    );
}

#[tokio::test]
async fn what_is_no_request_is_refused_in_words() {
    let sandbox = Sandbox::new();
    for (method, path, body) in [
        ("POST", "/v1/contexts/Main/execute", json!({ "code": "1" })),
        ("POST", "/v1/contexts/main/execute", json!({})),
        ("POST", "/v1/contexts/main/execute", json!({ "code": 1 })),
        ("POST", "/v1/contexts/main/execute", json!(["1"])),
        (
            "POST",
            "/v1/contexts/main/execute",
            json!({ "code": "1", "more": 1 }),
        ),
        (
            "POST",
            "/v1/contexts/main/execute",
            json!({ "code": "1", "timeout_seconds": 0 }),
        ),
        (
            "PUT",
            "/v1/contexts/main",
            json!({ "idle_timeout_seconds": 0 }),
        ),
        (
            "PUT",
            "/v1/contexts/main",
            json!({ "idle_timeout_seconds": 86401 }),
        ),
        ("PUT", "/v1/contexts/main", json!({ "memory": "much" })),
        ("PUT", "/v1/contexts/main", json!({ "memory": "64Mi" })),
        ("DELETE", "/v1/contexts/..%2f", Value::Null),
    ] {
        let (status, refused) = sandbox.call(method, path, body.clone()).await;
        assert_eq!(
            status,
            StatusCode::BAD_REQUEST,
            "{method} {path} {body}: {refused}"
        );
        assert_eq!(refused["code"], "INVALID_ARGUMENT");
    }
    let (_, listed) = sandbox.call("GET", "/v1/contexts", Value::Null).await;
    assert_eq!(listed["contexts"], json!([]));
}

#[tokio::test]
async fn commands_run_in_a_context_as_programs() {
    let sandbox = Sandbox::new();
    std::fs::write(
        sandbox.path().join("tool.py"),
        "import sys\nx += 1\nprint(sys.argv, __file__)",
    )
    .unwrap();
    let first = sandbox.command("main", "python3 -c 'x = 1; x' a").await;
    let nothing = json!({ "stdout": "", "stderr": "", "exit_code": 0, "timed_out": false });
    assert_eq!(first, nothing);
    let file = sandbox.command("main", "python3 tool.py a b").await;
    assert_eq!(file["stdout"], "['tool.py', 'a', 'b'] tool.py\n");
    assert_eq!(sandbox.ran("main", "x").await["result"], "2");
    let failed = sandbox
        .command("main", "python3 -c 'raise ValueError(x)'")
        .await;
    assert_eq!(failed["exit_code"], 1);
    let stderr = failed["stderr"].as_str().unwrap();
    assert!(
        stderr.starts_with(
            "Traceback (most recent call last):\n  File \"<string>\", line 1, in <module>\n"
        ),
        "{stderr}"
    );
    assert!(stderr.ends_with("ValueError: 2\n"), "{stderr}");
    let missing = sandbox.command("main", "python3 nope.py").await;
    assert_eq!(missing["exit_code"], 2);
    let other = sandbox.command("main", "ls").await;
    assert_eq!(other["exit_code"], 1);
    assert_eq!(
        other["stderr"],
        "Failed to execute command: a context runs python3 -c CODE or python3 FILE, with arguments; run other commands without a context"
    );
}

/// All answers, in the order of the calls.
async fn futures<F: Future>(calls: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut calls: Vec<_> = calls.map(|call| (Box::pin(call), None)).collect();
    std::future::poll_fn(|context| {
        for (call, answer) in &mut calls {
            if answer.is_none()
                && let std::task::Poll::Ready(ready) = call.as_mut().poll(context)
            {
                *answer = Some(ready);
            }
        }
        match calls.iter().all(|(_, answer)| answer.is_some()) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    calls
        .into_iter()
        .map(|(_, answer)| answer.unwrap())
        .collect()
}
