//! What ends a program before its time.

use axum::Extension;
use mote_sandboxd::ProcessBackend;
use mote_surface::process;

use super::*;

/// A program that holds the named pipe `path` open until it is gone, along
/// with a child.
const HOLDS: &str = "exec 3>pipe; echo ready; sleep 600 & sleep 600";

fn pipe(daemon: &Daemon) -> std::path::PathBuf {
    let path = daemon.root().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    path
}

/// Opens the pipe for reading, so that the program can for writing.
fn reader(path: &Path) -> tokio::net::unix::pipe::Receiver {
    tokio::net::unix::pipe::OpenOptions::new()
        .open_receiver(path)
        .unwrap()
}

#[tokio::test]
async fn a_stream_that_is_dropped_ends_the_program_and_its_children() {
    let daemon = Daemon::start().await;
    let path = pipe(&daemon);
    let _reader = reader(&path);
    let mut started = daemon
        .client()
        .await
        .start(&["sh", "-c", HOLDS], None)
        .await;
    started.until("ready").await;
    drop(started);
    abandoned(&path).await;
}

#[tokio::test]
async fn a_cancelled_execute_ends_the_program() {
    let daemon = Daemon::start().await;
    let path = pipe(&daemon);
    let mut client = daemon.client().await;
    let request = Request::new(execute(&[
        "sh",
        "-c",
        "echo x >pipe; exec 3>pipe; sleep 600",
    ]));
    let mut pipe = reader(&path);
    let mut byte = [0; 2];
    tokio::select! {
        _ = client.execute(request) => panic!("it ended by itself"),
        read = pipe.read_exact(&mut byte) => read.map(drop).unwrap(),
    }
    abandoned(&path).await;
}

#[tokio::test]
async fn past_the_deadline_execute_is_answered_and_the_program_ended() {
    let daemon = Daemon::start().await;
    let path = pipe(&daemon);
    let _reader = reader(&path);
    let mut request = Request::new(execute(&["sh", "-c", HOLDS]));
    let timeout = "200m".parse().unwrap();
    request.metadata_mut().insert("grpc-timeout", timeout);
    // Without a connection: its client would see to the deadline itself.
    let backend = ProcessBackend::open(daemon.root(), 1, "").unwrap();
    let service = process::service::<ProcessBackend>().layer(Extension(backend));
    let answer = within(ProcessServiceClient::new(service).execute(request)).await;
    let (code, text) = code(answer);
    assert_eq!(code, Code::DeadlineExceeded, "{text}");
    abandoned(&path).await;
}

#[tokio::test]
async fn past_the_deadline_a_stream_that_nobody_reads_is_ended() {
    let daemon = Daemon::start().await;
    let path = pipe(&daemon);
    let _reader = reader(&path);
    let config = Some(config(&["sh", "-c", "exec 3>pipe; exec yes"]));
    let mut request = Request::new(StartRequest { config, pty: None });
    request
        .metadata_mut()
        .insert("grpc-timeout", "300m".parse().unwrap());
    let _unread = daemon.client().await.started(request).await;
    abandoned(&path).await;
}

#[tokio::test]
async fn a_stream_past_its_deadline_says_so() {
    let daemon = Daemon::start().await;
    let config = Some(config(&["sleep", "600"]));
    let mut request = Request::new(StartRequest { config, pty: None });
    request
        .metadata_mut()
        .insert("grpc-timeout", "200m".parse().unwrap());
    let mut started = daemon.client().await.started(request).await;
    assert_eq!(code(started.next().await).0, Code::DeadlineExceeded);
}

#[tokio::test]
async fn at_shutdown_programs_are_asked_to_end_and_callers_hear_of_it() {
    let mut daemon = Daemon::start().await;
    let mut client = daemon.client().await;
    let script = "trap 'echo bye; exit 5' TERM; echo ready; sleep 600 & wait";
    let mut started = client.start(&["sh", "-c", script], None).await;
    started.until("ready").await;
    daemon.stop.take().unwrap().send(()).unwrap();
    let told = started.rest().await;
    assert_eq!((&*told.stdout, told.exit), ("bye\n", Some(5)));
    drop((client, started));
    within(&mut daemon.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn at_shutdown_a_deaf_program_is_ended_and_health_refused() {
    let mut daemon = Daemon::start().await;
    assert!(
        daemon
            .get("/v1/health")
            .await
            .starts_with("HTTP/1.1 200 OK")
    );
    let mut client = daemon.client().await;
    let script = "trap 'echo deaf' TERM; echo ready; while :; do sleep 0.01; done";
    let mut started = client.start(&["sh", "-c", script], None).await;
    started.until("ready").await;
    daemon.stop.take().unwrap().send(()).unwrap();
    started.until("deaf").await;
    let health = daemon.get("/v1/health").await;
    assert!(health.starts_with("HTTP/1.1 503"), "{health}");
    let body = r#"{"code":"UNAVAILABLE","message":"sandboxd is shutting down"}"#;
    assert!(health.contains(body), "{health}");
    let request = Request::new(execute(&["true"]));
    let expected = (Code::Unavailable, "sandboxd is shutting down".to_owned());
    assert_eq!(code(client.execute(request).await), expected);
    assert_eq!(started.rest().await.exit, Some(-1));
    drop((client, started));
    within(&mut daemon.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn at_shutdown_a_silent_connection_is_cut_in_time() {
    let mut daemon = Daemon::start_with(&["-shutdown-timeout=300ms"]).await;
    let mut silent = TcpStream::connect(daemon.rest).await.unwrap();
    silent
        .write_all(b"PUT /v1/files/x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
        .await
        .unwrap();
    // Taken in before the end begins: another answer is behind it.
    daemon.get("/v1/health").await;
    daemon.stop.take().unwrap().send(()).unwrap();
    within(&mut daemon.served).await.unwrap().unwrap();
}
