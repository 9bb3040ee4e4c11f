//! Why a call did not begin, in the form of sandboxd's REST API.

use http::StatusCode;

use crate::backend::StartError;
use crate::rest::reply::Refusal;

impl From<StartError> for Refusal {
    fn from(error: StartError) -> Self {
        let (status, code) = match &error {
            StartError::NotFound(_) => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            StartError::Denied(_) => (StatusCode::FORBIDDEN, "PERMISSION_DENIED"),
            StartError::Invalid(_) => (StatusCode::BAD_REQUEST, "INVALID_ARGUMENT"),
            StartError::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
            StartError::Lost(_) => (StatusCode::CONFLICT, "CONFLICT"),
            StartError::Unavailable(error) => return error.clone().into(),
            StartError::Host => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"),
        };
        Self::new(status, code, error.to_string())
    }
}
