//! Writes the definitions of the kinds.

use kube::CustomResourceExt;
use serde_json::Value;

use super::{Sandbox, SandboxClaim, SandboxTemplate, SandboxWarmPool, schema};

/// The first line of each file.
const NOTICE: &str = "# Made by `mote-controller crds`; do not edit.\n";

/// A definition that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The definition is no JSON, or what is known of Kubernetes' types is none.
    #[error("the definitions cannot be made: {0}; check controller/src/crd/kubernetes.json")]
    Json(#[from] serde_json::Error),
    /// The definition is no YAML.
    #[error("the definition {name} cannot be written as YAML: {reason}")]
    Yaml {
        /// The name of its file.
        name: String,
        /// Why not.
        reason: String,
    },
}

/// The definitions of all kinds: for each the name of its file, and the YAML.
pub fn generate() -> Result<Vec<(String, String)>, GenerateError> {
    let kinds = [
        (Sandbox::crd_name(), Sandbox::crd()),
        (SandboxClaim::crd_name(), SandboxClaim::crd()),
        (SandboxTemplate::crd_name(), SandboxTemplate::crd()),
        (SandboxWarmPool::crd_name(), SandboxWarmPool::crd()),
    ];
    kinds
        .into_iter()
        .map(|(name, definition)| file(name, serde_json::to_value(definition)?))
        .collect()
}

fn file(crd_name: &str, mut definition: Value) -> Result<(String, String), GenerateError> {
    schema::complete(&mut definition)?;
    let (plural, group) = crd_name.split_once('.').unwrap_or((crd_name, ""));
    let name = format!("{group}_{plural}.yaml");
    // Keys in the order of the alphabet, whatever features serde_json has.
    definition.sort_all_objects();
    match serde_saphyr::to_string(&definition) {
        Ok(yaml) => Ok((name, format!("{NOTICE}{yaml}"))),
        Err(error) => Err(GenerateError::Yaml {
            name,
            reason: error.to_string(),
        }),
    }
}
