//! What a blueprint means, whichever way it is written down.
//!
//! A field that says what its absence would say is left out, and quantities
//! become numbers. What no rule here knows stays as it is: then a pool
//! replaces a sandbox that it could have kept, which is the safe mistake.

use serde_json::{Map, Value, json};

use super::quantity;
use crate::crd::SandboxBlueprint;

/// The name under which the rules know the pod's specification.
const POD: &str = "pod";

/// Fields whose absence means this value: where they stand, their name, the value.
/// A list's members stand where the list does.
const DEFAULTS: &[(&[&str], &str, Literal)] = &[
    (&[POD], "restartPolicy", Literal::Text("Always")),
    (&[POD], "dnsPolicy", Literal::Text("ClusterFirst")),
    (&[POD], "schedulerName", Literal::Text("default-scheduler")),
    (&[POD], "terminationGracePeriodSeconds", Literal::Number(30)),
    (&[POD], "enableServiceLinks", Literal::Bool(true)),
    (&[POD], "hostNetwork", Literal::Bool(false)),
    (&[POD], "hostPID", Literal::Bool(false)),
    (&[POD], "hostIPC", Literal::Bool(false)),
    (
        CONTAINERS,
        "terminationMessagePath",
        Literal::Text("/dev/termination-log"),
    ),
    (
        CONTAINERS,
        "terminationMessagePolicy",
        Literal::Text("File"),
    ),
    (CONTAINERS, "stdin", Literal::Bool(false)),
    (CONTAINERS, "stdinOnce", Literal::Bool(false)),
    (CONTAINERS, "tty", Literal::Bool(false)),
    (&["ports"], "protocol", Literal::Text("TCP")),
    (&["env"], "value", Literal::Text("")),
    (&["fieldRef"], "apiVersion", Literal::Text("v1")),
    (&["resourceFieldRef"], "divisor", Literal::Text("0")),
    (&["volumeMounts"], "readOnly", Literal::Bool(false)),
    (PROBES, "timeoutSeconds", Literal::Number(1)),
    (PROBES, "periodSeconds", Literal::Number(10)),
    (PROBES, "successThreshold", Literal::Number(1)),
    (PROBES, "failureThreshold", Literal::Number(3)),
    (PROBES, "initialDelaySeconds", Literal::Number(0)),
    (&["httpGet"], "scheme", Literal::Text("HTTP")),
    (&["httpGet"], "path", Literal::Text("/")),
    (&["grpc"], "service", Literal::Text("")),
    (
        &["secret", "configMap", "downwardAPI", "projected"],
        "defaultMode",
        Literal::Number(0o644),
    ),
    (&["hostPath"], "type", Literal::Text("")),
    (
        &["serviceAccountToken"],
        "expirationSeconds",
        Literal::Number(3600),
    ),
    (&["spec"], "volumeMode", Literal::Text("Filesystem")),
];

const CONTAINERS: &[&str] = &["containers", "initContainers", "ephemeralContainers"];
const PROBES: &[&str] = &["livenessProbe", "readinessProbe", "startupProbe"];

/// Fields that say nothing when they are empty. Not so an empty selector,
/// which selects all, or an empty volume source, which is one.
const EMPTY: &[&str] = &[
    "securityContext",
    "capabilities",
    "resources",
    "limits",
    "requests",
    "overhead",
    "nodeSelector",
    "affinity",
    "nodeAffinity",
    "podAffinity",
    "podAntiAffinity",
    "dnsConfig",
    "lifecycle",
    "matchLabels",
];

/// Maps whose keys are the user's: no rule applies inside.
const OPAQUE: &[&str] = &[
    "nodeSelector",
    "matchLabels",
    "labels",
    "annotations",
    "volumeAttributes",
    "options",
];

/// Fields that hold a quantity, or a map of them.
const QUANTITIES: &[&str] = &["limits", "requests", "overhead", "sizeLimit", "divisor"];

enum Literal {
    Text(&'static str),
    Number(i64),
    Bool(bool),
}

impl Literal {
    fn is(&self, value: &Value) -> bool {
        match self {
            Self::Text(text) => value.as_str() == Some(text),
            Self::Number(number) => value.as_i64() == Some(*number),
            Self::Bool(bool) => value.as_bool() == Some(*bool),
        }
    }
}

/// What a blueprint means. Equal meanings make equal sandboxes.
#[derive(Clone, Debug, PartialEq)]
pub struct Meaning(Value);

impl Meaning {
    /// What this blueprint means.
    pub fn of(blueprint: &SandboxBlueprint) -> Self {
        // Exhaustive: a new field of a blueprint is compared or does not compile.
        let SandboxBlueprint {
            pod_template,
            volume_claim_templates,
            service,
        } = blueprint;
        let claims: Vec<_> = volume_claim_templates
            .iter()
            .map(|claim| json!({ "name": claim.metadata.name, "spec": claim.spec }))
            .collect();
        let mut meaning = json!({ POD: pod_template.spec, "claims": claims, "service": service });
        simplify("", &mut meaning);
        Self(meaning)
    }
}

/// Simplifies the inside first: what becomes empty can then go as well. A
/// document is no deeper than the parser before this allowed (128).
fn simplify(name: &str, value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| simplify(name, item)),
        Value::Object(fields) => simplify_fields(name, fields),
        _ => {}
    }
}

fn simplify_fields(place: &str, fields: &mut Map<String, Value>) {
    for (name, value) in fields.iter_mut() {
        if QUANTITIES.contains(&name.as_str()) {
            simplify_quantities(value);
        }
        if !OPAQUE.contains(&name.as_str()) {
            simplify(name, value);
        }
    }
    fields.retain(|name, value| !says_nothing(place, name, value));
    match place {
        POD => name_service_account_once(fields),
        "resources" => drop_implied_requests(fields),
        _ if CONTAINERS.contains(&place) => drop_implied_pull_policy(fields),
        _ => {}
    }
}

fn says_nothing(place: &str, name: &str, value: &Value) -> bool {
    let is_default = |(places, field, default): &(&[&str], &str, Literal)| {
        *field == name && places.contains(&place) && default.is(value)
    };
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty() && EMPTY.contains(&name),
        _ => DEFAULTS.iter().any(is_default),
    }
}

fn simplify_quantities(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(simplify_quantities),
        Value::String(text) => {
            if let Some(nanos) = quantity::nanos(text) {
                *text = nanos.to_string();
            }
        }
        _ => {}
    }
}

/// `serviceAccount` is an older name of `serviceAccountName`.
fn name_service_account_once(pod: &mut Map<String, Value>) {
    if let Some(account) = pod.remove("serviceAccount") {
        pod.entry("serviceAccountName").or_insert(account);
    }
}

/// A request that is not made is as large as the limit.
fn drop_implied_requests(resources: &mut Map<String, Value>) {
    let limits = resources
        .get("limits")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let Some(requests) = resources.get_mut("requests").and_then(Value::as_object_mut) else {
        return;
    };
    requests.retain(|name, value| limits.get(name) != Some(value));
    if requests.is_empty() {
        resources.remove("requests");
    }
}

/// An image that may change under its name is always pulled, others once.
fn drop_implied_pull_policy(container: &mut Map<String, Value>) {
    let text = |name| {
        container
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let implied = if may_change(text("image")) {
        "Always"
    } else {
        "IfNotPresent"
    };
    if text("imagePullPolicy") == implied {
        container.remove("imagePullPolicy");
    }
}

fn may_change(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or_default();
    let tag = last.split_once(':').map(|(_, tag)| tag);
    !image.contains('@') && matches!(tag, None | Some("latest"))
}
