//! Which sandbox is called at the ports of sandboxes, and whether by somebody
//! who may.
//!
//! | the address that was called | sandbox | its policy is asked |
//! |---|---|---|
//! | a sandbox's own | whose it is since the connection was made | at each connection, before a byte is read |
//! | one that all share | whom the host of a request names | at each request, before its body is read |
//! | any other | none | |

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::response::IntoResponse;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use mote_api::SandboxId;
use mote_surface::listen::{Connection, Stay};

use crate::addresses::Addresses;
use crate::api::Refusal;
use crate::metrics::{self, Refused, Surface};
use crate::node::Node;
use crate::route;
use crate::sandbox::{Sandbox, Seat};

/// The one sentence to whoever names nobody whom it may call: whether there is
/// such a one is not for everybody to know.
const UNNAMED: &str = "no sandbox that you may call here has the name in the Host header; \
    send NAME.NAMESPACE.svc of one that runs, as requests to its Service do";

/// To whoever would open one more connection than a sandbox, or its tenant, may
/// have.
const CROWDED: &str = "as many connections are open to this sandbox, or to its namespace's, as may be; \
    close some of them, or send requests over those that are open";

/// A connection that was made; in the extensions of its requests.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) called: Called,
    /// Counts it for as long as it lasts.
    pub(super) _counted: Arc<metrics::Connection>,
}

/// Whom a connection is for, and for how long.
#[derive(Clone)]
pub(super) struct Called {
    pub(super) callee: Callee,
    pub(super) stay: Stay,
    /// What it takes up of the sandbox that it is for, or that its requests
    /// named first.
    seat: Arc<OnceLock<Seat>>,
}

impl Called {
    /// For none of the sandboxes in particular.
    pub(super) fn none() -> Self {
        Self::with(Callee::Nobody, Stay::kept())
    }

    fn with(callee: Callee, stay: Stay) -> Self {
        let seat = Arc::default();
        Self { callee, stay, seat }
    }

    /// Takes up room of this sandbox, if there is some and it has none yet.
    fn sit(&self, sandbox: &Sandbox) -> bool {
        if self.seat.get().is_some() {
            return true;
        }
        // Of two requests at once, one is enough.
        let sit = |seat| self.seat.set(seat).is_ok() || self.seat.get().is_some();
        sandbox.seat().is_some_and(sit)
    }
}

/// For whom a connection was made. Who has an address is not who had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Callee {
    /// Its requests say.
    Named,
    /// The one whose own address it was.
    Owner(SandboxId),
    /// No sandbox.
    Nobody,
}

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

    fn crowded(sandbox: &Sandbox, shared: bool) -> Self {
        Self {
            reason: Refused::Crowded,
            ..Self::denied(sandbox, shared)
        }
    }

    /// What its caller is answered, the same whoever was meant if it may not
    /// call them; as the last of its connection, or not.
    pub(super) fn response(&self, surface: Surface, last: bool) -> Response<Body> {
        let mut response = self.told(surface);
        if last {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        response
    }

    fn told(&self, surface: Surface) -> Response<Body> {
        let crowded = self.reason == Refused::Crowded;
        let (status, text) = match crowded {
            true => (StatusCode::SERVICE_UNAVAILABLE, CROWDED),
            false => (StatusCode::MISDIRECTED_REQUEST, UNNAMED),
        };
        match surface {
            // There is nothing that its caller could name.
            _ if !self.shared => status.into_response(),
            Surface::Grpc if crowded => tonic::Status::unavailable(text).into_http(),
            Surface::Grpc => tonic::Status::not_found(text).into_http(),
            Surface::Runtime => {
                let body = axum::Json(serde_json::json!({ "message": text }));
                (status, body).into_response()
            }
            _ if crowded => Refusal::unavailable(text).into_response(),
            _ => Refusal::misdirected(text).into_response(),
        }
    }
}

/// Whom somebody connects to, and for how long; where connections are `judged`,
/// if that is somebody who may, and there is room for one more.
pub(super) fn called(
    node: &Node,
    connection: Connection,
    judged: bool,
) -> Result<Called, Uncalled> {
    if node.0.addresses.share(connection.local.ip()) {
        return Ok(Called::with(Callee::Named, Stay::on_trial()));
    }
    let owner = node.0.addresses.owner(connection.local.ip());
    let found = owner.and_then(|id| node.find(&id));
    let sandbox = found.ok_or_else(|| Uncalled::nobody(false))?;
    if judged && !admits(node, &sandbox, connection) {
        return Err(Uncalled::denied(&sandbox, false));
    }
    let callee = Callee::Owner(sandbox.id.clone());
    let called = Called::with(callee, Stay::until(&sandbox.gone));
    if judged && !called.sit(&sandbox) {
        return Err(Uncalled::crowded(&sandbox, false));
    }
    Ok(called)
}

/// The sandbox that a request is for. Whose policy holds for each request is
/// asked here; the others', when the connection was made.
///
/// A connection over which nobody can be called ends with its first request:
/// whoever may call nobody could hold the places of all others by such ones.
pub(super) fn sandbox<B>(
    node: &Node,
    request: &Request<B>,
    connection: Connection,
    opened: &Called,
) -> Result<SandboxId, Uncalled> {
    let Called { stay, callee, .. } = opened;
    let called = match callee {
        Callee::Named => named(node, request, connection, opened),
        Callee::Owner(id) => still(id, &node.0.addresses, connection.local.ip()),
        Callee::Nobody => Err(Uncalled::nobody(false)),
    };
    match called {
        Ok(_) => stay.keep(),
        Err(_) if *callee == Callee::Named && stay.is_kept() => {}
        Err(_) => stay.end(),
    }
    called
}

/// The sandbox whose address it was when the connection was made, if it has not
/// become another's.
fn still(id: &SandboxId, addresses: &Addresses, address: IpAddr) -> Result<SandboxId, Uncalled> {
    let owner = addresses.owner(address).filter(|owner| owner == id);
    owner.ok_or_else(|| Uncalled::nobody(false))
}

/// The sandbox that a request names, if whoever makes it may call it.
fn named<B>(
    node: &Node,
    request: &Request<B>,
    connection: Connection,
    opened: &Called,
) -> Result<SandboxId, Uncalled> {
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
    if !opened.sit(&sandbox) {
        return Err(Uncalled::crowded(&sandbox, true));
    }
    Ok(sandbox.id.clone())
}

/// Whether the policy of a sandbox lets in whoever called.
fn admits(node: &Node, sandbox: &Sandbox, connection: Connection) -> bool {
    let Connection { peer, local } = connection;
    let admits = |policy: &str| node.0.policies.admit(policy, peer.ip(), local.port());
    sandbox.look(|record| admits(record.policy())) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_called_at_an_address_is_not_who_has_it_now() {
        let addresses = Addresses::new("127.77.0.1/32".parse().unwrap());
        let (a, b): (SandboxId, SandboxId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let address = "127.77.0.1".parse().unwrap();
        let called = |id| still(id, &addresses, address).ok();
        let own = addresses.give(&a).unwrap();
        assert_eq!((called(&a), called(&b)), (Some(a.clone()), None));
        addresses.free(own, &a);
        assert_eq!(called(&a), None, "nobody has it");
        assert_eq!(addresses.give(&b), Ok(own));
        assert_eq!((called(&a), called(&b)), (None, Some(b.clone())));
    }

    #[test]
    fn a_refusal_tells_whether_it_is_the_last_of_its_connection() {
        for (last, header) in [(true, Some("close")), (false, None)] {
            for shared in [true, false] {
                let response = Uncalled::nobody(shared).response(Surface::Rest, last);
                assert_eq!(response.status(), 421);
                let told = response.headers().get(CONNECTION);
                assert_eq!(told.map(|told| told.to_str().unwrap()), header);
            }
        }
    }
}
