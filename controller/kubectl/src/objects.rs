//! What is read of the objects of Agent Sandbox, and what it means here.

use kube::ResourceExt;
use kube::core::{ApiResource, GroupVersionKind, Object};
use serde::{Deserialize, Deserializer, Serialize};

/// On sandboxes with a choice of tiers: which one it is.
const TIER: &str = "mote.dev/tier";
/// On sandboxes: the pod that serves them, where it has another name.
const POD_NAME: &str = "agents.x-k8s.io/pod-name";
/// On sandboxes: `"true"` lets traffic set a suspended one running.
const WAKE_ON_TRAFFIC: &str = "mote.dev/wake-on-traffic";

/// A `Sandbox`, as far as we look.
pub(crate) type SandboxObject = Object<Spec, Status>;
/// A `SandboxClaim`, as far as we look.
pub(crate) type ClaimObject = Object<ClaimSpec, ClaimStatus>;

/// Of a sandbox.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spec {
    #[serde(default)]
    operating_mode: Option<String>,
}

/// Of a sandbox.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    #[serde(default, rename = "podIPs", deserialize_with = "or_default")]
    pod_ips: Vec<String>,
    #[serde(default)]
    node_name: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    conditions: Vec<Condition>,
}

/// Of a sandbox.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

/// Of a claim: nothing.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct ClaimSpec {}

/// Of a claim.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct ClaimStatus {
    #[serde(default)]
    sandbox: Option<Assigned>,
    #[serde(default, deserialize_with = "or_default")]
    conditions: Vec<Condition>,
}

/// The sandbox that a claim has.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Assigned {
    #[serde(default)]
    name: Option<String>,
}

fn or_default<'de, D, T>(value: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

/// Where sandboxes are in the API.
pub(crate) fn sandboxes() -> ApiResource {
    resource("agents.x-k8s.io", "Sandbox", "sandboxes")
}

/// Where claims are in the API.
pub(crate) fn claims() -> ApiResource {
    resource(
        "extensions.agents.x-k8s.io",
        "SandboxClaim",
        "sandboxclaims",
    )
}

fn resource(group: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1beta1", kind), plural)
}

/// What serves a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tier {
    Wasm,
    Pod,
}

impl Tier {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Wasm => "wasm",
            Self::Pod => "pod",
        }
    }
}

/// Whether a sandbox can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Ready,
    Suspended,
    /// By which reason, and in words.
    Unready(String, String),
}

impl State {
    /// The word for it.
    pub(crate) fn word(&self) -> &str {
        match self {
            Self::Ready => "Ready",
            Self::Suspended => "Suspended",
            Self::Unready(reason, _) => reason,
        }
    }
}

/// A sandbox, as it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sandbox {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) tier: Tier,
    pub(crate) state: State,
    /// The pod that serves it, if one does.
    pub(crate) pod: String,
    pub(crate) node: Option<String>,
    pub(crate) addresses: Vec<String>,
    /// When it was created, in seconds since 1970.
    pub(crate) created: Option<i64>,
    /// Traffic sets it running.
    pub(crate) wakes: bool,
    /// What it ran has ended, and does not run again.
    pub(crate) finished: bool,
}

impl From<&SandboxObject> for Sandbox {
    fn from(object: &SandboxObject) -> Self {
        let annotation = |key: &str| object.annotations().get(key).map(String::as_str);
        let status = object.status.clone().unwrap_or_default();
        let tier = match annotation(TIER) {
            Some("wasm") => Tier::Wasm,
            _ => Tier::Pod,
        };
        let created = object.creation_timestamp();
        Self {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            tier,
            state: state(&object.spec, &status.conditions),
            pod: annotation(POD_NAME)
                .filter(|name| !name.is_empty())
                .map_or_else(|| object.name_any(), str::to_owned),
            node: status.node_name.filter(|name| !name.is_empty()),
            addresses: status.pod_ips,
            created: created.map(|time| time.0.as_second()),
            wakes: annotation(WAKE_ON_TRAFFIC) == Some("true"),
            finished: status
                .conditions
                .iter()
                .any(|it| it.kind == "Finished" && it.status == "True"),
        }
    }
}

fn state(spec: &Spec, conditions: &[Condition]) -> State {
    if spec.operating_mode.as_deref() == Some("Suspended") {
        return State::Suspended;
    }
    match conditions.iter().find(|it| it.kind == "Ready") {
        Some(ready) if ready.status == "True" => State::Ready,
        Some(ready) => State::Unready(ready.reason.clone(), ready.message.clone()),
        None => State::Unready(
            "Pending".to_owned(),
            "no controller has looked at it yet".to_owned(),
        ),
    }
}

/// The sandbox that a claim has; or why it has none yet.
pub(crate) fn assigned(claim: &ClaimObject) -> Result<String, String> {
    let status = claim.status.clone().unwrap_or_default();
    let name = status.sandbox.and_then(|sandbox| sandbox.name);
    name.filter(|name| !name.is_empty()).ok_or_else(|| {
        let ready = status.conditions.iter().find(|it| it.kind == "Ready");
        ready.map_or_else(
            || "no controller has looked at it yet".to_owned(),
            |ready| format!("{}: {}", ready.reason, ready.message),
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn sandbox(object: Value) -> Sandbox {
        Sandbox::from(&serde_json::from_value::<SandboxObject>(object).unwrap())
    }

    fn object() -> Value {
        json!({
            "metadata": {
                "name": "s", "namespace": "n", "creationTimestamp": "1970-01-01T00:01:00Z",
                "annotations": { TIER: "wasm", WAKE_ON_TRAFFIC: "true" },
            },
            "spec": { "operatingMode": "Running", "podTemplate": {} },
            "status": {
                "podIPs": ["10.0.0.1"], "nodeName": "node",
                "conditions": [{ "type": "Ready", "status": "True", "reason": "R", "message": "" }],
            },
        })
    }

    #[test]
    fn a_session_is_told_by_its_annotation() {
        let session = sandbox(object());
        assert_eq!(session.tier, Tier::Wasm);
        assert_eq!(session.state, State::Ready);
        assert_eq!((session.created, session.wakes), (Some(60), true));
        assert_eq!(session.addresses, ["10.0.0.1"]);
    }

    #[test]
    fn a_pod_may_have_another_name() {
        let mut pod = object();
        pod["metadata"]["annotations"] = json!({ POD_NAME: "p" });
        pod["spec"]["operatingMode"] = json!("Suspended");
        let pod = sandbox(pod);
        assert_eq!((pod.tier, pod.pod.as_str()), (Tier::Pod, "p"));
        assert_eq!(pod.state, State::Suspended);
    }

    #[test]
    fn what_nobody_has_looked_at_is_pending() {
        let bare = json!({ "metadata": { "name": "s" }, "spec": {} });
        assert_eq!(sandbox(bare).state.word(), "Pending");
        let mut nulls = object();
        nulls["status"] = json!({ "podIPs": null, "conditions": null });
        assert_eq!(sandbox(nulls).state.word(), "Pending");
    }

    #[test]
    fn a_claim_without_a_sandbox_says_why() {
        let claim = |status: Value| -> ClaimObject {
            serde_json::from_value(
                json!({ "metadata": { "name": "c" }, "spec": {}, "status": status }),
            )
            .unwrap()
        };
        let bound = claim(json!({ "sandbox": { "name": "s" } }));
        assert_eq!(assigned(&bound), Ok("s".to_owned()));
        let waits = claim(json!({ "conditions": [
            { "type": "Ready", "status": "False", "reason": "WarmPoolNotFound", "message": "no p" },
        ] }));
        assert_eq!(assigned(&waits), Err("WarmPoolNotFound: no p".to_owned()));
    }
}
