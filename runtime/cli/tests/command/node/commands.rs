//! What sessions run by themselves, and how they come to their end.

use mote_rpc::v1::command::Restart;
use mote_rpc::v1::{Command, Phase, Session, SessionSpec};

use super::harness::{Controller, Event, Host, said, sh, spec, uid};

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
    // It comes back for a time in which it can be asked.
    let again = |generation, suspended| SessionSpec {
        generation,
        suspended,
        command: running(1, "echo again >> f; cat", Restart::Always).command,
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
