//! `WriteStdin`.

use mote_conformance::{Target, within};
use mote_surface::proto::WriteStdinRequest;
use tonic::Code;

pub(crate) async fn input_reaches_the_program_and_eof_closes_it(target: &Target) {
    let started = target.start_sh("cat; echo end").await;
    started.write("one\n").await.unwrap();
    started.write("two\n").await.unwrap();
    started.eof().await.unwrap();
    assert_eq!(started.end().await.ok(), "one\ntwo\nend\n");
}

pub(crate) async fn a_write_after_eof_is_an_internal_error(target: &Target) {
    let mut started = target.start_sh("cat; echo closed; sleep 1000").await;
    started.eof().await.unwrap();
    started.until("closed\n").await;
    let refused = started.write("more\n").await.unwrap_err();
    assert_eq!(refused.code(), Code::Internal);
}

pub(crate) async fn a_large_input_is_whole(target: &Target) {
    let started = target.start_sh("wc -c").await;
    let megabyte = "x".repeat(1_000_000);
    for _ in 0..3 {
        started.write(&megabyte).await.unwrap();
    }
    started.eof().await.unwrap();
    assert_eq!(started.end().await.ok().trim(), "3000000");
}

pub(crate) async fn an_empty_payload_changes_nothing(target: &Target) {
    let mut started = target.start_sh("read x; echo \"$x\"").await;
    let request = WriteStdinRequest {
        process_id: started.pid,
        payload: None,
    };
    // Upstream does not say; it may be refused, and is no end-of-file.
    let _ = within("WriteStdin", started.client.write_stdin(request)).await;
    started.write("still open\n").await.unwrap();
    assert_eq!(started.end().await.ok(), "still open\n");
}
