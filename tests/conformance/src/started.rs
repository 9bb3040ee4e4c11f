//! A program that was started, as its caller sees it.

use mote_surface::proto::start_response::Event;
use mote_surface::proto::write_stdin_request::Payload;
use mote_surface::proto::{
    ResizeTtyRequest, SendSignalRequest, StartRequest, StartResponse, WriteStdinRequest,
};
use tonic::metadata::MetadataMap;
use tonic::{Request, Status, Streaming};

use crate::deadline::within;
use crate::grpc::{Client, Ended};

/// A program that was started.
pub struct Started {
    /// Its number.
    pub pid: i32,
    /// Where further calls go.
    pub client: Client,
    stream: Streaming<StartResponse>,
}

/// One message of a started program, `init` left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Of its stdout.
    Stdout(Vec<u8>),
    /// Of its stderr.
    Stderr(Vec<u8>),
    /// Its exit code.
    Exit(i32),
}

impl Started {
    /// Starts a program, whose first message must be `init`.
    pub async fn new(
        mut client: Client,
        request: impl tonic::IntoRequest<StartRequest>,
    ) -> Result<Self, Status> {
        let stream = within("Start", client.start(request)).await?;
        let mut stream = stream.into_inner();
        let first = within("init", stream.message()).await?.unwrap();
        let Some(Event::Init(init)) = first.event else {
            panic!("the first message is {first:?} and not init");
        };
        Ok(Self {
            pid: init.process_id,
            client,
            stream,
        })
    }

    /// The next message; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Piece>, Status> {
        let Some(message) = within("a message", self.stream.message()).await? else {
            return Ok(None);
        };
        Ok(Some(match message.event.unwrap() {
            Event::Stdout(bytes) => Piece::Stdout(bytes.into()),
            Event::Stderr(bytes) => Piece::Stderr(bytes.into()),
            Event::Exit(exit) => Piece::Exit(exit.exit_code),
            Event::Init(init) => panic!("a second init: {init:?}"),
        }))
    }

    /// Reads until stdout has had `text`; what it had up to there.
    pub async fn until(&mut self, text: &str) -> String {
        let mut seen = String::new();
        while !seen.contains(text) {
            match self.next().await.unwrap() {
                Some(Piece::Stdout(bytes)) => seen.push_str(&String::from_utf8_lossy(&bytes)),
                other => panic!("{other:?} where {text:?} is awaited, after {seen:?}"),
            }
        }
        seen
    }

    /// Everything to its end, of which there must be one.
    pub async fn end(mut self) -> Ended {
        let mut outputs = [Vec::new(), Vec::new()];
        let code = loop {
            match self.next().await.unwrap() {
                Some(Piece::Stdout(bytes)) => outputs[0].extend(bytes),
                Some(Piece::Stderr(bytes)) => outputs[1].extend(bytes),
                Some(Piece::Exit(code)) => break code,
                None => panic!("the stream ended without an exit; before it: {outputs:?}"),
            }
        };
        assert_eq!(self.next().await.unwrap(), None, "after exit");
        let [stdout, stderr] = outputs.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ended {
            code,
            stdout,
            stderr,
        }
    }

    /// What trails the stream, which must have been read to its end.
    pub async fn trailers(&mut self) -> MetadataMap {
        let trailers = within("trailers", self.stream.trailers()).await;
        trailers.unwrap().unwrap_or_default()
    }

    async fn stdin(&self, payload: Payload) -> Result<(), Status> {
        let request = WriteStdinRequest {
            process_id: self.pid,
            payload: Some(payload),
        };
        let mut client = self.client.clone();
        let written = within("WriteStdin", client.write_stdin(request)).await;
        written.map(drop)
    }

    /// Writes to its stdin.
    pub async fn write(&self, text: &str) -> Result<(), Status> {
        self.stdin(Payload::Input(text.to_owned().into())).await
    }

    /// Gives it end-of-file.
    pub async fn eof(&self) -> Result<(), Status> {
        self.stdin(Payload::Eof(())).await
    }

    /// Sends it a signal.
    pub async fn signal(&self, signal: i32) -> Result<(), Status> {
        let request = SendSignalRequest {
            process_id: self.pid,
            signal,
        };
        let mut client = self.client.clone();
        let sent = within("SendSignal", client.send_signal(Request::new(request))).await;
        sent.map(drop)
    }

    /// Changes the size of its terminal.
    pub async fn resize(&self, cols: u32, rows: u32) -> Result<(), Status> {
        let request = ResizeTtyRequest {
            process_id: self.pid,
            cols,
            rows,
        };
        let mut client = self.client.clone();
        within("ResizeTTY", client.resize_tty(request))
            .await
            .map(drop)
    }
}
