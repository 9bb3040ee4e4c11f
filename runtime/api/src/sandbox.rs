//! A sandbox as the node host's REST interface tells of it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Grant, Limits, SandboxId};

/// What a new sandbox is to be. Everything may be left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxSpec {
    /// Its name; one is made up if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<SandboxId>,
    /// The programs in it: `mote.dev/base` (sh, python3, js) unless named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What it may do beside its own folders, the time and random bytes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Grant>,
    /// Ceilings of its calls, by the names of [`Limits`]; what is not named
    /// is as the host has it.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub limits: Map<String, Value>,
    /// Environment of its programs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// For whoever created it; Mote only keeps and selects by them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Seconds without a call after which it is suspended until the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_seconds: Option<u64>,
    /// Seconds after which it is deleted, files and all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u64>,
}

/// What a sandbox does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxState {
    /// It takes calls.
    Ready,
    /// Nobody has called it for its idle timeout; the next call wakes it.
    Idle,
    /// It was suspended and takes no calls until it is resumed.
    Suspended,
}

/// A sandbox as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sandbox {
    /// Its name.
    pub id: SandboxId,
    /// What it does now.
    pub state: SandboxState,
    /// The programs in it.
    pub image: String,
    /// What it may do beside its own folders, the time and random bytes.
    pub grants: Vec<Grant>,
    /// Ceilings of its calls.
    pub limits: Limits,
    /// Environment of its programs.
    pub env: BTreeMap<String, String>,
    /// For whoever created it.
    pub labels: BTreeMap<String, String>,
    /// Seconds without a call after which it is suspended until the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout_seconds: Option<u64>,
    /// When it was created: RFC 3339.
    pub created_at: String,
    /// When it was last called, or created or resumed: RFC 3339.
    pub last_active_at: String,
    /// When it will be deleted: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Where its surfaces are, if it has an address of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// What it has done since its host started.
    pub activity: Activity,
}

/// What a sandbox has done since its host started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Calls that run now.
    pub running: u64,
    /// Calls that ended.
    pub calls: u64,
    /// Of these, with another exit status than 0.
    pub failed: u64,
    /// Processor time in microseconds.
    pub cpu_us: u64,
    /// Most memory that one call held, in bytes.
    pub peak_memory_bytes: u64,
    /// Bytes that its own folders hold, as far as they were counted.
    pub disk_bytes: u64,
}

/// Something that happened to a sandbox: an entry of `events`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SandboxEvent {
    /// Counts up over all sandboxes of a host.
    pub sequence: u64,
    /// When: RFC 3339.
    pub at: String,
    /// The sandbox.
    pub id: SandboxId,
    /// What happened.
    pub kind: SandboxEventKind,
    /// In words, where there is more to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What happened to a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxEventKind {
    /// It was created, or forked from another.
    Created,
    /// It takes calls again.
    Resumed,
    /// It went idle.
    Idled,
    /// It was suspended.
    Suspended,
    /// A call ended.
    Called,
    /// It was deleted.
    Deleted,
}
