//! How a sandbox is reached.

use std::time::Duration;

use http::Method;
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use tokio::time::timeout;

use crate::cluster::Cluster;
use crate::container::Container;
use crate::door::{Door, REST_PORT};
use crate::failure::Failure;
use crate::find::usable;
use crate::objects::{Sandbox, State, Tier};
use crate::rest::{Rest, RestError, empty};
use crate::router;
use crate::tunnel::Tunnel;

/// How long a pod may take to say that it has sandboxd: one that has answers in
/// milliseconds, and what else listens there may never.
const PROBE: Duration = Duration::from_secs(5);
/// Most bytes of what it says of its health.
const MAX_HEALTH_BYTES: usize = 4 << 10;

/// How a sandbox is reached.
pub(crate) enum Way {
    /// By sandboxd's protocols.
    Door(Box<Door>),
    /// By sandboxd's protocols, or by Kubernetes' own where they end.
    Pod(Box<Door>, Container),
    /// By Kubernetes' own.
    Container(Container),
}

impl Way {
    /// The way to a sandbox that can be used; into one container of a pod, if
    /// it is named.
    pub(crate) async fn to(
        cluster: &Cluster,
        sandbox: &Sandbox,
        container: Option<&str>,
    ) -> Result<Self, Failure> {
        usable(sandbox)?;
        // Traffic through the router wakes it, whatever it is.
        if sandbox.tier == Tier::Wasm || sandbox.state == State::Suspended {
            if let Some(container) = container {
                return Err(Failure::Usage(vec![format!(
                    "-c {container}: sandbox {} has no containers; leave it out",
                    sandbox.name
                )]));
            }
            let tunnel = router::tunnel(cluster).await?;
            let door = Door::of_router(cluster, &tunnel, sandbox)?;
            return Ok(Self::Door(Box::new(door)));
        }
        let pods = cluster.pods(&sandbox.namespace);
        let pod = Container::new(pods.clone(), &sandbox.pod, container);
        if container.is_some() {
            return Ok(Self::Container(pod));
        }
        let tunnel = Tunnel::new(pods, &sandbox.pod, REST_PORT);
        // What kept it from answering will keep us from more, and be told then.
        match timeout(PROBE, daemon(&tunnel)).await {
            Ok(Ok(Some(door))) => Ok(Self::Pod(Box::new(door), pod)),
            _ => Ok(Self::Container(pod)),
        }
    }
}

/// The door of a pod, if it has sandboxd.
async fn daemon(tunnel: &Tunnel) -> Result<Option<Door>, RestError> {
    let mut rest = Rest::connect(tunnel).await?;
    let door = Door::of_pod(tunnel, false);
    let request = |method, uri| {
        let request = door.request(method, uri, empty());
        request.map_err(RestError::Lost)
    };
    let health = rest.answer(request(Method::GET, "/v1/health")?).await?;
    let health = Limited::new(health.into_body(), MAX_HEALTH_BYTES).collect();
    let Ok(health) = health.await else {
        return Ok(None);
    };
    if !is_health(&health.to_bytes()) {
        return Ok(None);
    }
    // The other daemon has no such page, and takes an archive for a file.
    let page = rest.answer(request(Method::HEAD, "/openapi.json")?).await;
    Ok(Some(Door::of_pod(tunnel, page.is_ok())))
}

fn is_health(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Health {
        status: String,
        #[serde(rename = "uptime_seconds")]
        _uptime: u64,
    }
    serde_json::from_slice::<Health>(body).is_ok_and(|health| health.status == "ok")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_something_else_is_no_health() {
        assert!(is_health(br#"{"status":"ok","uptime_seconds":7}"#));
        for other in [
            &br#"{"status":"ok","message":"Sandbox Runtime is active."}"#[..],
            br#"{"status":"bad","uptime_seconds":7}"#,
            b"ok",
            b"",
        ] {
            assert!(!is_health(other));
        }
    }
}
