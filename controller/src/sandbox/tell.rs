//! How a status reaches the object, and its story the people.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::report::{SUSPENDED, reason};
use crate::condition::{self, FINISHED, READY};
use crate::crd::{Sandbox, SandboxStatus};

/// The patch from one status to another, if it is worth a write.
///
/// A pod that was only given a node is not: its readiness follows at once, and
/// takes the node's name along. To one that is ready, or stands still, or is at
/// its end, nothing follows.
pub(super) fn patch(before: &SandboxStatus, after: &SandboxStatus) -> Option<Value> {
    let node_alone = SandboxStatus {
        node_name: after.node_name.clone(),
        ..before.clone()
    } == *after;
    let is_true = |type_| condition::is_true(&after.conditions, type_);
    let begins = ![READY, SUSPENDED, FINISHED].into_iter().any(is_true);
    if before == after || (node_alone && begins) {
        return None;
    }
    let (before, after) = (fields(before), fields(after));
    let gone = before.keys().filter(|field| !after.contains_key(*field));
    let mut changes: Map<String, Value> = gone.map(|field| (field.clone(), Value::Null)).collect();
    let new = after
        .iter()
        .filter(|(field, value)| before.get(*field) != Some(value));
    changes.extend(new.map(|(field, value)| (field.clone(), value.clone())));
    Some(json!({"status": changes}))
}

fn fields(status: &SandboxStatus) -> Map<String, Value> {
    match json!(status) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// Something that people are told in an event.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Told {
    /// Whether someone should look.
    pub(super) warning: bool,
    /// One word.
    pub(super) reason: String,
    /// A sentence.
    pub(super) note: String,
}

/// What is new between one status and another that people should be told,
/// each thing once. How the pod comes to life is the pod's own story.
pub(super) fn story(before: &[Condition], after: &[Condition]) -> Vec<Told> {
    let mut story = Vec::new();
    let mut tell =
        |type_: &str, is_news: &dyn Fn(&Condition, Option<&Condition>) -> Option<bool>| {
            let Some(now) = condition::find(after, type_) else {
                return;
            };
            if let Some(warning) = is_news(now, condition::find(before, type_)) {
                story.push(Told {
                    warning,
                    reason: now.reason.clone(),
                    note: now.message.clone(),
                });
            }
        };
    tell(READY, &|now, then| {
        let another = then.is_none_or(|then| then.reason != now.reason);
        let says_else = another || then.is_none_or(|then| then.message != now.message);
        match now.reason.as_str() {
            reason::MULTIPLE_PODS => another.then_some(true),
            reason::RECONCILER_ERROR | reason::INVALID_CONFIGURATION => says_else.then_some(true),
            reason::SANDBOX_EXPIRED => another.then_some(false),
            _ => None,
        }
    });
    let becomes_true = |now: &Condition, then: Option<&Condition>| {
        now.status == "True" && then.is_none_or(|then| then.status != "True")
    };
    tell(SUSPENDED, &|now, then| {
        becomes_true(now, then).then_some(false)
    });
    tell(FINISHED, &|now, then| {
        becomes_true(now, then).then_some(now.reason == reason::POD_FAILED)
    });
    story
}

/// How long a sandbox took from its creation until it was ready for the first
/// time, if that is now.
///
/// The first pass over a sandbox says that it is neither ready nor suspended,
/// both at one time. Whatever happens to it later sets the one without the
/// other: so a sandbox that is ready again can be told from a new one, without
/// anything to remember.
pub(super) fn first_ready(
    sandbox: &Sandbox,
    after: &SandboxStatus,
    now: Timestamp,
) -> Option<Duration> {
    if !condition::is_true(&after.conditions, READY) {
        return None;
    }
    let before = sandbox
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.conditions);
    let is_first = match (
        condition::find(before, READY),
        condition::find(before, SUSPENDED),
    ) {
        (None, _) => true,
        (Some(ready), Some(suspended)) => {
            ready.status == "False"
                && suspended.status == "False"
                && ready.last_transition_time == suspended.last_transition_time
        }
        (Some(_), None) => false,
    };
    let created = sandbox.metadata.creation_timestamp.as_ref()?;
    is_first.then(|| Duration::try_from(now.duration_since(created.0)).unwrap_or_default())
}

#[cfg(test)]
mod tests;
