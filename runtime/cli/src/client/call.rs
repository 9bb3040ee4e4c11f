//! A program in a sandbox, by the protocol `process.v1`.

use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use mote_api::{CallOptions, Outcome, SandboxId};
use mote_surface::proto::process_service_client::ProcessServiceClient;
use mote_surface::proto::start_response::Event;
use mote_surface::proto::write_stdin_request::Payload;
use mote_surface::proto::{
    ResizeTtyRequest, SendSignalRequest, Signal, StartRequest, StartResponse, WriteStdinRequest,
};
use mote_surface::{CALL_HEADER, OUTCOME_HEADER};
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

use crate::client::api::{SANDBOX_HEADER, lost};
use crate::client::server::Server;
use crate::failure::Failure;

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// The metadata entry of the token.
const AUTHORIZATION: &str = "authorization";

type Client = ProcessServiceClient<InterceptedService<Channel, Tags>>;

/// What every request carries.
#[derive(Clone)]
struct Tags {
    sandbox: AsciiMetadataValue,
    token: Option<AsciiMetadataValue>,
}

impl Interceptor for Tags {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        metadata.insert(SANDBOX_HEADER, self.sandbox.clone());
        if let Some(token) = &self.token {
            metadata.insert(AUTHORIZATION, token.clone());
        }
        Ok(request)
    }
}

/// The processes of one sandbox.
pub(crate) struct Processes {
    client: Client,
}

/// Why a program did not start, or what became of it is not known.
#[derive(Debug)]
pub(crate) enum CallError {
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
pub(crate) struct Call {
    events: Streaming<StartResponse>,
    pub(crate) reach: Reach,
}

/// Reaches a program while it runs.
#[derive(Clone)]
pub(crate) struct Reach {
    client: Client,
    process: i32,
}

impl Processes {
    /// Connects to the server.
    pub(crate) async fn connect(server: &Server, id: &SandboxId) -> Result<Self, Failure> {
        let lost =
            |error: &(dyn Error + 'static)| Failure::Host(anyhow::Error::msg(lost(server, error)));
        let endpoint = Endpoint::from_shared(server.url.as_str().to_owned());
        let endpoint = endpoint.map_err(|error| lost(&error))?;
        let channel = endpoint.connect_timeout(CONNECT).connect().await;
        let channel = channel.map_err(|error| lost(&error))?;
        let tags = Tags {
            sandbox: tag(id.as_str())?,
            token: match &server.token {
                Some(token) => Some(tag(&token.bearer())?),
                None => None,
            },
        };
        let client = ProcessServiceClient::with_interceptor(channel, tags);
        Ok(Self { client })
    }

    /// Starts a program.
    pub(crate) async fn start(
        mut self,
        request: StartRequest,
        options: &CallOptions,
    ) -> Result<Call, CallError> {
        let mut request = Request::new(request);
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
                "the server did not say which process it started; check that it is a `mote serve`"
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

fn tag(text: &str) -> Result<AsciiMetadataValue, Failure> {
    let value = AsciiMetadataValue::try_from(text);
    value.map_err(|error| Failure::Host(anyhow::Error::new(error)))
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
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, CallError> {
        let message = self.events.message().await?;
        Ok(message.and_then(|message| message.event))
    }

    /// What became of the program, where the server tells; after its end.
    pub(crate) async fn outcome(&mut self) -> Option<Outcome> {
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
    pub(crate) async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Status> {
        self.stdin(Payload::Input(Bytes::from(bytes))).await
    }

    /// Gives it end-of-file.
    pub(crate) async fn end_input(&mut self) -> Result<(), Status> {
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
    pub(crate) async fn signal(&mut self, signal: Signal) -> Result<(), Status> {
        let request = SendSignalRequest {
            process_id: self.process,
            signal: signal.into(),
        };
        self.client.send_signal(request).await.map(drop)
    }

    /// Tells it the size of its terminal.
    pub(crate) async fn resize(&mut self, cols: u16, rows: u16) -> Result<(), Status> {
        let request = ResizeTtyRequest {
            process_id: self.process,
            cols: cols.into(),
            rows: rows.into(),
        };
        self.client.resize_tty(request).await.map(drop)
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
