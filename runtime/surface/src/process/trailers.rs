//! What follows the last response: how the call went, and the outcome.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use http_body_util::BodyExt;
use mote_api::Outcome;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use crate::{OUTCOME_HEADER, call};

const OUTCOME: HeaderName = HeaderName::from_static(OUTCOME_HEADER);

/// What tonic says of a message that is too large, and what all other gRPC
/// servers say.
const TONIC_TOO_LARGE: Code = Code::OutOfRange;
const TOO_LARGE: Code = Code::ResourceExhausted;

/// The end of a stream of responses that went well, with the outcome.
pub(super) fn success(outcome: &Outcome) -> Status {
    let trailers = call::outcome(outcome).map(|value| (OUTCOME, value));
    let trailers = MetadataMap::from_headers(HeaderMap::from_iter(trailers));
    Status::with_metadata(Code::Ok, "", trailers)
}

/// The outcome that a single response is to have in its trailers.
#[derive(Clone, Debug)]
struct Trailer(HeaderValue);

/// A single response with the outcome.
pub(super) fn single<T>(message: T, outcome: &Outcome) -> tonic::Response<T> {
    let mut response = tonic::Response::new(message);
    if let Some(value) = call::outcome(outcome) {
        response.extensions_mut().insert(Trailer(value));
    }
    response
}

/// Does what tonic cannot: gives a single response its trailer, and says
/// "too large" as other servers do.
pub(super) fn finish(mut response: Response) -> Response {
    if let Some(status) = response.headers_mut().get_mut(Status::GRPC_STATUS)
        && Code::from_bytes(status.as_bytes()) == TONIC_TOO_LARGE
    {
        *status = HeaderValue::from(TOO_LARGE as i32);
    }
    let Some(Trailer(value)) = response.extensions_mut().remove() else {
        return response;
    };
    response.map(|body| {
        Body::new(body.map_frame(move |frame| match frame.into_trailers() {
            Ok(mut trailers) => {
                trailers.insert(OUTCOME, value.clone());
                Frame::trailers(trailers)
            }
            Err(data) => data,
        }))
    })
}
