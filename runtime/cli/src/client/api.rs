//! The server's REST interface.

use std::error::Error;
use std::time::Duration;

use mote_api::SandboxId;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::client::server::Server;
use crate::failure::Failure;
use mote_client::text::chain;

/// How long a server may take to accept a connection: one that lives does so
/// at once.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a whole answer may take that is one JSON value. A fork copies
/// files, which takes a while for many.
const ANSWER: Duration = Duration::from_secs(300);
/// Most bytes of an error that are read: it is a sentence.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// The header that chooses a sandbox, and the gRPC metadata entry.
pub(crate) const SANDBOX_HEADER: &str = "x-sandbox-id";
/// The header that chooses one of its surfaces.
const PORT_HEADER: &str = "x-sandbox-port";
/// The surface with the files.
const FILES_PORT: &str = "8080";

/// A server, and how it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    client: Client,
    server: Server,
}

/// There is no answer, or none that helps.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The server was not reached, or broke off.
    Lost(String),
    /// The server declined.
    Refused(StatusCode, String),
}

impl ApiError {
    /// What it means that `action`, such as `delete work`, did not happen.
    pub(crate) fn during(self, action: &str) -> Failure {
        match self {
            Self::Lost(why) => Failure::Host(anyhow::Error::msg(why)),
            Self::Refused(status, why) => {
                let advice = advice(status, &why).unwrap_or_default();
                Failure::Refused(vec![format!("failed to {action}: {why}{advice}")])
            }
        }
    }
}

/// What to do, where the server's own words do not say.
fn advice(status: StatusCode, why: &str) -> Option<&'static str> {
    match status {
        StatusCode::UNAUTHORIZED => Some("; name the file that the token is in with --token-file"),
        // And no file in one, of which the server says other words.
        StatusCode::NOT_FOUND if why.starts_with("there is no sandbox") => {
            Some("; `mote ps` lists the sandboxes there are")
        }
        _ => None,
    }
}

/// What to do about a server that is not there.
pub(crate) fn lost(server: &Server, error: &(dyn Error + 'static)) -> String {
    let url = server.url.as_str().trim_end_matches('/');
    format!(
        "no answer from the server at {url}: {}; start one with `mote serve`, or name another with --server",
        innermost(error)
    )
}

/// The cause that says most: what the system said.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    chain(deepest)
}

impl Api {
    /// Makes ready to ask `server`; nothing is sent yet.
    pub(crate) fn new(server: Server) -> Result<Self, Failure> {
        let client = Client::builder()
            // The token is for the server, and not for whoever stands between.
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            .build();
        let client = client.map_err(anyhow::Error::new)?;
        Ok(Self { client, server })
    }

    /// The server that is asked.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// The address of `path`, which begins with a slash and is encoded.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.server.url.clone();
        url.set_path(path);
        url
    }

    /// A request to a URL of this server.
    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.client.request(method, url);
        let Some(token) = &self.server.token else {
            return request;
        };
        // A token is visible ASCII, as it was checked.
        match HeaderValue::try_from(token.bearer()) {
            Ok(mut value) => {
                value.set_sensitive(true);
                request.header(AUTHORIZATION, value)
            }
            Err(_) => request,
        }
    }

    /// A request to a sandbox's files.
    pub(crate) fn files(&self, method: Method, id: &SandboxId, url: Url) -> RequestBuilder {
        self.request(method, url)
            .header(SANDBOX_HEADER, id.as_str())
            .header(PORT_HEADER, FILES_PORT)
    }

    /// The answer to a request, whose body may go on for ever.
    pub(crate) async fn answer(&self, request: RequestBuilder) -> Result<Response, ApiError> {
        let response = request.send().await.map_err(|error| self.lost(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        Err(ApiError::Refused(status, self.reason(response).await))
    }

    /// The answer to a request, which is one JSON value.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, ApiError> {
        let response = self.answer(request.timeout(ANSWER)).await?;
        let bytes = response.bytes().await.map_err(|error| self.lost(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            ApiError::Lost(format!(
                "the server at {} gave no answer that makes sense ({error}); check that it is a `mote serve` of this version",
                self.server.url
            ))
        })
    }

    /// That the connection broke, or was not made.
    pub(crate) fn lost(&self, error: &(dyn Error + 'static)) -> ApiError {
        ApiError::Lost(lost(&self.server, error))
    }

    /// Why the server declined, in its own words.
    async fn reason(&self, mut response: Response) -> String {
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ERROR_BYTES {
                break;
            }
        }
        reason(response.status(), &body)
    }
}

fn reason(status: StatusCode, body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    match serde_json::from_slice::<Refusal>(body) {
        Ok(Refusal { message }) if !message.is_empty() => message,
        _ => match String::from_utf8_lossy(body).trim() {
            "" => format!("the server answered {status}"),
            text => format!("the server answered {status}: {text}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_servers_words() {
        let json = br#"{"code":"NOT_FOUND","message":"there is no sandbox a"}"#;
        assert_eq!(reason(StatusCode::NOT_FOUND, json), "there is no sandbox a");
        assert_eq!(
            reason(StatusCode::BAD_GATEWAY, b""),
            "the server answered 502 Bad Gateway"
        );
        assert_eq!(
            reason(StatusCode::NOT_FOUND, b"404 page not found\n"),
            "the server answered 404 Not Found: 404 page not found"
        );
    }

    #[test]
    fn a_failure_says_what_happened_to_what_and_what_to_do() {
        let refused = ApiError::Refused(StatusCode::NOT_FOUND, "there is no sandbox a".to_owned());
        let Failure::Refused(lines) = refused.during("delete a") else {
            panic!("a refusal is no other failure")
        };
        assert_eq!(
            lines,
            ["failed to delete a: there is no sandbox a; `mote ps` lists the sandboxes there are"]
        );
    }

    #[test]
    fn a_server_that_is_not_there_can_be_started() {
        let server = Server {
            url: Url::parse("http://127.0.0.1:7070").unwrap(),
            token: None,
        };
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert_eq!(
            lost(&server, &refused),
            "no answer from the server at http://127.0.0.1:7070: connection refused; start one with `mote serve`, or name another with --server"
        );
    }
}
