//! `SendSignal`.

use mote_conformance::Target;
use tonic::Code;

use crate::start::{BEAT, beating, ended_with};

const INT: i32 = 2;
const KILL: i32 = 9;
const TERM: i32 = 15;

pub(crate) async fn an_end_by_a_signal_is_minus_one(target: &Target) {
    for signal in [KILL, TERM, INT] {
        // One process: what a shell is about to start when the signal comes
        // may miss it, and outlive the shell.
        let mut started = target.start_sh("echo ready; while :; do :; done").await;
        started.until("ready\n").await;
        started.signal(signal).await.unwrap();
        assert_eq!(started.end().await.code, -1, "{signal}");
    }
}

/// For processes: in wasm there are no signals from within.
pub(crate) async fn an_end_by_a_signal_of_its_own_is_minus_one(target: &Target) {
    assert_eq!(target.sh("kill -9 $$").await.code, -1);
}

/// For processes: a program in wasm cannot catch signals.
pub(crate) async fn a_program_may_catch_term(target: &Target) {
    let line = "trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
    let mut started = target.start_sh(line).await;
    started.until("ready\n").await;
    started.signal(TERM).await.unwrap();
    let ended = started.end().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (7, "caught\n"));
}

pub(crate) async fn a_signal_reaches_all_that_the_program_started(target: &Target) {
    let started = target.start_sh(BEAT).await;
    beating(target).await;
    started.signal(KILL).await.unwrap();
    started.end().await;
    ended_with(target).await;
}

pub(crate) async fn a_signal_that_has_no_name_is_invalid(target: &Target) {
    let started = target.start_sh("read x").await;
    for signal in [0, 1, 3, 64, -9, i32::MAX] {
        let refused = started.signal(signal).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{signal}");
    }
    started.eof().await.unwrap();
    started.end().await;
}
