//! Which sandboxes of a pool a claim may take, and which it takes.

use std::cmp::Reverse;
use std::collections::HashMap;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::blueprint;
use crate::condition::{FINISHED, READY, is_true};
use crate::crd::{
    PoolUpdateStrategyType, Sandbox, SandboxBlueprint, SandboxTemplate, SandboxWarmPool,
};
use crate::names::{EXTENSIONS_GROUP, controller_of, label, name_hash};

/// What is to be known of a sandbox to choose it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Candidate {
    /// Its UID, by which it is reserved.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// Its node; empty, if none has it yet.
    pub node: String,
    /// When it was made: the oldest goes first.
    pub made: Timestamp,
    /// Whether it answers.
    pub ready: bool,
    /// Whether it has an address.
    pub networked: bool,
}

impl Candidate {
    /// What is to be known of a sandbox.
    pub(super) fn of(sandbox: &Sandbox) -> Self {
        let status = sandbox.status.clone().unwrap_or_default();
        let made = sandbox.metadata.creation_timestamp.as_ref();
        Self {
            uid: sandbox.uid().unwrap_or_default(),
            name: sandbox.name_any(),
            node: status.node_name.unwrap_or_default(),
            made: made.map_or(Timestamp::MAX, |time| time.0),
            ready: is_true(&status.conditions, READY),
            networked: !status.pod_ips.is_empty(),
        }
    }
}

/// A pool, and what its sandboxes are to be made from.
pub(super) struct Pool<'a> {
    pool: &'a SandboxWarmPool,
    /// Given where a sandbox must be of the present template.
    present: Option<Option<Present>>,
}

struct Present {
    template_hash: String,
    hash: String,
    blueprint: SandboxBlueprint,
}

impl<'a> Pool<'a> {
    /// A pool with its template, if there is one.
    pub(super) fn new(pool: &'a SandboxWarmPool, template: Option<&SandboxTemplate>) -> Self {
        let strategy = &pool.spec.update_strategy;
        let recreates = strategy
            .as_ref()
            .is_some_and(|strategy| strategy.type_ == PoolUpdateStrategyType::Recreate);
        let present = || {
            template.map(|template| {
                let blueprint = blueprint::secure_defaults(&template.spec);
                Present {
                    template_hash: name_hash(&template.name_any()),
                    hash: blueprint::hash(&blueprint),
                    blueprint,
                }
            })
        };
        Self {
            pool,
            present: recreates.then(present),
        }
    }

    /// Whether a claim of the pool's namespace may take the sandbox. Whose it
    /// is decides its owner alone; labels anyone can write.
    pub(super) fn offers(&self, sandbox: &Sandbox) -> bool {
        sandbox.namespace() == self.pool.namespace()
            && sandbox.metadata.deletion_timestamp.is_none()
            && self.owns(sandbox)
            && !is_finished(sandbox)
            && self.is_present(sandbox)
    }

    fn owns(&self, sandbox: &Sandbox) -> bool {
        controller_of(&sandbox.metadata).is_some_and(|owner| {
            owner.kind == "SandboxWarmPool"
                && owner.api_version.split('/').next() == Some(EXTENSIONS_GROUP)
                && owner.name == self.pool.name_any()
                && Some(&owner.uid) == self.pool.metadata.uid.as_ref()
        })
    }

    /// A pool that replaces what is out of date gives none of it away.
    fn is_present(&self, sandbox: &Sandbox) -> bool {
        let Some(present) = &self.present else {
            return true;
        };
        present.as_ref().is_some_and(|present| {
            let is =
                |key: &str, value: &str| sandbox.labels().get(key).is_some_and(|it| it == value);
            is(label::SANDBOX_TEMPLATE_REF_HASH, &present.template_hash)
                && (is(label::SANDBOX_TEMPLATE_HASH, &present.hash)
                    || blueprint::same(&sandbox.spec.blueprint, &present.blueprint))
        })
    }
}

fn is_finished(sandbox: &Sandbox) -> bool {
    let conditions = sandbox
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice());
    is_true(conditions.unwrap_or_default(), FINISHED)
}

/// Chooses among candidates: those that answer before those that do not, of
/// them one on the node that has most left, of them the oldest. One without an
/// address is not chosen: whoever gets it could not reach it.
pub(super) fn choose<'a>(candidates: &[&'a Candidate]) -> Option<&'a Candidate> {
    let mut left = HashMap::<&str, usize>::new();
    for candidate in candidates {
        *left.entry(&candidate.node).or_default() += 1;
    }
    let on_node = |node: &str| match node {
        "" => 0,
        node => left.get(node).copied().unwrap_or_default(),
    };
    candidates
        .iter()
        .copied()
        .filter(|candidate| candidate.networked)
        .min_by_key(|it| {
            (
                !it.ready,
                Reverse(on_node(&it.node)),
                it.made,
                it.name.as_str(),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::fixtures::{at, pool, ready_status, recreating, template, warm};
    use crate::condition::Saying;

    fn candidate(name: &str, node: &str, made: i64, ready: bool) -> Candidate {
        Candidate {
            uid: name.to_owned(),
            name: name.to_owned(),
            node: node.to_owned(),
            made: at(made),
            ready,
            networked: true,
        }
    }

    fn chosen(candidates: &[Candidate]) -> Option<&str> {
        let all: Vec<_> = candidates.iter().collect();
        choose(&all).map(|it| it.name.as_str())
    }

    #[test]
    fn the_oldest_that_is_ready_is_chosen() {
        let all = [
            candidate("young", "n", 3, true),
            candidate("old", "n", 1, true),
            candidate("oldest", "n", 0, false),
        ];
        assert_eq!(chosen(&all), Some("old"));
    }

    #[test]
    fn the_node_with_most_left_goes_first_and_ties_go_by_age() {
        let all = [
            candidate("a", "one", 0, true),
            candidate("b", "two", 1, true),
            candidate("c", "two", 2, true),
        ];
        assert_eq!(chosen(&all), Some("b"));
        assert_eq!(chosen(&all[..2]), Some("a"));
    }

    #[test]
    fn one_that_is_not_ready_is_chosen_where_none_is() {
        let all = [candidate("b", "n", 2, false), candidate("a", "n", 1, false)];
        assert_eq!(chosen(&all), Some("a"));
    }

    #[test]
    fn one_without_an_address_is_never_chosen() {
        let mut all = [candidate("a", "n", 1, true), candidate("b", "n", 2, false)];
        all[0].networked = false;
        assert_eq!(chosen(&all), Some("b"));
        all[1].networked = false;
        assert_eq!(chosen(&all), None);
        assert_eq!(chosen(&[]), None);
    }

    #[test]
    fn a_pool_offers_what_it_owns() {
        let swp = pool("p", "t");
        let offers = |sandbox: &Sandbox| Pool::new(&swp, None).offers(sandbox);
        assert!(offers(&warm("s", &swp)));
        let mut orphan = warm("s", &swp);
        orphan.metadata.owner_references = None;
        assert!(!offers(&orphan), "a label is no owner");
        let mut foreign = warm("s", &swp);
        foreign.metadata.owner_references.as_mut().unwrap()[0].kind = "Deployment".to_owned();
        assert!(!offers(&foreign));
        assert!(!offers(&warm("s", &pool("other", "t"))), "of another pool");
        let mut former = swp.clone();
        former.metadata.uid = Some("before".to_owned());
        assert!(
            !offers(&warm("s", &former)),
            "of a pool of the same name that is gone"
        );
    }

    #[test]
    fn a_pool_offers_nothing_of_another_namespace_and_nothing_that_ends() {
        let swp = pool("p", "t");
        let offers = |sandbox: &Sandbox| Pool::new(&swp, None).offers(sandbox);
        let mut elsewhere = warm("s", &swp);
        elsewhere.metadata.namespace = Some("other".to_owned());
        assert!(!offers(&elsewhere));
        let mut deleting = warm("s", &swp);
        deleting.metadata.deletion_timestamp = Some(crate::crd::Time(at(1)));
        assert!(!offers(&deleting));
        let mut done = warm("s", &swp);
        let finished = Saying::new(crate::condition::Status::True, "PodFailed", "Pod failed");
        let mut status = ready_status();
        crate::condition::set(&mut status.conditions, FINISHED, finished, 1, at(1));
        done.status = Some(status);
        assert!(!offers(&done));
    }

    #[test]
    fn a_pool_that_recreates_offers_what_is_of_its_present_template() {
        let (stays, recreates) = (pool("p", "t"), recreating(pool("p", "t")));
        let present = template("t");
        let mut stale = warm("s", &recreates);
        let container = &mut stale.spec.blueprint.pod_template.spec.containers[0];
        container.image = Some("old".to_owned());
        let labels = stale.metadata.labels.as_mut().unwrap();
        labels.insert(
            label::SANDBOX_TEMPLATE_HASH.to_owned(),
            "00000000".to_owned(),
        );
        assert!(!Pool::new(&recreates, Some(&present)).offers(&stale));
        assert!(
            Pool::new(&stays, Some(&present)).offers(&stale),
            "on replenishment it may go"
        );
        let fresh = warm("s", &recreates);
        assert!(Pool::new(&recreates, Some(&present)).offers(&fresh));
        let mut renamed = fresh.clone();
        let labels = renamed.metadata.labels.as_mut().unwrap();
        labels.insert(
            label::SANDBOX_TEMPLATE_HASH.to_owned(),
            "00000000".to_owned(),
        );
        assert!(
            Pool::new(&recreates, Some(&present)).offers(&renamed),
            "it means the same"
        );
        assert!(
            !Pool::new(&recreates, None).offers(&fresh),
            "nobody can tell"
        );
    }
}
