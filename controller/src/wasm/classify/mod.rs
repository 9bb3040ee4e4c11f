//! Whether a pod's specification can be honoured by a wasm session: every
//! field is honoured, means nothing there, or is objected to by name. Nothing
//! is ignored that its author would miss. `deploy/README.md` has the table.

mod command;
mod container;
mod pod;
mod resources;
mod volumes;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use k8s_openapi::api::core::v1::Toleration;
use mote_rpc::v1::Mount;

use super::Class;
use super::env::Env;
use super::images::Images;
use super::source::{MAX_SOURCES, Source, SourceKind};
use super::volume::Volume;
use crate::crd::SandboxBlueprint;

pub use command::Command;

/// The ports that a wasm session serves: sandboxd's REST and gRPC, and
/// python-runtime's HTTP.
pub const PORTS: [i32; 3] = [8080, 9090, 8888];

/// What a wasm session is made from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Its programs: the name of an image that nodes know.
    pub image: String,
    /// Secrets that its registry may want to see.
    pub pull_secrets: Vec<String>,
    /// Environment.
    pub env: Env,
    /// What is mounted beside its workspace.
    pub volumes: Vec<Volume>,
    /// Where.
    pub mounts: Vec<Mount>,
    /// The folder in which its programs begin; empty for its workspace.
    pub working_dir: String,
    /// What it runs by itself, if anything.
    pub command: Option<Command>,
    /// Seconds after which it fails; 0 for never.
    pub active_deadline_seconds: u64,
    /// Memory of a call in bytes; 0 leaves it to the node.
    pub memory_bytes: u64,
    /// Share of processors in thousandths of one; 0 leaves it to the node.
    pub cpu_millis: u32,
    /// Files in bytes; 0 leaves it to the node.
    pub disk_bytes: u64,
    /// Where it may be.
    pub needs: Needs,
}

/// Mebibytes of one object's data, of all files, of an environment, and of all
/// of it together, as far as it is made of what stands elsewhere.
const SOURCE: usize = 1;
const FILES: usize = 4;
const ENVIRONMENT: usize = 1;
const MOST: usize = 8;

impl Wanted {
    /// The memory in mebibytes that a session may take until its node has it,
    /// beside what is written in its object.
    pub fn mebibytes(&self) -> u32 {
        let mut load = self.sources().len() * SOURCE;
        if self.volumes.iter().any(Volume::has_files) {
            load += FILES;
        }
        if self.env.names_others() {
            load += ENVIRONMENT;
        }
        u32::try_from(load.min(MOST)).unwrap_or(u32::MAX)
    }

    /// The ConfigMaps and Secrets that it needs.
    pub fn sources(&self) -> BTreeSet<Source> {
        let env = self.env.sources();
        let volumes = self.volumes.iter().flat_map(Volume::sources);
        let pull_secrets = self.pull_secrets.iter().map(|name| Source {
            kind: SourceKind::Secret,
            name: name.clone(),
        });
        env.chain(volumes).cloned().chain(pull_secrets).collect()
    }
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

/// What a wasm session would be made from, where a sandbox of this class asks
/// for one. What an image is that nobody has named is found out by pulling it;
/// a choice between tiers does not wait for that.
///
/// # Errors
/// Every field that it could not honour.
pub fn classify(
    blueprint: &SandboxBlueprint,
    class: Class,
    images: &Images,
) -> Result<Wanted, Vec<Objection>> {
    let mut reader = Reader {
        images,
        must_know_image: class == Class::Auto,
        objections: Vec::new(),
    };
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
    let wanted = reader.pod(&pod_template.spec);
    let sources = wanted.sources().len();
    reader.none(
        "env, volumes and imagePullSecrets",
        sources <= MAX_SOURCES,
        &format!("need {sources} ConfigMaps and Secrets, and {MAX_SOURCES} are possible"),
    );
    if reader.objections.is_empty() {
        Ok(wanted)
    } else {
        Err(reader.objections)
    }
}

/// Most characters of what an author wrote that an objection repeats.
const MAX_QUOTED: usize = 80;

/// The beginning of what an author wrote, where it is long.
fn short(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_QUOTED) {
        None => text.into(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
    }
}

/// The same, in quotes.
fn quoted(text: &str) -> String {
    format!("{:?}", short(text))
}

struct Reader<'a> {
    images: &'a Images,
    /// Whether an image that nobody has named is objected to.
    must_know_image: bool,
    objections: Vec<Objection>,
}

impl Reader<'_> {
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
