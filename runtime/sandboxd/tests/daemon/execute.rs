//! Execute, row by row.

use mote_api::{End, Outcome};

use super::*;

#[tokio::test]
async fn output_and_exit_code_arrive() {
    let daemon = Daemon::start().await;
    let told = daemon
        .client()
        .await
        .sh("echo out; echo err >&2; exit 3")
        .await;
    assert_eq!(
        (&*told.stdout, &*told.stderr),
        (&b"out\n"[..], &b"err\n"[..])
    );
    assert_eq!(told.exit_code, 3);
}

#[tokio::test]
async fn a_signal_is_minus_one() {
    let daemon = Daemon::start().await;
    assert_eq!(
        daemon.client().await.sh("kill -KILL $$").await.exit_code,
        -1
    );
}

#[tokio::test]
async fn there_is_no_input() {
    let daemon = Daemon::start().await;
    let told = daemon.client().await.sh("cat; echo end").await;
    assert_eq!(&*told.stdout, b"end\n");
}

/// How a line of the shell ended.
async fn outcome(line: &str) -> Outcome {
    let daemon = Daemon::start().await;
    let request = Request::new(execute(&["sh", "-c", line]));
    let answer = daemon.client().await.execute(request).await.unwrap();
    let outcome = answer.metadata().get("mote-outcome").unwrap();
    serde_json::from_str(outcome.to_str().unwrap()).unwrap()
}

#[tokio::test]
async fn memory_and_processor_time_are_told() {
    let large = outcome("head -c 99000000 /dev/zero | tail -c 99000000 > /dev/null").await;
    assert!(large.usage.peak_memory_bytes > 99_000_000, "{large:?}");
    assert!(!large.usage.cpu.is_zero());
    let small = outcome(":").await;
    assert!(small.usage.peak_memory_bytes > 0, "{small:?}");
    assert!(small.usage.peak_memory_bytes < 99_000_000, "{small:?}");
}

#[tokio::test]
async fn the_outcome_is_in_the_trailers() {
    let outcome = outcome("echo hi; exit 2").await;
    assert_eq!(outcome.end, End::Exited { code: 2 });
    assert_eq!(outcome.stdout.bytes, 3);
    assert!(!outcome.usage.wall.is_zero());
}

#[tokio::test]
async fn a_command_that_cannot_start_has_the_code_of_its_reason() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    for (argv, expected) in [
        (&[][..], Code::InvalidArgument),
        (&["no-such-program"], Code::NotFound),
        (&["./no-such-file"], Code::NotFound),
        (&["/etc/passwd"], Code::PermissionDenied),
        (&["echo", "a\0b"], Code::InvalidArgument),
    ] {
        let (code, text) = code(client.execute(Request::new(execute(argv))).await);
        assert_eq!(code, expected, "{argv:?}: {text}");
        if argv.is_empty() {
            assert_eq!(text, "command is required");
        }
    }
}

#[tokio::test]
async fn directory_and_variables_are_those_of_the_request() {
    let daemon = Daemon::start().await;
    std::fs::create_dir(daemon.root().join("sub")).unwrap();
    let mut request = execute(&["sh", "-c", "pwd; echo $NAME"]);
    let config = request.config.as_mut().unwrap();
    config.cwd = Some("sub".to_owned());
    config
        .env_vars
        .insert("NAME".to_owned(), "value".to_owned());
    let answer = daemon.client().await.execute(Request::new(request)).await;
    let stdout = answer.unwrap().into_inner().stdout;
    assert!(stdout.ends_with(b"/sub\nvalue\n"), "{stdout:?}");
}

#[tokio::test]
async fn a_directory_that_escapes_is_denied_and_a_missing_one_not_found() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    for (cwd, expected) in [("../..", Code::PermissionDenied), ("none", Code::NotFound)] {
        let mut request = execute(&["pwd"]);
        request.config.as_mut().unwrap().cwd = Some(cwd.to_owned());
        let (code, text) = code(client.execute(Request::new(request)).await);
        assert_eq!(code, expected, "{cwd}: {text}");
    }
}

#[tokio::test]
async fn malformed_variables_are_refused() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    for (name, value) in [("", "x"), ("a=b", "x"), ("a\0", "x"), ("a", "\0")] {
        let mut request = execute(&["true"]);
        let config = request.config.as_mut().unwrap();
        config.env_vars.insert(name.to_owned(), value.to_owned());
        let (code, _) = code(client.execute(Request::new(request)).await);
        assert_eq!(code, Code::InvalidArgument, "{name:?}={value:?}");
    }
}

#[tokio::test]
async fn arguments_past_the_bound_and_requests_past_theirs_are_refused() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let text = "x".repeat(2 * 1024 * 1024);
    let request = Request::new(execute(&["true", &text]));
    assert_eq!(code(client.execute(request).await).0, Code::InvalidArgument);
    let request = Request::new(execute(&["true", &text, &text]));
    assert_eq!(
        code(client.execute(request).await).0,
        Code::ResourceExhausted
    );
}

#[tokio::test]
async fn output_past_the_bound_ends_the_program() {
    let daemon = Daemon::start().await;
    let request = Request::new(execute(&["sh", "-c", "yes"]));
    let (code, text) = code(daemon.client().await.execute(request).await);
    assert_eq!(code, Code::ResourceExhausted);
    assert!(text.contains("16777216"), "{text}");
}

#[tokio::test]
async fn what_a_program_leaves_running_does_not_hold_the_answer() {
    let daemon = Daemon::start().await;
    let told = daemon
        .client()
        .await
        .sh("sleep 600 >/dev/null 2>&1 & echo $!")
        .await;
    assert_eq!(told.exit_code, 0);
    let sleeper = String::from_utf8(told.stdout.to_vec()).unwrap();
    let ended = daemon.client().await.sh(&format!("kill {sleeper}")).await;
    assert_eq!(ended.exit_code, 0, "it was not left running");
}

#[tokio::test]
async fn options_of_the_call_hold_or_are_refused() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let mut with = async |options: &'static str| {
        let mut request = Request::new(execute(&["sleep", "600"]));
        let value = options.parse().unwrap();
        request.metadata_mut().insert("mote-call", value);
        client.execute(request).await
    };
    let ended = with(r#"{"limits": {"deadline": 0.1}}"#).await.unwrap();
    assert!(
        ended
            .metadata()
            .get("mote-outcome")
            .unwrap()
            .to_str()
            .unwrap()
            .contains("deadline")
    );
    assert_eq!(ended.into_inner().exit_code, -1);
    for refused in ["{", "[]", r#"{"root": true}"#, r#"{"transaction": true}"#] {
        assert_eq!(
            code(with(refused).await).0,
            Code::InvalidArgument,
            "{refused}"
        );
    }
}
