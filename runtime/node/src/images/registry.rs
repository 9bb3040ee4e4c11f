//! Speaks with registries, by the distribution specification of the OCI.
//!
//! The known client libraries read manifests and tokens however long they
//! are, and follow a registry wherever it sends them. Here each answer has a
//! bound, each wait a limit, and each hop passes the [`Gate`].

mod challenge;
mod connector;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, LOCATION, USER_AGENT, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use mote_api::Digest;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio_rustls::rustls::RootCertStore;
use url::Url;

use super::credentials::Login;
use super::failure::Failure;
use super::gate::Gate;
use super::manifest::{Layer, MANIFEST_TYPES, MAX_MANIFEST_BYTES};
use super::reference::Reference;
use challenge::Challenge;
use connector::HttpClient;

/// Longest wait for the beginning of an answer and for each of its parts:
/// slow registries take seconds to find a layer.
const SILENCE: Duration = Duration::from_secs(15);
/// Hops to where a layer is in truth: a store in a cloud is one or two away.
const MAX_REDIRECTS: usize = 5;
/// Longest token, with its JSON: those with many claims take 8 KiB.
const MAX_TOKEN_BYTES: usize = 64 << 10;
/// What registries are told about who asks.
const AGENT: &str = concat!("mote/", env!("CARGO_PKG_VERSION"));

/// Asks registries.
#[derive(Clone)]
pub(crate) struct Registries {
    http: HttpClient,
    gate: Gate,
}

/// The registry of one image, as it answers one login.
pub(crate) struct Registry<'a> {
    all: &'a Registries,
    image: &'a Reference,
    login: Option<&'a Login>,
    /// What it wants to see with each request, once it has said so.
    shown: Option<HeaderValue>,
    /// Whether the login was of use.
    used: bool,
}

impl Registries {
    /// Asks them where `gate` lets through, and by TLS if one of `roots` says
    /// who they are.
    ///
    /// # Errors
    /// TLS does not work here.
    pub(crate) fn new(gate: Gate, roots: Arc<RootCertStore>) -> Result<Self, String> {
        Ok(Self {
            http: connector::client(&gate, roots)?,
            gate,
        })
    }

    pub(crate) fn of<'a>(&'a self, image: &'a Reference, login: Option<&'a Login>) -> Registry<'a> {
        Registry {
            all: self,
            image,
            login,
            shown: None,
            used: false,
        }
    }

    /// Sends one request, and follows where it leads. What is shown to one
    /// host is not shown to another.
    async fn send(&self, first: Ask) -> Result<Response<Incoming>, Failure> {
        let mut ask = first;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.hop(&ask).await?;
            let target = match response.status() {
                status if !status.is_redirection() => return Ok(response),
                _ => redirected(&ask.url, &response)?,
            };
            if target.origin() != ask.url.origin() {
                ask.shown = None;
            }
            ask = Ask {
                url: target,
                form: None,
                ..ask
            };
        }
        Err(Failure::Unreachable(format!(
            "its registry sends whoever asks elsewhere more than {MAX_REDIRECTS} times"
        )))
    }

    async fn hop(&self, ask: &Ask) -> Result<Response<Incoming>, Failure> {
        let shut = |why: &dyn std::fmt::Display| Failure::Unreachable(why.to_string());
        self.gate.admit(&ask.url).map_err(|error| shut(&error))?;
        let host = ask.url.host_str().unwrap_or_default();
        let request = ask.request().map_err(|error| shut(&error))?;
        let silent = || silent(host);
        let answer = tokio::time::timeout(SILENCE, self.http.request(request)).await;
        let answer = answer.map_err(|_| silent())?;
        answer.map_err(|error| connector::failed(host, &error))
    }
}

impl Registry<'_> {
    /// Whether the login was of use. If not, anybody may have the image.
    pub(crate) fn login_was_used(&self) -> bool {
        self.used
    }

    /// The bytes of a manifest, and what they are. They are those of `digest`,
    /// where there is one, or of the image's tag.
    pub(crate) async fn manifest(
        &mut self,
        digest: Option<Digest>,
    ) -> Result<(Bytes, Digest), Failure> {
        let version = digest.map_or_else(|| self.image.version(), |digest| digest.to_string());
        let path = format!("manifests/{version}");
        let response = self.get(&path, MANIFEST_TYPES).await?;
        let too_large = || {
            Failure::Invalid(format!(
                "its manifest is longer than {MAX_MANIFEST_BYTES} bytes"
            ))
        };
        let bytes = read(response, MAX_MANIFEST_BYTES, self.host(), too_large).await?;
        let found = Digest::from_bytes(Sha256::digest(&bytes).into());
        if digest.is_some_and(|digest| digest != found) {
            return Err(Failure::Invalid(format!(
                "its registry gives {found} where {version} was asked for; pin what is there, or push it again"
            )));
        }
        Ok((bytes, found))
    }

    /// Writes a layer to `to`, just as long and just as its digest says.
    pub(crate) async fn layer(
        &mut self,
        layer: Layer,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), Failure> {
        let Layer { digest, bytes } = layer;
        let other = |what: &str| {
            Failure::Invalid(format!(
                "its registry gives {what} than {digest}, of {bytes} bytes, which its manifest names; push it again"
            ))
        };
        let path = format!("blobs/{digest}");
        let response = self.get(&path, "*/*").await?;
        let (mut body, mut left, mut hasher) = (response.into_body(), bytes, Sha256::new());
        while let Some(part) = next(&mut body, self.host()).await? {
            left = left
                .checked_sub(part.len() as u64)
                .ok_or_else(|| other("more"))?;
            hasher.update(&part);
            to.write_all(&part)
                .await
                .map_err(|error| Failure::host(&error))?;
        }
        if left > 0 {
            return Err(other("less"));
        }
        if Digest::from_bytes(hasher.finalize().into()) != digest {
            return Err(other("something else"));
        }
        to.flush().await.map_err(|error| Failure::host(&error))
    }

    fn host(&self) -> &str {
        self.image.registry()
    }

    /// A part of the image's repository. Shows what the registry wants to see,
    /// if it does not answer without.
    async fn get(
        &mut self,
        path: &str,
        accept: &'static str,
    ) -> Result<Response<Incoming>, Failure> {
        let authority = self.image.authority();
        let scheme = self.all.gate.scheme(authority);
        let repository = self.image.repository();
        let url = format!("{scheme}://{authority}/v2/{repository}/{path}");
        let url: Url = url
            .parse()
            .map_err(|_| Failure::Unknown(format!("{authority} is no address of a registry")))?;
        if self.shown.is_none()
            && let Some(Login::Bearer(token)) = self.login
        {
            // Such a token is made for just this, and cannot be asked about.
            self.shown = Some(bearer(token)?);
            self.used = true;
        }
        let ask = |shown: Option<HeaderValue>| Ask {
            shown,
            accept,
            ..Ask::get(url.clone())
        };
        let mut response = self.all.send(ask(self.shown.clone())).await?;
        if response.status() == StatusCode::UNAUTHORIZED && self.shown.is_none() {
            self.shown = self.authorize(&response).await?;
            response = self.all.send(ask(self.shown.clone())).await?;
        }
        match response.status() {
            status if status.is_success() => Ok(response),
            status => Err(self.refused(status)),
        }
    }

    /// What to show to a registry that answered so.
    async fn authorize(
        &mut self,
        response: &Response<Incoming>,
    ) -> Result<Option<HeaderValue>, Failure> {
        let asked = response.headers().get_all(WWW_AUTHENTICATE);
        match Challenge::of(asked.iter()) {
            Some(Challenge::Basic) => Ok(match self.login {
                Some(Login::Basic { name, password }) => {
                    self.used = true;
                    Some(challenge::basic(name, password)?)
                }
                _ => None,
            }),
            Some(Challenge::Bearer { realm, service }) => {
                self.token(&realm, service.as_deref()).await.map(Some)
            }
            None => Ok(None),
        }
    }

    /// A token, from where the registry says that there are some.
    async fn token(&mut self, realm: &str, service: Option<&str>) -> Result<HeaderValue, Failure> {
        let scope = format!("repository:{}:pull", self.image.repository());
        let ask = challenge::ask_for_token(realm, service, &scope, self.login)?;
        let host = ask.url.host_str().unwrap_or_default().to_owned();
        self.used = self.login.is_some();
        let response = self.all.send(ask).await?;
        let status = response.status();
        if !status.is_success() {
            return Err(self.refused(status));
        }
        let too_long = || {
            Failure::Unreachable(format!(
                "{host} gives a token longer than {MAX_TOKEN_BYTES} bytes"
            ))
        };
        let bytes = read(response, MAX_TOKEN_BYTES, &host, too_long).await?;
        let token = challenge::token(&bytes).ok_or_else(|| {
            Failure::Unreachable(format!("{host} gives no token that can be read"))
        })?;
        bearer(&token)
    }

    /// What an answer without success says.
    fn refused(&self, status: StatusCode) -> Failure {
        let registry = self.host();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let why = match self.login {
                    Some(_) => "not with these credentials; correct them, or the image's name",
                    None => {
                        "not without credentials; name some in imagePullSecrets, or correct the image's name"
                    }
                };
                Failure::Unknown(format!("{registry} does not give it, {why}"))
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Failure::Unknown(format!(
                "{registry} has no such image; push it, or correct the image's name"
            )),
            _ => Failure::Unreachable(format!(
                "{registry} answers {}; see what is wrong with it",
                status.as_u16()
            )),
        }
    }
}

/// One request.
struct Ask {
    url: Url,
    accept: &'static str,
    shown: Option<HeaderValue>,
    /// A form to be sent; without, it only asks.
    form: Option<String>,
}

impl Ask {
    fn get(url: Url) -> Self {
        Self {
            url,
            accept: "*/*",
            shown: None,
            form: None,
        }
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, http::Error> {
        let method = if self.form.is_some() {
            Method::POST
        } else {
            Method::GET
        };
        let mut request = Request::builder()
            .method(method)
            .uri(self.url.as_str())
            .header(USER_AGENT, AGENT)
            .header(ACCEPT, self.accept);
        if let Some(shown) = &self.shown {
            request = request.header(AUTHORIZATION, shown);
        }
        let body = match &self.form {
            Some(form) => {
                request = request.header(
                    http::header::CONTENT_TYPE,
                    "application/x-www-form-urlencoded",
                );
                Bytes::from(form.clone())
            }
            None => Bytes::new(),
        };
        request.body(Full::new(body))
    }
}

/// Where an answer leads.
fn redirected(from: &Url, response: &Response<Incoming>) -> Result<Url, Failure> {
    let location = response.headers().get(LOCATION);
    let location = location.and_then(|value| value.to_str().ok());
    let target = location.and_then(|location| from.join(location).ok());
    target.ok_or_else(|| {
        Failure::Unreachable(format!(
            "{} sends whoever asks elsewhere and does not say where",
            from.host_str().unwrap_or_default()
        ))
    })
}

fn bearer(token: &str) -> Result<HeaderValue, Failure> {
    challenge::secret(format!("Bearer {token}"))
}

/// All of an answer, if it is no longer than `most`.
async fn read(
    response: Response<Incoming>,
    most: usize,
    host: &str,
    too_long: impl Fn() -> Failure,
) -> Result<Bytes, Failure> {
    let mut body = response.into_body();
    let mut bytes = BytesMut::new();
    while let Some(part) = next(&mut body, host).await? {
        if bytes.len() + part.len() > most {
            return Err(too_long());
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes.freeze())
}

/// The next part of an answer.
async fn next(body: &mut Incoming, host: &str) -> Result<Option<Bytes>, Failure> {
    loop {
        let frame = tokio::time::timeout(SILENCE, body.frame()).await;
        match frame.map_err(|_| silent(host))? {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(_)) => {
                return Err(Failure::Unreachable(format!(
                    "{host} breaks off in the middle; see whether it works"
                )));
            }
        }
    }
}

fn silent(host: &str) -> Failure {
    Failure::Unreachable(format!(
        "{host} says nothing for {} s; see whether it works and can be reached from this node",
        SILENCE.as_secs()
    ))
}

#[cfg(test)]
mod tests;
