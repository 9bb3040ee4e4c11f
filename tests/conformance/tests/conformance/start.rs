//! `Start`: a program and its output as it comes.

use std::time::Duration;

use mote_conformance::{PATIENCE, Piece, Target, sh, within};
use mote_surface::proto::StartRequest;
use tonic::{Code, Request};

/// Counts up in a file until it is ended; what it started counts too.
pub(crate) const BEAT: &str =
    "( i=0; while :; do i=$((i + 1)); echo $i > beat; sleep 0.02; done ) & wait";

/// Reads the counter twice, with time between for it to move on.
const TWO_BEATS: &str = "cat beat 2>/dev/null; echo /; sleep 0.4; cat beat 2>/dev/null";

async fn beats(target: &Target) -> bool {
    let beats = target.sh(TWO_BEATS).await.stdout;
    let (before, after) = beats.split_once('/').unwrap();
    before.trim() != after.trim()
}

/// Waits until [`BEAT`] counts.
pub(crate) async fn beating(target: &Target) {
    within("a beat", async { while !beats(target).await {} }).await;
}

/// Waits until nothing of [`BEAT`] runs any more.
pub(crate) async fn ended_with(target: &Target) {
    within("the end of the beat", async {
        while beats(target).await {}
    })
    .await;
}

pub(crate) async fn init_is_first_and_exit_is_last(target: &Target) {
    // `Started` holds the stream to it.
    let ended = target.start_sh("echo out; exit 4").await.end().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (4, "out\n"));
}

pub(crate) async fn output_arrives_while_the_program_runs(target: &Target) {
    let mut started = target.start_sh("echo ready; read x; echo \"got $x\"").await;
    started.until("ready\n").await;
    started.write("it\n").await.unwrap();
    assert_eq!(started.end().await.ok(), "got it\n");
}

pub(crate) async fn outputs_arrive_in_order(target: &Target) {
    let line = "echo 1; sleep 0.2; echo 2 >&2; sleep 0.2; echo 3";
    let mut started = target.start_sh(line).await;
    let mut seen = Vec::new();
    while let Some(piece) = started.next().await.unwrap() {
        seen.push(piece);
    }
    let text = |text: &str| text.as_bytes().to_vec();
    let expected = [
        Piece::Stdout(text("1\n")),
        Piece::Stderr(text("2\n")),
        Piece::Stdout(text("3\n")),
        Piece::Exit(0),
    ];
    assert_eq!(seen, expected);
}

/// For processes: the size is a flag of the daemon, and the node host, which
/// has none, sends larger pieces where there is more to send.
pub(crate) async fn pieces_have_at_most_4096_bytes(target: &Target) {
    let mut started = target.start_sh("head -c 100000 /dev/zero").await;
    let mut total = 0;
    while let Some(piece) = started.next().await.unwrap() {
        if let Piece::Stdout(bytes) = piece {
            assert!(bytes.len() <= 4096, "{}", bytes.len());
            total += bytes.len();
        }
    }
    assert_eq!(total, 100_000);
}

pub(crate) async fn a_long_output_is_whole(target: &Target) {
    let line = "i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); echo line $i; done";
    let ended = target.start_sh(line).await.end().await;
    let lines: Vec<_> = (1..=2000).map(|n| format!("line {n}\n")).collect();
    assert_eq!(ended.ok(), lines.concat());
}

pub(crate) async fn a_slow_reader_loses_nothing(target: &Target) {
    target.file("big", "x".repeat(3_000_000)).await;
    let mut started = target.start_sh("cat big; echo end").await;
    // The program fills whatever lies between while nobody reads.
    target.sh("sleep 0.5").await.ok();
    let mut total = 0;
    while let Some(piece) = started.next().await.unwrap() {
        match piece {
            Piece::Stdout(bytes) => total += bytes.len(),
            Piece::Exit(code) => assert_eq!(code, 0),
            Piece::Stderr(_) => panic!("{piece:?}"),
        }
    }
    assert_eq!(total, 3_000_004);
}

pub(crate) async fn programs_are_numbered_from_1_upwards(target: &Target) {
    let first = target.start_sh("true").await;
    if target.fresh() {
        assert_eq!(first.pid, 1);
    }
    let pid = first.pid;
    first.end().await;
    assert!(target.start_sh("true").await.pid > pid);
}

pub(crate) async fn a_program_is_unknown_once_its_stream_has_ended(target: &Target) {
    let mut started = target.start_sh("true").await;
    while started.next().await.unwrap().is_some() {}
    let calls = [
        started.write("x").await,
        started.eof().await,
        started.signal(15).await,
        started.resize(80, 24).await,
    ];
    for call in calls {
        assert_eq!(call.unwrap_err().code(), Code::NotFound);
    }
}

pub(crate) async fn a_number_that_no_program_has_is_not_found(target: &Target) {
    let mut started = target.start_sh("read x").await;
    for pid in [0, -1, started.pid + 1, i32::MAX, i32::MIN] {
        started.pid = pid;
        let calls = [
            started.write("x").await,
            started.signal(15).await,
            started.resize(80, 24).await,
        ];
        for call in calls {
            assert_eq!(call.unwrap_err().code(), Code::NotFound, "{pid}");
        }
    }
}

pub(crate) async fn a_stream_that_is_dropped_ends_the_program(target: &Target) {
    let started = target.start_sh(BEAT).await;
    beating(target).await;
    drop(started);
    ended_with(target).await;
}

pub(crate) async fn a_deadline_ends_the_stream_and_the_program(target: &Target) {
    let mut request = Request::new(StartRequest {
        config: Some(sh(BEAT)),
        pty: None,
    });
    request.set_timeout(Duration::from_millis(500));
    let client = target.grpc().await;
    let mut started = mote_conformance::Started::new(client, request)
        .await
        .unwrap();
    let status = loop {
        match started.next().await {
            Ok(Some(Piece::Stdout(_) | Piece::Stderr(_))) => {}
            Ok(other) => panic!("{other:?} where the deadline's word is awaited"),
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    ended_with(target).await;
}

/// For processes: nothing a program started in wasm outlives it.
pub(crate) async fn a_grandchild_that_holds_the_pipes_delays_exit_by_5_s(target: &Target) {
    let from = std::time::Instant::now();
    let ended = target.start_sh("sleep 1000 & echo out").await.end().await;
    let took = from.elapsed();
    assert_eq!(ended.ok(), "out\n");
    assert!(took >= Duration::from_secs(4), "{took:?}");
    assert!(took < PATIENCE / 2, "{took:?}");
}

/// For processes: as above, nothing else keeps the stream open so long.
pub(crate) async fn a_signal_after_the_end_is_no_error(target: &Target) {
    let mut started = target.start_sh("sleep 1000 & echo $$").await;
    let pid = started.until("\n").await;
    // It has ended even if nobody has waited for it yet.
    let gone = format!(
        "grep -q '^State:[[:space:]]*[RSD]' /proc/{}/status || echo gone",
        pid.trim()
    );
    within("the end of the shell", async {
        while target.sh(&gone).await.stdout != "gone\n" {}
    })
    .await;
    started.signal(15).await.unwrap();
    assert_eq!(started.end().await.code, 0);
}
