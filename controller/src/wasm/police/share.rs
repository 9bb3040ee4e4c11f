//! What there is only so much of in a cluster is shared out to its namespaces,
//! so that none takes it from the others.

use std::collections::HashMap;

/// The namespace of a policy, by its name.
pub(super) fn namespace_of(policy: &str) -> &str {
    policy
        .split_once('/')
        .map_or("", |(namespace, _)| namespace)
}

/// What each namespace has in turn: the first of each, then the second of each,
/// and so on. Within a namespace the order stays.
pub(super) fn in_turn<'a, T>(
    all: impl IntoIterator<Item = (&'a str, T)>,
) -> impl Iterator<Item = T> {
    let mut turns = HashMap::<&str, usize>::new();
    let all = all.into_iter().map(|(namespace, one)| {
        let turn = turns.entry(namespace).or_default();
        *turn += 1;
        (*turn, one)
    });
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|(turn, _)| *turn);
    all.into_iter().map(|(_, one)| one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_namespace_has_its_first_before_any_has_its_second() {
        let all = [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("c", 6)];
        let shared: Vec<_> = in_turn(all).collect();
        assert_eq!(shared, [1, 4, 5, 2, 6, 3]);
    }
}
