//! Processes of a sandbox of a server: the way to them.

use std::error::Error;
use std::time::Duration;

use mote_api::SandboxId;
use mote_client::process::{Processes, Tags};
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Endpoint;

use crate::client::api::{SANDBOX_HEADER, lost};
use crate::client::server::Server;
use crate::failure::Failure;

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// The metadata entry of the token.
const AUTHORIZATION: &str = "authorization";

/// Connects to the server of a sandbox.
pub(crate) async fn connect(server: &Server, id: &SandboxId) -> Result<Processes, Failure> {
    let lost =
        |error: &(dyn Error + 'static)| Failure::Host(anyhow::Error::msg(lost(server, error)));
    let endpoint = Endpoint::from_shared(server.url.as_str().to_owned());
    let endpoint = endpoint.map_err(|error| lost(&error))?;
    let channel = endpoint.connect_timeout(CONNECT).connect().await;
    let channel = channel.map_err(|error| lost(&error))?;
    let mut tags = Tags::default().with(SANDBOX_HEADER, tag(id.as_str())?);
    if let Some(token) = &server.token {
        tags = tags.with(AUTHORIZATION, tag(&token.bearer())?);
    }
    Ok(Processes::new(channel, tags))
}

fn tag(text: &str) -> Result<AsciiMetadataValue, Failure> {
    let value = AsciiMetadataValue::try_from(text);
    value.map_err(|error| Failure::Host(anyhow::Error::new(error)))
}
