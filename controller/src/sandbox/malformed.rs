//! A sandbox that cannot be read: it is told so, and nothing of it is touched
//! until it is deleted.

use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::api::ObjectMeta;
use kube::core::error_boundary::InvalidObject;
use kube::runtime::controller::Action;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::apply::Hands;
use super::report::reason;
use super::tell;
use super::validate::Subject;
use crate::condition::{self, READY, Saying, Status};
use crate::context::Context;
use crate::crd::{Condition, Sandbox, SandboxSpec, SandboxStatus};
use crate::driver::ReconcileError;
use crate::write::WriteError;

/// The longest part of a parser's message that is told: it may repeat the object.
const DETAIL_BYTES: usize = 2048;

/// A sandbox of which nothing is understood but its conditions.
#[derive(Clone, Debug, Deserialize, Resource, Serialize)]
#[resource(inherit = Sandbox)]
struct Unread {
    metadata: ObjectMeta,
    #[serde(default)]
    status: Value,
}

impl Unread {
    /// As a sandbox that asks for nothing: whose it is, and where its session is.
    fn outline(self) -> Sandbox {
        let node = self.status.get("nodeName").and_then(Value::as_str);
        let status = SandboxStatus {
            node_name: node.map(str::to_owned),
            ..SandboxStatus::default()
        };
        Sandbox {
            metadata: self.metadata,
            spec: SandboxSpec::default(),
            status: Some(status),
        }
    }

    fn conditions(&self) -> Vec<Condition> {
        let conditions = self.status.get("conditions").cloned().unwrap_or_default();
        serde_json::from_value(conditions).unwrap_or_default()
    }
}

/// Says on the object that it cannot be read, once for each way in which it cannot.
///
/// # Errors
/// What the API server says.
pub(super) async fn tell_malformed(
    context: &Context,
    invalid: &InvalidObject,
    now: Timestamp,
) -> Result<(), WriteError> {
    let (Some(namespace), Some(name)) = (&invalid.metadata.namespace, &invalid.metadata.name)
    else {
        return Ok(());
    };
    let Some(object) = context.get::<Unread>(namespace, name).await? else {
        return Ok(());
    };
    let before = object.conditions();
    let after = conditions(
        &before,
        &invalid.error,
        object.metadata.generation.unwrap_or_default(),
        now,
    );
    if before == after {
        return Ok(());
    }
    let patch = json!({"status": {"conditions": after}});
    context
        .merge_patch_status::<Unread>(namespace, name, &patch)
        .await?;
    for told in tell::story(&before, &after) {
        context
            .events
            .warning(&object, &told.reason, super::ACTION, told.note);
    }
    Ok(())
}

/// Lets one go that is being deleted, once the session is gone that it may have.
///
/// # Errors
/// What the API server or a node host says, where trying again may help.
pub(super) async fn release(
    context: &Context,
    invalid: &InvalidObject,
) -> Result<Action, ReconcileError> {
    let metadata = &invalid.metadata;
    let (Some(namespace), Some(name)) = (&metadata.namespace, &metadata.name) else {
        return Ok(Action::await_change());
    };
    let object = context.get::<Unread>(namespace, name).await?;
    let Some(object) = object.filter(|it| it.metadata.uid == metadata.uid) else {
        return Ok(Action::await_change());
    };
    let sandbox = object.outline();
    let Some(subject) = Subject::of(&sandbox) else {
        return Ok(Action::await_change());
    };
    let hands = Hands {
        context,
        subject: &subject,
    };
    hands.release::<Unread>().await
}

fn conditions(
    before: &[Condition],
    error: &str,
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let mut after = before.to_vec();
    let detail = error
        .get(..error.floor_char_boundary(DETAIL_BYTES))
        .unwrap_or_default();
    let message = format!("the Sandbox cannot be read: {detail}; correct the field");
    condition::set(
        &mut after,
        READY,
        Saying::new(Status::False, reason::INVALID_CONFIGURATION, message),
        generation,
        now,
    );
    after
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::fixtures::at;

    #[test]
    fn what_cannot_be_read_is_told_once_and_with_its_reason() {
        let once = conditions(&[], "spec.podTemplate: invalid type", 4, at(1));
        assert_eq!(
            (once[0].status.as_str(), once[0].reason.as_str()),
            ("False", "InvalidConfiguration")
        );
        assert!(once[0].message.contains("spec.podTemplate: invalid type"));
        assert_eq!(
            conditions(&once, "spec.podTemplate: invalid type", 4, at(2)),
            once
        );
        assert_eq!(tell::story(&[], &once).len(), 1);
        assert!(tell::story(&once, &once).is_empty());
    }

    #[test]
    fn a_parsers_message_is_bounded() {
        let told = conditions(&[], &"é".repeat(100_000), 4, at(1));
        assert!(told[0].message.len() < DETAIL_BYTES + 100);
    }

    #[test]
    fn conditions_that_cannot_be_read_are_none() {
        for status in [
            json!({"conditions": [{"type": 7}]}),
            json!("x"),
            Value::Null,
        ] {
            let object = Unread {
                metadata: ObjectMeta::default(),
                status,
            };
            assert!(object.conditions().is_empty());
        }
    }
}
