//! What no client of ours would send.

use bytes::{Buf, BufMut, Bytes};
use mote_conformance::{Ask, Http, Target, within};
use mote_surface::proto::ProcessConfig;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataKey;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

/// Messages as the bytes that they are.
#[derive(Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;
    fn encoder(&mut self) -> Self {
        Self
    }
    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

async fn raw(target: &Target, method: &'static str, message: Vec<u8>) -> Result<Bytes, Status> {
    let uri = format!("http://{}", target.grpc.authority);
    let channel = Channel::from_shared(uri).unwrap().connect().await.unwrap();
    let mut grpc = Grpc::new(channel).max_encoding_message_size(usize::MAX);
    grpc.ready().await.unwrap();
    let mut request = Request::new(Bytes::from(message));
    for (name, value) in &target.grpc.headers {
        let name: MetadataKey<_> = name.parse().unwrap();
        request.metadata_mut().insert(name, value.parse().unwrap());
    }
    let path = http::uri::PathAndQuery::from_static(method);
    let answer = within(method, grpc.unary(request, path, Raw)).await;
    answer.map(tonic::Response::into_inner)
}

const EXECUTE: &str = "/process.v1.ProcessService/Execute";

pub(crate) async fn an_unknown_method_is_unimplemented(target: &Target) {
    for method in [
        "/process.v1.ProcessService/Destroy",
        "/process.v2.ProcessService/Execute",
        "/other",
    ] {
        let refused = raw(target, method, Vec::new()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented, "{method}");
    }
}

pub(crate) async fn bytes_that_are_no_message_are_refused(target: &Target) {
    for message in [
        vec![0xff; 100],
        vec![0x0a, 0x7f],
        vec![0x0a, 0x02, 0x0a, 0x01, 0xff],
    ] {
        let refused = raw(target, EXECUTE, message).await.unwrap_err();
        assert_eq!(refused.code(), Code::Internal, "{refused}");
    }
    assert_eq!(target.sh("echo alive").await.ok(), "alive\n");
}

pub(crate) async fn unknown_fields_of_a_message_are_skipped(target: &Target) {
    // config { command: "echo" }, then field 15: a varint.
    let message = vec![0x0a, 6, 0x0a, 4, b'e', b'c', b'h', b'o', 0x78, 1];
    let answer = raw(target, EXECUTE, message).await.unwrap();
    // exit_code 0 is left out; stdout is "\n".
    assert_eq!(answer.as_ref(), [0x12, 1, b'\n']);
}

pub(crate) async fn a_message_that_is_too_large_is_refused(target: &Target) {
    let huge = ProcessConfig {
        command: vec!["echo".to_owned(), "x".repeat(8 * 1024 * 1024)],
        ..ProcessConfig::default()
    };
    let refused = target.execute(huge).await.unwrap_err();
    let codes = [
        Code::ResourceExhausted,
        Code::OutOfRange,
        Code::InvalidArgument,
    ];
    assert!(codes.contains(&refused.code()), "{refused}");
    assert_eq!(target.sh("echo alive").await.ok(), "alive\n");
}

async fn survives(http: &Http, asks: Vec<Ask>, alive: &str) {
    for ask in asks {
        let told = format!("{ask:?}");
        let reply = http.send(ask).await;
        assert!((400..500).contains(&reply.status), "{told}: {reply:?}");
    }
    http.get(alive).await.expect(200);
}

pub(crate) async fn rest_refuses_what_is_no_request(target: &Target) {
    let asks = vec![
        Ask::new("GET", "/v1/files/a").header("a header", "with a space"),
        Ask::new("GET", "/v1/files/\u{7f}"),
        Ask::new("NO GET", "/v1/files/a"),
        Ask::new("PUT", "/v1/files/a").header("content-length", "-1"),
        Ask::new("PUT", "/v1/files/a").header("content-length", "1, 2"),
    ];
    survives(&target.rest(), asks, "/v1/health").await;
}

pub(crate) async fn runtime_refuses_what_is_no_request(target: &Target) {
    let json = |body: Vec<u8>| {
        let ask = Ask::new("POST", "/execute").header("content-type", "application/json");
        ask.body(body)
    };
    let deep = "[".repeat(100_000);
    let long = format!("{{\"command\": \"{}\"}}", "x".repeat(32 * 1024 * 1024));
    let asks = vec![
        json(deep.into_bytes()),
        json(vec![0xff; 1000]),
        json(long.into_bytes()),
        json(br#"{"command": "x", "timeout_seconds": "soon"}"#.to_vec()),
        Ask::new("POST", "/upload").body("no form"),
    ];
    survives(&target.runtime(), asks, "/").await;
}

pub(crate) async fn a_call_header_that_is_none_is_invalid(target: &Target) {
    use mote_surface::proto::ExecuteRequest;
    for header in [
        "{",
        "[]",
        r#"{"root": true}"#,
        r#"{"limits": {"memory": -1}}"#,
    ] {
        let mut request = Request::new(ExecuteRequest {
            config: Some(mote_conformance::sh("echo")),
        });
        request
            .metadata_mut()
            .insert("mote-call", header.parse().unwrap());
        let mut client = target.grpc().await;
        let refused = within("Execute", client.execute(request))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{header}");
    }
}
