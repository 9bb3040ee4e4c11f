//! Start, WriteStdin and SendSignal, row by row.

use mote_surface::proto::{ResizeTtyRequest, SendSignalRequest, Signal};

use super::*;

async fn signal(client: &mut Client, process_id: i32, signal: i32) -> Result<(), Status> {
    let request = SendSignalRequest { process_id, signal };
    within(client.0.send_signal(request)).await.map(drop)
}

fn text(text: &'static str) -> Payload {
    Payload::Input(text.into())
}

#[tokio::test]
async fn init_is_first_and_exit_last_with_the_outcome_behind() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let mut started = client
        .start(&["sh", "-c", "echo out; echo err >&2; exit 7"], None)
        .await;
    assert_eq!(started.number, 1);
    let expected = Told {
        stdout: "out\n".to_owned(),
        stderr: "err\n".to_owned(),
        exit: Some(7),
    };
    assert_eq!(started.rest().await, expected);
    let trailers = started.stream.trailers().await.unwrap().unwrap();
    let outcome = trailers.get("mote-outcome").unwrap().to_str().unwrap();
    assert!(outcome.contains(r#""exit_code":7"#), "{outcome}");
    assert_eq!(client.start(&["true"], None).await.number, 2);
}

#[tokio::test]
async fn input_is_read_until_its_end() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let mut started = client.start(&["cat"], None).await;
    client.input(started.number, text("one ")).await.unwrap();
    client.input(started.number, text("")).await.unwrap();
    client.input(started.number, text("two")).await.unwrap();
    client
        .input(started.number, Payload::Eof(()))
        .await
        .unwrap();
    let told = started.rest().await;
    assert_eq!((&*told.stdout, told.exit), ("one two", Some(0)));
}

#[tokio::test]
async fn input_after_its_end_is_an_internal_error() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let mut started = client
        .start(&["sh", "-c", "cat; echo end; exec sleep 600"], None)
        .await;
    client
        .input(started.number, Payload::Eof(()))
        .await
        .unwrap();
    client
        .input(started.number, Payload::Eof(()))
        .await
        .unwrap();
    started.until("end\n").await;
    let (code, text) = code(client.input(started.number, text("x")).await);
    assert_eq!(code, Code::Internal, "{text}");
}

#[tokio::test]
async fn after_the_exit_the_number_is_unknown() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let mut started = client.start(&["true"], None).await;
    started.rest().await;
    for number in [started.number, 424_242, 0, -1] {
        let expected = (Code::NotFound, format!("process {number} not found"));
        assert_eq!(code(client.input(number, text("x")).await), expected);
        assert_eq!(code(signal(&mut client, number, 15).await), expected);
        let request = ResizeTtyRequest {
            process_id: number,
            cols: 1,
            rows: 1,
        };
        assert_eq!(code(client.0.resize_tty(request).await), expected);
    }
}

#[tokio::test]
async fn signals_reach_the_program_and_its_children() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    for number in [Signal::Sigint, Signal::Sigterm, Signal::Sigkill] {
        let script = "trap 'echo caught; exit 9' INT TERM; echo ready; sleep 600 & wait";
        let mut started = client.start(&["sh", "-c", script], None).await;
        started.until("ready\n").await;
        signal(&mut client, started.number, number as i32)
            .await
            .unwrap();
        let exit = if number == Signal::Sigkill { -1 } else { 9 };
        assert_eq!(started.rest().await.exit, Some(exit), "{number:?}");
    }
}

#[tokio::test]
async fn other_signals_are_refused_by_name() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let started = client.start(&["sleep", "600"], None).await;
    for (number, name) in [(0, "SIGNAL_UNSPECIFIED"), (9001, "9001")] {
        let text = format!("unsupported or unspecified signal: {name}");
        let answer = signal(&mut client, started.number, number).await;
        assert_eq!(code(answer), (Code::InvalidArgument, text));
    }
}

#[tokio::test]
async fn no_terminal_cannot_be_resized() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let started = client.start(&["sleep", "600"], None).await;
    let request = ResizeTtyRequest {
        process_id: started.number,
        cols: 80,
        rows: 24,
    };
    let (code, text) = code(client.0.resize_tty(request).await);
    assert_eq!(code, Code::FailedPrecondition, "{text}");
}

#[tokio::test]
async fn one_caller_reaches_what_another_started() {
    let daemon = Daemon::start().await;
    let mut started = daemon.client().await.start(&["cat"], None).await;
    let mut other = daemon.client().await;
    signal(&mut other, started.number, 15).await.unwrap();
    assert_eq!(started.rest().await.exit, Some(-1));
}

#[tokio::test]
async fn much_output_arrives_whole_through_a_slow_reader() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let script = "head -c 8000000 /dev/zero | tr '\\0' x; head -c 5 /dev/zero >&2";
    let mut started = client.start(&["sh", "-c", script], None).await;
    let told = started.rest().await;
    assert_eq!((told.stdout.len(), told.stderr.len()), (8_000_000, 5));
    assert_eq!(told.exit, Some(0));
}

#[tokio::test]
async fn pieces_of_output_have_at_most_4096_bytes() {
    let daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let mut started = client
        .start(&["head", "-c", "100000", "/dev/zero"], None)
        .await;
    while let Some(event) = started.next().await.unwrap() {
        if let Event::Stdout(bytes) = event {
            assert!(bytes.len() <= 4096, "{}", bytes.len());
        }
    }
}
