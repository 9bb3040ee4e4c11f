//! The addresses of one sandbox, or of one machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// Addresses of one's own: of each family one, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Kept", into = "Vec<IpAddr>")]
pub struct Own {
    v4: Option<Ipv4Addr>,
    v6: Option<Ipv6Addr>,
}

impl Own {
    /// All of them, IPv4 first.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> {
        let v4 = self.v4.into_iter().map(IpAddr::V4);
        v4.chain(self.v6.into_iter().map(IpAddr::V6))
    }

    /// Whether this is one of them.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.iter().any(|own| own == address)
    }

    /// Whether there is one of the family of `address`.
    pub(super) fn has_family(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(_) => self.v4.is_some(),
            IpAddr::V6(_) => self.v6.is_some(),
        }
    }
}

/// The last of each family stays.
impl FromIterator<IpAddr> for Own {
    fn from_iter<T: IntoIterator<Item = IpAddr>>(addresses: T) -> Self {
        let mut own = Self::default();
        for address in addresses {
            match address {
                IpAddr::V4(address) => own.v4 = Some(address),
                IpAddr::V6(address) => own.v6 = Some(address),
            }
        }
        own
    }
}

impl From<Own> for Vec<IpAddr> {
    fn from(own: Own) -> Self {
        own.iter().collect()
    }
}

/// As records have it; those of the first three forms had one or none.
#[derive(Deserialize)]
#[serde(untagged)]
enum Kept {
    Several(Vec<IpAddr>),
    One(Option<IpAddr>),
}

impl From<Kept> for Own {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Several(addresses) => addresses.into_iter().collect(),
            Kept::One(address) => address.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_kept_as_a_list_and_read_as_they_were_before() {
        for (kept, again) in [
            ("null", "[]"),
            ("\"10.0.0.7\"", "[\"10.0.0.7\"]"),
            ("[]", "[]"),
            ("[\"fd00::7\",\"10.0.0.7\"]", "[\"10.0.0.7\",\"fd00::7\"]"),
        ] {
            let own: Own = serde_json::from_str(kept).unwrap();
            assert_eq!(serde_json::to_string(&own).unwrap(), again);
        }
        assert!(serde_json::from_str::<Own>("\"nonsense\"").is_err());
    }
}
