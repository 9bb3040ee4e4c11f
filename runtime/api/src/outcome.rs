use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Capability, GuestPath};

/// How a guest ended. Data, not an error: the host did its part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum End {
    /// It returned, or called exit, with this status.
    Exited {
        /// The exit status.
        code: u8,
    },
    /// It did something wasm forbids, such as `unreachable` or an access out
    /// of bounds.
    Trapped {
        /// What, in wasmtime's words.
        trap: String,
    },
    /// The deadline passed while it ran.
    Deadline,
    /// It failed after it was refused more memory.
    Memory,
    /// It wrote more to stdout and stderr than the output limit.
    Output,
    /// It failed after a write went over the disk limits.
    Quota {
        /// The exit status it ended with.
        code: u8,
    },
    /// It needed more handles than the limit.
    Handles,
    /// The caller ended it.
    Cancelled,
    /// The host ended it to free its place.
    Evicted,
}

impl End {
    /// The exit status a shell would report.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Exited { code } | Self::Quota { code } => *code,
            Self::Deadline => 124,
            // 128 + SIGABRT, as a native program that aborts.
            Self::Trapped { .. } => 134,
            // 128 + SIGKILL, as the kernel's out-of-memory killer.
            Self::Memory | Self::Output | Self::Handles => 137,
            // 128 + SIGTERM.
            Self::Cancelled | Self::Evicted => 143,
        }
    }

    /// The value of the `outcome` metric label and of `reason` in JSON.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Exited { .. } => "exited",
            Self::Trapped { .. } => "trapped",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::Output => "output",
            Self::Quota { .. } => "quota",
            Self::Handles => "handles",
            Self::Cancelled => "cancelled",
            Self::Evicted => "evicted",
        }
    }

    /// One sentence for a person or a model: what happened and what to do.
    /// `None` where the exit status says it all.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Exited { .. } => return None,
            Self::Trapped { trap } => {
                format!("The program crashed ({trap}); this is a bug in the program, not a limit of the sandbox.")
            }
            Self::Deadline => {
                "The deadline passed and the program was stopped; do less in one call, or give more time.".to_owned()
            }
            Self::Memory => {
                "The program ran out of memory; work on less data at a time, or give a larger memory limit.".to_owned()
            }
            Self::Output => {
                "The program wrote more than the output limit; write to a file, or filter with head, tail or grep.".to_owned()
            }
            Self::Quota { .. } => {
                "A write failed because the disk limit is reached; delete files, or give a larger disk limit.".to_owned()
            }
            Self::Handles => {
                "The program held too many open files at once; close files, or give a larger handle limit.".to_owned()
            }
            Self::Cancelled => "The caller cancelled the program.".to_owned(),
            Self::Evicted => "The host stopped the program to free its place; run it again.".to_owned(),
        })
    }
}

/// What an invocation, with all its children, used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Wall-clock time from start to end, but for the time in which programs
    /// were compiled: as the deadline is counted.
    #[serde(rename = "wall_us", with = "micros")]
    pub wall: Duration,
    /// Processor time spent in the guest and in the host on its behalf.
    #[serde(rename = "cpu_us", with = "micros")]
    pub cpu: Duration,
    /// Most bytes of memories and tables held at once.
    pub peak_memory_bytes: u64,
    /// Bytes read from files.
    pub read_bytes: u64,
    /// Bytes written to files.
    pub written_bytes: u64,
    /// Calls into the file system layer.
    pub file_calls: u64,
    /// Children started.
    pub spawned: u32,
}

/// What went to one output stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamUsage {
    /// Bytes written by the guest.
    pub bytes: u64,
    /// The workspace file that holds what went over the capture limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spilled_to: Option<GuestPath>,
}

/// Calls that were refused for lack of a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// The capability that was asked for.
    pub capability: Capability,
    /// How often.
    pub count: u64,
}

/// What became of an invocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// How the guest ended.
    #[serde(flatten)]
    pub end: End,
    /// The exit status a shell would report.
    pub exit_code: u8,
    /// What it used.
    pub usage: Usage,
    /// What it wrote to stdout.
    pub stdout: StreamUsage,
    /// What it wrote to stderr.
    pub stderr: StreamUsage,
    /// What it was refused while it ran, each capability once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denied: Vec<Denial>,
    /// Which ceilings it came up against while it ran, by the names of
    /// [`crate::Limits`], and `folder` for that of one folder alone; most only
    /// make an operation fail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits_hit: Vec<String>,
    /// What to do next, where the end is not an ordinary one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What became of its changes of files, if it was a transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<Transaction>,
}

/// What became of a transaction's changes of files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// Whether the sandbox has them now.
    pub committed: bool,
    /// What the call changed in the workspace, in the order of the paths.
    pub changes: Vec<Change>,
    /// There are more changes than are listed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// One changed name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Below the workspace.
    pub path: String,
    /// How it changed.
    pub kind: ChangeKind,
}

/// How a name changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It stands for something else.
    Changed,
    /// It is gone.
    Removed,
}

/// The invocation was declined; no guest code has run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such program.
    #[error(
        "{program}: command not found; there are sh, python3, js and component files with a / in their path"
    )]
    NotFound {
        /// `argv[0]`.
        program: String,
    },
    /// The file is there but cannot be run.
    #[error("{program}: cannot run: {reason}")]
    NotExecutable {
        /// `argv[0]`.
        program: String,
        /// Why not.
        reason: String,
    },
    /// The component needs a capability that the sandbox lacks.
    #[error(
        "{program}: needs the capability {capability} (imports {import}), which the sandbox does not hold: {how}"
    )]
    Denied {
        /// `argv[0]`.
        program: String,
        /// What it lacks.
        capability: Capability,
        /// The import that needs it.
        import: String,
        /// How it is granted.
        how: &'static str,
    },
    /// The request itself is malformed.
    #[error("{0}")]
    Invalid(String),
    /// A ceiling leaves no room.
    #[error("{0}")]
    Limit(String),
}

impl Rejection {
    /// The exit status a shell would report.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound { .. } => 127,
            Self::NotExecutable { .. } | Self::Denied { .. } => 126,
            // As a shell's own usage errors.
            Self::Invalid(_) => 2,
            // As a shell that cannot fork.
            Self::Limit(_) => 254,
        }
    }
}

/// A duration as a whole number of microseconds.
mod micros {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        value: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(value.as_micros()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_end() -> [End; 9] {
        [
            End::Exited { code: 3 },
            End::Trapped {
                trap: "unreachable".to_owned(),
            },
            End::Deadline,
            End::Memory,
            End::Output,
            End::Quota { code: 1 },
            End::Handles,
            End::Cancelled,
            End::Evicted,
        ]
    }

    #[test]
    fn every_end_but_an_ordinary_exit_says_what_to_do() {
        for end in every_end() {
            assert_eq!(
                end.hint().is_none(),
                matches!(end, End::Exited { .. }),
                "{end:?}"
            );
        }
    }

    #[test]
    fn the_reason_in_json_is_the_metric_label() {
        for end in every_end() {
            let json = serde_json::to_value(&end).unwrap();
            assert_eq!(json["reason"], end.reason());
        }
    }

    #[test]
    fn exit_codes_are_those_of_shells() {
        let codes: Vec<u8> = every_end().iter().map(End::exit_code).collect();
        assert_eq!(codes, [3, 134, 124, 137, 137, 1, 137, 143, 143]);
    }
}
