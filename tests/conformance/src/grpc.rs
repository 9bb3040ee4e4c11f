//! A client of `process.v1`, by the generated code.

use mote_surface::proto::process_service_client::ProcessServiceClient;
use mote_surface::proto::{ExecuteRequest, ExecuteResponse, ProcessConfig};
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::deadline::within;
use crate::target::Endpoint;

/// More than the clients' 4 MiB, for tests of large outputs.
const MESSAGE_BYTES: usize = 128 * 1024 * 1024;

/// A client whose requests name their sandbox.
pub type Client = ProcessServiceClient<InterceptedService<Channel, Chooser>>;

/// Puts the headers that choose the sandbox into requests.
#[derive(Clone, Debug)]
pub struct Chooser(Vec<(MetadataKey<Ascii>, MetadataValue<Ascii>)>);

impl Interceptor for Chooser {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        for (name, value) in &self.0 {
            request.metadata_mut().insert(name, value.clone());
        }
        Ok(request)
    }
}

/// What a program that ran to its end left.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// Its stdout, which is text.
    pub stdout: String,
    /// Its stderr, which is text.
    pub stderr: String,
}

impl Ended {
    /// Its stdout, once it is certain that it ended with 0.
    ///
    /// # Panics
    /// It ended in another way.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }
}

impl From<ExecuteResponse> for Ended {
    fn from(response: ExecuteResponse) -> Self {
        let text = |bytes: bytes::Bytes| String::from_utf8_lossy(&bytes).into_owned();
        Self {
            code: response.exit_code,
            stdout: text(response.stdout),
            stderr: text(response.stderr),
        }
    }
}

/// A program and its arguments.
pub fn argv(words: &[&str]) -> ProcessConfig {
    ProcessConfig {
        command: words.iter().map(|&word| word.to_owned()).collect(),
        ..ProcessConfig::default()
    }
}

/// A line for the shell, as the SDKs send all of theirs.
pub fn sh(line: &str) -> ProcessConfig {
    argv(&["/bin/sh", "-c", line])
}

/// The channel to an endpoint.
pub(crate) async fn channel(endpoint: &Endpoint) -> Channel {
    let uri = format!("http://{}", endpoint.authority);
    let channel = Channel::from_shared(uri).unwrap();
    within("connecting", channel.connect()).await.unwrap()
}

/// A client of an endpoint.
pub(crate) async fn connect(endpoint: &Endpoint) -> Client {
    let entries = endpoint.headers.iter().map(|(name, value)| {
        let name = MetadataKey::from_bytes(name.as_bytes()).unwrap();
        (name, value.parse().unwrap())
    });
    let chooser = Chooser(entries.collect());
    ProcessServiceClient::with_interceptor(channel(endpoint).await, chooser)
        .max_decoding_message_size(MESSAGE_BYTES)
        .max_encoding_message_size(MESSAGE_BYTES)
}

pub(crate) async fn execute(
    client: &mut Client,
    config: ProcessConfig,
) -> Result<ExecuteResponse, Status> {
    let request = ExecuteRequest {
        config: Some(config),
    };
    let response = within("Execute", client.execute(request)).await?;
    Ok(response.into_inner())
}
