//! Errors in the form of sandboxd's REST API.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::backend::{StartError, Unavailable};

/// An error with its status.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    message: String,
}

impl Failure {
    pub(super) fn new(status: StatusCode, message: String) -> Self {
        Self { status, message }
    }

    fn code(&self) -> &'static str {
        match self.status {
            StatusCode::BAD_REQUEST => "INVALID_ARGUMENT",
            StatusCode::FORBIDDEN => "PERMISSION_DENIED",
            StatusCode::NOT_FOUND => "NOT_FOUND",
            StatusCode::CONFLICT => "CONFLICT",
            StatusCode::SERVICE_UNAVAILABLE => "UNAVAILABLE",
            _ => "INTERNAL",
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let status = match &error {
            StartError::NotFound(_) => StatusCode::NOT_FOUND,
            StartError::Denied(_) => StatusCode::FORBIDDEN,
            StartError::Invalid(_) => StatusCode::BAD_REQUEST,
            StartError::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            StartError::Lost(_) => StatusCode::CONFLICT,
            StartError::Unavailable(error) => return error.clone().into(),
            StartError::Host => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl From<Unavailable> for Failure {
    fn from(error: Unavailable) -> Self {
        let status = match &error {
            Unavailable::Gone(_) => StatusCode::NOT_FOUND,
            Unavailable::NotNow(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Told<'a> {
            code: &'a str,
            message: &'a str,
        }
        let told = Told {
            code: self.code(),
            message: &self.message,
        };
        json(self.status, &told)
    }
}

/// JSON as Go writes it, with a line end.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    match serde_json::to_vec(body) {
        Ok(mut body) => {
            body.push(b'\n');
            (status, [(header::CONTENT_TYPE, JSON)], body).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
