//! `mote.node.v1.NodeService`: requests come in here, within their bounds.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use mote_rpc::v1::node_service_server::{NodeService, NodeServiceServer};
use mote_rpc::v1::{
    DeleteRequest, DeleteResponse, EnsureRequest, EnsureResponse, PoliceRequest, PoliceResponse,
    WatchRequest,
};
use mote_rpc::{MAX_REQUEST_BYTES, MAX_SESSIONS};
use mote_surface::Caller;
use tokio::net::TcpListener;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use super::Rpc;
use super::connection::{Peer, accept};
use super::identity::Identity;
use super::police;
use super::watch::{Watched, going_down};

/// Requests that one connection may have open: a watch, and batches.
const MAX_STREAMS: u32 = 64;
/// Bytes of one request's head: a controller sends a few hundred.
const MAX_HEAD_BYTES: u32 = 16 << 10;
/// How often a connection on which nothing is said is asked whether it is
/// still there, and how long it may take to answer.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_TIME: Duration = Duration::from_secs(10);

/// How long a connection lasts: whoever was let in shows again that it may,
/// after its certificate, or the authority, was replaced.
const MAX_AGE: Duration = Duration::from_secs(60 * 60);
/// Time for requests on a connection that has lasted long enough.
const AGE_GRACE: Duration = Duration::from_secs(10);

/// Serves the node's controllers until `shutdown` completes and the requests
/// that run have ended.
pub(super) async fn serve(
    rpc: Rpc,
    listener: TcpListener,
    identity: Identity,
    shutdown: impl Future<Output = ()>,
) {
    let shared = Arc::clone(&rpc.0.node.0.shared);
    let service = NodeServiceServer::new(rpc).max_decoding_message_size(MAX_REQUEST_BYTES);
    // Taken one by one: those that wait hold their places.
    let (taken, connections) = tokio::sync::mpsc::channel(1);
    let served = Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .http2_max_header_list_size(MAX_HEAD_BYTES)
        .http2_keepalive_interval(Some(PING_EVERY))
        .http2_keepalive_timeout(Some(PING_TIME))
        .max_connection_age(MAX_AGE)
        .max_connection_age_grace(AGE_GRACE)
        .add_service(service)
        .serve_with_incoming_shutdown(
            ReceiverStream::new(connections).map(Ok::<_, Infallible>),
            shutdown,
        );
    tokio::select! {
        () = accept(listener, identity, shared, taken) => {}
        served = served => if let Err(error) = served {
            tracing::error!(%error, "failed to serve controllers");
        },
    }
}

#[tonic::async_trait]
impl NodeService for Rpc {
    type WatchStream = Watched;

    async fn ensure(
        &self,
        request: Request<EnsureRequest>,
    ) -> Result<Response<EnsureResponse>, Status> {
        if self.0.draining.is_cancelled() {
            return Err(going_down());
        }
        let caller = caller(&request);
        let EnsureRequest { sessions } = request.into_inner();
        check_count(sessions.len())?;
        let results = self.ensure_all(sessions, &caller).await;
        Ok(Response::new(EnsureResponse { results }))
    }

    async fn delete(
        &self,
        request: Request<DeleteRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let caller = caller(&request);
        let DeleteRequest { uids } = request.into_inner();
        check_count(uids.len())?;
        let refusals = self.delete_all(uids, &caller).await;
        Ok(Response::new(DeleteResponse { refusals }))
    }

    async fn police(
        &self,
        request: Request<PoliceRequest>,
    ) -> Result<Response<PoliceResponse>, Status> {
        let PoliceRequest { policies } = request.into_inner();
        let book = police::parse(policies).map_err(Status::invalid_argument)?;
        self.replace_policies(book).await?;
        Ok(Response::new(PoliceResponse {}))
    }

    async fn watch(
        &self,
        _request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Rpc::watch(self).map(Response::new)
    }
}

fn check_count(count: usize) -> Result<(), Status> {
    if count <= MAX_SESSIONS {
        return Ok(());
    }
    Err(Status::invalid_argument(format!(
        "{count} sessions in one request; send {MAX_SESSIONS} at most"
    )))
}

/// Who asks, as the handshake found out.
fn caller<T>(request: &Request<T>) -> Caller {
    let peer = request.extensions().get::<Peer>();
    Caller {
        who: peer.map(Peer::who).unwrap_or_default(),
        trace: None,
    }
}
