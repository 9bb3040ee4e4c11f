//! A pool for the tests of its steps. Its name and its template's differ, so
//! that a hash of the wrong one shows.

use serde_json::{Value, json};

use super::validate::{Found, NoTemplate, Owner, Wanted, owner, wanted};
use crate::crd::{SandboxTemplate, SandboxWarmPool};

/// A pool as the API server has it; `more` is added to its specification.
pub(super) fn object(replicas: i32, more: Value) -> SandboxWarmPool {
    let mut spec = json!({ "replicas": replicas, "sandboxTemplateRef": { "name": "my-template" } });
    spec.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": "SandboxWarmPool",
        "metadata": { "name": "my-pool", "namespace": "ns", "uid": "pool-uid", "generation": 4 },
        "spec": spec,
    }))
    .unwrap()
}

/// A template with this specification.
pub(super) fn template(spec: &Value) -> Found {
    let template: SandboxTemplate = serde_json::from_value(json!({
        "apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": "SandboxTemplate",
        "metadata": { "name": "my-template", "namespace": "ns" }, "spec": spec,
    }))
    .unwrap();
    Found::Template(Box::new(template))
}

/// A pool that replenishes, and what it wants of a template.
pub(super) fn pool(replicas: i32, spec: &Value) -> (Owner, Wanted) {
    let pool = object(replicas, json!({}));
    (owner(&pool).unwrap(), wanted(&pool, &template(spec)))
}

/// A pool whose sandboxes are replaced when the template changes.
pub(super) fn recreating(replicas: i32, spec: &Value) -> (Owner, Wanted) {
    let pool = object(
        replicas,
        json!({ "updateStrategy": { "type": "Recreate" } }),
    );
    (owner(&pool).unwrap(), wanted(&pool, &template(spec)))
}

/// What a pool wants whose template is not there.
pub(super) fn without_template(replicas: i32) -> Wanted {
    wanted(
        &object(replicas, json!({})),
        &Found::None(NoTemplate::Missing),
    )
}
