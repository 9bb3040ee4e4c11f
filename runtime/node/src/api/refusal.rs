//! What the node's own REST interface answers where it does not do what was
//! asked: a code and a sentence.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use mote_api::SandboxId;
use mote_surface::{BodyError, Unavailable};
use serde::Serialize;

use crate::node::{CreateError, SpecError};
use crate::sandbox::LifeError;

/// What was not done, and why.
pub(crate) struct Refusal {
    status: StatusCode,
    body: Told,
}

#[derive(Serialize)]
struct Told {
    code: &'static str,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: String) -> Self {
        Self {
            status,
            body: Told { code, message },
        }
    }

    pub(crate) fn invalid(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", message)
    }

    pub(crate) fn gone(id: &str) -> Self {
        let message = format!("there is no sandbox {id}");
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }

    /// It is for nobody at the address that was called.
    pub(crate) fn misdirected(message: &str) -> Self {
        let status = StatusCode::MISDIRECTED_REQUEST;
        Self::new(status, "NOT_FOUND", message.to_owned())
    }

    /// It is not taken now.
    pub(crate) fn unavailable(message: &str) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "UNAVAILABLE", message.to_owned())
    }

    pub(crate) fn denied(status: StatusCode, message: &str) -> Self {
        let code = match status {
            StatusCode::UNAUTHORIZED => "UNAUTHENTICATED",
            _ => "PERMISSION_DENIED",
        };
        Self::new(status, code, message.to_owned())
    }

    /// Our own fault: the log has the reason, the caller has not.
    pub(crate) fn host(action: &str, id: &SandboxId, error: &str) -> Self {
        tracing::error!(sandbox = %id, error, "failed to {action} a sandbox");
        let message = format!("the host failed to {action} sandbox {id}; its log says why");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        // As sandboxd has it, with the end of a line.
        let body = serde_json::to_string(&self.body).unwrap_or_default() + "\n";
        let kind = [(CONTENT_TYPE, "application/json")];
        (self.status, kind, body).into_response()
    }
}

pub(crate) async fn no_route() -> Refusal {
    let message = "there is nothing at this path; /openapi.json lists what there is".to_owned();
    Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
}

pub(crate) async fn no_method() -> Refusal {
    let message = "this path has other methods; /openapi.json lists them".to_owned();
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "INVALID_ARGUMENT", message)
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let (status, code) = match error {
            BodyError::TooLong(_) => (StatusCode::PAYLOAD_TOO_LARGE, "INVALID_ARGUMENT"),
            BodyError::TooSlow(_) => (StatusCode::REQUEST_TIMEOUT, "DEADLINE_EXCEEDED"),
            BodyError::Broken(_) => (StatusCode::BAD_REQUEST, "INVALID_ARGUMENT"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<LifeError> for Refusal {
    fn from(error: LifeError) -> Self {
        match error {
            LifeError::Refused(Unavailable::Gone(id)) => Self::gone(&id),
            LifeError::Refused(error @ Unavailable::NotNow(_)) => {
                Self::new(StatusCode::CONFLICT, "CONFLICT", error.to_string())
            }
            LifeError::Store(error) => store(&error),
        }
    }
}

impl From<CreateError> for Refusal {
    fn from(error: CreateError) -> Self {
        let message = error.to_string();
        match error {
            CreateError::Spec(SpecError::Invalid(_) | SpecError::Image(_)) => {
                Self::invalid(message)
            }
            CreateError::Spec(SpecError::Forbidden(_)) => {
                Self::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message)
            }
            CreateError::Exists(_) | CreateError::Busy(_) | CreateError::Uncopyable(..) => {
                Self::new(StatusCode::CONFLICT, "CONFLICT", message)
            }
            CreateError::Full(_) => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "RESOURCE_EXHAUSTED",
                message,
            ),
            CreateError::Source(error) => error.into(),
            CreateError::Store(error) => store(&error),
        }
    }
}

fn store(error: &crate::store::StoreError) -> Refusal {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(%error, cause, "the state folder failed");
    let message = "the host failed to keep the change on its disk; its log says why".to_owned();
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", message)
}
