//! Stands between a controller and the real API server, and breaks chosen
//! requests.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use kube::Client;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What happens to a write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// It does not reach the API server.
    Lost,
    /// It is done, and the answer does not come back.
    Unanswered,
}

/// Which writes are broken, and what was written. Events and leases are not
/// counted: no state hangs on them.
#[derive(Debug, Default)]
pub struct Faults {
    plan: Mutex<Plan>,
    happened: Notify,
}

#[derive(Debug, Default)]
struct Plan {
    next: Option<(usize, Fault)>,
    writes: Vec<String>,
}

impl Faults {
    /// Breaks the write with this number from now on, counted from zero, once.
    pub fn break_write(&self, number: usize, fault: Fault) {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        plan.next = Some((plan.writes.len() + number, fault));
    }

    /// Every write so far: method and path.
    pub fn writes(&self) -> Vec<String> {
        self.plan
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .writes
            .clone()
    }

    /// Whether the planned fault has happened.
    pub fn happened(&self) -> bool {
        self.plan
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next
            .is_none()
    }

    /// Ends when the planned fault has happened.
    pub async fn until_happened(&self) {
        let mut heard = std::pin::pin!(self.happened.notified());
        // Listens before it looks, so that nothing is missed in between.
        heard.as_mut().enable();
        if !self.happened() {
            heard.await;
        }
    }

    fn meet(&self, request: &Request) -> Option<Fault> {
        if matches!(*request.method(), Method::GET | Method::HEAD) || is_aside(request.uri().path())
        {
            return None;
        }
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let number = plan.writes.len();
        plan.writes
            .push(format!("{} {}", request.method(), request.uri().path()));
        let (_, fault) = plan.next.take_if(|(wanted, _)| *wanted == number)?;
        self.happened.notify_waiters();
        Some(fault)
    }
}

fn is_aside(path: &str) -> bool {
    ["/events", "/leases"]
        .iter()
        .any(|kind| path.contains(kind))
}

/// A plain HTTP endpoint on loopback that is the API server, with faults.
pub struct FaultyApi {
    /// What to break.
    pub faults: Arc<Faults>,
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl FaultyApi {
    /// Begins to serve; requests go on as `client`.
    pub async fn start(client: Client) -> Self {
        let faults = Arc::new(Faults::default());
        let router = axum::Router::new()
            .fallback(forward)
            .with_state((client, faults.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("served");
        });
        Self {
            faults,
            address,
            serving,
        }
    }

    /// A kubeconfig that leads here.
    pub fn kubeconfig(&self) -> String {
        let server = format!("http://{}", self.address);
        serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "faulty",
            "clusters": [{ "name": "faulty", "cluster": { "server": server } }],
            "users": [{ "name": "nobody", "user": {} }],
            "contexts": [{ "name": "faulty", "context": { "cluster": "faulty", "user": "nobody" } }],
        })
        .to_string()
    }
}

impl Drop for FaultyApi {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn forward(
    State((client, faults)): State<(Client, Arc<Faults>)>,
    request: Request,
) -> Response {
    let fault = faults.meet(&request);
    if fault == Some(Fault::Lost) {
        return broken();
    }
    let (mut parts, body) = request.into_parts();
    parts.headers.remove(http::header::HOST);
    let body = body
        .collect()
        .await
        .expect("a whole request")
        .to_bytes()
        .to_vec();
    let answer = client
        .send(http::Request::from_parts(
            parts,
            kube::client::Body::from(body),
        ))
        .await;
    match (fault, answer) {
        (Some(Fault::Unanswered), _) | (_, Err(_)) => broken(),
        (_, Ok(answer)) => answer.map(Body::new).into_response(),
    }
}

fn broken() -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, "broken by a test").into_response()
}
