//! Who may call a sandbox: policies, as a controller last sent them.
//!
//! A sandbox without one takes calls of whoever reaches it; one whose policy
//! is not here takes calls of nobody.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

use crate::store::{self, StoreError};

/// The file that they are kept in.
const FILE: &str = "policies.json";
/// The form of that file. One of a later form is not guessed at.
const FORM: u32 = 1;

/// All policies, by their names.
pub(crate) type Book = BTreeMap<String, Policy>;

/// Lets in whoever one of its rules lets in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    pub(crate) rules: Vec<Rule>,
}

/// Lets in connections from one of these peers to one of these ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// None: every peer.
    pub(crate) peers: Vec<Peers>,
    /// None: every port.
    pub(crate) ports: Vec<Ports>,
}

/// The addresses of a prefix, without some.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peers {
    pub(crate) prefix: IpNet,
    pub(crate) except: Vec<IpNet>,
}

/// Ports, from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ports {
    pub(crate) first: u16,
    pub(crate) last: u16,
}

impl Policy {
    /// Whether this peer may connect to this port.
    pub(crate) fn admits(&self, peer: IpAddr, port: u16) -> bool {
        // A socket for both families tells of IPv4 in the clothes of IPv6.
        let peer = peer.to_canonical();
        self.rules.iter().any(|rule| rule.admits(peer, port))
    }
}

impl Rule {
    fn admits(&self, peer: IpAddr, port: u16) -> bool {
        let from = self.peers.is_empty() || self.peers.iter().any(|peers| peers.hold(peer));
        let to = |ports: &Ports| (ports.first..=ports.last).contains(&port);
        from && (self.ports.is_empty() || self.ports.iter().any(to))
    }
}

impl Peers {
    fn hold(&self, peer: IpAddr) -> bool {
        self.prefix.contains(&peer) && !self.except.iter().any(|except| except.contains(&peer))
    }
}

/// The addresses that `text` names. IPv4 is IPv4, however it is written.
///
/// # Errors
/// It is no prefix, as a sentence.
pub(crate) fn parse_prefix(text: &str) -> Result<IpNet, String> {
    let prefix: IpNet = text.parse().map_err(|_| {
        let told: String = text.chars().take(MAX_TOLD).collect();
        format!("{told:?} is no prefix of addresses; write one such as 10.0.0.0/8 or fd00::/8")
    })?;
    Ok(canonical(prefix.trunc()))
}

/// Letters that a sentence repeats of what is no prefix: the longest that is
/// one has 49.
const MAX_TOLD: usize = 64;
/// Leading bits that all IPv6 addresses have which are IPv4 addresses.
const MAPPED_BITS: u8 = 96;

fn canonical(prefix: IpNet) -> IpNet {
    let mapped = |address: Ipv6Addr| address.to_ipv4_mapped();
    let IpNet::V6(net) = prefix else {
        return prefix;
    };
    let Some(bits) = net.prefix_len().checked_sub(MAPPED_BITS) else {
        return prefix;
    };
    let v4 = mapped(net.addr()).and_then(|address| Ipv4Net::new(address, bits).ok());
    v4.map_or(prefix, IpNet::V4)
}

/// The policies of a node, which are there again after a restart.
pub(crate) struct Policies {
    folder: PathBuf,
    book: RwLock<Arc<Book>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept<B> {
    form: u32,
    policies: B,
}

impl Policies {
    /// Those that are kept in this folder. Where they cannot be read, there
    /// are none until a controller sends them: that denies, and does not
    /// grant.
    pub(crate) fn open(folder: &Path) -> Self {
        let book = read(&folder.join(FILE)).unwrap_or_else(|reason| {
            tracing::error!(reason, "the policies cannot be read; sandboxes that have one take no calls until a controller sends it again");
            Book::new()
        });
        Self {
            folder: folder.to_owned(),
            book: RwLock::new(Arc::new(book)),
        }
    }

    fn book(&self) -> Arc<Book> {
        // It is only ever replaced as a whole.
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&book)
    }

    /// Puts these in the place of all that are there: on disk first, so that
    /// none holds which would not after a restart. One at a time.
    ///
    /// # Errors
    /// The disk fails; those from before hold.
    pub(crate) fn replace(&self, policies: Book) -> Result<(), StoreError> {
        if *self.book() == policies {
            return Ok(());
        }
        let kept = Kept {
            form: FORM,
            policies: &policies,
        };
        let bytes = serde_json::to_vec(&kept).map_err(|error| StoreError::Record {
            path: self.folder.join(FILE),
            reason: error.to_string(),
        })?;
        store::replace(&self.folder, FILE, &bytes)?;
        *self.book.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policies);
        Ok(())
    }

    /// Whether the policy of this name, if it is one, lets this peer connect
    /// to this port.
    pub(crate) fn admit(&self, name: &str, peer: IpAddr, port: u16) -> bool {
        if name.is_empty() {
            return true;
        }
        let book = self.book();
        book.get(name)
            .is_some_and(|policy| policy.admits(peer, port))
    }
}

fn read(path: &Path) -> Result<Book, String> {
    let told = |error: String| format!("{}: {error}", path.display());
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Book::new()),
        Err(error) => return Err(told(error.to_string())),
    };
    let kept: Kept<Book> =
        serde_json::from_slice(&bytes).map_err(|error| told(error.to_string()))?;
    if kept.form != FORM {
        return Err(told(format!(
            "its form is {}, and this version knows {FORM}",
            kept.form
        )));
    }
    Ok(kept.policies)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(peers: &[(&str, &[&str])], ports: &[(u16, u16)]) -> Rule {
        let prefix = |text: &&str| parse_prefix(text).unwrap();
        let peers = peers.iter().map(|(text, except)| Peers {
            prefix: prefix(text),
            except: except.iter().map(prefix).collect(),
        });
        let ports = ports.iter().map(|&(first, last)| Ports { first, last });
        Rule {
            peers: peers.collect(),
            ports: ports.collect(),
        }
    }

    fn admits(rules: &[Rule], peer: &str, port: u16) -> bool {
        let policy = Policy {
            rules: rules.to_vec(),
        };
        policy.admits(peer.parse().unwrap(), port)
    }

    #[test]
    fn a_policy_lets_in_whom_one_of_its_rules_does() {
        let rules = [
            rule(&[("10.1.0.0/16", &["10.1.2.0/24"])], &[(8080, 8080)]),
            rule(&[("fd00::/8", &[]), ("192.0.2.7/32", &[])], &[]),
        ];
        for (peer, port, expected) in [
            ("10.1.0.9", 8080, true),
            ("10.1.0.9", 9090, false),
            ("10.1.2.9", 8080, false),
            ("10.2.0.9", 8080, false),
            ("192.0.2.7", 1, true),
            ("192.0.2.8", 1, false),
            ("fd12::1", 9090, true),
            ("fe80::1", 9090, false),
            ("::ffff:10.1.0.9", 8080, true),
            ("::ffff:10.1.2.9", 8080, false),
        ] {
            assert_eq!(admits(&rules, peer, port), expected, "{peer} {port}");
        }
    }

    #[test]
    fn no_rule_lets_in_nobody_and_an_empty_one_everybody() {
        assert!(!admits(&[], "10.0.0.1", 8080));
        assert!(admits(&[Rule::default()], "10.0.0.1", 8080));
        let ports = [rule(&[], &[(8000, 8080), (9090, 9090)])];
        for (port, expected) in [
            (7999, false),
            (8000, true),
            (8080, true),
            (8081, false),
            (9090, true),
        ] {
            assert_eq!(admits(&ports, "::1", port), expected, "{port}");
        }
    }

    #[test]
    fn a_prefix_of_ipv4_is_one_however_it_is_written() {
        let all = rule(&[("0.0.0.0/0", &[])], &[]);
        assert!(admits(std::slice::from_ref(&all), "::ffff:192.0.2.1", 1));
        assert!(!admits(&[all], "2001:db8::1", 1));
        for (text, same) in [
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("10.9.8.7/8", "10.0.0.0/8"),
        ] {
            assert_eq!(parse_prefix(text).unwrap().to_string(), same);
        }
        for text in ["", "10.0.0.1", "10.0.0.0/33", "example.com/8", "/8"] {
            let refused = parse_prefix(text).unwrap_err();
            assert!(refused.contains("no prefix"), "{refused}");
        }
        assert!(parse_prefix(&"1".repeat(1 << 20)).unwrap_err().len() < 200);
    }

    #[test]
    fn policies_are_there_after_a_restart_and_those_left_out_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let peer = "10.0.0.1".parse().unwrap();
        let open = || Policies::open(folder.path());
        let book = |name: &str| -> Book {
            let rules = vec![rule(&[("10.0.0.0/8", &["10.1.0.0/16"])], &[(1, 2)])];
            [(name.to_owned(), Policy { rules })].into()
        };
        open().replace(book("a")).unwrap();
        assert!(open().admit("a", peer, 1) && !open().admit("a", peer, 3));
        open().replace(book("b")).unwrap();
        assert!(!open().admit("a", peer, 1) && open().admit("b", peer, 1));
        assert!(open().admit("", peer, 9));
    }

    #[test]
    fn policies_that_cannot_be_read_let_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        let peer = "10.0.0.1".parse().unwrap();
        for text in ["{", r#"{"form":2,"policies":{"a":{"rules":[]}}}"#] {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            assert!(!Policies::open(folder.path()).admit("a", peer, 1), "{text}");
        }
    }

    #[test]
    fn where_the_disk_fails_those_from_before_hold() {
        let folder = tempfile::tempdir().unwrap();
        let peer = "10.0.0.1".parse().unwrap();
        let policies = Policies::open(folder.path());
        let everybody = Policy {
            rules: vec![Rule::default()],
        };
        let book: Book = [("a".to_owned(), everybody)].into();
        policies.replace(book).unwrap();
        std::fs::remove_dir_all(folder.path()).unwrap();
        assert!(policies.replace(Book::new()).is_err());
        assert!(policies.admit("a", peer, 1));
    }
}
