//! Where registries may be. Names of images come from tenants, and a registry
//! may send whoever asks it elsewhere: neither is to lead the node to what
//! only the node can reach.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use url::{Host, Url};

/// Addresses at which clouds tell a machine its secrets, besides those that
/// are link-local: Azure, Alibaba, Oracle; Amazon's over IPv6.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: [Ipv6Addr; 1] = [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)];

/// A registry's host and port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Authority {
    host: String,
    port: u16,
}

/// A registry's host and port are malformed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no HOST:PORT; write one such as registry.local:5000")]
pub struct AuthorityError(String);

impl FromStr for Authority {
    type Err = AuthorityError;

    fn from_str(text: &str) -> Result<Self, AuthorityError> {
        let invalid = || AuthorityError(text.chars().take(80).collect());
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        let host = Host::parse(host).map_err(|_| invalid())?;
        Ok(Self {
            host: host.to_string(),
            port: port.parse().map_err(|_| invalid())?,
        })
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Lets through what may be asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    /// Registries without TLS, which may be anywhere.
    plain: BTreeSet<Authority>,
    /// Whether any address may be reached, as in tests.
    #[cfg(test)]
    anywhere: bool,
}

/// It may not be asked for; why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Shut(pub(crate) String);

impl Gate {
    pub(crate) fn new(plain: impl IntoIterator<Item = Authority>) -> Self {
        Self {
            plain: plain.into_iter().collect(),
            #[cfg(test)]
            anywhere: false,
        }
    }

    /// One that lets reach any address.
    #[cfg(test)]
    pub(crate) fn anywhere() -> Self {
        Self {
            anywhere: true,
            ..Self::default()
        }
    }

    /// The scheme by which a registry is asked.
    pub(crate) fn scheme(&self, authority: &str) -> &'static str {
        let named = authority
            .parse()
            .is_ok_and(|authority| self.plain.contains(&authority));
        if named { "http" } else { "https" }
    }

    /// Whether this may be asked for, as far as its text tells.
    ///
    /// # Errors
    /// It may not.
    pub(crate) fn admit(&self, url: &Url) -> Result<(), Shut> {
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(Shut("there is no registry at such an address".to_owned()));
        };
        let authority = Authority {
            host: host.to_string(),
            port,
        };
        if self.plain.contains(&authority) {
            return Ok(());
        }
        if url.scheme() != "https" {
            return Err(Shut(format!(
                "{authority} is asked without TLS; start the node with --insecure-registry {authority} if that is meant"
            )));
        }
        let same = |named: &&Authority| named.host == authority.host;
        if let Some(named) = self.plain.iter().find(same) {
            return Err(Shut(format!(
                "of that host only {named} may be asked; start the node with --insecure-registry {authority} if this is meant"
            )));
        }
        match host {
            Host::Ipv4(address) => self.reach(&authority.host, address.into()),
            Host::Ipv6(address) => self.reach(&authority.host, address.into()),
            Host::Domain(_) => Ok(()),
        }
    }

    /// Those of its addresses at which this host may be asked. It is one that
    /// [`Gate::admit`] let through.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn choose(
        &self,
        host: &str,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Shut> {
        if self.plain.iter().any(|named| named.host == host) {
            return Ok(addresses.into_iter().collect());
        }
        let mut last = None;
        let mut open = Vec::new();
        for address in addresses {
            match self.reach(host, address.ip()) {
                Ok(()) => open.push(address),
                Err(shut) => last = Some(shut),
            }
        }
        if open.is_empty() {
            let nowhere = || {
                Shut(format!(
                    "{host} has no address; see whether its name is right"
                ))
            };
            return Err(last.unwrap_or_else(nowhere));
        }
        Ok(open)
    }

    fn reach(&self, host: &str, address: IpAddr) -> Result<(), Shut> {
        #[cfg(test)]
        if self.anywhere {
            return Ok(());
        }
        let Some(kind) = inner(address) else {
            return Ok(());
        };
        Err(Shut(format!(
            "{host} is at {address}, {kind}, from which no images are pulled; start the node with --insecure-registry HOST:PORT if that is meant"
        )))
    }
}

/// What an address is that others cannot reach by it; `None` for all others.
fn inner(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => inner_v4(address),
        IpAddr::V6(address) => {
            if let Some(embedded) = embedded(address) {
                return inner_v4(embedded);
            }
            if address.is_loopback() {
                Some("this machine itself")
            } else if address.is_unspecified() || address.is_multicast() {
                Some("no address of one machine")
            } else if address.is_unicast_link_local() {
                Some("a link-local address")
            } else {
                let metadata = METADATA_V6.contains(&address);
                metadata.then_some("an address of a cloud's metadata")
            }
        }
    }
}

fn inner_v4(address: Ipv4Addr) -> Option<&'static str> {
    if address.is_loopback() {
        Some("this machine itself")
    } else if address.octets()[0] == 0 || address.is_multicast() || address.octets()[0] >= 240 {
        Some("no address of one machine")
    } else if address.is_link_local() {
        Some("a link-local address")
    } else {
        let metadata = METADATA_V4.contains(&address);
        metadata.then_some("an address of a cloud's metadata")
    }
}

/// The IPv4 address that this one stands for: mapped, compatible, by NAT64 or
/// by 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => Some(of(g, h)),
        // `::` and `::1` are IPv6's own.
        [0, 0, 0, 0, 0, 0] if g != 0 => Some(of(g, h)),
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(plain: &[&str]) -> Gate {
        Gate::new(plain.iter().map(|text| text.parse().unwrap()))
    }

    fn is_admitted(gate: &Gate, url: &str) -> bool {
        gate.admit(&url.parse().unwrap()).is_ok()
    }

    #[test]
    fn no_inner_address_is_asked_unless_it_is_named() {
        let gate = gate(&[]);
        for url in [
            "https://127.0.0.1/",
            "https://127.9.9.9:5000/",
            "https://0.0.0.0/",
            "https://169.254.169.254/latest",
            "https://168.63.129.16/",
            "https://100.100.100.200/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::127.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[2002:a9fe:a9fe::]/",
            "https://[fe80::1]/",
            "https://[fd00:ec2::254]/",
            "https://[ff02::1]/",
            "http://ghcr.io/",
            "ftp://ghcr.io/",
            "file:///etc/passwd",
        ] {
            assert!(!is_admitted(&gate, url), "{url}");
        }
        for url in [
            "https://ghcr.io/v2/",
            "https://10.0.0.7:5000/",
            "https://[2001:db8::1]/",
        ] {
            assert!(is_admitted(&gate, url), "{url}");
        }
    }

    #[test]
    fn what_is_named_is_asked_at_its_port_alone_and_without_tls() {
        let gate = gate(&["localhost:5000", "127.0.0.1:5001", "[::1]:5002"]);
        for url in [
            "http://localhost:5000/v2/",
            "http://127.0.0.1:5001/",
            "http://[::1]:5002/",
        ] {
            assert!(is_admitted(&gate, url), "{url}");
        }
        for url in [
            "http://localhost:5001/",
            "https://localhost/",
            "https://localhost:22/",
            "http://127.0.0.1:5000/",
        ] {
            assert!(!is_admitted(&gate, url), "{url}");
        }
        assert_eq!(gate.scheme("localhost:5000"), "http");
        assert_eq!(gate.scheme("localhost"), "https");
        assert_eq!(gate.scheme("ghcr.io"), "https");
    }

    #[test]
    fn of_a_names_addresses_only_the_outer_ones_are_asked() {
        let gate = gate(&["registry.local:5000"]);
        let at = |text: &str| SocketAddr::new(text.parse().unwrap(), 443);
        let (outer, inner) = (at("203.0.113.7"), at("127.0.0.1"));
        assert_eq!(gate.choose("a.io", [inner, outer]), Ok(vec![outer]));
        let shut = gate.choose("a.io", [inner]).unwrap_err();
        assert!(shut.0.contains("a.io is at 127.0.0.1"), "{shut}");
        assert!(gate.choose("a.io", []).is_err());
        assert_eq!(gate.choose("registry.local", [inner]), Ok(vec![inner]));
    }

    #[test]
    fn a_registry_is_named_by_host_and_port() {
        for (text, told) in [
            ("localhost:5000", "localhost:5000"),
            ("Registry.Local:80", "registry.local:80"),
            ("[::1]:5000", "[::1]:5000"),
        ] {
            assert_eq!(text.parse::<Authority>().unwrap().to_string(), told);
        }
        for bad in [
            "",
            "localhost",
            "localhost:",
            ":5000",
            "http://a:1",
            "a:70000",
            "a b:1",
        ] {
            assert!(bad.parse::<Authority>().is_err(), "{bad}");
        }
    }
}
