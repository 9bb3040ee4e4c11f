//! Claims and what surrounds them, for the tests of this folder.

use k8s_openapi::api::core::v1::Container;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::blueprint;
use crate::crd::{
    PoolUpdateStrategy, PoolUpdateStrategyType, Sandbox, SandboxClaim, SandboxClaimSpec,
    SandboxSpec, SandboxStatus, SandboxTemplate, SandboxTemplateRef, SandboxTemplateSpec,
    SandboxWarmPool, SandboxWarmPoolSpec, Time, WarmPoolRef,
};
use crate::names::{annotation, label, name_hash, owner_reference};

/// A moment, in seconds after the fixtures' creation.
pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn made<K: ResourceExt>(mut object: K) -> K {
    let name = object.name_any();
    let meta = object.meta_mut();
    meta.namespace = Some("ns".to_owned());
    meta.uid = Some(format!("uid-of-{name}"));
    meta.resource_version = Some("7".to_owned());
    meta.generation = Some(1);
    meta.creation_timestamp = Some(Time(at(0)));
    object
}

/// A claim of pool `p`.
pub(super) fn claim(name: &str) -> SandboxClaim {
    let spec = SandboxClaimSpec {
        warm_pool_ref: WarmPoolRef {
            name: "p".to_owned(),
        },
        lifecycle: None,
        additional_pod_metadata: Default::default(),
        env: Vec::new(),
        volume_claim_templates: Vec::new(),
    };
    made(SandboxClaim::new(name, spec))
}

/// A pool of a template.
pub(super) fn pool(name: &str, template: &str) -> SandboxWarmPool {
    let spec = SandboxWarmPoolSpec {
        replicas: Default::default(),
        sandbox_template_ref: SandboxTemplateRef {
            name: template.to_owned(),
        },
        update_strategy: None,
    };
    made(SandboxWarmPool::new(name, spec))
}

/// The pool, replacing what is out of date.
pub(super) fn recreating(mut pool: SandboxWarmPool) -> SandboxWarmPool {
    pool.spec.update_strategy = Some(PoolUpdateStrategy {
        type_: PoolUpdateStrategyType::Recreate,
    });
    pool
}

/// A template with one container.
pub(super) fn template(name: &str) -> SandboxTemplate {
    let mut spec = SandboxTemplateSpec {
        blueprint: Default::default(),
        network_policy: None,
        network_policy_management: Default::default(),
        env_vars_injection_policy: Default::default(),
        volume_claim_templates_policy: Default::default(),
    };
    spec.blueprint.pod_template.spec.containers = vec![Container {
        name: "main".to_owned(),
        image: Some("new".to_owned()),
        ..Container::default()
    }];
    made(SandboxTemplate::new(name, spec))
}

/// A sandbox as a pool makes it, ready.
pub(super) fn warm(name: &str, pool: &SandboxWarmPool) -> Sandbox {
    let template = template(&pool.spec.sandbox_template_ref.name);
    let spec = SandboxSpec {
        blueprint: blueprint::secure_defaults(&template.spec),
        shutdown_time: None,
        shutdown_policy: Default::default(),
        operating_mode: Default::default(),
    };
    let hash = blueprint::hash(&spec.blueprint);
    let mut sandbox = made(Sandbox::new(name, spec));
    let mut put = |key: &str, value: String| {
        sandbox.labels_mut().insert(key.to_owned(), value);
    };
    put(label::WARM_POOL_SANDBOX, name_hash(&pool.name_any()));
    put(
        label::SANDBOX_TEMPLATE_REF_HASH,
        name_hash(&template.name_any()),
    );
    put(label::SANDBOX_TEMPLATE_HASH, hash);
    put(label::CREATED_BY, "controller".to_owned());
    sandbox.annotations_mut().insert(
        annotation::SANDBOX_TEMPLATE_REF.to_owned(),
        template.name_any(),
    );
    let annotations = &mut sandbox.spec.blueprint.pod_template.metadata.annotations;
    annotations.insert(annotation::SAFE_TO_EVICT.to_owned(), "true".to_owned());
    sandbox.metadata.owner_references = Some(vec![owner_reference(pool).unwrap()]);
    sandbox.status = Some(ready_status());
    sandbox
}

/// A sandbox that a claim has.
pub(super) fn owned(name: &str, claim: &SandboxClaim) -> Sandbox {
    let mut sandbox = warm(name, &pool("p", "t"));
    sandbox.metadata.owner_references = Some(vec![owner_reference(claim).unwrap()]);
    sandbox
}

/// The status of a sandbox that answers.
pub(super) fn ready_status() -> SandboxStatus {
    SandboxStatus {
        conditions: vec![ready("True", "DependenciesReady", "Pod is Ready")],
        pod_ips: vec!["10.0.0.1".to_owned()],
        node_name: Some("node".to_owned()),
        ..SandboxStatus::default()
    }
}

/// A `Ready` condition.
pub(super) fn ready(status: &str, reason: &str, message: &str) -> Condition {
    Condition {
        type_: "Ready".to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation: Some(5),
        last_transition_time: Time(at(0)),
    }
}

/// A `Finished` condition.
pub(super) fn finished(since: Timestamp) -> Condition {
    Condition {
        type_: "Finished".to_owned(),
        last_transition_time: Time(since),
        ..ready("True", "PodSucceeded", "Pod completed successfully")
    }
}
