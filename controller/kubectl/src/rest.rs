//! Requests of HTTP over a tunnel.

use std::io;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::tunnel::Tunnel;
use mote_client::text::chain;

/// Most bytes of an answer that is one value: a folder of a hundred thousand
/// files has a longer listing than people read.
const MAX_VALUE_BYTES: usize = 16 << 20;
/// Most bytes of an error that are read: it is a sentence.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// What is sent with a request.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Nothing is sent.
pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// One connection, for one request after another.
pub(crate) struct Rest {
    sender: SendRequest<Body>,
    tunnel: Tunnel,
}

/// There is no answer, or none that helps.
#[derive(Debug)]
pub(crate) enum RestError {
    /// Nobody was reached, or the connection broke.
    Lost(Failure),
    /// The router or the sandbox declined, in its own words.
    Refused(StatusCode, String),
}

impl RestError {
    /// What it means that `action`, such as `read work:a`, did not happen.
    pub(crate) fn during(self, action: &str) -> Failure {
        match self {
            Self::Lost(Failure::Lost(why)) => Failure::Lost(format!("failed to {action}: {why}")),
            Self::Lost(failure) => failure,
            Self::Refused(status, why) => {
                let advice = advice(status).unwrap_or_default();
                Failure::Refused(format!("failed to {action}: {why}{advice}"))
            }
        }
    }
}

/// What to do, where the other side's own words do not say.
fn advice(status: StatusCode) -> Option<&'static str> {
    (status == StatusCode::UNAUTHORIZED)
        .then_some("; name a file with the router's token with --router-token-file")
}

impl Rest {
    /// Connects.
    pub(crate) async fn connect(tunnel: &Tunnel) -> Result<Self, RestError> {
        let stream = tunnel.connect().await;
        let stream = stream.map_err(|why| RestError::Lost(tunnel.denied(why)))?;
        let lost = |error: hyper::Error| RestError::Lost(tunnel.lost(&chain(&error)));
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(lost)?;
        // It ends with the last answer; what breaks it is told there.
        tokio::spawn(connection);
        let tunnel = tunnel.clone();
        Ok(Self { sender, tunnel })
    }

    /// The answer to a request, whose body may go on for ever.
    pub(crate) async fn answer(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, RestError> {
        let answer = async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        };
        let response = answer.await.map_err(|error| self.lost(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = Limited::new(response.into_body(), MAX_ERROR_BYTES);
        let body = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        Err(RestError::Refused(
            status,
            reason(status, &body.unwrap_or_default()),
        ))
    }

    /// The answer to a request, which is one JSON value.
    pub(crate) async fn json<T: DeserializeOwned>(
        &mut self,
        request: Request<Body>,
    ) -> Result<T, RestError> {
        let response = self.answer(request).await?;
        self.value(response).await
    }

    /// The one JSON value that an answer is.
    pub(crate) async fn value<T: DeserializeOwned>(
        &self,
        response: Response<Incoming>,
    ) -> Result<T, RestError> {
        let lost = |why: String| RestError::Lost(self.tunnel.lost(&why));
        let body = Limited::new(response.into_body(), MAX_VALUE_BYTES).collect();
        let body = body.await.map_err(|error| lost(error.to_string()))?;
        serde_json::from_slice(&body.to_bytes())
            .map_err(|error| lost(format!("the answer makes no sense: {error}")))
    }

    /// That the connection broke.
    pub(crate) fn lost(&self, error: &hyper::Error) -> RestError {
        RestError::Lost(self.tunnel.lost(&chain(error)))
    }
}

/// Why somebody declined, in its own words: sandboxd's, or the router's.
fn reason(status: StatusCode, body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(alias = "detail")]
        message: String,
    }
    match serde_json::from_slice::<Refusal>(body) {
        Ok(Refusal { message }) if !message.is_empty() => message,
        _ => match String::from_utf8_lossy(body).trim() {
            "" => format!("the answer is {status}"),
            text => format!("the answer is {status}: {text}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_words_of_who_declined() {
        let sandbox = br#"{"code":"NOT_FOUND","message":"there is no file a"}"#;
        assert_eq!(reason(StatusCode::NOT_FOUND, sandbox), "there is no file a");
        let router = br#"{"detail":"Sandbox s is suspended."}"#;
        assert_eq!(
            reason(StatusCode::SERVICE_UNAVAILABLE, router),
            "Sandbox s is suspended."
        );
        assert_eq!(
            reason(StatusCode::NOT_FOUND, b"404 page not found\n"),
            "the answer is 404 Not Found: 404 page not found"
        );
        assert_eq!(
            reason(StatusCode::BAD_GATEWAY, b""),
            "the answer is 502 Bad Gateway"
        );
    }

    #[test]
    fn a_token_that_is_asked_for_can_be_named() {
        let refused = RestError::Refused(StatusCode::UNAUTHORIZED, "No token.".to_owned());
        let Failure::Refused(why) = refused.during("read s:a") else {
            panic!("a refusal is no other failure")
        };
        assert!(why.starts_with("failed to read s:a: No token.; name a file"));
    }
}
