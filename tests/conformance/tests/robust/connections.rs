//! Connections that do not go as they should.

use std::time::Duration;

use mote_conformance::{Ask, Endpoint, Target, read_reply, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use mote_surface::proto::{ExecuteRequest, ExecuteResponse};

/// Larger than any answer.
const MESSAGE_BYTES: usize = 32 * 1024 * 1024;
/// Between two bytes of a slow client.
const DRIP: Duration = Duration::from_millis(200);

fn surfaces(target: &Target) -> [&Endpoint; 3] {
    [&target.rest, &target.runtime, &target.grpc]
}

async fn connect(endpoint: &Endpoint) -> TcpStream {
    TcpStream::connect(&endpoint.authority).await.unwrap()
}

/// The head of a request that was begun.
fn begun(endpoint: &Endpoint) -> String {
    let head = Ask::new("GET", "/").head(endpoint);
    head.strip_suffix("\r\n").unwrap().to_owned()
}

/// Whatever is answered until the server closes.
async fn closed(mut stream: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    // A reset is an end as well.
    let _ = within("the server's end", stream.read_to_end(&mut answer)).await;
    answer
}

/// Holds every surface to ending a connection on which nothing comes but
/// `start` and then, slowly, `drip`.
async fn cut(target: &Target, start: impl Fn(&Endpoint) -> String, drip: &'static [u8]) {
    let cuts = surfaces(target).map(|endpoint| {
        let (endpoint, start) = (endpoint.clone(), start(endpoint));
        tokio::spawn(async move {
            let mut stream = connect(&endpoint).await;
            stream.write_all(start.as_bytes()).await.unwrap();
            let (mut reader, mut writer) = stream.split();
            let mut tick = tokio::time::interval(DRIP);
            let dripping = async {
                loop {
                    tick.tick().await;
                    if writer.write_all(drip).await.is_err() {
                        break;
                    }
                }
            };
            let mut answer = Vec::new();
            let ended = async {
                tokio::select! {
                    () = dripping => {}
                    _ = reader.read_to_end(&mut answer) => {}
                }
            };
            within("the cut", ended).await;
        })
    });
    for cut in cuts {
        cut.await.unwrap();
    }
}

pub(crate) async fn slow_headers_are_cut(target: &Target) {
    cut(target, |endpoint| begun(endpoint) + "x-slow: ", b"x").await;
}

pub(crate) async fn a_connection_that_says_nothing_is_cut(target: &Target) {
    cut(target, |_| String::new(), b"").await;
}

async fn refused(target: &Target, head: impl Fn(&Endpoint) -> String) {
    for endpoint in surfaces(target) {
        let mut stream = connect(endpoint).await;
        // The server may close before it has it all.
        let _ = stream.write_all(head(endpoint).as_bytes()).await;
        let answer = closed(stream).await;
        if let Some(reply) = read_reply(&answer, false) {
            assert!((400..500).contains(&reply.status), "{reply:?}");
        }
    }
    assert_eq!(target.sh("echo alive").await.ok(), "alive\n");
}

pub(crate) async fn huge_headers_are_refused(target: &Target) {
    let huge = "x".repeat(1 << 20);
    refused(target, |endpoint| {
        format!("{}x-huge: {huge}\r\n\r\n", begun(endpoint))
    })
    .await;
}

pub(crate) async fn too_many_headers_are_refused(target: &Target) {
    let many = "x-many: 1\r\n".repeat(5000);
    refused(target, |endpoint| format!("{}{many}\r\n", begun(endpoint))).await;
}

pub(crate) async fn an_endless_line_is_refused(target: &Target) {
    let path = "x".repeat(1 << 20);
    refused(target, |_| format!("GET /v1/files/{path} HTTP/1.1\r\n\r\n")).await;
}

/// Sends a part of a request, and then no more.
async fn broken_off(endpoint: &Endpoint, ask: Ask, body: &[u8]) {
    let mut stream = connect(endpoint).await;
    stream
        .write_all(ask.head(endpoint).as_bytes())
        .await
        .unwrap();
    stream.write_all(body).await.unwrap();
    drop(stream);
}

/// Waits until the folder `d` holds `kept` and nothing else: the server hears
/// of a client's end a moment later.
async fn nothing_but_kept(target: &Target) {
    within("what was begun to go", async {
        while target.sh("ls -A d").await.ok() != "kept\n" {}
    })
    .await;
    assert_eq!(target.sh("cat d/kept").await.ok(), "as it was");
}

pub(crate) async fn a_body_that_stops_half_way_leaves_nothing(target: &Target) {
    target.file("d/kept", "as it was").await;
    for name in ["new", "kept"] {
        let ask = Ask::new("PUT", &format!("/v1/files/d/{name}"));
        let ask = ask.header("content-length", "1000000");
        broken_off(&target.rest, ask, &[b'x'; 400_000]).await;
    }
    let ask = Ask::new("PUT", "/v1/files/d/chunked").header("transfer-encoding", "chunked");
    broken_off(&target.rest, ask, b"5\r\nhello\r\n").await;
    nothing_but_kept(target).await;
}

pub(crate) async fn a_form_that_stops_half_way_leaves_nothing(target: &Target) {
    target.file("d/kept", "as it was").await;
    let ask = |method, path| {
        let kind = "multipart/form-data; boundary=b";
        let ask = Ask::new(method, path).header("content-type", kind);
        ask.header("content-length", "1000000")
    };
    let body = |name: &str| {
        let start = format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n"
        );
        [start.as_bytes(), &[b'x'; 400_000]].concat()
    };
    let put = ask("PUT", "/v1/files/d/kept");
    broken_off(&target.rest, put, &body("x")).await;
    let post = ask("POST", "/upload");
    broken_off(&target.runtime, post, &body("d/kept")).await;
    nothing_but_kept(target).await;
}

pub(crate) async fn a_download_nobody_reads_holds_nobody_up(target: &Target) {
    target.file("big", vec![b'x'; 30_000_000]).await;
    let mut idle = Vec::new();
    for _ in 0..50 {
        let mut stream = connect(&target.rest).await;
        let head = Ask::new("GET", "/v1/files/big").head(&target.rest);
        stream.write_all(head.as_bytes()).await.unwrap();
        idle.push(stream);
    }
    let got = target.rest().get("/v1/files/big").await.expect(200);
    assert_eq!(got.body.len(), 30_000_000);
    assert_eq!(target.sh("echo alive").await.ok(), "alive\n");
}

pub(crate) async fn connections_that_come_and_go_harm_nobody(target: &Target) {
    for _ in 0..300 {
        for endpoint in surfaces(target) {
            let mut stream = connect(endpoint).await;
            // Some say something, and no server may rely on more.
            let _ = stream.write_all(b"PRI * HTTP/2.0\r\n").await;
        }
    }
    assert_eq!(target.sh("echo alive").await.ok(), "alive\n");
    target.rest().get("/v1/health").await.expect(200);
}

/// More than may wait to be read, in answers of almost the largest size.
const UNREAD: usize = 40;

pub(crate) async fn answers_nobody_reads_are_given_up(target: &Target) {
    target.file("big", vec![b'x'; 15_000_000]).await;
    let mut unread = Vec::new();
    for _ in 0..UNREAD {
        unread.push(unread_execute(target, "cat big").await);
    }
    // Who reads is served, and whoever has waited longest is not.
    assert_eq!(target.sh("cat big").await.ok().len(), 15_000_000);
    let mut oldest = unread.remove(0);
    let ended = within("the end of the oldest", oldest.message()).await;
    assert!(ended.is_err(), "its connection is closed");
    let mut newest = unread.pop().unwrap();
    let read = within("the newest", newest.message()).await.unwrap();
    assert_eq!(read.unwrap().stdout.len(), 15_000_000);
}

/// An answer on a connection of its own, of which little is taken before it
/// is asked for.
async fn unread_execute(target: &Target, line: &str) -> tonic::Streaming<ExecuteResponse> {
    let uri = format!("http://{}", target.grpc.authority);
    let channel = tonic::transport::Channel::from_shared(uri).unwrap();
    let channel = within("connecting", channel.connect()).await.unwrap();
    let mut client = tonic::client::Grpc::new(channel).max_decoding_message_size(MESSAGE_BYTES);
    client.ready().await.unwrap();
    let mut request = tonic::Request::new(ExecuteRequest {
        config: Some(mote_conformance::sh(line)),
    });
    for (name, value) in &target.grpc.headers {
        let name = tonic::metadata::MetadataKey::from_bytes(name.as_bytes()).unwrap();
        request.metadata_mut().insert(name, value.parse().unwrap());
    }
    let path = http::uri::PathAndQuery::from_static("/process.v1.ProcessService/Execute");
    let codec = tonic_prost::ProstCodec::default();
    let answered = client.server_streaming(request, path, codec);
    within("the head", answered).await.unwrap().into_inner()
}
