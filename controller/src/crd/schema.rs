//! Completes what the Rust types cannot say of a definition.
//!
//! An API server publishes more about its own types than their Rust versions
//! keep: how lists merge, defaults, which fields must be there.
//! `kubernetes.json` has these facts (`scripts/kubernetes-facts` made it), and
//! here they are laid beside the schema, field by field.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

const PUBLISHED: &str = include_str!("kubernetes.json");

/// Where a schema holds a type of Kubernetes: a JSON pointer, and the type.
const EMBEDDED: &[(&str, &str)] = &[
    ("/spec/properties/podTemplate/properties/spec", "PodSpec"),
    (
        "/spec/properties/volumeClaimTemplates/items/properties/spec",
        "PersistentVolumeClaimSpec",
    ),
    (
        "/spec/properties/networkPolicy/properties/ingress/items",
        "NetworkPolicyIngressRule",
    ),
    (
        "/spec/properties/networkPolicy/properties/egress/items",
        "NetworkPolicyEgressRule",
    ),
    ("/status/properties/conditions/items", "Condition"),
];

/// Metadata that the API leaves open, so that a server drops what is in it.
const OPEN: &str = "/spec/properties/podTemplate/properties/spec/properties/volumes/items/properties\
                    /ephemeral/properties/volumeClaimTemplate/properties/metadata";

/// The types that have the fields of a reference to an object inline. A
/// reference merges as a whole, which is not published of these.
const REFERENCES: &[&str] = &[
    "ConfigMapEnvSource",
    "ConfigMapProjection",
    "ConfigMapVolumeSource",
    "SecretEnvSource",
    "SecretProjection",
];

/// What a schema keeps of its Rust type that the API does not have. A server
/// drops a `null` where nothing is nullable, which is what is wanted.
const UNWANTED: &[&str] = &["description", "nullable", "title"];

/// What is known of a type.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Type {
    /// The fields that must be there.
    required: Vec<String>,
    /// What its schema says besides.
    set: Map<String, Value>,
    properties: BTreeMap<String, Field>,
}

/// What is known of a field.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Field {
    /// What its schema says besides.
    set: Map<String, Value>,
    /// The type of the field, of its items or of its values.
    of: Option<String>,
}

type Types = BTreeMap<String, Type>;

/// Completes a definition.
pub(super) fn complete(definition: &mut Value) -> Result<(), serde_json::Error> {
    let types = types()?;
    let versions = definition
        .pointer_mut("/spec/versions")
        .and_then(Value::as_array_mut);
    for version in versions.into_iter().flatten() {
        if let Some(schema) = version.pointer_mut("/schema/openAPIV3Schema") {
            complete_schema(schema, &types);
        }
    }
    Ok(())
}

fn types() -> Result<Types, serde_json::Error> {
    let mut types: Types = serde_json::from_str(PUBLISHED)?;
    types.extend(serde_json::from_value::<Types>(unpublished())?);
    for name in REFERENCES {
        let set = &mut types.entry((*name).to_owned()).or_default().set;
        set.insert("x-kubernetes-map-type".to_owned(), json!("atomic"));
    }
    Ok(types)
}

/// What Kubernetes checks of its types without publishing it.
fn unpublished() -> Value {
    json!({
        "Quantity": { "set": {
            "pattern": r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$",
        } },
        "Condition": {
            "required": ["lastTransitionTime", "message", "reason", "status", "type"],
            "properties": {
                "message": { "set": { "maxLength": 32768 } },
                "observedGeneration": { "set": { "minimum": 0 } },
                "reason": { "set": {
                    "maxLength": 1024,
                    "minLength": 1,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                } },
                "status": { "set": { "enum": ["True", "False", "Unknown"] } },
                "type": { "set": {
                    "maxLength": 316,
                    "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
                } },
            },
        },
    })
}

fn complete_schema(schema: &mut Value, types: &Types) {
    trim(schema);
    let Some(root) = schema.get_mut("properties") else {
        return;
    };
    for (pointer, name) in EMBEDDED {
        if let Some(embedded) = root.pointer_mut(pointer) {
            apply(embedded, name, types);
        }
    }
    if let Some(open) = root.pointer_mut(OPEN) {
        *open = json!({ "type": "object" });
    }
    if let Some(fields) = root
        .pointer_mut("/status/properties")
        .and_then(Value::as_object_mut)
    {
        // A status says what was seen, so a server must not fill it in.
        for field in fields.values_mut().filter_map(Value::as_object_mut) {
            field.remove("default");
        }
    }
}

/// Drops what is unwanted, and writes whole bounds as whole numbers.
fn trim(schema: &mut Value) {
    let Some(parts) = schema.as_object_mut() else {
        return;
    };
    parts.retain(|name, _| !UNWANTED.contains(&name.as_str()));
    if let Some(minimum) = parts.get_mut("minimum") {
        // Written as a float by the types of the definition; ours are all small.
        *minimum = json!(minimum.as_f64().unwrap_or_default() as i64);
    }
    for name in ["items", "additionalProperties"] {
        parts.get_mut(name).into_iter().for_each(trim);
    }
    let fields = parts.get_mut("properties").and_then(Value::as_object_mut);
    fields.into_iter().flat_map(Map::values_mut).for_each(trim);
}

/// Lays what is known of a type beside its schema. Ends, for a schema does.
fn apply(schema: &mut Value, name: &str, types: &Types) {
    let (Some(parts), Some(known)) = (schema.as_object_mut(), types.get(name)) else {
        return;
    };
    parts.extend(known.set.clone());
    let Some(fields) = parts.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    for (name, field) in &known.properties {
        if let Some(schema) = fields.get_mut(name) {
            apply_field(schema, field, types);
        }
    }
    parts.remove("required");
    if !known.required.is_empty() {
        parts.insert("required".to_owned(), json!(known.required));
    }
}

fn apply_field(schema: &mut Value, field: &Field, types: &Types) {
    if let Some(parts) = schema.as_object_mut() {
        parts.extend(field.set.clone());
    }
    if let Some(name) = &field.of
        && let Some(inner) = schema.pointer_mut(&innermost(schema))
    {
        apply(inner, name, types);
    }
}

/// Where in the schema of a field that of its items or values is.
fn innermost(schema: &Value) -> String {
    let mut path = String::new();
    let is_schema = |path: &str| schema.pointer(path).is_some_and(Value::is_object);
    while let Some(deeper) = ["/items", "/additionalProperties"]
        .map(|step| format!("{path}{step}"))
        .into_iter()
        .find(|path| is_schema(path))
    {
        path = deeper;
    }
    path
}
