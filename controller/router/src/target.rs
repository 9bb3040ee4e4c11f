//! Whom a request is for, as its headers say. The headers, their defaults and
//! the words of the refusals are those that published clients know.

use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderMap, HeaderName};

use crate::refusal::Refusal;

/// The sandbox's name.
pub const ID: HeaderName = HeaderName::from_static("x-sandbox-id");
/// The sandbox's namespace.
pub const NAMESPACE: HeaderName = HeaderName::from_static("x-sandbox-namespace");
/// The port in the sandbox.
pub const PORT: HeaderName = HeaderName::from_static("x-sandbox-port");
/// The UID of the sandbox's object.
pub const UID: HeaderName = HeaderName::from_static("x-sandbox-uid");
/// An address of the sandbox that the client has read in its status.
pub const POD_IP: HeaderName = HeaderName::from_static("x-sandbox-pod-ip");
/// Seconds that the client is going to wait.
pub const TIMEOUT: HeaderName = HeaderName::from_static("x-sandbox-timeout");

/// Where a sandbox is that is said to be nowhere.
const DEFAULT_NAMESPACE: &str = "default";
/// Where the HTTP API of a sandbox is.
const DEFAULT_PORT: u16 = 8888;
/// Where the gRPC API of a sandbox is.
const DEFAULT_GRPC_PORT: u16 = 9090;
/// The longest label of a name in DNS, in bytes (RFC 1123).
const MAX_LABEL_BYTES: usize = 63;

/// Whom a request is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    /// The sandbox's name.
    pub id: String,
    /// Its namespace.
    pub namespace: String,
    /// The port in it.
    pub port: u16,
    /// The UID that it must have to be found by it.
    pub uid: Option<String>,
    /// Where the client believes it to be.
    pub address: Option<IpAddr>,
    /// How long the client is going to wait.
    pub patience: Option<Duration>,
}

impl Target {
    /// Reads the headers of a request. `loopback` permits an address of this
    /// machine's own.
    ///
    /// # Errors
    /// A header is missing or is not what it must be.
    pub fn parse(headers: &HeaderMap, grpc: bool, loopback: bool) -> Result<Self, Refusal> {
        let id = one(headers, &ID, "Invalid sandbox ID format.")?;
        let id = id.ok_or(Refusal::Malformed("X-Sandbox-ID header is required."))?;
        if !is_label(id) {
            return Err(Refusal::Malformed("Invalid sandbox ID format."));
        }
        let namespace = one(headers, &NAMESPACE, "Invalid namespace format.")?;
        let namespace = namespace.unwrap_or(DEFAULT_NAMESPACE);
        if !is_label(namespace) {
            return Err(Refusal::Malformed("Invalid namespace format."));
        }
        let address = one(headers, &POD_IP, "Invalid target IP address.")?;
        Ok(Self {
            id: id.to_owned(),
            namespace: namespace.to_owned(),
            port: port(one(headers, &PORT, "Invalid port format.")?, grpc)?,
            uid: one(headers, &UID, "Invalid sandbox UID format.")?.map(str::to_owned),
            address: address
                .map(|text| parse_address(text, loopback))
                .transpose()?,
            patience: one(headers, &TIMEOUT, "Invalid timeout format.")?.and_then(seconds),
        })
    }
}

/// The one value of a header; an empty one is none. What is said twice could
/// be understood in two ways, here and in the sandbox.
fn one<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    otherwise: &'static str,
) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let (value, more) = (values.next(), values.next());
    if more.is_some() {
        return Err(Refusal::Malformed(otherwise));
    }
    let text = value.map(|value| value.to_str()).transpose();
    let text = text.map_err(|_| Refusal::Malformed(otherwise))?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// Whether this is one label of a name in DNS: it becomes part of a name that
/// is looked up, and must not become two.
pub(crate) fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= MAX_LABEL_BYTES
        && !text.is_empty()
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn port(text: Option<&str>, grpc: bool) -> Result<u16, Refusal> {
    let Some(text) = text else {
        return Ok(if grpc {
            DEFAULT_GRPC_PORT
        } else {
            DEFAULT_PORT
        });
    };
    let port = text.parse::<u16>().ok().filter(|port| *port > 0);
    port.ok_or(Refusal::Malformed("Invalid port format."))
}

fn parse_address(text: &str, loopback: bool) -> Result<IpAddr, Refusal> {
    let address = text.parse::<IpAddr>().ok().map(|it| it.to_canonical());
    address
        .filter(|address| is_dialled(*address, loopback))
        .ok_or(Refusal::Malformed("Invalid target IP address."))
}

/// Whether an address may be a sandbox's. The others lead to this machine, to
/// its neighbours on the wire (among them the metadata of clouds), or nowhere.
pub(crate) fn is_dialled(address: IpAddr, loopback: bool) -> bool {
    let address = address.to_canonical();
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !link_local
        && !address.is_multicast()
        && !address.is_unspecified()
        && (loopback || !address.is_loopback())
}

/// Seconds, with or without a fraction. What is no such thing means nothing, as
/// it does to the router of old.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    let time = Duration::try_from_secs_f64(seconds).ok()?;
    (!time.is_zero()).then_some(time)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn parse(lines: &[(&'static str, &str)]) -> Result<Target, String> {
        Target::parse(&headers(lines), false, false).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_name_is_enough() {
        let target = parse(&[("x-sandbox-id", "my-sandbox")]).unwrap();
        let expected = Target {
            id: "my-sandbox".to_owned(),
            namespace: "default".to_owned(),
            port: 8888,
            uid: None,
            address: None,
            patience: None,
        };
        assert_eq!(target, expected);
        let grpc = Target::parse(&headers(&[("x-sandbox-id", "a")]), true, false).unwrap();
        assert_eq!(grpc.port, 9090);
    }

    #[test]
    fn all_headers_are_read() {
        let target = parse(&[
            ("x-sandbox-id", "s"),
            ("x-sandbox-namespace", "n"),
            ("x-sandbox-port", "8080"),
            ("x-sandbox-uid", "u"),
            ("x-sandbox-pod-ip", "::ffff:10.1.2.3"),
            ("x-sandbox-timeout", "2.5"),
        ]);
        let expected = Target {
            id: "s".to_owned(),
            namespace: "n".to_owned(),
            port: 8080,
            uid: Some("u".to_owned()),
            address: Some("10.1.2.3".parse().unwrap()),
            patience: Some(Duration::from_millis(2500)),
        };
        assert_eq!(target.unwrap(), expected);
    }

    #[test]
    fn no_name_is_refused_in_the_known_words() {
        let refused = Err("X-Sandbox-ID header is required.".to_owned());
        assert_eq!(parse(&[]), refused);
        assert_eq!(parse(&[("x-sandbox-id", "")]), refused);
    }

    #[test]
    fn names_are_one_label() {
        let longest = "a".repeat(63);
        for good in ["a", "0", "a-b", &longest] {
            assert!(parse(&[("x-sandbox-id", good)]).is_ok(), "{good}");
        }
        let longer = "a".repeat(64);
        for bad in ["A", "a.b", "-a", "a-", "..", "a/b", "a_b", "a b", &longer] {
            let refused = Err("Invalid sandbox ID format.".to_owned());
            assert_eq!(parse(&[("x-sandbox-id", bad)]), refused, "{bad}");
            let lines = [("x-sandbox-id", "s"), ("x-sandbox-namespace", bad)];
            let refused = Err("Invalid namespace format.".to_owned());
            assert_eq!(parse(&lines), refused, "{bad}");
        }
    }

    #[test]
    fn ports_are_from_1_to_65535() {
        for good in ["1", "65535", "+80", "0080"] {
            let lines = [("x-sandbox-id", "s"), ("x-sandbox-port", good)];
            assert!(parse(&lines).is_ok(), "{good}");
        }
        for bad in ["0", "65536", "-1", "x", "8080/x", "80 80"] {
            let lines = [("x-sandbox-id", "s"), ("x-sandbox-port", bad)];
            let refused = Err("Invalid port format.".to_owned());
            assert_eq!(parse(&lines), refused, "{bad}");
        }
    }

    #[test]
    fn addresses_that_no_sandbox_has_are_refused() {
        for bad in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "224.0.0.1",
            "ff02::1",
            "0.0.0.0",
            "::",
            "10.0.0.1:80",
            "010.0.0.1",
            "fe80::1%eth0",
            "kubernetes.default",
        ] {
            let lines = [("x-sandbox-id", "s"), ("x-sandbox-pod-ip", bad)];
            let refused = Err("Invalid target IP address.".to_owned());
            assert_eq!(parse(&lines), refused, "{bad}");
        }
        let own = headers(&[("x-sandbox-id", "s"), ("x-sandbox-pod-ip", "127.0.0.1")]);
        assert!(Target::parse(&own, false, true).is_ok());
    }

    #[test]
    fn what_is_said_twice_is_refused() {
        let twice = [("x-sandbox-id", "a"), ("x-sandbox-id", "b")];
        assert_eq!(parse(&twice), Err("Invalid sandbox ID format.".to_owned()));
    }

    #[test]
    fn a_time_that_is_none_means_nothing() {
        for text in ["x", "-1", "0", "inf", "NaN", "1e300"] {
            let lines = [("x-sandbox-id", "s"), ("x-sandbox-timeout", text)];
            assert_eq!(parse(&lines).unwrap().patience, None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_said_leads_to_one_name_and_no_address_of_ours(
            id in "[a-z0-9.-]{0,70}", namespace in any::<Vec<u8>>(), address in "[0-9a-f:.]{1,40}",
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in [
                ("x-sandbox-id", id.as_bytes()),
                ("x-sandbox-namespace", namespace.as_slice()),
                ("x-sandbox-pod-ip", address.as_bytes()),
            ] {
                if let Ok(value) = HeaderValue::from_bytes(value) {
                    headers.insert(name, value);
                }
            }
            if let Ok(target) = Target::parse(&headers, false, false) {
                prop_assert!(!target.id.contains('.') && !target.namespace.contains('.'));
                prop_assert!(target.address.is_none_or(|it| !it.is_loopback()));
            }
        }
    }
}
