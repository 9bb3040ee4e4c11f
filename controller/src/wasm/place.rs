//! On which node a session goes.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Taint, Toleration};

use super::classify::{Needs, Wanted};

/// A node as it is weighed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it repels.
    pub taints: Vec<Taint>,
    /// Whether it was cordoned.
    pub cordoned: bool,
    /// Whether its node host is heard.
    pub heard: bool,
    /// Why its node host does not start or is one that we do not listen to, if so.
    pub refused: Option<String>,
    /// Memory it has to give, in bytes.
    pub memory_bytes: u64,
    /// Memory that is given, in bytes.
    pub reserved_bytes: u64,
    /// Sessions that may still come.
    pub places: u32,
    /// Images whose programs are compiled there.
    pub images: BTreeSet<String>,
    /// Namespaces that are known to have sessions there, whatever its host says.
    pub tenants: BTreeSet<String>,
}

/// Why a node was not taken, in the words of Kubernetes' scheduler where it
/// has some.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Unfit {
    OtherNode,
    Cordoned,
    Tainted,
    Labels,
    Refused,
    Unheard,
    Full,
    Memory,
}

impl Unfit {
    fn told(self) -> &'static str {
        match self {
            Self::OtherNode => "node(s) didn't match the requested node name",
            Self::Cordoned => "node(s) were unschedulable",
            Self::Tainted => "node(s) had untolerated taint(s)",
            Self::Labels => "node(s) didn't match Pod's node affinity/selector",
            Self::Refused => "node(s) had a node host that does not start or is refused",
            Self::Unheard => "node(s) had no node host that answers",
            Self::Full => "Too many sandboxes",
            Self::Memory => "Insufficient memory",
        }
    }
}

/// The node for a session of this namespace: one where the namespace has
/// sessions; else the fullest that has room, so that others stay free; of those
/// that are about as full, one where the programs are compiled. That comes late,
/// as a node host may say it to draw the sessions of others.
///
/// # Errors
/// No node can take it, as a sentence.
pub fn place<'a>(
    wanted: &Wanted,
    namespace: &str,
    nodes: impl IntoIterator<Item = &'a NodeView>,
) -> Result<&'a NodeView, String> {
    let (mut best, mut unfit, mut count) = (None, BTreeMap::<Unfit, usize>::new(), 0);
    let mut refused = None;
    for node in nodes {
        count += 1;
        match fits(wanted, node) {
            Ok(()) => {
                let score = score(wanted, namespace, node);
                // Of equals the first by name: the same question has one answer.
                if best.is_none_or(|(other, than): (_, &NodeView)| {
                    score > other || (score == other && node.name < than.name)
                }) {
                    best = Some((score, node));
                }
            }
            Err(why) => {
                *unfit.entry(why).or_default() += 1;
                if why == Unfit::Refused && refused.is_none() {
                    refused = Some(node);
                }
            }
        }
    }
    best.map(|(_, node)| node).ok_or_else(|| {
        let reasons: Vec<_> = unfit
            .iter()
            .map(|(why, nodes)| format!("{nodes} {}", why.told()))
            .collect();
        let reasons = if reasons.is_empty() {
            "no node runs a node host".to_owned()
        } else {
            reasons.join(", ")
        };
        // Of one of them: what to do is told, and the sentence stays short.
        let refused = refused.and_then(|node| Some((&node.name, node.refused.as_ref()?)));
        let refused = refused.map(|(node, why)| format!(" Node {node}: {why}."));
        let refused = refused.unwrap_or_default();
        format!("0/{count} nodes are available: {reasons}.{refused}")
    })
}

fn fits(wanted: &Wanted, node: &NodeView) -> Result<(), Unfit> {
    let Needs {
        node: name,
        labels,
        tolerations,
    } = &wanted.needs;
    let tolerated = |taint: &Taint| {
        taint.effect == "PreferNoSchedule" || tolerations.iter().any(|it| tolerates(it, taint))
    };
    let has = |(key, value): (&String, &String)| node.labels.get(key) == Some(value);
    let free = node.memory_bytes.saturating_sub(node.reserved_bytes);
    if name.as_ref().is_some_and(|name| *name != node.name) {
        Err(Unfit::OtherNode)
    } else if node.cordoned {
        Err(Unfit::Cordoned)
    } else if !node.taints.iter().all(tolerated) {
        Err(Unfit::Tainted)
    } else if !labels.iter().all(has) {
        Err(Unfit::Labels)
    } else if node.refused.is_some() {
        Err(Unfit::Refused)
    } else if !node.heard {
        Err(Unfit::Unheard)
    } else if node.places == 0 {
        Err(Unfit::Full)
    } else if free < wanted.memory_bytes {
        Err(Unfit::Memory)
    } else {
        Ok(())
    }
}

/// As the API documents it: an empty key with `Exists` is every taint, an
/// empty effect every effect.
pub(super) fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let (key, effect) = (text(&toleration.key), text(&toleration.effect));
    if !effect.is_empty() && effect != taint.effect {
        return false;
    }
    match toleration.operator.as_deref() {
        Some("Exists") => key.is_empty() || key == taint.key,
        None | Some("" | "Equal") => {
            key == taint.key && text(&toleration.value) == text(&taint.value)
        }
        Some(_) => false,
    }
}

fn text(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or_default()
}

fn score(wanted: &Wanted, namespace: &str, node: &NodeView) -> (bool, u64, bool, u64) {
    /// A node's fill is told in so many parts of its memory.
    const PARTS: u64 = 1 << 20;
    /// Nodes are about as full as each other within so many of these.
    const ABOUT: u64 = PARTS / 16;
    let fill = node.reserved_bytes / (node.memory_bytes / PARTS).max(1);
    (
        node.tenants.contains(namespace),
        fill / ABOUT,
        node.images.contains(&wanted.image),
        fill,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeView {
        NodeView {
            name: name.to_owned(),
            heard: true,
            memory_bytes: 1_000,
            places: 10,
            ..NodeView::default()
        }
    }

    fn wanted(memory_bytes: u64) -> Wanted {
        Wanted {
            image: "mote.dev/base".to_owned(),
            memory_bytes,
            ..Wanted::default()
        }
    }

    fn chosen(wanted: &Wanted, nodes: &[NodeView]) -> Result<String, String> {
        place(wanted, "ns", nodes).map(|node| node.name.clone())
    }

    #[test]
    fn the_fullest_with_room_is_taken_and_of_equals_the_first() {
        let mut nodes = [node("b"), node("a"), node("c"), node("d")];
        assert_eq!(chosen(&wanted(10), &nodes).unwrap(), "a");
        nodes[2].reserved_bytes = 500;
        nodes[3].reserved_bytes = 995;
        assert_eq!(chosen(&wanted(10), &nodes).unwrap(), "c");
        assert_eq!(chosen(&wanted(5), &nodes).unwrap(), "d");
    }

    #[test]
    fn a_tenant_stays_together_and_then_goes_where_its_programs_are_compiled() {
        let mut nodes = [node("a"), node("b"), node("c")];
        nodes[1].images.insert("mote.dev/base".to_owned());
        assert_eq!(chosen(&wanted(10), &nodes).unwrap(), "b");
        nodes[2].tenants.insert("ns".to_owned());
        assert_eq!(chosen(&wanted(10), &nodes).unwrap(), "c");
    }

    #[test]
    fn a_host_that_claims_images_draws_nothing_from_nodes_that_are_fuller() {
        let gib = 1 << 30;
        let mut nodes = [node("a"), node("b")].map(|it| NodeView {
            memory_bytes: 16 * gib,
            ..it
        });
        nodes[0].reserved_bytes = 8 * gib;
        nodes[1].images.insert("mote.dev/base".to_owned());
        assert_eq!(chosen(&wanted(10), &nodes).unwrap(), "a");
        // About as full.
        nodes[0].reserved_bytes = gib / 2;
        assert_eq!(chosen(&wanted(10), &nodes).unwrap(), "b");
    }

    #[test]
    fn every_node_that_is_left_out_is_told_with_its_reason() {
        let mut nodes: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(node).into();
        nodes[0].cordoned = true;
        nodes[1].taints = vec![Taint {
            key: "k".to_owned(),
            effect: "NoSchedule".to_owned(),
            ..Taint::default()
        }];
        nodes[2].heard = false;
        nodes[3].places = 0;
        nodes[4].reserved_bytes = 995;
        nodes[5].reserved_bytes = 991;
        assert_eq!(
            chosen(&wanted(10), &nodes).unwrap_err(),
            "0/6 nodes are available: 1 node(s) were unschedulable, 1 node(s) had untolerated taint(s), \
             1 node(s) had no node host that answers, 1 Too many sandboxes, 2 Insufficient memory."
        );
        assert_eq!(
            chosen(&wanted(10), &[]).unwrap_err(),
            "0/0 nodes are available: no node runs a node host."
        );
    }

    #[test]
    fn name_labels_and_taints_choose_as_they_do_for_pods() {
        let mut nodes = [node("a"), node("b")];
        nodes[1].labels.insert("disk".to_owned(), "fast".to_owned());
        let mut wants = wanted(1);
        wants
            .needs
            .labels
            .insert("disk".to_owned(), "fast".to_owned());
        assert_eq!(chosen(&wants, &nodes).unwrap(), "b");
        wants.needs.node = Some("a".to_owned());
        assert!(chosen(&wants, &nodes).is_err());
    }

    #[test]
    fn a_toleration_lets_past_the_taints_it_names_and_no_others() {
        let taint = Taint {
            key: "k".to_owned(),
            value: Some("v".to_owned()),
            effect: "NoSchedule".to_owned(),
            ..Taint::default()
        };
        let toleration = |key: &str, operator: &str, value: &str, effect: &str| Toleration {
            key: Some(key.to_owned()),
            operator: Some(operator.to_owned()),
            value: Some(value.to_owned()),
            effect: Some(effect.to_owned()),
            ..Toleration::default()
        };
        for (toleration, passes) in [
            (toleration("k", "Equal", "v", "NoSchedule"), true),
            (toleration("k", "", "v", ""), true),
            (toleration("k", "Equal", "w", ""), false),
            (toleration("k", "Exists", "", ""), true),
            (toleration("", "Exists", "", ""), true),
            (toleration("", "Exists", "", "NoExecute"), false),
            (toleration("j", "Exists", "", ""), false),
            (toleration("k", "Lt", "v", ""), false),
        ] {
            assert_eq!(tolerates(&toleration, &taint), passes, "{toleration:?}");
        }
    }
}
