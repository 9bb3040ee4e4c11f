//! A claim that cannot be read: it is told so, and nothing is done for it.

use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::api::ObjectMeta;
use kube::core::error_boundary::InvalidObject;
use kube::runtime::controller::Action;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::condition::{self, READY, Saying, Status};
use crate::context::Context;
use crate::crd::{Condition, SandboxClaim};
use crate::write::WriteError;

/// The reason of `Ready`; clients that wait give up at it.
const INVALID: &str = "InvalidConfiguration";
/// The longest part of a parser's message that is told, in bytes: it may
/// repeat the object.
const DETAIL_BYTES: usize = 2048;

/// A claim of which nothing is understood but its conditions.
#[derive(Clone, Debug, Deserialize, Resource, Serialize)]
#[resource(inherit = SandboxClaim)]
struct Unread {
    metadata: ObjectMeta,
    #[serde(default)]
    status: Value,
}

/// Says on the object that it cannot be read, once for each way in which it
/// cannot.
///
/// # Errors
/// What the API server says.
pub(super) async fn tell(
    context: &Context,
    invalid: &InvalidObject,
    now: Timestamp,
) -> Result<Action, WriteError> {
    let metadata = &invalid.metadata;
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let name = metadata.name.as_deref().unwrap_or_default();
    if metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let Some(object) = context.get::<Unread>(namespace, name).await? else {
        return Ok(Action::await_change());
    };
    let before = object.status.get("conditions").cloned().unwrap_or_default();
    let before: Vec<Condition> = serde_json::from_value(before).unwrap_or_default();
    let generation = object.metadata.generation.unwrap_or_default();
    let after = conditions(&before, &invalid.error, generation, now);
    if before != after {
        let patch = json!({ "status": { "conditions": after } });
        context
            .merge_patch_status::<Unread>(namespace, name, &patch)
            .await?;
        context
            .events
            .warning(&object, INVALID, "Reconciling", message(&invalid.error));
    }
    Ok(Action::await_change())
}

fn conditions(
    before: &[Condition],
    error: &str,
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let mut after = before.to_vec();
    let saying = Saying::new(Status::False, INVALID, message(error));
    condition::set(&mut after, READY, saying, generation, now);
    after
}

fn message(error: &str) -> String {
    let end = error.floor_char_boundary(DETAIL_BYTES);
    format!(
        "The SandboxClaim cannot be read: {}",
        error.get(..end).unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::fixtures::at;

    #[test]
    fn a_claim_that_cannot_be_read_says_why_and_says_it_once() {
        let first = conditions(&[], "missing field `warmPoolRef`", 1, at(1));
        assert_eq!(first[0].reason, INVALID);
        assert!(first[0].message.ends_with("missing field `warmPoolRef`"));
        assert_eq!(
            conditions(&first, "missing field `warmPoolRef`", 1, at(2)),
            first
        );
    }

    #[test]
    fn a_long_message_is_cut() {
        let told = conditions(&[], &"é".repeat(DETAIL_BYTES), 1, at(1));
        assert!(told[0].message.len() < DETAIL_BYTES + 64);
    }
}
