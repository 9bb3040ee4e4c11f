//! What sessions run by themselves, and how they come to their end.

use mote_rpc::v1::command::Restart;
use mote_rpc::v1::volume::Source;
use mote_rpc::v1::{Command, File, Files, Mount, Phase, Session, SessionSpec, Volume};

use super::harness::{Controller, Event, Host, said, sh, spec, uid, within};

/// A session that runs this shell line by itself.
fn running(n: u32, line: &str, restart: Restart) -> SessionSpec {
    let argv = ["sh", "-c", line].map(str::to_owned);
    SessionSpec {
        command: Some(Command {
            argv: argv.into(),
            restart: restart.into(),
        }),
        ..spec(n)
    }
}

/// Session `n`, once it is as `wanted`.
async fn until(controller: &Controller, n: u32, wanted: impl Fn(&Session) -> bool) -> Session {
    let mut watch = controller.watch().await;
    let is_it = |event| match event {
        Event::Session(session) => (session.uid == uid(n) && wanted(&session)).then_some(session),
        _ => None,
    };
    watch.until(is_it).await
}

async fn ended(controller: &Controller, n: u32) -> Session {
    let at_its_end =
        |session: &Session| matches!(session.phase(), Phase::Succeeded | Phase::Failed);
    until(controller, n, at_its_end).await
}

#[tokio::test]
async fn a_command_runs_once_and_its_end_is_that_of_its_session() {
    let mut host = Host::start().await;
    let controller = host.controller().await;
    let asked = SessionSpec {
        env: [("GREETING".to_owned(), "hi".to_owned())].into(),
        ..running(1, "echo $GREETING >> f", Restart::Never)
    };
    let made = controller.ensure(asked.clone()).await;
    let over = ended(&controller, 1).await;
    assert_eq!((over.phase(), over.exit_code), (Phase::Succeeded, Some(0)));
    assert!(over.has_files, "{over:?}");
    let address = &made.addresses[0];
    let refused = sh(address, "cat f").await.unwrap_err();
    assert!(refused.starts_with("503"), "{refused}");

    host.crash();
    let controller = host.controller().await;
    assert_eq!(controller.ensure(asked.clone()).await, over);
    // It comes back with what stays, so that it can be asked.
    let again = |generation, suspended| SessionSpec {
        generation,
        suspended,
        command: running(1, "echo again >> f; while :; do :; done", Restart::Always).command,
        ..asked.clone()
    };
    let asleep = controller.ensure(again(2, true)).await;
    assert_eq!(asleep.phase(), Phase::Suspended);
    let awake = controller.ensure(again(3, false)).await;
    assert_eq!(awake.phase(), Phase::Running);
    let files = said(address, "until grep again f; do :; done; head -n 1 f").await;
    assert_eq!(files, "again\nhi\n");
}

#[tokio::test]
async fn a_command_that_fails_or_is_not_there_says_so() {
    let host = Host::start().await;
    let controller = host.controller().await;
    controller
        .ensure(running(1, "exit 3", Restart::Never))
        .await;
    let failed = ended(&controller, 1).await;
    assert_eq!((failed.phase(), failed.exit_code), (Phase::Failed, Some(3)));
    assert_eq!(failed.message, "its command ended with status 3");

    let mut unknown = running(2, "", Restart::Never);
    unknown.command.as_mut().unwrap().argv = vec!["nginx".to_owned()];
    controller.ensure(unknown).await;
    let failed = ended(&controller, 2).await;
    assert_eq!(
        (failed.phase(), failed.exit_code),
        (Phase::Failed, Some(127))
    );
    assert!(failed.message.contains("nginx"), "{}", failed.message);
}

#[tokio::test]
async fn what_is_at_its_end_has_no_memory_kept() {
    let host = Host::with(&["--memory", "100Mi", "--overcommit", "1"]).await;
    let controller = host.controller().await;
    let large = |n, line| SessionSpec {
        resources: Some(mote_rpc::v1::Resources {
            memory_bytes: 80 << 20,
            ..Default::default()
        }),
        ..running(n, line, Restart::Never)
    };
    controller.ensure(large(1, "true")).await;
    ended(&controller, 1).await;
    let mut watch = controller.watch().await;
    let given_back = |event| match event {
        Event::Node(node) => (node.reserved_bytes == 0).then_some(()),
        _ => None,
    };
    watch.until(given_back).await;
    controller.ensure(large(2, "cat")).await;
}

#[tokio::test]
async fn a_session_fails_when_its_time_is_over_whether_it_runs_something_or_not() {
    let mut host = Host::start().await;
    let controller = host.controller().await;
    let asked = [
        running(1, "while :; do :; done", Restart::Always),
        SessionSpec {
            active_deadline_seconds: 1,
            ..spec(2)
        },
    ];
    for spec in asked {
        let spec = SessionSpec {
            active_deadline_seconds: 2,
            ..spec
        };
        controller.ensure(spec).await;
    }
    // Its time goes on while the host does not.
    host.crash();
    let controller = host.controller().await;
    for n in [1, 2] {
        let over = ended(&controller, n).await;
        assert_eq!((over.phase(), over.exit_code), (Phase::Failed, None));
        assert!(over.message.starts_with("DeadlineExceeded: "), "{over:?}");
    }
}

/// What is answered at a session's `/v1/logs`, or `/v1/logs?…`.
async fn log(address: &str, query: &str) -> (u16, String) {
    let url = format!("http://{address}:8080/v1/logs{query}");
    let answer = within(reqwest::get(url)).await.unwrap();
    let status = answer.status().as_u16();
    (status, within(answer.text()).await.unwrap())
}

#[tokio::test]
async fn what_a_command_writes_is_read_while_it_runs_and_afterwards() {
    let mut host = Host::start().await;
    let controller = host.controller().await;
    let line = "echo one; echo two >&2; until [ -e go ]; do :; done; echo three; exit 3";
    let made = controller.ensure(running(1, line, Restart::Never)).await;
    let address = &made.addresses[0];
    let url = format!("http://{address}:8080/v1/logs?follow=1");
    let mut followed = within(reqwest::get(url)).await.unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"one\ntwo\n") {
        heard.extend(within(followed.chunk()).await.unwrap().unwrap());
    }
    said(address, "touch go").await;
    // It ends when the session does.
    let rest = within(followed.text()).await.unwrap();
    assert_eq!(rest, "three\n");
    ended(&controller, 1).await;
    let all = (200, "one\ntwo\nthree\n".to_owned());
    assert_eq!(log(address, "").await, all);
    assert_eq!(log(address, "?tail=2").await.1, "two\nthree\n");
    assert_eq!(log(address, "?follow=1").await, all);
    host.crash();
    assert_eq!(log(address, "").await, all);
    for wrong in ["?tail=x", "?since=soon", "?timestamps=x"] {
        let (status, told) = log(address, wrong).await;
        assert_eq!(status, 400, "{told}");
    }

    let silent = host.controller().await.ensure(spec(2)).await;
    let (status, told) = log(&silent.addresses[0], "").await;
    assert_eq!(status, 404, "{told}");
}

#[tokio::test]
async fn when_a_command_wrote_is_told_and_asked_for_after_a_crash_too() {
    let mut host = Host::start().await;
    let controller = host.controller().await;
    let line = "echo one; until [ -e go ]; do :; done; echo two; exit 3";
    let made = controller.ensure(running(1, line, Restart::Never)).await;
    let address = &made.addresses[0];
    let url = format!("http://{address}:8080/v1/logs?follow=1&timestamps=1");
    let mut followed = within(reqwest::get(url)).await.unwrap();
    let first = within(followed.chunk()).await.unwrap().unwrap();
    let first = String::from_utf8(first.to_vec()).unwrap();
    let began = first.strip_suffix(" one\n").unwrap();
    assert!(began.ends_with('Z'), "{first}");
    // Between two lines that are told apart.
    let began_at: jiff::Timestamp = began.parse().unwrap();
    let later = began_at + jiff::SignedDuration::from_millis(1);
    while jiff::Timestamp::now() < later {
        tokio::task::yield_now().await;
    }
    said(address, "touch go").await;
    let second = within(followed.text()).await.unwrap();
    assert!(second.ends_with(" two\n"), "{second}");
    ended(&controller, 1).await;
    for _ in 0..2 {
        let (_, told) = log(address, "?timestamps=1").await;
        assert_eq!(told, format!("{first}{second}"));
        let since = |time: &str| format!("?since={time}");
        assert_eq!(log(address, &since(began)).await.1, "one\ntwo\n");
        let (_, told) = log(address, &since(&later.to_string())).await;
        assert_eq!(told, "two\n");
        assert_eq!(log(address, "?since=3600&tail=1").await.1, "two\n");
        assert_eq!(log(address, "?since=0").await.1, "");
        host.crash();
    }
}

#[tokio::test]
async fn a_session_tells_what_it_has_done_and_is_not_used_by_that() {
    let host = Host::start().await;
    let made = host.controller().await.ensure(spec(1)).await;
    let address = &made.addresses[0];
    let url = format!("http://{address}:8080/v1/metadata");
    let told = async || {
        let answer = within(reqwest::get(&url)).await.unwrap();
        let told: serde_json::Value = within(answer.json()).await.unwrap();
        (told["activity"].clone(), told["last_active_at"].clone())
    };
    let (activity, made_at) = told().await;
    assert_eq!(
        (&activity["calls"], &activity["running"]),
        (&0.into(), &0.into())
    );
    said(address, "echo > f").await;
    assert_eq!(sh(address, "exit 3").await.unwrap()["exit_code"], 3);
    let (activity, used_at) = told().await;
    assert_eq!(
        (&activity["calls"], &activity["failed"]),
        (&2.into(), &1.into())
    );
    for used in ["cpu_us", "peak_memory_bytes", "disk_bytes"] {
        assert!(activity[used].as_u64().unwrap() > 0, "{activity}");
    }
    assert_ne!(made_at, used_at);
    assert_eq!(told().await.1, used_at);
}

#[tokio::test]
async fn a_log_keeps_the_end_of_what_is_too_much() {
    let host = Host::start().await;
    let controller = host.controller().await;
    let line = "seq 300000; exit 1";
    let made = controller.ensure(running(1, line, Restart::Never)).await;
    ended(&controller, 1).await;
    let (_, told) = log(&made.addresses[0], "").await;
    assert!(told.ends_with("299999\n300000\n"));
    let kept = 512 * 1024..=1024 * 1024 + 64 * 1024;
    assert!(kept.contains(&told.len()), "{}", told.len());
}

#[tokio::test]
async fn a_command_is_started_again_as_its_policy_says() {
    let host = Host::start().await;
    let controller = host.controller().await;
    // Its first end is followed at once, the second after ten seconds.
    controller
        .ensure(running(1, "echo ran; exit 3", Restart::OnFailure))
        .await;
    let waits = |session: &Session| session.message.contains("it starts again after 10 s");
    let waiting = until(&controller, 1, waits).await;
    assert_eq!(
        (waiting.phase(), waiting.exit_code),
        (Phase::Running, Some(3))
    );
    let address = &waiting.addresses[0];
    assert_eq!(
        said(address, "echo it takes calls").await,
        "it takes calls\n"
    );
    assert_eq!(log(address, "").await.1, "ran\nran\n");
    // Who waits does not keep the session from resting.
    let asleep = SessionSpec {
        generation: 2,
        suspended: true,
        ..running(1, "", Restart::OnFailure)
    };
    assert_eq!(controller.ensure(asleep).await.phase(), Phase::Suspended);

    let second = "if [ -e f ]; then exit 0; fi; touch f; exit 1";
    controller
        .ensure(running(2, second, Restart::OnFailure))
        .await;
    let over = ended(&controller, 2).await;
    assert_eq!((over.phase(), over.exit_code), (Phase::Succeeded, Some(0)));
}

#[tokio::test]
async fn a_command_begins_anew_after_a_crash_and_after_a_rest() {
    let mut host = Host::start().await;
    let controller = host.controller().await;
    let asked = running(1, "echo began; while :; do :; done", Restart::Never);
    let made = controller.ensure(asked.clone()).await;
    let address = &made.addresses[0];
    let began = async |times: usize| {
        while log(address, "").await.1.matches("began").count() < times {}
    };
    within(began(1)).await;
    host.crash();
    within(began(2)).await;
    let controller = host.controller().await;
    let turned = |generation, suspended| SessionSpec {
        generation,
        suspended,
        ..asked.clone()
    };
    controller.ensure(turned(2, true)).await;
    controller.ensure(turned(3, false)).await;
    within(began(3)).await;
    // And once only.
    assert_eq!(log(address, "").await.1.matches("began").count(), 3);
    assert!(controller.delete(&[&uid(1)]).await.is_empty());
}

#[tokio::test]
async fn other_calls_end_with_the_command() {
    let host = Host::start().await;
    let controller = host.controller().await;
    let line = "until [ -e called ]; do :; done; exit 0";
    let made = controller.ensure(running(1, line, Restart::Never)).await;
    let cut = sh(&made.addresses[0], "touch called; while :; do :; done").await;
    let outcome = cut.unwrap();
    assert_ne!(outcome["exit_code"], 0, "{outcome}");
    assert_eq!(ended(&controller, 1).await.phase(), Phase::Succeeded);
}

#[tokio::test]
async fn a_program_of_another_language_runs_from_a_volume_in_its_folder() {
    let host = Host::start().await;
    let controller = host.controller().await;
    let file = |path: &str, content: &str| File {
        path: path.to_owned(),
        content: content.into(),
        mode: 0o644,
    };
    let python = "import os, sys; print(os.getcwd(), os.environ['A'], sys.argv[1])";
    let js = "console.log(process.cwd(), process.env.A, process.argv[2])";
    let files = vec![file("main.py", python), file("main.js", js)];
    let volume = Volume {
        name: "app".to_owned(),
        source: Some(Source::Files(Files { files })),
    };
    let mount = Mount {
        volume: "app".to_owned(),
        path: "/app".to_owned(),
        ..Mount::default()
    };
    for (n, words) in [["python3", "main.py", "x"], ["node", "/app/main.js", "x"]]
        .into_iter()
        .enumerate()
    {
        let n = u32::try_from(n).unwrap();
        let command = Command {
            argv: words.map(str::to_owned).into(),
            restart: Restart::Never.into(),
        };
        let asked = SessionSpec {
            command: Some(command),
            env: [("A".to_owned(), "b".to_owned())].into(),
            volumes: vec![volume.clone()],
            mounts: vec![mount.clone()],
            working_dir: "/app".to_owned(),
            ..spec(n)
        };
        let made = controller.ensure(asked).await;
        let over = ended(&controller, n).await;
        let told = log(&made.addresses[0], "").await.1;
        assert_eq!(over.phase(), Phase::Succeeded, "{words:?}: {told}");
        assert_eq!(told, "/app b x\n", "{words:?}");
    }
}

#[tokio::test]
async fn a_host_that_stops_waits_for_no_command_and_for_nobody_who_follows_one() {
    // Longer than the test waits.
    let host = Host::with(&["--drain-seconds", "600"]).await;
    let controller = host.controller().await;
    let line = "echo began; while :; do :; done";
    let made = controller.ensure(running(1, line, Restart::Always)).await;
    let url = format!("http://{}:8080/v1/logs?follow=1", made.addresses[0]);
    let mut followed = within(reqwest::get(url)).await.unwrap();
    let first = within(followed.chunk()).await.unwrap();
    assert_eq!(first.as_deref(), Some(&b"began\n"[..]));
    host.stop();
    assert_eq!(within(followed.text()).await.unwrap(), "");
    assert!(host.ended().await.success());
}

#[tokio::test]
async fn commands_and_their_children_leave_half_of_a_host_to_calls() {
    let host = Host::with(&["--instances", "4"]).await;
    let controller = host.controller().await;
    // Two that last: the shell and what it started.
    let line = "python3 -u -c \"print('began')\nwhile True: pass\"";
    let made = controller.ensure(running(1, line, Restart::Never)).await;
    let address = &made.addresses[0];
    within(async { while log(address, "").await.1 != "began\n" {} }).await;
    let waits = controller
        .ensure(running(2, "echo ran; while :; do :; done", Restart::Never))
        .await;
    let full = |session: &Session| session.message.contains("2 of the 4 slots");
    let told = until(&controller, 2, full).await;
    assert_eq!((told.phase(), told.exit_code), (Phase::Running, None));
    let address = &waits.addresses[0];
    // Two that do not.
    assert_eq!(
        said(address, "python3 -c \"print(1)\"").await,
        "1\n",
        "a call has its half while commands wait"
    );
    assert!(controller.delete(&[&uid(1)]).await.is_empty());
    let runs = until(&controller, 2, |session| session.message.is_empty()).await;
    assert_eq!(runs.phase(), Phase::Running);
    within(async { while log(address, "").await.1 != "ran\n" {} }).await;
}
