//! Which server is asked, and by which token.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use reqwest::Url;

use crate::client::args::ServerArgs;
use crate::paths;

/// Where `mote serve` listens unless told otherwise.
const DEFAULT: &str = "http://127.0.0.1:7070";
const SERVER: &str = "MOTE_SERVER";
const TOKEN: &str = "MOTE_TOKEN";
const TOKEN_FILE: &str = "MOTE_TOKEN_FILE";
/// Longest token in bytes: a header line that every server takes.
const MAX_TOKEN_BYTES: usize = 4096;

/// The server that is asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Server {
    pub(crate) url: Url,
    pub(crate) token: Option<Token>,
}

/// A secret; it is only ever shown to the server.
#[derive(Clone, PartialEq)]
pub(crate) struct Token(String);

impl Token {
    /// The value of the `Authorization` header.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The server that the options or the environment name; what is wrong goes to
/// `mistakes`.
pub(crate) fn server(args: &ServerArgs, mistakes: &mut Vec<String>) -> Option<Server> {
    let url = address(args.server.as_deref(), variable(SERVER));
    let token = token(args.token_file.as_deref(), variable);
    match (url, token) {
        (Ok(url), Ok(token)) => Some(Server { url, token }),
        (url, token) => {
            mistakes.extend(url.err().into_iter().chain(token.err()));
            None
        }
    }
}

fn address(typed: Option<&str>, set: Option<OsString>) -> Result<Url, String> {
    let (from, text) = match (typed, &set) {
        (Some(typed), _) => ("--server", typed.to_owned()),
        (None, Some(set)) => (SERVER, set.to_string_lossy().into_owned()),
        (None, None) => ("--server", DEFAULT.to_owned()),
    };
    let wrong = |why: &str| format!("{from} {text}: {why}; write such as {DEFAULT}");
    let url = Url::parse(&text).map_err(|_| wrong("it is no URL"))?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if url.scheme() != "http" || !url.has_host() {
        return Err(wrong("only http:// is spoken"));
    }
    if !bare || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("only a host and a port may be named"));
    }
    Ok(url)
}

/// The token from the first of: the option, the file that the environment
/// names, the environment.
fn token(
    typed: Option<&Path>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Token>, String> {
    let file = match typed {
        Some(typed) => Some(("--token-file", typed.to_owned())),
        None => variable(TOKEN_FILE).map(|file| (TOKEN_FILE, PathBuf::from(file))),
    };
    let (from, text) = match (file, variable(TOKEN)) {
        (Some((from, path)), _) => {
            let from = format!("{from} {}", path.display());
            let text = std::fs::read_to_string(&path)
                .map_err(|error| format!("{from}: {}", paths::reason(&error)))?;
            (from, text)
        }
        (None, Some(text)) => (TOKEN.to_owned(), text.to_string_lossy().into_owned()),
        (None, None) => return Ok(None),
    };
    let text = text.trim();
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.is_empty() || !visible || text.len() > MAX_TOKEN_BYTES {
        return Err(format!(
            "{from}: it holds no token; a token is one word of visible ASCII characters, {MAX_TOKEN_BYTES} at most"
        ));
    }
    Ok(Some(Token(text.to_owned())))
}

fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        move |asked| {
            let found = pairs.iter().find(|(name, _)| *name == asked);
            found.map(|(_, value)| value.into())
        }
    }

    #[test]
    fn the_option_wins_over_the_environment() {
        let url = |typed, set: Option<&str>| address(typed, set.map(OsString::from)).unwrap();
        assert_eq!(url(None, None).as_str(), "http://127.0.0.1:7070/");
        assert_eq!(url(None, Some("http://a:1")).as_str(), "http://a:1/");
        assert_eq!(
            url(Some("http://[::1]:2"), Some("http://a:1")).as_str(),
            "http://[::1]:2/"
        );
    }

    #[test]
    fn an_address_that_is_none_is_a_mistake_that_names_where_it_is_from() {
        for (text, why) in [
            ("localhost:7070", "only http://"),
            ("https://a", "only http://"),
            ("nonsense", "no URL"),
            ("http://a/v1", "only a host"),
            ("http://user:secret@a", "only a host"),
        ] {
            let typed = address(Some(text), None).unwrap_err();
            assert!(
                typed.starts_with("--server ") && typed.contains(why),
                "{typed}"
            );
            let set = address(None, Some(text.into())).unwrap_err();
            assert!(set.starts_with("MOTE_SERVER "), "{set}");
        }
    }

    #[test]
    fn a_token_is_read_from_a_file_or_the_environment_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "s3cret\n").unwrap();
        let found = token(Some(&file), set(&[("MOTE_TOKEN", "other")])).unwrap();
        let found = found.unwrap();
        assert_eq!(found.bearer(), "Bearer s3cret");
        assert!(!format!("{found:?}").contains("s3cret"));
        assert_eq!(token(None, set(&[])), Ok(None));
        let found = token(None, set(&[("MOTE_TOKEN", "other")])).unwrap();
        assert_eq!(found.unwrap().bearer(), "Bearer other");
    }

    #[test]
    fn what_is_no_token_is_a_mistake() {
        let missing = token(Some(Path::new("/missing")), set(&[])).unwrap_err();
        assert!(
            missing.starts_with("--token-file /missing: there is no"),
            "{missing}"
        );
        for text in ["  ", "two words", "ä"] {
            let pairs: &'static [(&str, &str)] = Box::leak(Box::new([("MOTE_TOKEN", text)]));
            assert!(token(None, set(pairs)).is_err(), "{text}");
        }
    }
}
