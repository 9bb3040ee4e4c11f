//! As many policies as one request to a node host has room for.

use mote_rpc::v1::Policy;
use mote_rpc::{MAX_REQUEST_BYTES, bytes_in_request};

/// Takes out the largest policies where all together are more than a node host
/// reads, for it would refuse them all; the names of those. By what is left out
/// it lets nobody in.
pub(super) fn fit(policies: &mut Vec<Policy>) -> Vec<String> {
    let mut sizes: Vec<_> = policies.iter().map(bytes_in_request).zip(0..).collect();
    let mut bytes: usize = sizes.iter().map(|(bytes, _)| bytes).sum();
    sizes.sort_unstable();
    let mut left_out: Vec<usize> = Vec::new();
    while bytes > MAX_REQUEST_BYTES
        && let Some((largest, place)) = sizes.pop()
    {
        bytes -= largest;
        left_out.push(place);
    }
    let mut names = Vec::with_capacity(left_out.len());
    // From the last on, so that the places before stay what they are.
    left_out.sort_unstable();
    for place in left_out.into_iter().rev() {
        names.push(policies.remove(place).name);
    }
    names.reverse();
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
}
