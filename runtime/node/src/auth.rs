//! Who may ask anything of a node.
//!
//! With a token, whoever shows it. Without one, programs of this machine: not
//! the pages that a browser of this machine has open, which may send requests
//! to the loopback address too, under a name of theirs (DNS rebinding) or of
//! ours (cross-site requests).

use std::net::IpAddr;

use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, Uri};
use mote_surface::listen::Connection;

use crate::config::Token;
use crate::metrics::Refused;

/// Who makes a request.
///
/// # Errors
/// Nobody who may; the word says why, and the text what to do.
pub(crate) fn who(
    token: Option<&Token>,
    headers: &HeaderMap,
    uri: &Uri,
    connection: Connection,
) -> Result<String, (Refused, &'static str)> {
    match token {
        Some(token) => {
            let shown = headers.get(AUTHORIZATION).map(http::HeaderValue::as_bytes);
            let shown = shown.and_then(bearer).unwrap_or_default();
            if token.is(shown) {
                return Ok(format!("token@{}", connection.peer.ip()));
            }
            Err((
                Refused::Unauthorized,
                "a token is needed here: send it as `Authorization: Bearer TOKEN`",
            ))
        }
        None => {
            if !connection.peer.ip().to_canonical().is_loopback() {
                return Err((
                    Refused::Forbidden,
                    "without a token only this machine may ask; start the node with one",
                ));
            }
            if headers.contains_key(ORIGIN) {
                return Err((
                    Refused::Forbidden,
                    "requests of web pages are not taken; start the node with a token for those",
                ));
            }
            if !host(headers, uri).is_none_or(is_ours) {
                return Err((
                    Refused::Forbidden,
                    "the Host header names another machine; use localhost, or start the node with a token",
                ));
            }
            Ok(connection.peer.ip().to_string())
        }
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

/// The host that a request is for, without its port.
pub(crate) fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let named = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => headers.get(HOST)?.to_str().unwrap_or(""),
    };
    let name = match named.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => named.rsplit_once(':').map_or(named, |(name, _)| name),
    };
    Some(name)
}

fn is_ours(host: &str) -> bool {
    let name = host.trim_end_matches('.');
    match name.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => {
            let name = name.to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(token: Option<&Token>, headers: &[(&str, &str)]) -> Result<String, Refused> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                let name: http::HeaderName = name.parse().unwrap();
                (name, value.parse().unwrap())
            })
            .collect();
        asked_from("127.0.0.1:1", token, headers)
    }

    fn asked_from(
        peer: &str,
        token: Option<&Token>,
        headers: HeaderMap,
    ) -> Result<String, Refused> {
        let connection = Connection {
            peer: peer.parse().unwrap(),
            local: "127.0.0.1:2".parse().unwrap(),
        };
        who(token, &headers, &Uri::from_static("/"), connection).map_err(|(refused, _)| refused)
    }

    #[test]
    fn with_a_token_only_who_shows_it_is_let_in() {
        let secret = "0123456789abcdef0123456789abcdef";
        let token = Token::parse(secret).unwrap();
        let with = |value: &str| asked(Some(&token), &[("authorization", value)]);
        assert!(with(&format!("Bearer {secret}")).is_ok());
        assert!(with(&format!("bearer {secret}")).is_ok());
        for wrong in ["", "Bearer", "Bearer ", secret, "Basic x", "Bearer 0123"] {
            assert_eq!(with(wrong), Err(Refused::Unauthorized), "{wrong}");
        }
        assert_eq!(asked(Some(&token), &[]), Err(Refused::Unauthorized));
    }

    #[test]
    fn without_a_token_web_pages_are_kept_out() {
        for host in [
            "127.0.0.1:7070",
            "localhost",
            "[::1]:7070",
            "a.localhost:1",
            "127.77.0.1",
        ] {
            assert!(asked(None, &[("host", host)]).is_ok(), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:7070",
            "10.0.0.1",
            "localhost.evil.example",
            "",
        ] {
            assert_eq!(
                asked(None, &[("host", host)]),
                Err(Refused::Forbidden),
                "{host}"
            );
        }
        let page = [("host", "localhost"), ("origin", "http://localhost")];
        assert_eq!(asked(None, &page), Err(Refused::Forbidden));
    }

    #[test]
    fn without_a_token_other_machines_are_kept_out() {
        let from = |peer| asked_from(peer, None, HeaderMap::new());
        assert!(from("127.9.9.9:1").is_ok() && from("[::ffff:127.0.0.1]:1").is_ok());
        assert_eq!(from("192.0.2.1:1"), Err(Refused::Forbidden));
    }
}
