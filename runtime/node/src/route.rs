//! For which sandbox, and by which protocol, a request is.
//!
//! | by | sandbox | protocol |
//! |---|---|---|
//! | the address that was called | whose it is | the port that was called |
//! | `X-Sandbox-ID` | its value | `X-Sandbox-Port`, else guessed |
//! | host name `ID.localhost` | `ID` | `X-Sandbox-Port`, else guessed |
//! | path `/v1/sandboxes/ID/rest/…`, `…/runtime/…` | `ID` | as it says |
//! | none of these | the node's own REST | |
//!
//! Guessed: gRPC by its content type, REST by a path below `/v1/`, else the
//! python-runtime API. The headers are those of the sandbox router.
//!
//! At an address that sandboxes of a cluster share, the host name alone says
//! which one it is, as their services have it: `NAME.NAMESPACE`,
//! `NAME.NAMESPACE.svc` or `NAME.NAMESPACE.svc.DOMAIN`.

use http::header::{CONTENT_TYPE, HOST};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Uri};
use mote_api::SandboxId;

use crate::metrics::Surface;

/// The ports of the protocols, as sandboxd and the python-runtime have them.
pub(crate) const REST_PORT: u16 = 8080;
pub(crate) const GRPC_PORT: u16 = 9090;
pub(crate) const RUNTIME_PORT: u16 = 8888;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// To the node.
    Node,
    /// To a sandbox, by this protocol; with a path of its own where it came
    /// with a prefix.
    Sandbox(SandboxId, Surface, Option<PathAndQuery>),
}

/// A request is for nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Lost {
    #[error("X-Sandbox-ID is there twice; send it once")]
    Twice,
    #[error("{0:?} is no name of a sandbox")]
    Name(String),
    #[error(
        "no protocol is spoken at port {0:?}; there are {REST_PORT} (REST), {GRPC_PORT} (gRPC) and {RUNTIME_PORT} (python-runtime)"
    )]
    Port(String),
}

/// Where a request goes that came to the node's own address.
pub(crate) fn route(host: Option<&str>, headers: &HeaderMap, uri: &Uri) -> Result<Route, Lost> {
    let mut ids = headers.get_all("x-sandbox-id").iter();
    if let Some(id) = ids.next() {
        if ids.next().is_some() {
            // A proxy may have looked at the other one.
            return Err(Lost::Twice);
        }
        let id = String::from_utf8_lossy(id.as_bytes()).into_owned();
        return named(id, headers, uri);
    }
    let host = host.map(|host| host.trim_end_matches('.').to_ascii_lowercase());
    let label = host
        .as_deref()
        .and_then(|host| host.strip_suffix(".localhost"));
    if let Some(label) = label {
        // Of `a.default.svc.localhost` too, the sandbox is the first.
        let id = label.split('.').next().unwrap_or(label);
        return named(id.to_owned(), headers, uri);
    }
    Ok(by_path(uri).unwrap_or(Route::Node))
}

/// The one host name of a request, without its port. Of two that differ, a
/// proxy may have looked at the other one.
fn only_host(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let mut told = headers.get_all(HOST).iter();
    let header = told.next().map(|host| Authority::try_from(host.as_bytes()));
    if told.next().is_some() {
        return None;
    }
    let host = match (uri.authority(), header.transpose().ok()?) {
        (Some(one), Some(other)) if *one != other => return None,
        (Some(one), _) => one.clone(),
        (None, other) => other?,
    };
    let name = host.host();
    // Before it there is nothing, behind it a port or nothing.
    let port = host.as_str().strip_prefix(name)?;
    let is_port = |port: &str| {
        port.strip_prefix(':')
            .is_some_and(|it| it.parse::<u16>().is_ok())
    };
    (port.is_empty() || is_port(port)).then(|| name.to_ascii_lowercase())
}

/// The session that a request is for, as `NAME.NAMESPACE`, by its host.
pub(crate) fn session(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let host = only_host(headers, uri)?;
    let mut labels = host.strip_suffix('.').unwrap_or(&host).split('.');
    let (name, namespace) = (labels.next()?, labels.next()?);
    let of_service = labels.next().is_none_or(|label| label == "svc");
    let are_labels = !name.is_empty() && !namespace.is_empty() && labels.all(|it| !it.is_empty());
    (of_service && are_labels).then(|| format!("{name}.{namespace}"))
}

fn named(id: String, headers: &HeaderMap, uri: &Uri) -> Result<Route, Lost> {
    let id = id.parse().map_err(|_| Lost::Name(id))?;
    let surface = match headers.get("x-sandbox-port") {
        Some(port) => {
            let port = String::from_utf8_lossy(port.as_bytes());
            let number = port.parse().ok();
            // The router's default, where the request itself says otherwise.
            let guessed = guess(headers, uri);
            match number.and_then(by_port) {
                Some(Surface::Runtime) if guessed == Surface::Grpc => guessed,
                Some(surface) => surface,
                None => return Err(Lost::Port(port.into_owned())),
            }
        }
        None => guess(headers, uri),
    };
    Ok(Route::Sandbox(id, surface, None))
}

/// The protocol that is spoken at a port.
pub(crate) fn by_port(port: u16) -> Option<Surface> {
    match port {
        REST_PORT => Some(Surface::Rest),
        GRPC_PORT => Some(Surface::Grpc),
        RUNTIME_PORT => Some(Surface::Runtime),
        _ => None,
    }
}

/// The protocol of a request that does not say.
pub(crate) fn guess(headers: &HeaderMap, uri: &Uri) -> Surface {
    let grpc = headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    let path = uri.path();
    if grpc {
        Surface::Grpc
    } else if path.starts_with("/v1/") || matches!(path, "/v1" | "/openapi.json") {
        Surface::Rest
    } else {
        Surface::Runtime
    }
}

/// What a path came with before it was `path`; empty if it is the same.
pub(crate) fn prefix(uri: &Uri, path: &PathAndQuery) -> String {
    let whole = uri.path_and_query().map_or("", PathAndQuery::as_str);
    let prefix = whole.strip_suffix(path.as_str());
    prefix.unwrap_or_default().to_owned()
}

fn by_path(uri: &Uri) -> Option<Route> {
    let rest = uri.path().strip_prefix("/v1/sandboxes/")?;
    let (id, rest) = rest.split_once('/')?;
    let (word, _) = rest.split_once('/')?;
    let surface = match word {
        "rest" => Surface::Rest,
        "runtime" => Surface::Runtime,
        _ => return None,
    };
    let whole = uri.path_and_query()?.as_str();
    let prefix = "/v1/sandboxes/".len() + id.len() + 1 + word.len();
    let path = whole.get(prefix..)?.parse().ok()?;
    Some(Route::Sandbox(id.parse().ok()?, surface, Some(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, headers: &[(&str, &str)], uri: &str) -> Result<Route, Lost> {
        let headers = headers
            .iter()
            .fold(HeaderMap::new(), |mut all, (name, value)| {
                let name: http::HeaderName = name.parse().unwrap();
                all.append(name, value.parse().unwrap());
                all
            });
        route(Some(host), &headers, &uri.parse().unwrap())
    }

    fn to(surface: Surface) -> Result<Route, Lost> {
        Ok(Route::Sandbox("a".parse().unwrap(), surface, None))
    }

    #[test]
    fn a_header_names_the_sandbox_and_the_port_the_protocol() {
        let id = ("x-sandbox-id", "a");
        let port = |port| at("localhost", &[id, ("x-sandbox-port", port)], "/execute");
        assert_eq!(port("8080"), to(Surface::Rest));
        assert_eq!(port("8888"), to(Surface::Runtime));
        assert_eq!(port("9090"), to(Surface::Grpc));
        for bad in ["", "80", "8888x", "99999"] {
            assert!(matches!(port(bad), Err(Lost::Port(_))), "{bad}");
        }
        assert!(matches!(
            at("localhost", &[("x-sandbox-id", "../a")], "/"),
            Err(Lost::Name(_))
        ));
        let twice = [id, ("x-sandbox-id", "b")];
        assert_eq!(at("localhost", &twice, "/"), Err(Lost::Twice));
    }

    #[test]
    fn without_a_port_the_protocol_is_guessed() {
        let id = ("x-sandbox-id", "a");
        assert_eq!(at("localhost", &[id], "/execute"), to(Surface::Runtime));
        assert_eq!(at("localhost", &[id], "/v1/health"), to(Surface::Rest));
        let grpc = ("content-type", "application/grpc+proto");
        let path = "/process.v1.ProcessService/Execute";
        assert_eq!(at("localhost", &[id, grpc], path), to(Surface::Grpc));
        let default = ("x-sandbox-port", "8888");
        assert_eq!(
            at("localhost", &[id, grpc, default], path),
            to(Surface::Grpc)
        );
    }

    #[test]
    fn a_host_name_names_the_sandbox() {
        assert_eq!(at("a.localhost", &[], "/v1/files/x"), to(Surface::Rest));
        assert_eq!(
            at("a.default.localhost.", &[], "/list/x"),
            to(Surface::Runtime)
        );
        for node in ["localhost", "127.0.0.1", "a.example"] {
            assert_eq!(at(node, &[], "/v1/files/x"), Ok(Route::Node), "{node}");
        }
    }

    /// The session of a request with these hosts.
    fn session_of(hosts: &[&str], uri: &str) -> Option<String> {
        let hosts = hosts.iter().map(|host| (HOST, host.parse().unwrap()));
        let mut headers = HeaderMap::new();
        for (name, host) in hosts {
            headers.append(name, host);
        }
        session(&headers, &uri.parse().unwrap())
    }

    #[test]
    fn a_host_names_a_session_as_its_service_has_it() {
        for host in [
            "a.n",
            "a.n:8080",
            "a.n.svc",
            "a.n.svc:1",
            "a.n.svc.cluster.local",
            "a.n.svc.cluster.local.:65535",
            "A.N.Svc.Example.COM",
        ] {
            assert_eq!(session_of(&[host], "/").as_deref(), Some("a.n"), "{host}");
            let whole = format!("http://{host}/v1/health");
            for hosts in [&[][..], &[host]] {
                assert_eq!(session_of(hosts, &whole).as_deref(), Some("a.n"), "{host}");
            }
        }
        assert_eq!(
            session_of(&["svc.svc.svc"], "/").as_deref(),
            Some("svc.svc")
        );
    }

    #[test]
    fn another_host_names_nobody() {
        for host in [
            "",
            "a",
            "a.",
            ".n",
            "a..svc",
            "a.n.x",
            "a.n.pod.cluster.local",
            "a.n.svc..",
            "a.n.svc..local",
            "a.b.n.svc.cluster.local",
            "10.0.0.7",
            "10.0.0.7:8080",
            "[fd00::7]:8080",
            "b@a.n",
            "a.n:",
            "a.n:x",
            "a.n:99999",
            "a.n/",
            "a n.svc",
        ] {
            assert_eq!(session_of(&[host], "/"), None, "{host:?}");
        }
        assert_eq!(session_of(&[], "/"), None);
        assert_eq!(session_of(&["a.n", "a.n"], "/"), None, "twice");
        assert_eq!(session_of(&["a.n"], "http://b.n/"), None, "two of them");
    }

    #[test]
    fn a_path_names_the_sandbox_and_loses_its_prefix() {
        let whole = "/v1/sandboxes/a/rest/v1/files/b%2Fc?mode=0600";
        let path = at("localhost", &[], whole);
        let Ok(Route::Sandbox(id, Surface::Rest, Some(path))) = path else {
            panic!("{path:?}")
        };
        assert_eq!(
            (id.as_str(), path.as_str()),
            ("a", "/v1/files/b%2Fc?mode=0600")
        );
        let prefix = prefix(&whole.parse().unwrap(), &path);
        assert_eq!(prefix, "/v1/sandboxes/a/rest");
        for own in [
            "/v1/sandboxes",
            "/v1/sandboxes/a",
            "/v1/sandboxes/a/suspend",
            "/v1/sandboxes/A/rest/x",
        ] {
            assert_eq!(at("localhost", &[], own), Ok(Route::Node), "{own}");
        }
    }
}
