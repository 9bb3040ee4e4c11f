//! Which sandbox is called at the ports of sandboxes, and whether by somebody
//! who may.
//!
//! | the address that was called | sandbox | its policy is asked |
//! |---|---|---|
//! | a sandbox's own | whose it is | at each connection, before a byte is read |
//! | one that all share | whom the host of a request names | at each request, before its body is read |
//! | any other | none | |

use axum::body::Body;
use axum::response::IntoResponse;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use mote_api::SandboxId;
use mote_surface::listen::Connection;

use crate::api::Refusal;
use crate::metrics::{Refused, Surface};
use crate::node::Node;
use crate::route;
use crate::sandbox::Sandbox;

/// The one sentence to whoever names nobody whom it may call: whether there is
/// such a one is not for everybody to know.
const UNNAMED: &str = "no sandbox that you may call here has the name in the Host header; \
    send NAME.NAMESPACE.svc of one that runs, as requests to its Service do";

/// Nobody is called, or nobody who may be.
pub(super) struct Uncalled {
    /// Who was meant, for the audit log alone.
    pub(super) sandbox: Option<SandboxId>,
    pub(super) reason: Refused,
    /// Whether another host could be named at this address.
    shared: bool,
}

impl Uncalled {
    fn nobody(shared: bool) -> Self {
        Self {
            sandbox: None,
            reason: Refused::NoSandbox,
            shared,
        }
    }

    fn denied(sandbox: &Sandbox, shared: bool) -> Self {
        Self {
            sandbox: Some(sandbox.id.clone()),
            reason: Refused::Policy,
            shared,
        }
    }

    /// What its caller is answered, the same whoever was meant.
    pub(super) fn response(&self, surface: Surface) -> Response<Body> {
        let status = StatusCode::MISDIRECTED_REQUEST;
        match surface {
            // There is nothing more to say on this connection.
            _ if !self.shared => {
                let close = [(CONNECTION, HeaderValue::from_static("close"))];
                (status, close).into_response()
            }
            Surface::Grpc => tonic::Status::not_found(UNNAMED).into_http(),
            Surface::Runtime => {
                let body = axum::Json(serde_json::json!({ "message": UNNAMED }));
                (status, body).into_response()
            }
            _ => Refusal::misdirected(UNNAMED).into_response(),
        }
    }
}

/// Whether somebody may connect: for what, requests say where sandboxes share
/// the address.
pub(super) fn may_connect(node: &Node, connection: Connection) -> Result<(), Uncalled> {
    if node.0.addresses.share(connection.local.ip()) {
        return Ok(());
    }
    let owner = node.0.addresses.owner(connection.local.ip());
    let found = owner.and_then(|id| node.find(&id));
    let sandbox = found.ok_or_else(|| Uncalled::nobody(false))?;
    if admits(node, &sandbox, connection) {
        return Ok(());
    }
    Err(Uncalled::denied(&sandbox, false))
}

/// The sandbox that a request is for. Whose policy holds for each request is
/// asked here; the others', when the connection was made.
pub(super) fn sandbox<B>(
    node: &Node,
    request: &Request<B>,
    connection: Connection,
) -> Result<SandboxId, Uncalled> {
    let address = connection.local.ip();
    if !node.0.addresses.share(address) {
        let owner = node.0.addresses.owner(address);
        return owner.ok_or_else(|| Uncalled::nobody(false));
    }
    let name = route::session(request.headers(), request.uri());
    let found = name.and_then(|name| node.find_named(&name));
    let sandbox = found.ok_or_else(|| Uncalled::nobody(true))?;
    if !admits(node, &sandbox, connection) {
        return Err(Uncalled::denied(&sandbox, true));
    }
    // As a pod that is not there.
    if sandbox.look(|record| record.suspended) != Some(false) {
        return Err(Uncalled::nobody(true));
    }
    Ok(sandbox.id.clone())
}

/// Whether the policy of a sandbox lets in whoever called.
fn admits(node: &Node, sandbox: &Sandbox, connection: Connection) -> bool {
    let Connection { peer, local } = connection;
    let admits = |policy: &str| node.0.policies.admit(policy, peer.ip(), local.port());
    sandbox.look(|record| admits(record.policy())) == Some(true)
}
