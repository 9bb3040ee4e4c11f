//! As many policies as one request to a node host has room for.

use std::collections::{BTreeSet, BinaryHeap, HashMap};

use mote_rpc::v1::Policy;
use mote_rpc::{MAX_REQUEST_BYTES, bytes_in_request};

use super::DEFAULT;
use super::share::namespace_of;

/// Takes out policies where all together are more than a node host reads, for
/// it would refuse them all; the names of those. Each time it is the largest of
/// the namespace that has most of them by size, and never the default. By what
/// is left out it lets nobody in.
pub(super) fn fit(policies: &mut Vec<Policy>) -> Vec<String> {
    let mut bytes = 0;
    let mut namespaces = HashMap::<&str, (usize, Vec<(usize, usize)>)>::new();
    for (place, policy) in policies.iter().enumerate() {
        let size = bytes_in_request(policy);
        bytes += size;
        if policy.name != DEFAULT {
            let (all, sizes) = namespaces.entry(namespace_of(&policy.name)).or_default();
            *all += size;
            sizes.push((size, place));
        }
    }
    namespaces
        .values_mut()
        .for_each(|(_, sizes)| sizes.sort_unstable());
    // The greatest comes out first.
    let mut namespaces: BinaryHeap<_> = namespaces.into_values().collect();
    let mut left_out = BTreeSet::new();
    while bytes > MAX_REQUEST_BYTES
        && let Some((all, mut sizes)) = namespaces.pop()
    {
        if let Some((largest, place)) = sizes.pop() {
            bytes -= largest;
            left_out.insert(place);
            namespaces.push((all - largest, sizes));
        }
    }
    let mut names = Vec::with_capacity(left_out.len());
    let mut place = 0;
    policies.retain(|policy| {
        let stays = !left_out.contains(&place);
        place += 1;
        if !stays {
            names.push(policy.name.clone());
        }
        stays
    });
    names
}

#[cfg(test)]
mod tests {
    use mote_rpc::v1::policy::{Peer, Rule};

    use super::*;

    /// A policy with these many prefixes, of some 20 bytes each.
    fn policy(name: &str, prefixes: usize) -> Policy {
        let peer = Peer {
            prefix: "10.100.100.100/32".to_owned(),
            except: Vec::new(),
        };
        Policy {
            name: name.to_owned(),
            rules: vec![Rule {
                peers: vec![peer; prefixes],
                ports: Vec::new(),
            }],
        }
    }

    fn names(policies: &[Policy]) -> Vec<&str> {
        policies.iter().map(|it| it.name.as_str()).collect()
    }

    #[test]
    fn what_a_node_host_reads_is_sent_whole() {
        let mut policies = vec![policy("a", 4_096), policy("b", 1)];
        assert_eq!(fit(&mut policies), [""; 0]);
        assert_eq!(names(&policies), ["a", "b"]);
    }

    #[test]
    fn the_largest_are_left_out_and_hold_up_no_others() {
        let large = (0..200).map(|n| policy(&format!("l/{n:03}"), 4_096));
        let small = (0..200).map(|n| policy(&format!("s/{n:03}"), 10));
        let mut policies = vec![policy("default", 2)];
        policies.extend(large.chain(small));
        let before = policies.clone();
        let left_out = fit(&mut policies);
        assert!(
            left_out.iter().all(|name| name.starts_with("l/")),
            "{left_out:?}"
        );
        assert!(
            !left_out.is_empty() && left_out.len() < 200,
            "{}",
            left_out.len()
        );
        assert!(
            names(&policies)
                .is_sorted_by_key(|name| { before.iter().position(|it| it.name == *name) })
        );
        assert_eq!(policies.len() + left_out.len(), before.len());
        let bytes: usize = policies.iter().map(bytes_in_request).sum();
        assert!(bytes <= MAX_REQUEST_BYTES, "{bytes}");
        let more = bytes + bytes_in_request(&policy("l/000", 4_096));
        assert!(more > MAX_REQUEST_BYTES, "no more than has to be");
    }

    #[test]
    fn a_namespace_of_many_policies_pushes_out_no_others_and_not_the_default() {
        let mut policies = vec![policy(DEFAULT, 4_096), policy("other/t", 3_000)];
        policies.extend((0..200).map(|n| policy(&format!("greedy/{n:03}"), 2_000)));
        let left_out = fit(&mut policies);
        assert!(!left_out.is_empty());
        assert!(
            left_out.iter().all(|name| name.starts_with("greedy/")),
            "{left_out:?}"
        );
    }
}
