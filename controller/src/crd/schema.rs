//! Completes what the Rust types cannot say of a definition.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

/// Completes a definition.
pub(super) fn complete(_definition: &mut CustomResourceDefinition) {}
