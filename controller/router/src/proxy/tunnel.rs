//! A connection that becomes another protocol's: a WebSocket, mostly. From then
//! on bytes pass as they are, both ways.

use bytes::Bytes;
use http::Response;
use http_body_util::{Either, Full};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

use super::{Answer, Proxy};
use crate::headers;
use crate::metrics::Flight;
use crate::upstream::Answered;

impl Proxy {
    /// Answers that the protocol is switched, and passes bytes once it is.
    pub(super) fn tunnel(
        &self,
        answered: Answered,
        client: OnUpgrade,
        mut flight: Flight,
    ) -> Response<Answer> {
        let mut response = answered.response;
        let sandbox = hyper::upgrade::on(&mut response);
        let mut parts = response.into_parts().0;
        headers::inbound(&mut parts);
        flight.answered(parts.status);
        flight.measure();
        let end = self.end.clone();
        self.tunnels.spawn(async move {
            tokio::select! {
                ended = pass(client, sandbox) => if let Err(error) = ended {
                    tracing::debug!(%error, "a tunnel ended early");
                },
                () = end.cancelled() => {}
            }
            drop(flight);
        });
        Response::from_parts(parts, Either::Left(Full::<Bytes>::default()))
    }

    /// Ends when no tunnel is open any more.
    pub async fn tunnels_ended(&self) {
        self.tunnels.close();
        self.tunnels.wait().await;
    }

    /// Ends all tunnels.
    pub fn end_tunnels(&self) {
        self.end.cancel();
    }
}

async fn pass(client: OnUpgrade, sandbox: OnUpgrade) -> anyhow::Result<()> {
    let (client, sandbox) = tokio::try_join!(client, sandbox)?;
    copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(sandbox)).await?;
    Ok(())
}
