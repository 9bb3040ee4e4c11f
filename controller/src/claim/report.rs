//! What a claim says of itself. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Map, Value, json};

use super::build;
use super::expiry::CLAIM_EXPIRED;
use super::refusal::Refusal;
use crate::condition::{self, FINISHED, READY, Saying, Status};
use crate::crd::{AssignedSandbox, Sandbox, SandboxClaim, SandboxClaimStatus};
use crate::names::{annotation, label};

/// The reason of `Ready` of a sandbox that has expired.
const SANDBOX_EXPIRED: &str = "SandboxExpired";

/// How a pass found its claim, or left it.
#[derive(Clone, Debug)]
pub(super) enum Standing<'a> {
    /// It has a sandbox.
    Has(&'a Sandbox),
    /// It has none now, for a reason; what it had before may still be there.
    Refused(&'a Refusal),
    /// It has expired; its sandbox may still be there.
    Ended(Option<&'a Sandbox>),
    /// It has expired, and the sandbox of this name is not its own.
    EndedWithout(&'a str),
}

/// The status of a claim.
pub(super) fn status(
    claim: &SandboxClaim,
    standing: &Standing<'_>,
    now: Timestamp,
) -> SandboxClaimStatus {
    let mut status = claim.status.clone().unwrap_or_default();
    let generation = claim.metadata.generation.unwrap_or_default();
    let ready = ready(claim, standing);
    condition::set(&mut status.conditions, READY, ready, generation, now);
    match standing {
        Standing::Has(sandbox) => {
            mirror_finished(&mut status.conditions, sandbox, generation);
            status.sandbox = Some(assigned(sandbox));
        }
        Standing::Ended(Some(sandbox)) => status.sandbox = Some(assigned(sandbox)),
        Standing::Ended(None) | Standing::EndedWithout(_) => status.sandbox = None,
        // Whatever went wrong, the claim may have its sandbox still.
        Standing::Refused(_) => {}
    }
    status
        .conditions
        .sort_by(|one, two| one.type_.cmp(&two.type_));
    status
}

fn ready(claim: &SandboxClaim, standing: &Standing<'_>) -> Saying {
    let no = |reason: &str, message: &str| Saying::new(Status::False, reason, message);
    match standing {
        Standing::Has(sandbox) => mirrored(sandbox),
        Standing::Refused(refusal) => no(refusal.reason(), &refusal.to_string()),
        Standing::Ended(_) => no(CLAIM_EXPIRED, "Claim expired. Sandbox cleanup initiated."),
        Standing::EndedWithout(sandbox) => no(
            CLAIM_EXPIRED,
            &format!(
                "Claim expired. Sandbox {sandbox:?} is not controlled by claim {:?}; deletion skipped.",
                claim.name_any()
            ),
        ),
    }
}

fn mirrored(sandbox: &Sandbox) -> Saying {
    let ready = sandbox
        .status
        .as_ref()
        .and_then(|it| condition::find(&it.conditions, READY));
    let Some(ready) = ready else {
        return Saying::new(Status::False, "SandboxNotReady", "Sandbox is not ready");
    };
    if ready.status == "False" && ready.reason == SANDBOX_EXPIRED {
        return Saying::new(
            Status::False,
            SANDBOX_EXPIRED,
            "Underlying Sandbox resource has expired independently of the Claim.",
        );
    }
    let status = match ready.status.as_str() {
        "True" => Status::True,
        "False" => Status::False,
        _ => Status::Unknown,
    };
    Saying::new(status, &ready.reason, &ready.message)
}

/// The time since when it holds is the sandbox's: the claim's own end may be
/// counted from it.
fn mirror_finished(conditions: &mut Vec<Condition>, sandbox: &Sandbox, generation: i64) {
    condition::remove(conditions, FINISHED);
    let finished = sandbox
        .status
        .as_ref()
        .and_then(|it| condition::find(&it.conditions, FINISHED));
    conditions.extend(finished.map(|finished| Condition {
        observed_generation: Some(generation),
        ..finished.clone()
    }));
}

fn assigned(sandbox: &Sandbox) -> AssignedSandbox {
    AssignedSandbox {
        name: Some(sandbox.name_any()),
        pod_ips: sandbox
            .status
            .as_ref()
            .map(|it| it.pod_ips.clone())
            .unwrap_or_default(),
    }
}

/// The patch to a claim's status, valid for this version of the claim alone;
/// `None` if it says so already.
pub(super) fn patch(claim: &SandboxClaim, status: &SandboxClaimStatus) -> Option<Value> {
    let before = claim.status.clone().unwrap_or_default();
    if before == *status {
        return None;
    }
    let sandbox = status.sandbox.as_ref().map(|it| {
        // An empty list has to be said, or the old one stays.
        let addresses = (!it.pod_ips.is_empty()).then_some(&it.pod_ips);
        json!({ "name": it.name, "podIPs": addresses })
    });
    Some(json!({
        "metadata": locked(claim),
        "status": { "conditions": status.conditions, "sandbox": sandbox },
    }))
}

/// The patch that leaves the claim with this reference and no other, and with
/// the time when it was first seen; `None` if nothing is to be changed.
pub(super) fn note(
    claim: &SandboxClaim,
    reference: Option<&str>,
    seen: Option<Timestamp>,
) -> Option<Value> {
    let mut annotations = Map::new();
    let here = |key: &str| claim.annotations().get(key).map(String::as_str);
    if here(annotation::SANDBOX_NAME) != reference {
        annotations.insert(annotation::SANDBOX_NAME.to_owned(), json!(reference));
    }
    if let Some(seen) = seen.filter(|_| here(annotation::CONTROLLER_FIRST_OBSERVED_AT).is_none()) {
        let key = annotation::CONTROLLER_FIRST_OBSERVED_AT.to_owned();
        annotations.insert(key, json!(precise(seen)));
    }
    let old_label = claim.labels().contains_key(label::SANDBOX_NAME);
    if annotations.is_empty() && !old_label {
        return None;
    }
    let mut metadata = locked(claim);
    metadata.insert("annotations".to_owned(), Value::Object(annotations));
    if old_label {
        let label = json!({ label::SANDBOX_NAME: null });
        metadata.insert("labels".to_owned(), label);
    }
    Some(json!({ "metadata": metadata }))
}

/// The patch that notes when the claim was first ready; `None`: nobody knows.
pub(super) fn note_ready(claim: &SandboxClaim, seen: Timestamp, ready: Option<Timestamp>) -> Value {
    let ready = ready.map_or_else(|| "unknown".to_owned(), precise);
    let mut annotations = Map::new();
    annotations.insert(annotation::CLAIM_FIRST_READY_AT.to_owned(), json!(ready));
    if !claim
        .annotations()
        .contains_key(annotation::CONTROLLER_FIRST_OBSERVED_AT)
    {
        let key = annotation::CONTROLLER_FIRST_OBSERVED_AT.to_owned();
        annotations.insert(key, json!(precise(seen)));
    }
    json!({ "metadata": { "uid": claim.metadata.uid, "annotations": annotations } })
}

/// Whether the claim's reference is to be written anew though it has a sandbox.
pub(super) fn reference_kept(claim: &SandboxClaim, stale: bool) -> Option<&str> {
    build::reference(claim).filter(|_| !stale)
}

/// RFC 3339 with all nine digits: whoever reads it may count them.
fn precise(at: Timestamp) -> String {
    format!("{at:.9}")
}

fn locked(claim: &SandboxClaim) -> Map<String, Value> {
    let ObjectMeta {
        uid,
        resource_version,
        ..
    } = &claim.metadata;
    Map::from_iter([
        ("uid".to_owned(), json!(uid)),
        ("resourceVersion".to_owned(), json!(resource_version)),
    ])
}

#[cfg(test)]
mod tests;
