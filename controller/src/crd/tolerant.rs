//! Reads what an API server may hand out and the plain types would refuse.
//!
//! A definition lets a quantity be a number (`cpu: 1`), and keeps it so. The
//! types of Kubernetes in Rust know it as text only.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The fields that hold a quantity, or a map of them.
const QUANTITIES: &[&str] = &[
    "limits",
    "requests",
    "capacity",
    "overhead",
    "sizeLimit",
    "divisor",
    "allocatedResources",
];

/// Reads a value, or its default where there is `null`.
pub(super) fn or_default<'de, D, T>(value: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

/// Reads a specification out of Kubernetes' own API.
pub(super) fn embedded<'de, D, T>(value: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let mut value = Value::deserialize(value)?;
    normalise(&mut value);
    serde_json::from_value(value).map_err(D::Error::custom)
}

/// Turns numbers into text where a quantity stands, and drops fields that are
/// `null`. A document is no deeper than the parser before this allowed (128).
fn normalise(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(normalise),
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            for (name, field) in fields {
                if QUANTITIES.contains(&name.as_str()) {
                    quantity(field);
                }
                normalise(field);
            }
        }
        _ => {}
    }
}

fn quantity(value: &mut Value) {
    match value {
        Value::Number(number) => *value = Value::String(number.to_string()),
        Value::Object(fields) => fields
            .values_mut()
            .filter(|field| field.is_number())
            .for_each(quantity),
        _ => {}
    }
}
