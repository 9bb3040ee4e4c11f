//! The prefixes from which sandboxes have their addresses.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The prefixes from which sandboxes have their addresses: of each family one,
/// or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prefixes {
    v4: Option<Ipv4Net>,
    v6: Option<Ipv6Net>,
}

/// These are no prefixes for sandboxes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixesError {
    /// There is none.
    #[error("name a prefix, such as 10.99.7.0/24")]
    None,
    /// One is none.
    #[error("{0:?} is no prefix; write one such as 10.99.7.0/24 or fd00:99:7::/64")]
    Unreadable(String),
    /// One is an IPv4 prefix, written as an IPv6 prefix.
    #[error("{0} is an IPv4 prefix; write it as one")]
    Mapped(Ipv6Net),
    /// There are two of one family.
    #[error("{0} and {1} are of one family; a sandbox has one address of each")]
    Two(IpNet, IpNet),
}

impl Prefixes {
    /// All of them, IPv4 first.
    pub fn iter(&self) -> impl Iterator<Item = IpNet> {
        let v4 = self.v4.into_iter().map(IpNet::V4);
        v4.chain(self.v6.into_iter().map(IpNet::V6))
    }

    /// The prefix of the family of this address.
    pub(super) fn of_family(&self, address: IpAddr) -> Option<IpNet> {
        match address {
            IpAddr::V4(_) => self.v4.map(IpNet::V4),
            IpAddr::V6(_) => self.v6.map(IpNet::V6),
        }
    }

    fn add(&mut self, prefix: IpNet) -> Result<(), PrefixesError> {
        let before = self.of_family(prefix.addr());
        if let Some(before) = before {
            return Err(PrefixesError::Two(before, prefix));
        }
        match prefix {
            IpNet::V4(prefix) => self.v4 = Some(prefix),
            IpNet::V6(prefix) if prefix.addr().to_ipv4_mapped().is_some() => {
                return Err(PrefixesError::Mapped(prefix));
            }
            IpNet::V6(prefix) => self.v6 = Some(prefix),
        }
        Ok(())
    }
}

impl From<IpNet> for Prefixes {
    fn from(prefix: IpNet) -> Self {
        match prefix {
            IpNet::V4(prefix) => Self {
                v4: Some(prefix),
                v6: None,
            },
            IpNet::V6(prefix) => Self {
                v4: None,
                v6: Some(prefix),
            },
        }
    }
}

/// With commas or white space between them.
impl FromStr for Prefixes {
    type Err = PrefixesError;

    fn from_str(text: &str) -> Result<Self, PrefixesError> {
        let mut all = Self::default();
        let words = text.split(|c: char| c == ',' || c.is_whitespace());
        for word in words.filter(|word| !word.is_empty()) {
            let unreadable = |_| PrefixesError::Unreadable(word.to_owned());
            let prefix: IpNet = word.parse().map_err(unreadable)?;
            all.add(prefix.trunc())?;
        }
        if all == Self::default() {
            return Err(PrefixesError::None);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Result<String, String> {
        let prefixes = text
            .parse::<Prefixes>()
            .map_err(|error| error.to_string())?;
        let all: Vec<_> = prefixes.iter().map(|prefix| prefix.to_string()).collect();
        Ok(all.join(" "))
    }

    #[test]
    fn there_is_one_of_each_family_ipv4_first() {
        for (text, told_as) in [
            ("10.99.7.0/24\n", "10.99.7.0/24"),
            (" fd00::/112", "fd00::/112"),
            ("fd00::7/64,10.99.7.0/24", "10.99.7.0/24 fd00::/64"),
            ("10.99.7.1/24\nfd00::/64\n", "10.99.7.0/24 fd00::/64"),
        ] {
            assert_eq!(told(text).as_deref(), Ok(told_as), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_such_thing_is_named() {
        for (text, why) in [
            ("", "name a prefix"),
            (" ,\n", "name a prefix"),
            ("10.0.0.0", "\"10.0.0.0\" is no prefix"),
            ("fd00::/64 10.0.0.0/33", "\"10.0.0.0/33\" is no prefix"),
            (
                "10.0.0.0/24,10.1.0.0/24",
                "10.0.0.0/24 and 10.1.0.0/24 are of one family",
            ),
            (
                "fd00::/64,fd01::/64",
                "fd00::/64 and fd01::/64 are of one family",
            ),
            ("::ffff:10.0.0.0/120", "is an IPv4 prefix"),
        ] {
            let error = told(text).unwrap_err();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }
}
