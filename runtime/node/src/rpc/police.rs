//! Who may call sessions, as it is asked for: bounded and read before any of
//! it holds.

use std::collections::btree_map::Entry;

use ipnet::IpNet;
use mote_rpc::v1;
use mote_rpc::v1::policy as asked;

use crate::policy::{Book, Peers, Policy, Ports, Rule, parse_prefix};

/// Policies of a node, as the protocol says: each template, and each policy of
/// Kubernetes that a session is under, is one.
const MAX_POLICIES: usize = 4_096;
/// Longest name in bytes: a namespace's and an object's, and what is between.
const MAX_NAME_BYTES: usize = 512;
/// Rules of one policy: people write some.
const MAX_RULES: usize = 256;
/// Prefixes of one policy, those that are not meant included. A selector
/// becomes an address for each pod. All are looked at for a connection, in
/// less than 100 µs.
const MAX_PREFIXES: usize = 16_384;
/// Ranges of ports of one policy. A session has three ports.
const MAX_PORTS: usize = 256;

/// The policies that were sent.
///
/// # Errors
/// One makes no sense, or there are too many, as a sentence.
pub(super) fn parse(policies: Vec<v1::Policy>) -> Result<Book, String> {
    at_most(policies.len(), MAX_POLICIES, "policies")?;
    let mut book = Book::new();
    for v1::Policy { name, rules } in policies {
        check_name(&name)?;
        let rules = parse_rules(rules).map_err(|error| format!("policy {name}: {error}"))?;
        match book.entry(name) {
            Entry::Vacant(place) => drop(place.insert(Policy { rules })),
            Entry::Occupied(there) => {
                return Err(format!(
                    "there are two policies {}; send one of each name",
                    there.key()
                ));
            }
        }
    }
    Ok(book)
}

/// Whether a policy may have this name, which goes into logs.
///
/// # Errors
/// Why not, as a sentence.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let visible = name.bytes().all(|byte| byte.is_ascii_graphic());
    if visible && (1..=MAX_NAME_BYTES).contains(&name.len()) {
        return Ok(());
    }
    let told: String = name.chars().take(MAX_NAME_BYTES).collect();
    Err(format!(
        "{told:?} is no name of a policy; give 1 to {MAX_NAME_BYTES} visible ASCII characters"
    ))
}

fn parse_rules(rules: Vec<asked::Rule>) -> Result<Vec<Rule>, String> {
    at_most(rules.len(), MAX_RULES, "rules")?;
    let prefixes = |peer: &asked::Peer| 1 + peer.except.len();
    let of_rule = |rule: &asked::Rule| rule.peers.iter().map(prefixes).sum::<usize>();
    at_most(rules.iter().map(of_rule).sum(), MAX_PREFIXES, "prefixes")?;
    let ports = rules.iter().map(|rule| rule.ports.len()).sum();
    at_most(ports, MAX_PORTS, "ranges of ports")?;
    rules.into_iter().map(parse_rule).collect()
}

fn parse_rule(rule: asked::Rule) -> Result<Rule, String> {
    let asked::Rule { peers, ports } = rule;
    Ok(Rule {
        peers: peers
            .into_iter()
            .map(parse_peers)
            .collect::<Result<_, _>>()?,
        ports: ports
            .into_iter()
            .map(parse_ports)
            .collect::<Result<_, _>>()?,
    })
}

fn parse_peers(peer: asked::Peer) -> Result<Peers, String> {
    let asked::Peer { prefix, except } = peer;
    let prefix = parse_prefix(&prefix)?;
    let below = |text: &String| -> Result<IpNet, String> {
        let except = parse_prefix(text)?;
        if prefix.contains(&except) {
            return Ok(except);
        }
        Err(format!(
            "{except} is no part of {prefix}, from which it is excepted; leave it out"
        ))
    };
    Ok(Peers {
        prefix,
        except: except.iter().map(below).collect::<Result<_, _>>()?,
    })
}

fn parse_ports(ports: asked::Ports) -> Result<Ports, String> {
    let asked::Ports { first, last } = ports;
    let number = |number: u32| u16::try_from(number).ok().filter(|number| *number > 0);
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => Ok(Ports { first, last }),
        _ => Err(format!(
            "{first} to {last} are no ports; give two of 1 to 65535, the lower first"
        )),
    }
}

fn at_most(count: usize, most: usize, what: &str) -> Result<(), String> {
    if count <= most {
        return Ok(());
    }
    Err(format!("{count} {what}; send {most} at most"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rules: Vec<asked::Rule>) -> v1::Policy {
        v1::Policy {
            name: "default/work".to_owned(),
            rules,
        }
    }

    fn from(prefix: &str, except: &[&str]) -> asked::Rule {
        asked::Rule {
            peers: vec![asked::Peer {
                prefix: prefix.to_owned(),
                except: except.iter().map(ToString::to_string).collect(),
            }],
            ports: Vec::new(),
        }
    }

    fn to(first: u32, last: u32) -> asked::Rule {
        asked::Rule {
            peers: Vec::new(),
            ports: vec![asked::Ports { first, last }],
        }
    }

    #[test]
    fn what_is_sent_is_read_whole() {
        let rules = vec![from("10.0.0.0/8", &["10.1.0.0/16"]), to(8080, 8081)];
        let book = parse(vec![of(rules)]).unwrap();
        let policy = &book["default/work"];
        let admits = |peer: &str, port| policy.admits(peer.parse().unwrap(), port);
        assert!(admits("10.0.0.1", 1) && !admits("10.1.0.1", 1));
        assert!(admits("192.0.2.1", 8081) && !admits("192.0.2.1", 8082));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_a_sentence() {
        let named = |name: &str| v1::Policy {
            name: name.to_owned(),
            rules: Vec::new(),
        };
        for policies in [
            vec![of(vec![from("10.0.0.1", &[])])],
            vec![of(vec![from("", &[])])],
            vec![of(vec![from("10.0.0.0/8", &["11.0.0.0/16"])])],
            vec![of(vec![from("10.0.0.0/8", &["fd00::/16"])])],
            vec![of(vec![from("10.0.0.0/8", &["10.0.0.0/7"])])],
            vec![of(vec![to(0, 80)])],
            vec![of(vec![to(80, 79)])],
            vec![of(vec![to(80, 65_536)])],
            vec![named("")],
            vec![named("a\nb")],
            vec![named(&"x".repeat(MAX_NAME_BYTES + 1))],
            vec![named("a"), named("a")],
        ] {
            let refused = parse(policies.clone()).unwrap_err();
            assert!(refused.contains("; "), "{refused} of {policies:?}");
            assert!(refused.len() < 2 * MAX_NAME_BYTES && !refused.contains('\n'));
        }
        assert!(parse(vec![named(&"x".repeat(MAX_NAME_BYTES))]).is_ok());
    }

    #[test]
    fn there_are_as_many_as_may_be_and_no_more() {
        let policies = |count: usize| {
            let named = |n| v1::Policy {
                name: format!("p{n}"),
                rules: Vec::new(),
            };
            parse((0..count).map(named).collect())
        };
        assert!(policies(MAX_POLICIES).is_ok() && policies(MAX_POLICIES + 1).is_err());
        let rules = |count| parse(vec![of(vec![to(1, 1); count])]);
        assert!(rules(MAX_RULES).is_ok() && rules(MAX_RULES + 1).is_err());
        let prefixes = |count: usize| {
            let mut rule = from("0.0.0.0/0", &["10.0.0.0/8"]);
            rule.peers = vec![rule.peers[0].clone(); count / 2];
            parse(vec![of(vec![rule])])
        };
        assert!(prefixes(MAX_PREFIXES).is_ok() && prefixes(MAX_PREFIXES + 2).is_err());
    }
}
