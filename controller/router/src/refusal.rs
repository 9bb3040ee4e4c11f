//! Why a request is not passed on, and how that is said: `{"detail": …}` to
//! clients of HTTP, a status to those of gRPC.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

/// Why a request was not passed on, or not answered by its sandbox.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// A header is missing or is not what it must be.
    #[error("{0}")]
    Malformed(&'static str),
    /// Methods and upgrades that make of a proxy something else.
    #[error("The router passes no {0}: ask the sandbox with an ordinary request.")]
    Unsupported(&'static str),
    /// No token, or none of ours.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// The caller is known, and may not.
    #[error(
        "You may not reach sandbox {id} in namespace {namespace}: it takes the right to create \
         sandboxes/proxy of agents.x-k8s.io there."
    )]
    Forbidden {
        /// Its name.
        id: String,
        /// Its namespace.
        namespace: String,
    },
    /// Nobody says who the caller is, or whether they may.
    #[error("The API server did not say who you are and what you may reach. Try again.")]
    Unchecked,
    /// As many requests run as may.
    #[error("The router handles {0} requests, as many as it may. Try again later.")]
    Full(usize),
    /// As many requests run for one namespace as may.
    #[error(
        "The router handles {0} requests for this namespace, as many as it may. Try again later."
    )]
    Crowded(usize),
    /// As many wait to be known as may.
    #[error(
        "{0} requests wait for the API server to say whose they are and what they may reach, as \
         many as may. Try again later."
    )]
    Queued(usize),
    /// The sandbox stands still and nothing permits to wake it.
    #[error(
        "Sandbox {0} is suspended. Set its spec.operatingMode to Running, or annotate it \
         with mote.dev/wake-on-traffic: \"true\" so that traffic wakes it."
    )]
    Suspended(String),
    /// The sandbox was to be woken and was not.
    #[error("Sandbox {id} could not be woken: {why}.")]
    NotWoken {
        /// Its name.
        id: String,
        /// What came in between.
        why: String,
    },
    /// There is no such sandbox, or nothing answers at its address.
    #[error("Could not connect to the backend sandbox: {0}")]
    Unreachable(String),
    /// The sandbox ended the connection, or said what is no HTTP.
    #[error("The connection to the backend sandbox broke before it answered: {0}")]
    Broken(String),
    /// The sandbox was silent for too long.
    #[error("Sandbox {id} did not answer within {time:?}.")]
    Silent {
        /// Its name.
        id: String,
        /// How long it had.
        time: Duration,
    },
    /// The request did not come to its end, nor move on.
    #[error(
        "Nothing of the request to sandbox {id} moved for {time:?}: it was not sent on, or not taken."
    )]
    Stuck {
        /// The sandbox's name.
        id: String,
        /// For how long.
        time: Duration,
    },
}

/// Codes of gRPC that are used here; see its `statuscodes.md`.
mod grpc {
    pub(super) const INVALID_ARGUMENT: &str = "3";
    pub(super) const DEADLINE_EXCEEDED: &str = "4";
    pub(super) const PERMISSION_DENIED: &str = "7";
    pub(super) const RESOURCE_EXHAUSTED: &str = "8";
    pub(super) const FAILED_PRECONDITION: &str = "9";
    pub(super) const UNAVAILABLE: &str = "14";
    pub(super) const UNAUTHENTICATED: &str = "16";
}

impl Refusal {
    /// The status that says it over HTTP, and the code that says it over gRPC.
    fn codes(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, grpc::INVALID_ARGUMENT),
            Self::Unsupported(_) => (StatusCode::METHOD_NOT_ALLOWED, grpc::INVALID_ARGUMENT),
            Self::Unauthenticated(_) => (StatusCode::UNAUTHORIZED, grpc::UNAUTHENTICATED),
            Self::Forbidden { .. } => (StatusCode::FORBIDDEN, grpc::PERMISSION_DENIED),
            Self::Unchecked => (StatusCode::SERVICE_UNAVAILABLE, grpc::UNAVAILABLE),
            Self::Full(_) | Self::Crowded(_) | Self::Queued(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, grpc::RESOURCE_EXHAUSTED)
            }
            Self::Suspended(_) => (StatusCode::SERVICE_UNAVAILABLE, grpc::FAILED_PRECONDITION),
            Self::NotWoken { .. } => (StatusCode::SERVICE_UNAVAILABLE, grpc::UNAVAILABLE),
            Self::Unreachable(_) | Self::Broken(_) => (StatusCode::BAD_GATEWAY, grpc::UNAVAILABLE),
            Self::Silent { .. } | Self::Stuck { .. } => {
                (StatusCode::GATEWAY_TIMEOUT, grpc::DEADLINE_EXCEEDED)
            }
        }
    }

    /// The status over HTTP.
    pub fn status(&self) -> StatusCode {
        self.codes().0
    }

    /// The response to a client of HTTP, or of gRPC.
    pub fn response(&self, grpc: bool) -> Response<Full<Bytes>> {
        if grpc { self.to_grpc() } else { self.to_http() }
    }

    fn to_http(&self) -> Response<Full<Bytes>> {
        let body = serde_json::json!({ "detail": self.to_string() }).to_string();
        let mut response = Response::new(Full::from(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        match self {
            Self::Unauthenticated(_) => {
                let bearer = HeaderValue::from_static("Bearer");
                headers.insert(header::WWW_AUTHENTICATE, bearer);
            }
            Self::Full(_) | Self::Crowded(_) | Self::Queued(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }

    /// A response of trailers only, as gRPC has it.
    fn to_grpc(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/grpc");
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert("grpc-status", HeaderValue::from_static(self.codes().1));
        if let Ok(message) = HeaderValue::from_str(&percent_encoded(&self.to_string())) {
            headers.insert("grpc-message", message);
        }
        response
    }
}

/// A message as gRPC puts it into a header: bytes beyond the visible ones of
/// ASCII, and the percent sign, in hexadecimal.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn http_is_told_in_json() {
        let response = Refusal::Unreachable("s".to_owned()).response(false);
        assert_eq!(response.status(), 502);
        assert_eq!(response.headers()["content-type"], "application/json");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(
            body,
            r#"{"detail":"Could not connect to the backend sandbox: s"}"#
        );
    }

    #[test]
    fn grpc_is_told_in_headers() {
        let why = "é 100%".to_owned();
        let id = "s".to_owned();
        let response = Refusal::NotWoken { id, why }.response(true);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["grpc-status"], "14");
        assert_eq!(
            response.headers()["grpc-message"],
            "Sandbox s could not be woken: %C3%A9 100%25."
        );
    }
}
