use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ByteSize;

/// Longest deadline: a call that needs more than a day is no tool call.
const MAX_DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);
/// Most programs at once: each reserves gigabytes of address space.
const MAX_PROCESSES: u32 = 1000;

/// Ceilings for one invocation and all the children it spawns, together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Wall-clock time from start to end. Past it the guest is ended: 124.
    #[serde(with = "seconds")]
    pub deadline: Duration,
    /// Linear memories and tables of all instances, together. Past it
    /// `memory.grow` fails; a guest that ends because of it ends with 137.
    pub memory: ByteSize,
    /// Bytes written to stdout and stderr. Past it the guest is ended: 137.
    pub output: ByteSize,
    /// Bytes the sandbox's own folders may hold, and by which folders given
    /// with read-write access may grow. Past it writes fail with "no space".
    pub disk: ByteSize,
    /// Files, directories and links, counted as `disk` counts bytes. Many
    /// tiny files cost a file system more than their bytes.
    pub disk_entries: u64,
    /// Instances alive at once, the first included. 1 denies spawning.
    pub processes: u32,
    /// Instances started in all, the first included: a shell loop is bounded
    /// even though each child is short.
    pub spawns: u32,
    /// How deep children may nest below the first instance.
    pub depth: u32,
    /// Open files, streams and other handles of one instance.
    pub handles: u32,
}

impl Default for Limits {
    /// For a short tool call on a laptop.
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(30),
            memory: ByteSize::mib(512),
            output: ByteSize::mib(256),
            disk: ByteSize::mib(256),
            disk_entries: 65_536,
            processes: 16,
            spawns: 10_000,
            depth: 4,
            handles: 4_096,
        }
    }
}

/// A ceiling that no sandbox can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("limit {name} is {value}; it must be {allowed}")]
pub struct LimitsError {
    /// The field's name.
    pub name: &'static str,
    /// What was asked for.
    pub value: String,
    /// What is possible.
    pub allowed: String,
}

impl Limits {
    /// Smallest memory ceiling: one wasm page.
    pub const MIN_MEMORY: ByteSize = ByteSize::kib(64);
    /// Largest memory ceiling: what one 32-bit wasm memory can hold.
    pub const MAX_MEMORY: ByteSize = ByteSize::gib(4);
    /// Most files that a node gives one sandbox, unless told otherwise.
    pub const MOST_DISK: ByteSize = ByteSize::gib(16);

    /// Checks that a sandbox can have these ceilings.
    ///
    /// # Errors
    /// Names the first that it cannot have.
    pub fn check(&self) -> Result<(), LimitsError> {
        let wrong = |name, value: &dyn ToString, allowed: String| {
            Err(LimitsError {
                name,
                value: value.to_string(),
                allowed,
            })
        };
        if self.deadline.is_zero() || self.deadline > MAX_DEADLINE {
            let value = humantime::format_duration(self.deadline);
            return wrong(
                "deadline",
                &value,
                "more than 0s and at most 24h".to_owned(),
            );
        }
        if self.memory < Self::MIN_MEMORY || self.memory > Self::MAX_MEMORY {
            return wrong(
                "memory",
                &self.memory,
                format!("{} to {}", Self::MIN_MEMORY, Self::MAX_MEMORY),
            );
        }
        if self.processes > MAX_PROCESSES {
            return wrong(
                "processes",
                &self.processes,
                format!("at most {MAX_PROCESSES}"),
            );
        }
        for (name, value) in [
            ("processes", self.processes),
            ("spawns", self.spawns),
            ("handles", self.handles),
        ] {
            if value == 0 {
                return wrong(name, &value, "at least 1".to_owned());
            }
        }
        Ok(())
    }

    /// The smaller of each pair of ceilings.
    pub fn min(&self, other: &Self) -> Self {
        Self {
            deadline: self.deadline.min(other.deadline),
            memory: self.memory.min(other.memory),
            output: self.output.min(other.output),
            disk: self.disk.min(other.disk),
            disk_entries: self.disk_entries.min(other.disk_entries),
            processes: self.processes.min(other.processes),
            spawns: self.spawns.min(other.spawns),
            depth: self.depth.min(other.depth),
            handles: self.handles.min(other.handles),
        }
    }

    /// The larger of each pair of ceilings.
    pub fn max(&self, other: &Self) -> Self {
        Self {
            deadline: self.deadline.max(other.deadline),
            memory: self.memory.max(other.memory),
            output: self.output.max(other.output),
            disk: self.disk.max(other.disk),
            disk_entries: self.disk_entries.max(other.disk_entries),
            processes: self.processes.max(other.processes),
            spawns: self.spawns.max(other.spawns),
            depth: self.depth.max(other.depth),
            handles: self.handles.max(other.handles),
        }
    }
}

/// A duration as a JSON number of seconds.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        value: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(value.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let value = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(value).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_possible_limits() {
        assert_eq!(Limits::default().check(), Ok(()));
    }

    #[test]
    fn impossible_limits_are_named() {
        let cases = [
            (
                "deadline",
                Limits {
                    deadline: Duration::ZERO,
                    ..Limits::default()
                },
            ),
            (
                "deadline",
                Limits {
                    deadline: Duration::MAX,
                    ..Limits::default()
                },
            ),
            (
                "memory",
                Limits {
                    memory: ByteSize::gib(5),
                    ..Limits::default()
                },
            ),
            (
                "memory",
                Limits {
                    memory: ByteSize::bytes(0),
                    ..Limits::default()
                },
            ),
            (
                "processes",
                Limits {
                    processes: 0,
                    ..Limits::default()
                },
            ),
            (
                "handles",
                Limits {
                    handles: 0,
                    ..Limits::default()
                },
            ),
        ];
        for (name, limits) in cases {
            assert_eq!(limits.check().unwrap_err().name, name);
        }
    }

    #[test]
    fn json_leaves_out_what_stays_at_its_default() {
        let limits: Limits =
            serde_json::from_str(r#"{"deadline": 0.5, "memory": "64Mi"}"#).unwrap();
        assert_eq!(limits.deadline, Duration::from_millis(500));
        assert_eq!(limits.memory, ByteSize::mib(64));
        assert_eq!(limits.disk, Limits::default().disk);
        assert!(serde_json::from_str::<Limits>(r#"{"deadline": -1}"#).is_err());
        assert!(serde_json::from_str::<Limits>(r#"{"memroy": "1Gi"}"#).is_err());
    }

    #[test]
    fn max_takes_the_larger_of_each() {
        let large = Limits {
            depth: 9,
            memory: ByteSize::kib(64),
            ..Limits::default()
        };
        let max = Limits::default().max(&large);
        assert_eq!((max.depth, max.memory), (9, Limits::default().memory));
    }

    #[test]
    fn min_takes_the_smaller_of_each() {
        let small = Limits {
            depth: 0,
            handles: 1,
            ..Limits::default()
        };
        let min = Limits::default().min(&small);
        assert_eq!((min.depth, min.handles), (0, 1));
        assert_eq!(min.memory, Limits::default().memory);
    }
}
