//! A program in a sandbox, by the protocol `process.v1`.

use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use mote_api::{CallOptions, Outcome};
use mote_surface::proto::process_service_client::ProcessServiceClient;
use mote_surface::proto::start_response::Event;
use mote_surface::proto::write_stdin_request::Payload;
use mote_surface::proto::{
    ResizeTtyRequest, SendSignalRequest, Signal, StartRequest, StartResponse, WriteStdinRequest,
};
use mote_surface::{CALL_HEADER, OUTCOME_HEADER};
use tokio::signal::unix::{SignalKind, signal};
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

use crate::screen;

type Client = ProcessServiceClient<InterceptedService<Channel, Tags>>;

/// What every request carries: which sandbox it is for, who asks.
#[derive(Clone, Debug, Default)]
pub struct Tags(Vec<(&'static str, AsciiMetadataValue)>);

impl Tags {
    /// Adds one.
    pub fn with(mut self, name: &'static str, value: AsciiMetadataValue) -> Self {
        self.0.push((name, value));
        self
    }
}

impl Interceptor for Tags {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        for (name, value) in &self.0 {
            request.metadata_mut().insert(*name, value.clone());
        }
        Ok(request)
    }
}

/// The processes of one sandbox.
#[derive(Debug)]
pub struct Processes {
    client: Client,
}

/// Why a program did not start, or what became of it is not known.
#[derive(Debug)]
pub enum CallError {
    /// The server was not reached, or broke off.
    Lost(String),
    /// The server declined.
    Refused(Status),
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

/// A program that runs. Dropping it ends the program.
#[derive(Debug)]
pub struct Call {
    events: Streaming<StartResponse>,
    /// Reaches it while it runs.
    pub reach: Reach,
}

/// Reaches a program while it runs.
#[derive(Clone, Debug)]
pub struct Reach {
    client: Client,
    process: i32,
}

impl Processes {
    /// Those that are reached over `channel`, by requests that carry `tags`.
    pub fn new(channel: Channel, tags: Tags) -> Self {
        let client = ProcessServiceClient::with_interceptor(channel, tags);
        Self { client }
    }

    /// Starts a program, which is ended after `time`, if it is given one.
    ///
    /// # Errors
    /// It was not started.
    pub async fn start(
        mut self,
        request: StartRequest,
        options: &CallOptions,
        time: Option<Duration>,
    ) -> Result<Call, CallError> {
        let mut request = Request::new(request);
        if let Some(time) = time {
            request.set_timeout(time);
        }
        if *options != CallOptions::default() {
            let json = serde_json::to_string(options).unwrap_or_default();
            let value = AsciiMetadataValue::try_from(ascii(&json));
            let value = value.map_err(|_| Status::invalid_argument("the options are no header"))?;
            request.metadata_mut().insert(CALL_HEADER, value);
        }
        let mut events = self.client.start(request).await?.into_inner();
        let first = events.message().await?.and_then(|first| first.event);
        let Some(Event::Init(init)) = first else {
            return Err(CallError::Lost(
                "the server did not say which process it started; check that it is a `mote serve`, or speaks process.v1"
                    .to_owned(),
            ));
        };
        let reach = Reach {
            client: self.client,
            process: init.process_id,
        };
        Ok(Call { events, reach })
    }
}

/// JSON in ASCII, as metadata has to be.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            text.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\u{unit:04x}");
        }
    }
    text
}

impl Call {
    /// What comes next; `None` once there is no more.
    ///
    /// # Errors
    /// It broke off.
    pub async fn next(&mut self) -> Result<Option<Event>, CallError> {
        let message = self.events.message().await?;
        Ok(message.and_then(|message| message.event))
    }

    /// What became of the program, where the server tells; after its end.
    pub async fn outcome(&mut self) -> Option<Outcome> {
        let trailers = self.events.trailers().await.ok().flatten()?;
        outcome(&trailers)
    }
}

fn outcome(trailers: &MetadataMap) -> Option<Outcome> {
    let value = trailers.get(OUTCOME_HEADER)?;
    serde_json::from_slice(value.as_bytes()).ok()
}

impl Reach {
    /// Writes to its stdin, waiting until it reads.
    ///
    /// # Errors
    /// It has ended, or the server is not reached.
    pub async fn write(&mut self, bytes: impl Into<Bytes>) -> Result<(), Status> {
        self.stdin(Payload::Input(bytes.into())).await
    }

    /// Gives it end-of-file.
    ///
    /// # Errors
    /// It has ended, or the server is not reached.
    pub async fn end_input(&mut self) -> Result<(), Status> {
        self.stdin(Payload::Eof(())).await
    }

    async fn stdin(&mut self, payload: Payload) -> Result<(), Status> {
        let request = WriteStdinRequest {
            process_id: self.process,
            payload: Some(payload),
        };
        self.client.write_stdin(request).await.map(drop)
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// It has ended, or the server is not reached.
    pub async fn signal(&mut self, signal: Signal) -> Result<(), Status> {
        let request = SendSignalRequest {
            process_id: self.process,
            signal: signal.into(),
        };
        self.client.send_signal(request).await.map(drop)
    }

    /// Tells it the size of its terminal.
    ///
    /// # Errors
    /// It has ended, or the server is not reached.
    pub async fn resize(&mut self, cols: u16, rows: u16) -> Result<(), Status> {
        let request = ResizeTtyRequest {
            process_id: self.process,
            cols: cols.into(),
            rows: rows.into(),
        };
        self.client.resize_tty(request).await.map(drop)
    }

    /// Passes on each new size of our terminal, as long as the program takes
    /// it.
    pub async fn follow_terminal(mut self) {
        let Ok(mut changes) = signal(SignalKind::window_change()) else {
            return;
        };
        while changes.recv().await.is_some() {
            let (cols, rows) = screen::dimensions();
            if self.resize(cols, rows).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_sent_in_ascii_and_mean_the_same() {
        let options = CallOptions {
            preopens: Some(vec!["/dätä/😀".parse().unwrap()]),
            ..CallOptions::default()
        };
        let json = ascii(&serde_json::to_string(&options).unwrap());
        assert!(json.is_ascii());
        assert_eq!(serde_json::from_str::<CallOptions>(&json).unwrap(), options);
    }

    #[test]
    fn a_trailer_that_makes_no_sense_is_none() {
        let mut trailers = MetadataMap::new();
        assert_eq!(outcome(&trailers), None);
        trailers.insert(OUTCOME_HEADER, AsciiMetadataValue::from_static("{}"));
        assert_eq!(outcome(&trailers), None);
    }
}
