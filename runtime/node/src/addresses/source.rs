//! From where sandboxes have their addresses, as it is written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

use super::{Own, Prefixes, PrefixesError};

/// In place of a prefix, before the machine's own addresses.
const SHARED: &str = "shared";

/// From where sandboxes have their addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressSource {
    /// Each has addresses of its own, one of each of these prefixes.
    Prefixes(Prefixes),
    /// All have these, which are the machine's own: the host of a request says
    /// for which one it is.
    Shared(Own),
}

/// This is nothing that sandboxes could have their addresses from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// There are no such prefixes.
    #[error(transparent)]
    Prefixes(#[from] PrefixesError),
    /// What follows is no address.
    #[error(
        "{0:?} is no address; after `shared` come those of this machine, such as shared,10.0.0.7"
    )]
    Address(String),
    /// None follows.
    #[error("name this machine's addresses after `shared`, such as shared,10.0.0.7")]
    None,
    /// Two of one family follow.
    #[error("{0} is the second address of its family; name one of each")]
    Two(IpAddr),
}

impl Default for AddressSource {
    fn default() -> Self {
        Self::Prefixes(Prefixes::default())
    }
}

impl From<IpNet> for AddressSource {
    fn from(prefix: IpNet) -> Self {
        Self::Prefixes(prefix.into())
    }
}

impl AddressSource {
    /// Every address of the machine, for each family that sandboxes have
    /// addresses of.
    pub fn families(&self) -> impl Iterator<Item = IpAddr> {
        let of_both: Vec<IpAddr> = match self {
            Self::Prefixes(prefixes) => prefixes.iter().map(|it| it.addr()).collect(),
            Self::Shared(own) => own.iter().collect(),
        };
        of_both.into_iter().map(|address| match address {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        })
    }

    /// The prefixes, as they are told.
    pub(crate) fn prefixes(&self) -> Vec<String> {
        match self {
            Self::Prefixes(prefixes) => prefixes.iter().map(|it| it.to_string()).collect(),
            Self::Shared(_) => Vec::new(),
        }
    }

    /// The addresses that all share, as they are told.
    pub(crate) fn shared(&self) -> Vec<String> {
        match self {
            Self::Prefixes(_) => Vec::new(),
            Self::Shared(own) => own.iter().map(|it| it.to_string()).collect(),
        }
    }
}

/// Prefixes, or `shared` and addresses, with commas or white space between
/// them.
impl FromStr for AddressSource {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let words = text.split(|c: char| c == ',' || c.is_whitespace());
        let mut words = words.filter(|word| !word.is_empty());
        if words.next() != Some(SHARED) {
            return Ok(Self::Prefixes(text.parse()?));
        }
        let mut own = Own::default();
        for word in words {
            let unreadable = |_| SourceError::Address(word.to_owned());
            let address: IpAddr = word.parse().map_err(unreadable)?;
            let address = address.to_canonical();
            if own.has_family(address) {
                return Err(SourceError::Two(address));
            }
            own = own.iter().chain([address]).collect();
        }
        if own == Own::default() {
            return Err(SourceError::None);
        }
        Ok(Self::Shared(own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Result<String, String> {
        let source: AddressSource = text
            .parse()
            .map_err(|error: SourceError| error.to_string())?;
        let families: Vec<_> = source.families().map(|it| it.to_string()).collect();
        let (prefixes, shared) = (source.prefixes().join(" "), source.shared().join(" "));
        Ok(format!("{prefixes}|{shared}|{}", families.join(" ")))
    }

    #[test]
    fn sandboxes_have_addresses_of_prefixes_or_those_of_the_machine() {
        for (text, told_as) in [
            ("10.99.7.0/24", "10.99.7.0/24||0.0.0.0"),
            (
                "fd00::/64 10.99.7.0/24",
                "10.99.7.0/24 fd00::/64||0.0.0.0 ::",
            ),
            ("shared 10.0.0.7\n", "|10.0.0.7|0.0.0.0"),
            ("shared,fd00::7,10.0.0.7", "|10.0.0.7 fd00::7|0.0.0.0 ::"),
            ("shared\n::ffff:10.0.0.7\n", "|10.0.0.7|0.0.0.0"),
        ] {
            assert_eq!(told(text).as_deref(), Ok(told_as), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_shared_is_named() {
        for (text, why) in [
            ("shared", "name this machine's addresses after `shared`"),
            ("shared,10.0.0.0/24", "\"10.0.0.0/24\" is no address"),
            ("shared,10.0.0.7,10.0.0.8", "10.0.0.8 is the second address"),
            ("10.0.0.0/24,shared", "\"shared\" is no prefix"),
            ("Shared,10.0.0.7", "\"Shared\" is no prefix"),
            ("", "name a prefix"),
        ] {
            let error = told(text).unwrap_err();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }
}
