//! Answers as Go's `net/http` and `encoding/json` write them.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::backend::Unavailable;
use crate::body::BodyError;
use crate::files::{FileError, PathError};

/// What is wrong, as the body of every answer that is no success.
#[derive(Debug, Serialize)]
pub(crate) struct Refusal {
    #[serde(skip)]
    pub(crate) status: StatusCode,
    code: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    /// The request itself is wrong.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", message)
    }

    /// Our own fault.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", message)
    }

    /// The caller sends too slowly.
    pub(crate) fn idle() -> Self {
        let message = "the request's body came too slowly, or stopped; send it again";
        Self::new(StatusCode::REQUEST_TIMEOUT, "DEADLINE_EXCEEDED", message)
    }
}

impl From<Unavailable> for Refusal {
    fn from(unavailable: Unavailable) -> Self {
        let (status, code) = match unavailable {
            Unavailable::Gone(_) => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            Unavailable::NotNow(_) => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
        };
        Self::new(status, code, unavailable.to_string())
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooSlow(_) => Self::idle(),
            BodyError::TooLong(_) | BodyError::Broken(_) => Self::invalid(error.to_string()),
        }
    }
}

impl From<FileError> for Refusal {
    fn from(error: FileError) -> Self {
        let message = error.to_string();
        match error {
            FileError::Path(PathError::Escapes) | FileError::Denied | FileError::Special => {
                Self::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message)
            }
            FileError::Path(PathError::Nul | PathError::TooLong)
            | FileError::IsFolder
            | FileError::Archive(_) => Self::invalid(message),
            FileError::Missing => Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message),
            FileError::NotEmpty => Self::new(StatusCode::CONFLICT, "CONFLICT", message),
            FileError::Full(_) => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "RESOURCE_EXHAUSTED",
                message,
            ),
            FileError::Path(PathError::Links | PathError::Io(_))
            | FileError::TooMany(_)
            | FileError::Io { .. } => Self::internal(message),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        json(self.status, &self)
    }
}

/// `body` as Go's encoder writes it: one line, with what could be taken for
/// HTML escaped.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let Ok(text) = serde_json::to_string(body) else {
        // Only maps with odd keys fail, and there are none.
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut escaped = String::with_capacity(text.len() + 1);
    for char in text.chars() {
        match char {
            '<' => escaped.push_str(r"\u003c"),
            '>' => escaped.push_str(r"\u003e"),
            '&' => escaped.push_str(r"\u0026"),
            '\u{2028}' => escaped.push_str(r"\u2028"),
            '\u{2029}' => escaped.push_str(r"\u2029"),
            char => escaped.push(char),
        }
    }
    escaped.push('\n');
    let kind = HeaderValue::from_static("application/json");
    (status, [(CONTENT_TYPE, kind)], escaped).into_response()
}

/// A plain sentence, as Go's `http.Error`.
pub(super) fn text(status: StatusCode, text: &str) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, format!("{text}\n")).into_response()
}

/// Done, and nothing to say.
pub(super) fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_too_slow_is_408() {
        let refused = Refusal::from(BodyError::TooSlow(std::time::Duration::from_secs(1)));
        let told = (refused.status, refused.code);
        assert_eq!(told, (StatusCode::REQUEST_TIMEOUT, "DEADLINE_EXCEEDED"));
    }

    #[tokio::test]
    async fn json_is_as_go_writes_it() {
        let response = json(StatusCode::OK, &"<a> & \u{2028}\u{7f}ä\"");
        let body = axum::body::to_bytes(response.into_body(), 1024).await;
        assert_eq!(
            body.unwrap(),
            "\"\\u003ca\\u003e \\u0026 \\u2028\u{7f}ä\\\"\"\n"
        );
    }
}
