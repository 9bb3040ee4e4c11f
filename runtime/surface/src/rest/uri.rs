//! What a request's target says, read as Go's `net/url` and mux do.

use http::Uri;

use super::reply::Refusal;

/// Where the paths of files begin.
const FILES: &str = "/v1/files/";

/// The path below [`FILES`], decoded: `a%2Fb` is `b` in `a`.
pub(super) fn file_path(uri: &Uri) -> Result<String, Refusal> {
    let raw = uri.path().strip_prefix(FILES).unwrap_or_default();
    decode(raw, false).ok_or_else(|| {
        Refusal::invalid("the path is no UTF-8 in percent-encoding; encode each byte as %XX")
    })
}

/// The first value of `key` in the query, if there is one that is not empty.
/// As in Go, pairs that cannot be decoded count as not there.
pub(super) fn query(uri: &Uri, key: &str) -> Option<String> {
    let pairs = uri.query()?.split('&').filter(|pair| !pair.contains(';'));
    let mut values = pairs.filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(name, true)?, decode(value, true)?))
    });
    let (_, value) = values.find(|(name, _)| name == key)?;
    Some(value).filter(|value| !value.is_empty())
}

/// A flag in the query, as Go's `strconv.ParseBool`.
pub(super) fn flag(uri: &Uri, key: &str) -> Result<bool, Refusal> {
    let Some(value) = query(uri, key) else {
        return Ok(false);
    };
    match value.as_str() {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(Refusal::invalid(format!(
            "{key} {value:?} must be a boolean"
        ))),
    }
}

/// Where Go's mux would send a caller whose path is not clean: with `.`, `..`
/// or an empty name in it, as they are written.
pub(super) fn cleaned(uri: &Uri) -> Option<String> {
    let path = uri.path();
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    let mut clean = format!("/{}", names.join("/"));
    // The folder of all files is known by its slash alone.
    if (path.ends_with('/') && clean != "/") || clean == "/v1/files" {
        clean.push('/');
    }
    (clean != path).then(|| with_query(&clean, uri))
}

/// `path` with the query of `uri`.
pub(super) fn with_query(path: &str, uri: &Uri) -> String {
    match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

/// Undoes percent-encoding, and in a form a plus for a space. `None` if what
/// is left is no UTF-8, or a `%` is not followed by two digits.
fn decode(text: &str, form: bool) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => digit(bytes.next()?)? << 4 | digit(bytes.next()?)?,
            b'+' if form => b' ',
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    #[test]
    fn a_path_is_decoded_once() {
        for (raw, path) in [
            ("/v1/files/", Some("")),
            ("/v1/files/a/b", Some("a/b")),
            ("/v1/files/a%2Fb", Some("a/b")),
            ("/v1/files/%2E%2E", Some("..")),
            ("/v1/files/%252E", Some("%2E")),
            ("/v1/files/a+b", Some("a+b")),
            ("/v1/files/%C3%A4", Some("ä")),
            ("/v1/files/%C3", None),
            ("/v1/files/%", None),
            ("/v1/files/%4", None),
            ("/v1/files/%+1", None),
        ] {
            assert_eq!(file_path(&uri(raw)).ok().as_deref(), path, "{raw}");
        }
    }

    #[test]
    fn a_query_is_read_as_go_does() {
        let value = |query_text: &str| query(&uri(&format!("/?{query_text}")), "mode");
        for (text, expected) in [
            ("mode=0644", Some("0644")),
            ("a=b&mode=1&mode=2", Some("1")),
            ("m%6Fde=%30+", Some("0 ")),
            ("mode", None),
            ("mode=", None),
            ("mode=1;2", None),
            ("mode=%zz&mode=2", Some("2")),
            ("Mode=1", None),
        ] {
            assert_eq!(value(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_path_that_is_not_clean_is_sent_elsewhere() {
        for (path, clean) in [
            ("/v1/files/a", None),
            ("/v1/files/", None),
            ("/", None),
            ("/v1/files/../health", Some("/v1/health")),
            ("/v1/files/a/..", Some("/v1/files/")),
            ("/v1/files/a/../", Some("/v1/files/")),
            ("/v1/files//a?x=1", Some("/v1/files/a?x=1")),
            ("/v1/files/./a", Some("/v1/files/a")),
            ("//v1/health", Some("/v1/health")),
            ("/v1/files/%2E%2E/a", None),
        ] {
            assert_eq!(cleaned(&uri(path)).as_deref(), clean, "{path}");
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(text: String) {
            let raw: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            prop_assert_eq!(decode(&raw, false), Some(text));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[%+0-9a-fä]{0,12}") {
            let _ = decode(&text, true);
        }
    }
}
