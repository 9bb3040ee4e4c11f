//! A sandbox that speaks sandboxd's protocols, however it is reached.

use std::path::Path;

use http::{HeaderName, HeaderValue, Method, Request};
use mote_client::process::{Processes, Tags};

use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::find::is_label;
use crate::objects::Sandbox;
use crate::rest::{Body, Rest, RestError};
use crate::tunnel::Tunnel;

/// Where a sandbox has its files.
pub(crate) const REST_PORT: u16 = 8080;
/// Where a sandbox starts programs.
const GRPC_PORT: u16 = 9090;
/// Longest name that the router takes, in bytes: a label of DNS.
const MAX_LABEL_BYTES: usize = 63;
/// Longest token, in bytes: those of Kubernetes have one or two thousand, and
/// heads of HTTP/2 sixteen thousand in all.
const MAX_TOKEN_BYTES: u64 = 8 << 10;

/// The way to a sandbox's protocols.
#[derive(Clone)]
pub(crate) struct Door {
    rest: Tunnel,
    grpc: Tunnel,
    /// What every request carries; nothing where the tunnel leads to the pod.
    tags: Vec<(&'static str, HeaderValue)>,
    /// Whether it takes and gives folders as archives.
    pub(crate) archives: bool,
}

impl Door {
    /// To a sandbox behind the router.
    pub(crate) fn of_router(
        cluster: &Cluster,
        tunnel: &Tunnel,
        sandbox: &Sandbox,
    ) -> Result<Self, Failure> {
        let name = &sandbox.name;
        if !is_label(name) || name.len() > MAX_LABEL_BYTES {
            return Err(Failure::Refused(format!(
                "sandbox {name} cannot be reached: the router takes names of at most {MAX_LABEL_BYTES} letters, digits and dashes"
            )));
        }
        let value = |text: &str| {
            HeaderValue::from_str(text)
                .map_err(|_| Failure::Refused(format!("{text:?} is no header")))
        };
        let mut tags = vec![
            ("x-sandbox-id", value(name)?),
            ("x-sandbox-namespace", value(&sandbox.namespace)?),
        ];
        if let Some(file) = &cluster.router_token_file {
            let mut bearer = value(&format!("Bearer {}", token(file)?))?;
            bearer.set_sensitive(true);
            tags.push(("authorization", bearer));
        }
        Ok(Self {
            rest: tunnel.clone(),
            grpc: tunnel.clone(),
            tags,
            archives: true,
        })
    }

    /// To a pod that serves them itself, at the tunnel's pod.
    pub(crate) fn of_pod(tunnel: &Tunnel, archives: bool) -> Self {
        Self {
            rest: tunnel.to(REST_PORT),
            grpc: tunnel.to(GRPC_PORT),
            tags: Vec::new(),
            archives,
        }
    }

    /// Its programs.
    pub(crate) async fn processes(&self) -> Result<Processes, Failure> {
        let channel = self.grpc.channel().await?;
        let mut tags = Tags::default();
        for (name, value) in &self.tags {
            // Both are visible ASCII, as they were checked.
            if let Ok(text) = value.to_str()
                && let Ok(value) = text.parse()
            {
                tags = tags.with(name, value);
            }
        }
        Ok(Processes::new(channel, tags))
    }

    /// That what runs there was lost.
    pub(crate) fn lost(&self, why: &str) -> Failure {
        self.grpc.lost(why)
    }

    /// A connection to its files.
    pub(crate) async fn rest(&self) -> Result<Rest, RestError> {
        Rest::connect(&self.rest).await
    }

    /// A request to its files; `uri` begins with a slash and is encoded.
    pub(crate) fn request(
        &self,
        method: Method,
        uri: &str,
        body: Body,
    ) -> Result<Request<Body>, Failure> {
        let request = Request::builder().method(method).uri(uri).body(body);
        let mut request =
            request.map_err(|error| Failure::Refused(format!("{uri} is no address: {error}")))?;
        let headers = request.headers_mut();
        headers.insert(http::header::HOST, HeaderValue::from_static("sandbox"));
        for (name, value) in &self.tags {
            headers.insert(HeaderName::from_static(name), value.clone());
        }
        if !self.tags.is_empty() {
            headers.insert("x-sandbox-port", HeaderValue::from(REST_PORT));
        }
        Ok(request)
    }
}

/// The one line of a token's file.
fn token(file: &Path) -> Result<String, Failure> {
    let wrong = |why: String| Failure::Usage(vec![format!("{}: {why}", file.display())]);
    let meta = std::fs::metadata(file).map_err(|error| wrong(error.to_string()))?;
    if meta.len() > MAX_TOKEN_BYTES {
        return Err(wrong(format!(
            "a token has at most {MAX_TOKEN_BYTES} bytes; name a file with one line"
        )));
    }
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong(
            "it holds no token; name a file with one line".to_owned(),
        ));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_line_of_visible_characters() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            token(&file).ok()
        };
        assert_eq!(read("abc\n").as_deref(), Some("abc"));
        for wrong in ["", "\n", "a b", "a\nb", "ä"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
        let longest = usize::try_from(MAX_TOKEN_BYTES).unwrap();
        assert!(read(&"a".repeat(longest)).is_some());
        assert!(read(&"a".repeat(longest + 1)).is_none());
    }
}
