//! What becomes of headers on their way: those of a connection end with it,
//! those of a caller's trust end here, and where a request came from is told
//! by the router alone.

use std::net::IpAddr;

use http::header::{
    self, AUTHORIZATION, CONNECTION, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{PathAndQuery, Scheme};
use http::{Method, Request, Uri, Version, request, response};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Headers that speak of one connection (RFC 9110, 7.6.1), beside those that
/// `Connection` names.
const OF_A_CONNECTION: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What a request goes out as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// HTTP/1.1, which every server speaks.
    Http1,
    /// HTTP/2 without TLS and without asking first, as gRPC does.
    Http2,
}

/// What kind of request this is, where it matters to a proxy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A request and its response.
    Plain,
    /// A call of gRPC: it may take as long as its caller says, and is answered
    /// in its own way.
    Grpc,
    /// The connection is to become one of this other protocol.
    Upgrade(HeaderValue),
}

impl Kind {
    /// Reads it off the request.
    pub fn of<B>(request: &Request<B>) -> Self {
        if request.version() == Version::HTTP_2 {
            let grpc = request.method() == Method::POST && is_grpc(request.headers());
            return if grpc { Self::Grpc } else { Self::Plain };
        }
        let protocol = upgrade(request.headers()).filter(|_| request.version() == Version::HTTP_11);
        protocol.map_or(Self::Plain, Self::Upgrade)
    }

    /// What the request goes out as. Only of gRPC it is sure that the other
    /// side speaks HTTP/2: a gateway in front of us makes HTTP/2 of anything.
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Grpc => Protocol::Http2,
            Self::Plain | Self::Upgrade(_) => Protocol::Http1,
        }
    }
}

/// `application/grpc` or `application/grpc+CODEC`, but not `application/grpc-web`.
fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let rest = kind.and_then(|kind| kind.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// The protocol that a connection is to become. Never HTTP/2: what is asked on
/// it later would pass without these rules.
fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let asked = tokens(headers, &CONNECTION).any(|it| it.eq_ignore_ascii_case("upgrade"));
    let protocol = headers.get(UPGRADE).filter(|_| asked)?;
    let h2 = tokens(headers, &UPGRADE).any(|it| it.eq_ignore_ascii_case("h2c"));
    (!h2 && !protocol.is_empty()).then(|| protocol.clone())
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// Makes of the head that came from `peer` the head that goes out, but for whom
/// it goes to.
pub fn outbound(parts: &mut request::Parts, kind: &Kind, peer: IpAddr) {
    let told = parts.headers.remove(HOST).or_else(|| {
        let authority = parts.uri.authority()?;
        HeaderValue::from_str(authority.as_str()).ok()
    });
    let trailers = tokens(&parts.headers, &TE).any(|it| it.eq_ignore_ascii_case("trailers"));
    let headers = &mut parts.headers;
    leave_connection(headers);
    for name in [AUTHORIZATION, FORWARDED, X_FORWARDED_HOST] {
        headers.remove(name);
    }
    // It was answered here, when the first of the body was asked for.
    headers.remove(EXPECT);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Ok(peer) = HeaderValue::from_str(&peer.to_canonical().to_string()) {
        headers.insert(X_FORWARDED_FOR, peer);
    }
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    if let Some(told) = told {
        headers.insert(X_FORWARDED_HOST, told);
    }
    if let Kind::Upgrade(protocol) = kind {
        // It names the router, and the sandbox would miss its own name there.
        headers.remove(ORIGIN);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol.clone());
    }
    if parts.version == Version::HTTP_2 && kind.protocol() == Protocol::Http1 {
        join_cookies(&mut parts.headers);
    }
    parts.extensions.clear();
}

/// Says to whom the head goes out; the last word counts.
pub fn address(parts: &mut request::Parts, protocol: Protocol, authority: &HeaderValue) {
    match protocol {
        Protocol::Http1 => to_http1(parts, authority),
        Protocol::Http2 => to_http2(parts, authority),
    }
}

fn to_http1(parts: &mut request::Parts, authority: &HeaderValue) {
    parts.version = Version::HTTP_11;
    parts.headers.insert(HOST, authority.clone());
    parts.uri = Uri::from(path(&parts.uri));
}

fn to_http2(parts: &mut request::Parts, authority: &HeaderValue) {
    parts.version = Version::HTTP_2;
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = authority.as_bytes().try_into().ok();
    uri.path_and_query = Some(path(&parts.uri));
    if let Ok(uri) = Uri::from_parts(uri) {
        parts.uri = uri;
    }
}

fn path(uri: &Uri) -> PathAndQuery {
    let root = || PathAndQuery::from_static("/");
    uri.path_and_query().cloned().unwrap_or_else(root)
}

/// HTTP/2 may bring each cookie in a line of its own; HTTP/1 has one (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let lines: Vec<_> = headers.get_all(COOKIE).iter().cloned().collect();
    if lines.len() < 2 {
        return;
    }
    let lines: Vec<_> = lines.iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// Makes of the sandbox's head the head of our response.
pub fn inbound(parts: &mut response::Parts) {
    let protocol = parts.headers.get(UPGRADE).cloned();
    leave_connection(&mut parts.headers);
    parts.version = Version::HTTP_11;
    if let Some(protocol) =
        protocol.filter(|_| parts.status == http::StatusCode::SWITCHING_PROTOCOLS)
    {
        let upgrade = HeaderValue::from_static("upgrade");
        parts.headers.insert(CONNECTION, upgrade);
        parts.headers.insert(UPGRADE, protocol);
    }
}

fn leave_connection(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = tokens(headers, &CONNECTION)
            .filter_map(|name| name.parse().ok())
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in &OF_A_CONNECTION {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests;
