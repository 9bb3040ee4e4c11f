//! What a pool wants, in words that leave nothing open. Pure.

use std::sync::OnceLock;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::blueprint::{self, Meaning};
use crate::crd::{PoolUpdateStrategyType, SandboxBlueprint, SandboxTemplate, SandboxWarmPool};
use crate::names::{name_hash, owner_reference};

/// A pool that can own sandboxes: it has a name and a UID, and is not on its way out.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    /// The value of the label that its sandboxes carry.
    pub(super) hash: String,
    pub(super) reference: OwnerReference,
}

/// What a pool wants.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) replicas: usize,
    pub(super) update: PoolUpdateStrategyType,
    pub(super) template_name: String,
    /// The hash of the template's name: the value of a label.
    pub(super) template_ref_hash: String,
    /// What is to be made; nothing without a template.
    pub(super) plan: Result<Blueprint, NoTemplate>,
}

/// What a pool's sandboxes are made from.
#[derive(Debug)]
pub(super) struct Blueprint {
    pub(super) blueprint: SandboxBlueprint,
    pub(super) hash: String,
    meaning: OnceLock<Meaning>,
}

/// A template as it was found.
#[derive(Debug)]
pub(super) enum Found {
    Template(Box<SandboxTemplate>),
    None(NoTemplate),
}

/// Why there is no template.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum NoTemplate {
    Missing,
    /// It cannot be read, and this is why.
    Unreadable(String),
}

impl Blueprint {
    pub(super) fn of(template: &SandboxTemplate) -> Self {
        let blueprint = blueprint::secure_defaults(&template.spec);
        let hash = blueprint::hash(&blueprint);
        Self {
            blueprint,
            hash,
            meaning: OnceLock::new(),
        }
    }

    /// Whether another blueprint makes the same sandbox. Rarely asked: most
    /// sandboxes carry the hash.
    pub(super) fn is_same(&self, other: &SandboxBlueprint) -> bool {
        *self.meaning.get_or_init(|| Meaning::of(&self.blueprint)) == Meaning::of(other)
    }
}

/// The pool as an owner; none while it is being deleted.
pub(super) fn owner(pool: &SandboxWarmPool) -> Option<Owner> {
    if pool.metadata.deletion_timestamp.is_some() {
        return None;
    }
    Some(Owner {
        namespace: pool.namespace()?,
        name: pool.name_any(),
        uid: pool.uid()?,
        hash: name_hash(&pool.name_any()),
        reference: owner_reference(pool)?,
    })
}

/// What the pool wants of its template.
pub(super) fn wanted(pool: &SandboxWarmPool, template: &Found) -> Wanted {
    let name = &pool.spec.sandbox_template_ref.name;
    Wanted {
        // The definition admits nothing below zero; what is there anyway is none.
        replicas: usize::try_from(pool.spec.replicas).unwrap_or(0),
        update: pool.spec.update_strategy_type(),
        template_name: name.clone(),
        template_ref_hash: name_hash(name),
        plan: match template {
            Found::Template(template) => Ok(Blueprint::of(template)),
            Found::None(reason) => Err(reason.clone()),
        },
    }
}

/// How long ago something was; no time at all, if it lies ahead.
pub(super) fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::object;
    use super::*;

    #[test]
    fn a_pool_that_does_not_say_how_many_keeps_one() {
        let mut pool = serde_json::to_value(object(3, json!({}))).unwrap();
        pool["spec"].as_object_mut().unwrap().remove("replicas");
        let pool: SandboxWarmPool = serde_json::from_value(pool).unwrap();
        assert_eq!(wanted(&pool, &Found::None(NoTemplate::Missing)).replicas, 1);
    }

    #[test]
    fn a_pool_on_its_way_out_owns_nothing_new() {
        let mut pool = object(3, json!({}));
        assert!(owner(&pool).is_some());
        pool.metadata.deletion_timestamp =
            Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
        assert!(owner(&pool).is_none());
    }

    #[test]
    fn what_lies_ahead_is_no_time_ago() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(since(at(5), at(3)), Duration::ZERO);
        assert_eq!(since(at(3), at(5)), Duration::from_secs(2));
    }
}
