//! The python-runtime API over real processes.

use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::sandbox::{Answer, Sandbox};

impl Sandbox {
    fn file(&self, path: &str) -> String {
        std::fs::read_to_string(self.path().join(path)).unwrap()
    }

    async fn get(&self, path: &str) -> Answer {
        self.runtime(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    async fn execute(&self, body: Value) -> Answer {
        let request = Request::post("/execute").header("content-type", "application/json");
        self.runtime(request.body(body.to_string().into()).unwrap())
            .await
    }

    async fn upload(&self, head: &str, content: &str) -> Answer {
        let kind = "multipart/form-data; boundary=B";
        let body =
            format!("--B\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n--B--\r\n");
        let request = Request::post("/upload").header("content-type", kind);
        self.runtime(request.body(body.into()).unwrap()).await
    }
}

#[tokio::test]
async fn a_command_is_run_and_answered_to_the_byte() {
    let sandbox = Sandbox::new();
    let ran = sandbox
        .execute(json!({ "command": "echo 'hello world'" }))
        .await;
    assert_eq!(ran.status, StatusCode::OK);
    assert_eq!(
        ran.body,
        r#"{"stdout":"hello world\n","stderr":"","exit_code":0,"timed_out":false}"#
    );
    assert_eq!(ran.headers["content-type"], "application/json");
    let outcome: Value =
        serde_json::from_str(ran.headers["mote-outcome"].to_str().unwrap()).unwrap();
    assert_eq!(outcome["reason"], "exited");
}

#[tokio::test]
async fn no_shell_reads_a_command() {
    let sandbox = Sandbox::new();
    let ran = sandbox
        .execute(json!({ "command": "echo a && echo $HOME > b; #c" }))
        .await;
    assert_eq!(ran.json()["stdout"], "a && echo $HOME > b; #c\n");
}

#[tokio::test]
async fn what_cannot_be_started_is_an_answer() {
    let sandbox = Sandbox::new();
    for command in ["no-such-program", "", "echo 'open"] {
        let ran = sandbox.execute(json!({ "command": command })).await;
        assert_eq!(ran.status, StatusCode::OK);
        let body = ran.json();
        assert_eq!(body["exit_code"], 1, "{command}");
        let stderr = body["stderr"].as_str().unwrap();
        assert!(
            stderr.starts_with("Failed to execute command: "),
            "{stderr}"
        );
    }
}

#[tokio::test]
async fn a_command_past_its_time_limit_is_told_with_what_it_wrote() {
    let sandbox = Sandbox::new();
    let command = "sh -c 'echo out; echo err >&2; exec sleep 60'";
    let ran = sandbox
        .execute(json!({ "command": command, "timeout_seconds": 1.5 }))
        .await;
    assert_eq!(
        ran.body,
        r#"{"stdout":"out\n","stderr":"err\nCommand timed out after 1.5 seconds","exit_code":124,"timed_out":true}"#
    );
}

#[tokio::test]
async fn health_is_told_while_a_command_runs() {
    let sandbox = Sandbox::new();
    let running = sandbox.execute(json!({ "command": "sleep 60", "timeout_seconds": 2 }));
    let healthy = async {
        let since = Instant::now();
        let active = sandbox.get("/").await;
        (active.body, since.elapsed())
    };
    let (_, (body, took)) = tokio::join!(running, healthy);
    assert_eq!(
        body,
        r#"{"status":"ok","message":"Sandbox Runtime is active."}"#
    );
    assert!(took < Duration::from_millis(200), "{took:?}");
}

#[tokio::test]
async fn bytes_that_are_no_text_are_replaced() {
    let sandbox = Sandbox::new();
    let ran = sandbox
        .execute(json!({ "command": r"printf '\377ok'" }))
        .await;
    assert_eq!(ran.json()["stdout"], "\u{fffd}ok");
}

#[tokio::test]
async fn options_in_the_header_hold_for_the_command() {
    let sandbox = Sandbox::new();
    let send = |options: &str| {
        let request = Request::post("/execute")
            .header("content-type", "application/json")
            .header("mote-call", options)
            .body(json!({ "command": "sleep 60" }).to_string().into());
        sandbox.runtime(request.unwrap())
    };
    let limited = send(r#"{"limits": {"deadline": 0.2}}"#).await;
    assert_eq!(limited.json()["timed_out"], true);
    assert_eq!(send("{").await.status, StatusCode::BAD_REQUEST);
    let refused = send(r#"{"transaction": true}"#).await.json();
    assert_eq!(refused["exit_code"], 1);
}

#[tokio::test]
async fn a_file_goes_up_and_comes_down() {
    let sandbox = Sandbox::new();
    let up = sandbox
        .upload(r#"name="file"; filename="data/sub dir/in.csv""#, "a,b\n")
        .await;
    assert_eq!(up.status, StatusCode::OK, "{}", up.body);
    assert_eq!(
        up.body,
        r#"{"message":"File 'data/sub dir/in.csv' uploaded successfully."}"#
    );
    assert_eq!(sandbox.file("data/sub dir/in.csv"), "a,b\n");
    let down = sandbox.get("/download/data%2Fsub%20dir%2Fin.csv").await;
    assert_eq!((down.status, down.body.as_str()), (StatusCode::OK, "a,b\n"));
    assert_eq!(down.headers["content-type"], "application/octet-stream");
    assert_eq!(
        down.headers["content-disposition"],
        "attachment; filename=\"in.csv\""
    );
    let absolute = sandbox.get("/download//data/sub%20dir/in.csv").await;
    assert_eq!(absolute.body, "a,b\n");
}

#[tokio::test]
async fn a_folder_is_listed() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path().join("b")).unwrap();
    std::fs::write(sandbox.path().join("a"), "12").unwrap();
    for path in ["/list/", "/list/.", "/list/b%2F.."] {
        let listed = sandbox.get(path).await;
        let rows = listed.json();
        assert_eq!(rows[0]["name"], "a");
        assert_eq!(
            (&rows[0]["size"], &rows[0]["type"]),
            (&json!(2), &json!("file"))
        );
        assert!(rows[0]["mod_time"].as_f64().unwrap() > 1e9);
        assert_eq!(
            (&rows[1]["name"], &rows[1]["type"]),
            (&json!("b"), &json!("directory"))
        );
        assert!(
            listed
                .body
                .starts_with(r#"[{"name":"a","size":2,"type":"file","mod_time":"#)
        );
    }
    assert_eq!(sandbox.get("/list/b").await.body, "[]");
}

#[tokio::test]
async fn whether_a_path_exists_is_told() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path().join("ä b"), "").unwrap();
    for (path, body) in [
        ("/exists/%C3%A4%20b", r#"{"path":"ä b","exists":true}"#),
        ("/exists/no", r#"{"path":"no","exists":false}"#),
        ("/exists/no/more", r#"{"path":"no/more","exists":false}"#),
        ("/exists/", r#"{"path":"","exists":true}"#),
    ] {
        let told = sandbox.get(path).await;
        assert_eq!((told.status, told.body.as_str()), (StatusCode::OK, body));
    }
}

#[tokio::test]
async fn nothing_outside_is_reached() {
    let sandbox = Sandbox::new();
    std::os::unix::fs::symlink("/etc", sandbox.path().join("out")).unwrap();
    let denied = r#"{"message":"Access denied"}"#;
    for path in [
        "/download/..%2Fetc%2Fpasswd",
        "/download/%2F..%2Fetc%2Fpasswd",
        "/download/out/passwd",
        "/download/../x",
        "/list/..",
        "/list/out",
        "/exists/..%2F..%2Fetc",
        "/exists/a%00b",
    ] {
        let told = sandbox.get(path).await;
        assert_eq!(
            (told.status, told.body.as_str()),
            (StatusCode::FORBIDDEN, denied),
            "{path}"
        );
    }
    for name in ["../x", "/../x", "out/x", "a/../../x"] {
        let head = format!("name=\"file\"; filename=\"{name}\"");
        let told = sandbox.upload(&head, "x").await;
        assert_eq!(
            (told.status, told.body.as_str()),
            (StatusCode::FORBIDDEN, denied),
            "{name}"
        );
    }
    assert!(!sandbox.beside("x").exists());
}

#[tokio::test]
async fn what_is_not_there_is_told() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path().join("folder")).unwrap();
    std::fs::write(sandbox.path().join("file"), "").unwrap();
    for (path, body) in [
        ("/download/no", r#"{"message":"File not found"}"#),
        ("/download/folder", r#"{"message":"File not found"}"#),
        ("/download/", r#"{"message":"File not found"}"#),
        ("/download/%ff", r#"{"message":"File not found"}"#),
        ("/list/file", r#"{"message":"Path is not a directory"}"#),
        ("/list/no", r#"{"message":"Path is not a directory"}"#),
        ("/list/file/x", r#"{"message":"Path is not a directory"}"#),
        ("/nope", r#"{"detail":"Not Found"}"#),
        ("/docs", r#"{"detail":"Not Found"}"#),
    ] {
        let told = sandbox.get(path).await;
        assert_eq!(
            (told.status, told.body.as_str()),
            (StatusCode::NOT_FOUND, body),
            "{path}"
        );
    }
}

#[tokio::test]
async fn other_methods_are_refused() {
    let sandbox = Sandbox::new();
    for (method, path, allowed) in [
        ("HEAD", "/", "GET"),
        ("POST", "/", "GET"),
        ("GET", "/execute", "POST"),
        ("OPTIONS", "/execute", "POST"),
        ("GET", "/upload", "POST"),
        ("HEAD", "/download/x", "GET"),
        ("PUT", "/list/", "GET"),
        ("DELETE", "/exists/x", "GET"),
    ] {
        let request = Request::builder().method(method).uri(path);
        let told = sandbox.runtime(request.body(Body::empty()).unwrap()).await;
        assert_eq!(
            told.status,
            StatusCode::METHOD_NOT_ALLOWED,
            "{method} {path}"
        );
        assert_eq!(told.headers["allow"], allowed, "{method} {path}");
        if method != "HEAD" {
            assert_eq!(told.body, r#"{"detail":"Method Not Allowed"}"#);
        }
    }
}

#[tokio::test]
async fn a_caller_who_is_wrong_by_a_slash_is_sent_on() {
    let sandbox = Sandbox::new();
    for (path, right) in [("/list", "/list/"), ("/execute/", "/execute")] {
        let told = sandbox.get(path).await;
        assert_eq!(told.status, StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(told.headers["location"], right);
    }
}

#[tokio::test]
async fn an_upload_that_is_none_is_refused_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let missing = r#"{"detail":[{"type":"missing","loc":["body","file"],"msg":"Field required","input":null}]}"#;
    let other = sandbox.upload(r#"name="other"; filename="a""#, "x").await;
    assert_eq!(
        (other.status, other.body.as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, missing)
    );
    let text = sandbox.upload(r#"name="file""#, "x").await;
    assert_eq!(text.status, StatusCode::UNPROCESSABLE_ENTITY);
    let folder = sandbox.upload(r#"name="file"; filename="""#, "x").await;
    assert_eq!(folder.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(
        folder
            .body
            .starts_with(r#"{"message":"File upload failed: "#)
    );
    for (kind, body, status) in [
        ("application/json", "{}", StatusCode::UNPROCESSABLE_ENTITY),
        ("multipart/form-data", "x", StatusCode::BAD_REQUEST),
        (
            "multipart/form-data; boundary=B",
            "garbage",
            StatusCode::BAD_REQUEST,
        ),
        (
            "multipart/form-data; boundary=B",
            "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"half\"\r\n\r\nx",
            StatusCode::INTERNAL_SERVER_ERROR,
        ),
    ] {
        let request = Request::post("/upload").header("content-type", kind);
        let told = sandbox.runtime(request.body(body.into()).unwrap()).await;
        assert_eq!(told.status, status, "{kind} {body}: {}", told.body);
    }
    assert_eq!(std::fs::read_dir(sandbox.path()).unwrap().count(), 0);
}
