//! Requests come in here, are let in or not, and go to the node or to one of
//! its sandboxes.

mod called;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use http::header::LOCATION;
use http::{Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use mote_api::SandboxId;
use mote_surface::listen::{self, Connection, ListenLimits, Stay};
use mote_surface::{Caller, TraceParent, Unavailable};
use tokio::net::TcpListener;
use tower::{Service, ServiceExt};

use crate::api;
use crate::api::Refusal;
use crate::audit::{Entry, Refusal as Refused};
use crate::auth;
use crate::backend::Spoken;
use crate::metrics::{self, Surface};
use crate::node::Node;
use crate::route::{self, Lost, Route};
use called::{Called, Opened, Uncalled};

/// What a node listens with.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    node: Node,
    /// Whether sandboxes' own addresses are open to whoever reaches them.
    open: bool,
    own: Router,
    grpc: Router,
    rest: Router,
    runtime: Router,
}

/// Which requests a listener takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// Of anybody, for the node or any sandbox.
    Node,
    /// For the sandbox whose address was called, or that is named where they
    /// share one, by the protocol of the port.
    Sandbox(Surface),
}

impl Server {
    /// A server for this node's sandboxes.
    pub fn new(node: Node) -> Self {
        Self::with(node, false)
    }

    /// A server for sandboxes that are called as pods are: whoever reaches one
    /// of their addresses may.
    pub fn like_pods(node: Node) -> Self {
        Self::with(node, true)
    }

    fn with(node: Node, open: bool) -> Self {
        Self(Arc::new(Inner {
            open,
            own: api::router(node.clone()),
            grpc: mote_surface::process::service::<Spoken>(),
            rest: mote_surface::rest::router::<Spoken>(),
            runtime: mote_surface::runtime::router::<Spoken>(),
            node,
        }))
    }

    /// Serves the node's own address until `shutdown` completes.
    pub async fn serve(
        self,
        listener: TcpListener,
        limits: ListenLimits,
        shutdown: impl Future<Output = ()>,
    ) {
        self.open(listener, Door::Node, limits, shutdown).await;
    }

    /// Serves the addresses of sandboxes at one port until `shutdown`
    /// completes. What is called there under any other address is not
    /// answered.
    pub async fn serve_sandboxes(
        self,
        listener: TcpListener,
        port: SandboxPort,
        limits: ListenLimits,
        shutdown: impl Future<Output = ()>,
    ) {
        let door = Door::Sandbox(port.surface());
        self.open(listener, door, limits, shutdown).await;
    }

    async fn open(
        self,
        listener: TcpListener,
        door: Door,
        limits: ListenLimits,
        shutdown: impl Future<Output = ()>,
    ) {
        let server = self.clone();
        let opened = move |connection| server.admit(door, connection);
        listen::serve_those(listener, Doorway(self, door), limits, opened, shutdown).await;
    }

    /// Counts a connection that may be made: where sandboxes are called as
    /// pods are, none to an address that is nobody's, and none that the
    /// sandbox's policy does not let in. Those that are open when a policy
    /// changes stay, as under the network policies of Kubernetes. Where
    /// sandboxes share an address, each request is judged instead.
    fn admit(&self, door: Door, connection: Connection) -> Option<(Stay, Opened)> {
        let node = &self.0.node;
        let called = match door {
            Door::Node => Called::none(),
            Door::Sandbox(surface) => match called::called(node, connection, self.0.open) {
                Ok(called) => called,
                Err(uncalled) if self.0.open => {
                    let peer = connection.peer.ip().to_canonical().to_string();
                    self.refuse(&peer, uncalled.sandbox.as_ref(), surface, uncalled.reason);
                    return None;
                }
                // Its requests are told so.
                Err(_) => Called::none(),
            },
        };
        let stay = called.stay.clone();
        let opened = Opened {
            called,
            _counted: Arc::new(node.0.shared.observer.metrics.connection()),
        };
        Some((stay, opened))
    }

    async fn answer(self, door: Door, mut request: Request<Incoming>) -> Response<Body> {
        let extensions = request.extensions_mut();
        let (Some(connection), Some(opened)) = (
            extensions.get::<Connection>().copied(),
            extensions.remove::<Opened>(),
        ) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let metrics = &self.0.node.0.shared.observer.metrics;
        let whither = match (door, self.whither(door, &request, connection, &opened)) {
            (Door::Sandbox(surface), Err(Astray::Uncalled(uncalled))) if self.0.open => {
                let peer = connection.peer.ip().to_canonical().to_string();
                self.refuse(&peer, uncalled.sandbox.as_ref(), surface, uncalled.reason);
                return uncalled.response(surface, opened.called.stay.is_over());
            }
            (_, whither) => whither.map_err(|astray| astray.lost(connection)),
        };
        let surface = match &whither {
            Ok(Route::Sandbox(_, surface, _)) => *surface,
            Ok(Route::Node) | Err(_) => Surface::Api,
        };
        let who = match self.who(door, &request, connection) {
            Ok(who) => who,
            Err((reason, text)) => {
                let peer = connection.peer.ip().to_string();
                self.refuse(&peer, None, surface, reason);
                let response = denied(surface, reason, text);
                metrics.answered(surface, response.status());
                return response;
            }
        };
        let caller = Caller {
            trace: TraceParent::of_headers(request.headers()),
            who,
        };
        let asked = (caller.who.clone(), sandbox_of(&whither));
        let response = match whither {
            Ok(Route::Node) => {
                request.extensions_mut().insert(caller);
                let own = self.0.own.clone().oneshot(request);
                own.await.unwrap_or_else(|never| match never {})
            }
            Ok(Route::Sandbox(id, surface, None)) => {
                self.speak(&id, surface, caller, request).await
            }
            Ok(Route::Sandbox(id, surface, Some(path))) => {
                let prefix = route::prefix(request.uri(), &path);
                put_path(request.uri_mut(), path);
                let response = self.speak(&id, surface, caller, request).await;
                below(&prefix, response)
            }
            Err(lost) => match route::guess(request.headers(), request.uri()) {
                Surface::Grpc => {
                    self.refuse(&asked.0, None, Surface::Grpc, metrics::Refused::Malformed);
                    tonic::Status::invalid_argument(lost.to_string()).into_http()
                }
                _ => Refusal::invalid(lost.to_string()).into_response(),
            },
        };
        let refused = metrics::Refused::of_status(response.status());
        if let Some(reason) = refused.or_else(|| response.extensions().get().copied()) {
            self.refuse(&asked.0, asked.1.as_ref(), surface, reason);
        }
        metrics.answered(surface, response.status());
        response
    }

    /// Who makes a request, if that is somebody who may.
    fn who(
        &self,
        door: Door,
        request: &Request<Incoming>,
        connection: Connection,
    ) -> Result<String, (metrics::Refused, &'static str)> {
        if self.0.open && door != Door::Node {
            return Ok(connection.peer.ip().to_string());
        }
        let token = self.0.node.0.config.token.as_ref();
        auth::who(token, request.headers(), request.uri(), connection)
    }

    fn whither(
        &self,
        door: Door,
        request: &Request<Incoming>,
        connection: Connection,
        opened: &Opened,
    ) -> Result<Route, Astray> {
        match door {
            Door::Node => {
                let host = auth::host(request.headers(), request.uri());
                Ok(route::route(host, request.headers(), request.uri())?)
            }
            Door::Sandbox(surface) => {
                let id = called::sandbox(&self.0.node, request, connection, &opened.called)?;
                Ok(Route::Sandbox(id, surface, None))
            }
        }
    }

    async fn speak(
        &self,
        id: &SandboxId,
        surface: Surface,
        caller: Caller,
        mut request: Request<Incoming>,
    ) -> Response<Body> {
        let Some(sandbox) = self.0.node.find(id) else {
            self.refuse(&caller.who, Some(id), surface, metrics::Refused::NoSandbox);
            return nobody(id, surface);
        };
        let path = request.uri().path();
        let files = surface == Surface::Rest && path.starts_with("/v1/files");
        let contexts = surface == Surface::Rest && path.starts_with("/v1/contexts");
        let surface = if contexts { Surface::Context } else { surface };
        let extensions = request.extensions_mut();
        let spoken = Spoken::new(sandbox, surface);
        let reached = Arc::clone(&spoken.reached);
        extensions.insert(spoken);
        extensions.insert(caller);
        let router = match surface {
            Surface::Grpc => &self.0.grpc,
            Surface::Runtime => &self.0.runtime,
            Surface::Rest | Surface::Api | Surface::Context | Surface::Command => &self.0.rest,
        };
        let metrics = &self.0.node.0.shared.observer.metrics;
        let timer = files.then(|| metrics.file_request(request.method()));
        let answered = router.clone().oneshot(request).await;
        let mut response = answered.unwrap_or_else(|never| match never {});
        if surface == Surface::Grpc
            && !reached.load(Relaxed)
            && let Some(reason) = metrics::Refused::of_grpc(response.headers())
        {
            response.extensions_mut().insert(reason);
        }
        match timer {
            Some(timer) => timer.follow(response),
            None => response,
        }
    }

    fn refuse(
        &self,
        who: &str,
        sandbox: Option<&SandboxId>,
        surface: Surface,
        reason: metrics::Refused,
    ) {
        let observer = &self.0.node.0.shared.observer;
        observer.metrics.refused(reason);
        observer.audit.write(&Entry::Refused(Refused {
            who,
            sandbox: sandbox.map(SandboxId::as_str),
            surface,
            reason,
        }));
    }
}

/// Why a request goes nowhere.
enum Astray {
    Lost(Lost),
    Uncalled(Uncalled),
}

impl Astray {
    fn lost(self, connection: Connection) -> Lost {
        match self {
            Self::Lost(lost) => lost,
            Self::Uncalled(_) => Lost::Name(connection.local.ip().to_string()),
        }
    }
}

impl From<Lost> for Astray {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

impl From<Uncalled> for Astray {
    fn from(uncalled: Uncalled) -> Self {
        Self::Uncalled(uncalled)
    }
}

/// A port of sandboxes' addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SandboxPort {
    /// The REST interface of sandboxd.
    Rest,
    /// The gRPC interface of sandboxd.
    Grpc,
    /// The python-runtime interface.
    Runtime,
}

impl SandboxPort {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rest, Self::Grpc, Self::Runtime];

    /// Its number.
    pub fn number(self) -> u16 {
        match self {
            Self::Rest => route::REST_PORT,
            Self::Grpc => route::GRPC_PORT,
            Self::Runtime => route::RUNTIME_PORT,
        }
    }

    fn surface(self) -> Surface {
        match self {
            Self::Rest => Surface::Rest,
            Self::Grpc => Surface::Grpc,
            Self::Runtime => Surface::Runtime,
        }
    }
}

fn sandbox_of(whither: &Result<Route, Lost>) -> Option<SandboxId> {
    match whither {
        Ok(Route::Sandbox(id, ..)) => Some(id.clone()),
        Ok(Route::Node) | Err(_) => None,
    }
}

fn put_path(uri: &mut Uri, path: http::uri::PathAndQuery) {
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = Some(path);
    // The parts were those of a whole one.
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

/// Puts the prefix that a request's path lost before the path it is sent to.
fn below(prefix: &str, mut response: Response<Body>) -> Response<Body> {
    if let Some(to) = response.headers_mut().get_mut(LOCATION)
        && to.as_bytes().starts_with(b"/")
        && let Ok(whole) = [prefix.as_bytes(), to.as_bytes()].concat().try_into()
    {
        *to = whole;
    }
    response
}

fn denied(surface: Surface, reason: metrics::Refused, text: &str) -> Response<Body> {
    let (status, code) = match reason {
        metrics::Refused::Unauthorized => (StatusCode::UNAUTHORIZED, tonic::Code::Unauthenticated),
        _ => (StatusCode::FORBIDDEN, tonic::Code::PermissionDenied),
    };
    match surface {
        Surface::Grpc => tonic::Status::new(code, text).into_http(),
        _ => Refusal::denied(status, text).into_response(),
    }
}

/// Each protocol's way to say that there is no such sandbox.
fn nobody(id: &SandboxId, surface: Surface) -> Response<Body> {
    let text = Unavailable::Gone(id.to_string()).to_string();
    match surface {
        Surface::Grpc => tonic::Status::not_found(text).into_http(),
        Surface::Runtime => {
            let body = axum::Json(serde_json::json!({ "message": text }));
            (StatusCode::NOT_FOUND, body).into_response()
        }
        Surface::Rest | Surface::Api | Surface::Context | Surface::Command => {
            Refusal::gone(id.as_str()).into_response()
        }
    }
}

/// The server as one listener has it.
#[derive(Clone)]
struct Doorway(Server, Door);

impl Service<Request<Incoming>> for Doorway {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let Self(server, door) = self.clone();
        Box::pin(async move { Ok(server.answer(door, request).await) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_keeps_the_prefix_of_its_request() {
        for (to, told) in [
            ("/v1/files/", "/v1/sandboxes/a/rest/v1/files/"),
            ("http://elsewhere/", "http://elsewhere/"),
        ] {
            let response = Response::builder().header(LOCATION, to);
            let response = below(
                "/v1/sandboxes/a/rest",
                response.body(Body::empty()).unwrap(),
            );
            assert_eq!(response.headers()[LOCATION], told);
        }
    }
}
