//! What becomes of a session whose node is not as it was: the rules, as a
//! function of what is known.
//!
//! | node | a session without files | a session with files |
//! |---|---|---|
//! | cordoned | stays | stays |
//! | tainted `NoExecute`, heard | goes elsewhere | stays, and its people are told |
//! | not heard for long | goes elsewhere | waits for its node |
//! | gone, or out of service | goes elsewhere | is made anew without them |

use std::time::Duration;

use k8s_openapi::api::core::v1::{Taint, Toleration};

use crate::wasm::place::tolerates;

/// What Kubernetes puts on a node that it does not hear of.
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// What people put on a node that is off and stays so.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// What Kubernetes says of a node's kubelet. A node host that answers knows
/// better how its sessions are.
const OF_THE_KUBELET: [&str; 2] = [UNREACHABLE, "node.kubernetes.io/not-ready"];
/// The taints that end what is on a node, beside keeping others away.
const NO_EXECUTE: &str = "NoExecute";

/// How it stands with a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing<'a> {
    /// Its name.
    pub(super) node: &'a str,
    /// Whether Kubernetes knows it.
    pub(super) known: bool,
    /// What it repels.
    pub(super) taints: &'a [Taint],
    /// For how long it has been tainted so.
    pub(super) tainted: Duration,
    /// For how long its node host is not heard; `None` while it is.
    pub(super) silent: Option<Duration>,
    /// Why we do not listen to it, if so.
    pub(super) refused: Option<&'a str>,
}

/// What becomes of a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It stays where it is. To be asked again after this time, if any.
    Stays(Option<Duration>),
    /// It stays, though it should not: why.
    Lingers(String),
    /// Nobody hears of it, and nobody else may start it. To be asked again
    /// after this time, if any.
    Waits(String, Option<Duration>),
    /// It is to be made anew elsewhere: why. What files it has are lost.
    Moves(String),
}

/// What becomes of a session, which has files or may have some, on a node that
/// stands so. One that is not heard is given up after `grace`, or after what
/// the tolerations say of an unreachable node.
pub(super) fn fate(
    at: Standing<'_>,
    files: bool,
    tolerations: &[Toleration],
    grace: Duration,
) -> Fate {
    let node = at.node;
    let out_of_service = at.taints.iter().find(|taint| taint.key == OUT_OF_SERVICE);
    if out_of_service.is_some_and(|taint| bears(tolerations, taint).is_none()) {
        return Fate::Moves(format!("node {node} is out of service"));
    }
    match at.silent {
        None => heard(at, files, tolerations),
        Some(_) if !at.known => Fate::Moves(format!("node {node} is gone")),
        Some(silent) => unheard(at, silent, files, tolerations, grace),
    }
}

fn heard(at: Standing<'_>, files: bool, tolerations: &[Toleration]) -> Fate {
    let ends = |taint: &&Taint| {
        taint.effect == NO_EXECUTE && !OF_THE_KUBELET.contains(&taint.key.as_str())
    };
    let mut again: Option<Duration> = None;
    for taint in at.taints.iter().filter(ends) {
        let left = match bears(tolerations, taint) {
            Some(Bears::Always) => continue,
            Some(Bears::For(time)) => time.saturating_sub(at.tainted),
            None => Duration::ZERO,
        };
        if !left.is_zero() {
            again = Some(again.map_or(left, |again| again.min(left)));
            continue;
        }
        let why = format!("node {} has the taint {}:{NO_EXECUTE}", at.node, taint.key);
        return if files {
            Fate::Lingers(format!(
                "{why} and holds the files of this sandbox; copy what is needed and delete the \
                 sandbox, or leave the node as it is"
            ))
        } else {
            Fate::Moves(why)
        };
    }
    Fate::Stays(again)
}

fn unheard(
    at: Standing<'_>,
    silent: Duration,
    files: bool,
    tolerations: &[Toleration],
    grace: Duration,
) -> Fate {
    let mut silence = format!("node {} is not heard", at.node);
    if let Some(refused) = at.refused {
        silence = format!("{silence}: {refused}");
    }
    let taint = Taint {
        key: UNREACHABLE.to_owned(),
        effect: NO_EXECUTE.to_owned(),
        ..Taint::default()
    };
    let told = at.taints.iter().any(|taint| taint.key == UNREACHABLE);
    let left = match bears(tolerations, &taint) {
        Some(Bears::Always) => None,
        Some(Bears::For(time)) => Some(time.saturating_sub(silent)),
        // Kubernetes has waited before it said so.
        None if told => Some(Duration::ZERO),
        None => Some(grace.saturating_sub(silent)),
    };
    match left {
        Some(left) if left.is_zero() && files => Fate::Waits(
            format!(
                "{silence}; it may hold files of this sandbox: bring it back, or, to go on without \
                 them, delete the Node or taint it {OUT_OF_SERVICE}:{NO_EXECUTE}"
            ),
            None,
        ),
        Some(left) if left.is_zero() => Fate::Moves(silence),
        left => Fate::Waits(silence, left),
    }
}

/// For how long a taint is borne.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Bears {
    Always,
    For(Duration),
}

/// The shortest of what the tolerations that match say, as for pods.
fn bears(tolerations: &[Toleration], taint: &Taint) -> Option<Bears> {
    let matching = tolerations.iter().filter(|it| tolerates(it, taint));
    matching
        .map(|toleration| match toleration.toleration_seconds {
            None => Bears::Always,
            Some(seconds) => Bears::For(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
        })
        .min_by_key(|bears| match bears {
            Bears::Always => Duration::MAX,
            Bears::For(time) => *time,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(30);
    const MINUTE: Duration = Duration::from_secs(60);

    fn taint(key: &str, effect: &str) -> Taint {
        Taint {
            key: key.to_owned(),
            effect: effect.to_owned(),
            ..Taint::default()
        }
    }

    fn bearing(key: &str, seconds: Option<i64>) -> Vec<Toleration> {
        vec![Toleration {
            key: Some(key.to_owned()),
            operator: Some("Exists".to_owned()),
            toleration_seconds: seconds,
            ..Toleration::default()
        }]
    }

    fn at(taints: &[Taint], silent: Option<Duration>) -> Standing<'_> {
        Standing {
            node: "a",
            known: true,
            taints,
            tainted: MINUTE,
            silent,
            refused: None,
        }
    }

    fn moves(fate: &Fate) -> bool {
        matches!(fate, Fate::Moves(_))
    }

    #[test]
    fn a_cordon_or_what_is_said_of_the_kubelet_moves_nothing_that_is_heard() {
        for key in ["node.kubernetes.io/unschedulable", "example.com/x"] {
            let taints = [taint(key, "NoSchedule")];
            assert_eq!(
                fate(at(&taints, None), false, &[], GRACE),
                Fate::Stays(None)
            );
        }
        for key in OF_THE_KUBELET {
            let taints = [taint(key, NO_EXECUTE)];
            assert_eq!(
                fate(at(&taints, None), false, &[], GRACE),
                Fate::Stays(None)
            );
        }
    }

    #[test]
    fn a_node_that_is_to_be_emptied_keeps_only_what_has_files() {
        let taints = [taint("example.com/drain", NO_EXECUTE)];
        assert!(moves(&fate(at(&taints, None), false, &[], GRACE)));
        let Fate::Lingers(told) = fate(at(&taints, None), true, &[], GRACE) else {
            panic!("files are not taken away from a node that answers");
        };
        assert!(
            told.contains("node a has the taint example.com/drain:NoExecute"),
            "{told}"
        );
    }

    #[test]
    fn a_taint_is_borne_as_long_as_a_toleration_says() {
        let taints = [taint("k", NO_EXECUTE)];
        let after = |seconds| fate(at(&taints, None), false, &bearing("k", seconds), GRACE);
        assert_eq!(after(None), Fate::Stays(None));
        assert_eq!(after(Some(90)), Fate::Stays(Some(GRACE)));
        assert!(moves(&after(Some(60))) && moves(&after(Some(-1))));
    }

    #[test]
    fn a_silent_node_is_given_up_after_the_grace_by_what_has_no_files() {
        let silent = |time, files| fate(at(&[], Some(time)), files, &[], GRACE);
        let left = Duration::from_secs(20);
        assert_eq!(
            silent(GRACE - left, false),
            Fate::Waits("node a is not heard".to_owned(), Some(left))
        );
        assert!(moves(&silent(GRACE, false)));
        let Fate::Waits(told, None) = silent(MINUTE, true) else {
            panic!("files wait for their node");
        };
        assert!(
            told.contains("delete the Node") && told.contains(OUT_OF_SERVICE),
            "{told}"
        );
    }

    #[test]
    fn who_is_not_listened_to_is_told_with_the_reason() {
        let refused = Standing {
            refused: Some("it is of version 9"),
            ..at(&[], Some(Duration::ZERO))
        };
        let told = "node a is not heard: it is of version 9".to_owned();
        assert_eq!(
            fate(refused, true, &[], GRACE),
            Fate::Waits(told, Some(GRACE))
        );
    }

    #[test]
    fn what_kubernetes_says_of_an_unreachable_node_is_waited_for_no_longer() {
        let taints = [taint(UNREACHABLE, NO_EXECUTE)];
        assert!(moves(&fate(
            at(&taints, Some(Duration::ZERO)),
            false,
            &[],
            GRACE
        )));
    }

    #[test]
    fn a_toleration_of_unreachable_nodes_is_patience_with_a_silent_one() {
        let bear = |seconds| {
            fate(
                at(&[], Some(MINUTE)),
                false,
                &bearing(UNREACHABLE, seconds),
                GRACE,
            )
        };
        assert!(matches!(bear(None), Fate::Waits(_, None)));
        assert!(matches!(bear(Some(90)), Fate::Waits(_, Some(left)) if left == GRACE));
        assert!(moves(&bear(Some(60))));
    }

    #[test]
    fn of_a_node_that_is_gone_or_out_of_service_not_even_files_are_waited_for() {
        let gone = Standing {
            known: false,
            ..at(&[], Some(Duration::ZERO))
        };
        assert!(moves(&fate(gone, true, &[], GRACE)));
        let taints = [taint(OUT_OF_SERVICE, NO_EXECUTE)];
        for silent in [None, Some(Duration::ZERO)] {
            assert!(moves(&fate(at(&taints, silent), true, &[], GRACE)));
        }
        // Kubernetes may forget a node whose host still answers.
        let heard = Standing {
            silent: None,
            ..gone
        };
        assert_eq!(fate(heard, false, &[], GRACE), Fate::Stays(None));
    }
}
