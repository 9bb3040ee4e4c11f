//! Connections to registries: each to an address that the gate let through.

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tower::Service;

use crate::images::failure::Failure;
use crate::images::gate::{Gate, Shut};

pub(super) type HttpClient = Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>;

/// Longest time for a connection to one address.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long a connection that nobody uses is kept: a manifest's is used for
/// its layer.
const IDLE_TIME: Duration = Duration::from_secs(10);
/// Connections to one registry that are kept so.
const MAX_IDLE: usize = 4;

/// A client that goes where `gate` lets through.
///
/// # Errors
/// TLS does not work here.
pub(super) fn client(gate: &Gate, roots: Arc<RootCertStore>) -> Result<HttpClient, String> {
    let mut http = HttpConnector::new_with_resolver(Resolver(Arc::new(gate.clone())));
    http.set_connect_timeout(Some(CONNECT_TIME));
    http.set_nodelay(true);
    // TLS is the next layer's matter.
    http.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls(roots)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    Ok(Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_TIME)
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(MAX_IDLE)
        .build(connector))
}

fn tls(roots: Arc<RootCertStore>) -> Result<ClientConfig, String> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Looks names up, and keeps the addresses that may be asked.
#[derive(Clone)]
pub(crate) struct Resolver(Arc<Gate>);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let gate = Arc::clone(&self.0);
        Box::pin(async move {
            // The port is the connector's matter.
            let addresses = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(gate.choose(name.as_str(), addresses)?.into_iter())
        })
    }
}

/// What a request that had no answer says.
pub(super) fn failed(host: &str, error: &ClientError) -> Failure {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
        if let Some(shut) = cause.downcast_ref::<Shut>() {
            return Failure::Unreachable(shut.to_string());
        }
    }
    Failure::Unreachable(format!(
        "{host} cannot be asked: {cause}; see whether it works and can be reached from this node"
    ))
}
