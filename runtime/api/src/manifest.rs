use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Digest;

/// A power a guest can hold. Each is granted by name, or absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// Arguments, working directory, exit status, standard streams. Every
    /// guest has these; they reach nothing but the caller.
    Stdio,
    /// Environment variables: only those given.
    Env,
    /// Files below the directories given.
    Files,
    /// The time, and sleeping.
    Clock,
    /// Random bytes.
    Random,
    /// Running other components of the same sandbox.
    Spawn,
    /// TCP, UDP and name look-ups. Never granted: each call is refused.
    Sockets,
    /// Outbound HTTP requests.
    Http,
    /// An import that Mote does not offer at all.
    Unknown,
}

impl Capability {
    /// The capability behind an imported interface such as
    /// `wasi:filesystem/types@0.2.12`.
    pub fn of_import(name: &str) -> Self {
        let interface = name.split('@').next().unwrap_or(name);
        match interface {
            "wasi:cli/environment" => Self::Env,
            "mote:sandbox/process" => Self::Spawn,
            "mote:sandbox/terminal" => Self::Stdio,
            _ => match interface.split('/').next().unwrap_or(interface) {
                "wasi:cli" | "wasi:io" => Self::Stdio,
                "wasi:filesystem" => Self::Files,
                "wasi:clocks" => Self::Clock,
                "wasi:random" => Self::Random,
                "wasi:sockets" => Self::Sockets,
                "wasi:http" => Self::Http,
                _ => Self::Unknown,
            },
        }
    }

    /// What a guest can do with it, and how it is granted; one line each.
    pub fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::Stdio => (
                "read arguments and stdin, write stdout and stderr",
                "always there",
            ),
            Self::Env => (
                "read environment variables",
                "only those given with -e NAME=VALUE",
            ),
            Self::Files => (
                "read and write files",
                "only below directories given with --ro HOST:GUEST or --rw HOST:GUEST",
            ),
            Self::Clock => ("read the time and sleep", "--clock real or --clock TIME"),
            Self::Random => ("read random bytes", "--random real or --random SEED"),
            Self::Spawn => (
                "run other components of the sandbox",
                "--processes N; a child never holds more than its parent",
            ),
            Self::Sockets => (
                "open TCP and UDP sockets, look up names",
                "cannot be granted: each call is refused",
            ),
            Self::Http => (
                "send HTTP requests",
                "cannot be granted yet: the component is refused",
            ),
            Self::Unknown => (
                "use an interface Mote does not offer",
                "cannot be granted: the component is refused",
            ),
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdio => "stdio",
            Self::Env => "env",
            Self::Files => "files",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Spawn => "spawn",
            Self::Sockets => "sockets",
            Self::Http => "http",
            Self::Unknown => "unknown",
        })
    }
}

/// What the submitted bytes were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComponentKind {
    /// A WASI 0.2 component.
    Component,
    /// A WASI 0.1 module; Mote adapted it to a component.
    Module,
}

/// What a component can ask for, read from its imports by the compiler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// SHA-256 of the submitted bytes.
    pub digest: Digest,
    /// What the submitted bytes were.
    pub kind: ComponentKind,
    /// Length of the submitted bytes.
    pub source_bytes: u64,
    /// Imported interfaces, in the component's order.
    pub imports: Vec<String>,
    /// Exported interfaces and functions, in the component's order.
    pub exports: Vec<String>,
}

impl Manifest {
    /// The capabilities the imports amount to, each once, in a fixed order.
    pub fn capabilities(&self) -> Vec<Capability> {
        let mut found: Vec<_> = self
            .imports
            .iter()
            .map(|i| Capability::of_import(i))
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether it can be run as a command: it exports `wasi:cli/run`.
    pub fn is_command(&self) -> bool {
        self.exports
            .iter()
            .any(|export| export.starts_with("wasi:cli/run@0.2"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_import_belongs_to_one_capability() {
        let cases = [
            ("wasi:cli/environment@0.2.12", Capability::Env),
            ("wasi:cli/exit@0.2.0", Capability::Stdio),
            ("wasi:io/streams@0.2.6", Capability::Stdio),
            ("wasi:filesystem/preopens@0.2.0", Capability::Files),
            ("wasi:clocks/wall-clock@0.2.0", Capability::Clock),
            ("wasi:random/insecure-seed@0.2.0", Capability::Random),
            ("wasi:sockets/tcp@0.2.0", Capability::Sockets),
            ("wasi:http/outgoing-handler@0.2.0", Capability::Http),
            ("mote:sandbox/process@0.1.0", Capability::Spawn),
            ("mote:sandbox/terminal@0.1.0", Capability::Stdio),
            ("wasi:clifford/environment", Capability::Unknown),
            ("environment", Capability::Unknown),
        ];
        for (import, capability) in cases {
            assert_eq!(Capability::of_import(import), capability, "{import}");
        }
    }
}
