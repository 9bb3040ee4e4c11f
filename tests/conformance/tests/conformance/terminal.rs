//! Programs in a terminal, and `ResizeTTY`.

use mote_conformance::{Started, Target, sh};
use mote_surface::proto::{Pty, StartRequest};
use tonic::Code;

async fn in_terminal(target: &Target, line: &str) -> Started {
    let request = StartRequest {
        config: Some(sh(line)),
        pty: Some(Pty {
            cols: 100,
            rows: 40,
        }),
    };
    target.start(request).await.unwrap()
}

pub(crate) async fn a_terminal_merges_both_outputs_on_stdout(target: &Target) {
    let ended = in_terminal(target, "echo out; echo err >&2")
        .await
        .end()
        .await;
    assert_eq!(ended.stderr, "");
    assert_eq!(ended.ok(), "out\r\nerr\r\n");
}

pub(crate) async fn all_three_streams_are_the_terminal(target: &Target) {
    let line = "for n in 0 1 2; do test -t $n && echo $n; done";
    let ended = in_terminal(target, line).await.end().await;
    assert_eq!(ended.ok(), "0\r\n1\r\n2\r\n");
}

pub(crate) async fn without_a_terminal_no_stream_is_one(target: &Target) {
    let line = "for n in 0 1 2; do test -t $n && echo $n; done; echo none";
    let ended = target.start_sh(line).await.end().await;
    assert_eq!(ended.ok(), "none\n");
}

pub(crate) async fn the_terminal_has_the_size_that_was_asked_for(target: &Target) {
    let ended = in_terminal(target, "stty size").await.end().await;
    assert_eq!(ended.ok(), "40 100\r\n");
}

pub(crate) async fn a_new_size_is_seen_by_the_program(target: &Target) {
    let mut started = in_terminal(target, "echo ready; read x; stty size").await;
    started.until("ready").await;
    started.resize(132, 50).await.unwrap();
    started.write("go\n").await.unwrap();
    let ended = started.end().await.ok();
    assert!(ended.ends_with("50 132\r\n"), "{ended:?}");
}

pub(crate) async fn input_is_typed_into_the_terminal_and_echoed(target: &Target) {
    let mut started = in_terminal(target, "echo ready; read x; echo \"got $x\"").await;
    started.until("ready\r\n").await;
    started.write("typed\n").await.unwrap();
    assert_eq!(started.end().await.ok(), "typed\r\ngot typed\r\n");
}

pub(crate) async fn ctrl_c_ends_the_program(target: &Target) {
    let mut started = in_terminal(target, "echo ready; sleep 1000").await;
    started.until("ready").await;
    started.write("\x03").await.unwrap();
    let ended = started.end().await;
    assert_ne!(ended.code, 0, "{ended:?}");
}

pub(crate) async fn ctrl_d_is_end_of_file(target: &Target) {
    let mut started = in_terminal(target, "echo ready; cat; echo end").await;
    started.until("ready").await;
    started.write("\x04").await.unwrap();
    let ended = started.end().await.ok();
    assert!(ended.ends_with("end\r\n"), "{ended:?}");
}

pub(crate) async fn the_last_output_of_a_terminal_is_not_lost(target: &Target) {
    for round in 0..20 {
        let ended = in_terminal(target, "echo last").await.end().await;
        assert_eq!(ended.ok(), "last\r\n", "round {round}");
    }
}

pub(crate) async fn a_size_for_no_terminal_is_a_failed_precondition(target: &Target) {
    let started = target.start_sh("read x").await;
    let refused = started.resize(80, 24).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

pub(crate) async fn a_size_that_no_terminal_has_harms_nothing(target: &Target) {
    let mut started = in_terminal(target, "echo ready; read x; echo end").await;
    started.until("ready").await;
    // Upstream does not say what becomes of it.
    let _ = started.resize(70_000, 0).await;
    started.write("\n").await.unwrap();
    let ended = started.end().await.ok();
    assert!(ended.ends_with("end\r\n"), "{ended:?}");
}
