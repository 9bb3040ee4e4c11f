//! Whether a pod's specification can be honoured by a wasm session: every
//! field is honoured, means nothing there, or is objected to by name. Nothing
//! is ignored that its author would miss. `deploy/README.md` has the table.

mod container;
mod pod;
mod resources;

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::core::v1::Toleration;

use super::env::Variable;
use super::images::Images;
use crate::crd::SandboxBlueprint;

/// The ports that a wasm session serves: sandboxd's REST and gRPC, and
/// python-runtime's HTTP.
pub const PORTS: [i32; 3] = [8080, 9090, 8888];

/// What a wasm session is made from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Its programs: the name of an image that nodes know.
    pub image: String,
    /// Environment, in order: later variables may name earlier ones.
    pub env: Vec<Variable>,
    /// Memory of a call in bytes; 0 leaves it to the node.
    pub memory_bytes: u64,
    /// Share of processors in thousandths of one; 0 leaves it to the node.
    pub cpu_millis: u32,
    /// Files in bytes; 0 leaves it to the node.
    pub disk_bytes: u64,
    /// Where it may be.
    pub needs: Needs,
}

/// What a node has to be for a sandbox to go there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Needs {
    /// This one and no other.
    pub node: Option<String>,
    /// One with these labels.
    pub labels: BTreeMap<String, String>,
    /// One whose taints these tolerate.
    pub tolerations: Vec<Toleration>,
}

/// A field that a wasm session cannot honour.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Objection {
    /// Where it stands.
    field: String,
    /// What about it.
    why: String,
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.why)
    }
}

/// What a wasm session would be made from.
///
/// # Errors
/// Every field that it could not honour.
pub fn classify(
    blueprint: &SandboxBlueprint,
    images: &Images,
) -> Result<Wanted, Vec<Objection>> {
    let mut reader = Reader::default();
    let SandboxBlueprint {
        pod_template,
        volume_claim_templates,
        service: _, // Honoured: the sandbox's own service leads to the session's address.
    } = blueprint;
    reader.none(
        "volumeClaimTemplates",
        volume_claim_templates.is_empty(),
        "a wasm session has files of its own and no volumes",
    );
    let wanted = reader.pod(&pod_template.spec, images);
    if reader.objections.is_empty() {
        Ok(wanted)
    } else {
        Err(reader.objections)
    }
}

#[derive(Default)]
struct Reader {
    objections: Vec<Objection>,
}

impl Reader {
    fn object(&mut self, field: impl Into<String>, why: impl Into<String>) {
        self.objections.push(Objection {
            field: field.into(),
            why: why.into(),
        });
    }

    /// Objects to a field that says something.
    fn none(&mut self, field: impl Into<String>, says_nothing: bool, why: &str) {
        if !says_nothing {
            self.object(field, why);
        }
    }
}

fn empty<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_none_or(Vec::is_empty)
}

#[cfg(test)]
mod tests;
