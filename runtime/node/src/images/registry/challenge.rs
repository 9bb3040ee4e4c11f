//! What a registry wants to see before it answers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use serde::Deserialize;
use url::Url;

use super::Ask;
use crate::images::credentials::Login;
use crate::images::failure::Failure;

/// Who asks for a token in the place of a user.
const CLIENT: &str = "mote";

/// What a registry wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A name and a password.
    Basic,
    /// A token, which is given elsewhere.
    Bearer {
        realm: String,
        service: Option<String>,
    },
}

impl Challenge {
    /// The best of what it says that it takes.
    pub(super) fn of<'a>(headers: impl Iterator<Item = &'a HeaderValue>) -> Option<Self> {
        let mut best = None;
        for header in headers {
            let Ok(text) = header.to_str() else { continue };
            for challenge in http_auth::ChallengeParser::new(text).flatten() {
                let parameter = |name: &str| {
                    let mut params = challenge.params.iter();
                    let found = params.find(|(key, _)| key.eq_ignore_ascii_case(name));
                    found.map(|(_, value)| value.to_unescaped())
                };
                if challenge.scheme.eq_ignore_ascii_case("bearer")
                    && let Some(realm) = parameter("realm")
                {
                    let service = parameter("service");
                    return Some(Self::Bearer { realm, service });
                }
                if challenge.scheme.eq_ignore_ascii_case("basic") {
                    best = Some(Self::Basic);
                }
            }
        }
        best
    }
}

/// The request for a token that allows just this `scope`.
///
/// # Errors
/// The registry names no place where tokens are given, or the login cannot be
/// sent.
pub(super) fn ask_for_token(
    realm: &str,
    service: Option<&str>,
    scope: &str,
    login: Option<&Login>,
) -> Result<Ask, Failure> {
    let mut url: Url = realm.parse().map_err(|_| {
        Failure::Unreachable("its registry wants a token and does not say from where".to_owned())
    })?;
    let mut asked = vec![("scope", scope)];
    asked.extend(service.map(|service| ("service", service)));
    if let Some(Login::Identity(token)) = login {
        asked.extend([
            ("grant_type", "refresh_token"),
            ("client_id", CLIENT),
            ("refresh_token", token),
        ]);
        let form = serde_urlencoded::to_string(asked);
        let form = form.map_err(|_| unsendable())?;
        return Ok(Ask {
            form: Some(form),
            ..Ask::get(url)
        });
    }
    url.query_pairs_mut().extend_pairs(asked);
    let shown = match login {
        Some(Login::Basic { name, password }) => Some(basic(name, password)?),
        _ => None,
    };
    Ok(Ask {
        shown,
        ..Ask::get(url)
    })
}

/// The token of an answer.
pub(super) fn token(answer: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
    }
    let Answer {
        token,
        access_token,
    } = serde_json::from_slice(answer).ok()?;
    token.or(access_token).filter(|token| !token.is_empty())
}

/// A name and a password as they are shown.
pub(super) fn basic(name: &str, password: &str) -> Result<HeaderValue, Failure> {
    let pair = STANDARD.encode(format!("{name}:{password}"));
    secret(format!("Basic {pair}"))
}

/// A header that is printed nowhere.
pub(super) fn secret(text: String) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::try_from(text).map_err(|_| unsendable())?;
    value.set_sensitive(true);
    Ok(value)
}

fn unsendable() -> Failure {
    Failure::Unknown("its registry credentials hold what cannot be sent; correct them".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(headers: &[&str]) -> Option<Challenge> {
        let headers: Vec<HeaderValue> = headers.iter().map(|text| text.parse().unwrap()).collect();
        Challenge::of(headers.iter())
    }

    #[test]
    fn a_token_is_preferred_to_a_password() {
        let realm = r#"Bearer realm="https://auth.io/token",service="registry.io",scope="x""#;
        let bearer = Challenge::Bearer {
            realm: "https://auth.io/token".to_owned(),
            service: Some("registry.io".to_owned()),
        };
        assert_eq!(challenge(&[realm]), Some(bearer.clone()));
        assert_eq!(challenge(&["Basic realm=\"x\"", realm]), Some(bearer));
        assert_eq!(challenge(&["basic realm=\"x\""]), Some(Challenge::Basic));
        for none in [
            "",
            "Digest realm=\"x\"",
            "Bearer service=\"x\"",
            "=,=\"",
            "Bearer",
        ] {
            assert_eq!(challenge(&[none]), None, "{none}");
        }
        assert_eq!(challenge(&[]), None);
    }

    #[test]
    fn a_token_is_asked_for_as_the_login_is() {
        let ask = |login: Option<&Login>| {
            let asked = ask_for_token(
                "https://auth.io/token?x=1",
                Some("s"),
                "repository:a:pull",
                login,
            );
            asked.unwrap()
        };
        let nobody = ask(None);
        let expected = "https://auth.io/token?x=1&scope=repository%3Aa%3Apull&service=s";
        assert_eq!(nobody.url.as_str(), expected);
        assert!(nobody.shown.is_none() && nobody.form.is_none());
        let named = ask(Some(&Login::Basic {
            name: "me".to_owned(),
            password: "p".to_owned(),
        }));
        let shown = named.shown.unwrap();
        assert_eq!(shown.to_str().unwrap(), "Basic bWU6cA==");
        assert!(!format!("{shown:?}").contains("bWU6cA"));
        let token = ask(Some(&Login::Identity("t&t".to_owned())));
        assert_eq!(token.url.as_str(), "https://auth.io/token?x=1");
        let form = token.form.unwrap();
        assert!(form.contains("refresh_token=t%26t") && form.contains("grant_type=refresh_token"));
        assert!(ask_for_token("/token", None, "", None).is_err());
    }

    #[test]
    fn a_token_is_read_by_either_name() {
        assert_eq!(
            token(br#"{"token": "a", "access_token": "b"}"#).unwrap(),
            "a"
        );
        assert_eq!(token(br#"{"access_token": "b"}"#).unwrap(), "b");
        for none in ["", "{}", r#"{"token": 5}"#, r#"{"token": ""}"#] {
            assert_eq!(token(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn what_would_end_a_header_is_refused() {
        assert!(secret("Bearer a\r\nHost: b".to_owned()).is_err());
    }
}
