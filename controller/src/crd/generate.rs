//! Writes the definitions of the kinds.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use super::{Sandbox, SandboxClaim, SandboxTemplate, SandboxWarmPool, schema};

/// A definition that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the definition {name} cannot be written as YAML: {reason}")]
pub struct GenerateError {
    name: String,
    reason: String,
}

/// The definitions of all kinds: for each the name of its file, and the YAML.
pub fn generate() -> Result<Vec<(String, String)>, GenerateError> {
    [
        Sandbox::crd(),
        SandboxClaim::crd(),
        SandboxTemplate::crd(),
        SandboxWarmPool::crd(),
    ]
    .into_iter()
    .map(file)
    .collect()
}

fn file(mut definition: CustomResourceDefinition) -> Result<(String, String), GenerateError> {
    schema::complete(&mut definition);
    let name = format!(
        "{}_{}.yaml",
        definition.spec.group, definition.spec.names.plural
    );
    match serde_saphyr::to_string(&definition) {
        Ok(yaml) => Ok((name, yaml)),
        Err(error) => Err(GenerateError {
            name,
            reason: error.to_string(),
        }),
    }
}
