//! Requests that are refused, in FastAPI's words.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::{answer, detail};
use crate::backend::Unavailable;
use crate::patience::TooSlow;

/// A request that is refused before anything is done.
#[derive(Debug, PartialEq)]
pub(super) enum Refusal {
    /// 422: all that is wrong with the body.
    Unprocessable(Vec<Fault>),
    /// Another status, with a sentence in `detail`.
    Status(StatusCode, &'static str),
    /// Another status, with a sentence in `message`.
    Message(StatusCode, String),
    /// The sandbox takes no calls.
    Unavailable(Unavailable),
}

impl Refusal {
    /// The body comes too slowly.
    pub(super) fn idle() -> Self {
        Self::Status(StatusCode::REQUEST_TIMEOUT, "Request Timeout")
    }
}

/// A place in a request and what is wrong with it, as pydantic tells it.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Fault {
    #[serde(rename = "type")]
    kind: &'static str,
    loc: Vec<Value>,
    msg: &'static str,
    input: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    ctx: Option<Value>,
}

impl Fault {
    /// A fault of the body, or of what is at the place `at` in it.
    pub(super) fn new(kind: &'static str, at: &[Value], msg: &'static str, input: &Value) -> Self {
        let mut loc = vec![json!("body")];
        loc.extend_from_slice(at);
        Self {
            kind,
            loc,
            msg,
            input: input.clone(),
            ctx: None,
        }
    }

    /// The same, with more to say.
    pub(super) fn with(mut self, ctx: Value) -> Self {
        self.ctx = Some(ctx);
        self
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Unprocessable(vec![fault])
    }
}

impl From<Unavailable> for Refusal {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

impl From<TooSlow> for Refusal {
    fn from(TooSlow: TooSlow) -> Self {
        Self::idle()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Detail {
            detail: Vec<Fault>,
        }
        match self {
            Self::Unprocessable(detail) => {
                answer(StatusCode::UNPROCESSABLE_ENTITY, &Detail { detail })
            }
            Self::Status(status, text) => detail(status, text),
            Self::Message(status, text) => answer(status, &json!({ "message": text })),
            Self::Unavailable(error @ Unavailable::Gone(_)) => {
                detail(StatusCode::NOT_FOUND, &error.to_string())
            }
            Self::Unavailable(error @ Unavailable::NotNow(_)) => {
                detail(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
            }
        }
    }
}
