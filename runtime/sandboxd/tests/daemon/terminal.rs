//! Programs in a terminal.

use mote_surface::proto::ResizeTtyRequest;

use super::*;

const SIZE: Pty = Pty {
    cols: 100,
    rows: 30,
};

#[tokio::test]
async fn both_outputs_are_one_and_the_last_is_not_lost() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let mut started = client
        .start(
            &["sh", "-c", "stty size; echo err >&2; seq 2000; exit 4"],
            Some(SIZE),
        )
        .await;
    let told = started.rest().await;
    assert!(
        told.stdout.starts_with("30 100\r\nerr\r\n1\r\n"),
        "{told:?}"
    );
    assert!(told.stdout.ends_with("\r\n2000\r\n"), "{told:?}");
    assert_eq!((&*told.stderr, told.exit), ("", Some(4)));
}

#[tokio::test]
async fn input_comes_from_the_terminal_and_ends_with_it() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let script = "stty -echo; echo ready; read line; echo \"<$line>\"; cat; echo end";
    let mut started = client.start(&["sh", "-c", script], Some(SIZE)).await;
    started.until("ready").await;
    let line = Payload::Input("word\n".into());
    client.input(started.number, line).await.unwrap();
    started.until("<word>").await;
    client
        .input(started.number, Payload::Eof(()))
        .await
        .unwrap();
    let told = started.rest().await;
    assert!(told.stdout.ends_with("end\r\n"), "{told:?}");
    assert_eq!(told.exit, Some(0));
}

#[tokio::test]
async fn ctrl_c_interrupts_what_runs_in_front() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let script = "echo ready; exec sleep 600";
    let mut started = client.start(&["sh", "-c", script], Some(SIZE)).await;
    started.until("ready").await;
    let ctrl_c = Payload::Input("\u{3}".into());
    client.input(started.number, ctrl_c).await.unwrap();
    let told = started.rest().await;
    assert!(told.stdout.ends_with("^C"), "{told:?}");
    assert_eq!(told.exit, Some(-1));
}

#[tokio::test]
async fn a_new_size_is_told_to_the_program() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let script = "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.01; done";
    let mut started = client.start(&["sh", "-c", script], Some(SIZE)).await;
    started.until("ready").await;
    let mut resize = async |cols, rows| {
        let request = ResizeTtyRequest {
            process_id: started.number,
            cols,
            rows,
        };
        within(client.0.resize_tty(request)).await
    };
    assert_eq!(code(resize(65_536, 1).await).0, Code::InvalidArgument);
    resize(120, 40).await.unwrap();
    started.until("40 120").await;
}
