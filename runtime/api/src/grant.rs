use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Capability, GuestPath};

/// Most preopens one sandbox may hold: each costs an open handle per instance.
const MAX_PREOPENS: usize = 64;
/// Longest environment in bytes, names and values together: Linux's default
/// ceiling for arguments and environment of one process is 2 MiB.
const MAX_ENV_BYTES: usize = 1 << 20;

/// Whether files below a preopen may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Only reading.
    ReadOnly,
    /// Reading and writing, up to the sandbox's disk limits.
    ReadWrite,
}

/// A directory of the host that the guest sees at `guest`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preopen {
    /// Where the guest sees it.
    pub guest: GuestPath,
    /// The directory on the host. It is opened once, when the session opens.
    pub host: PathBuf,
    /// Whether files below it may change.
    pub access: Access,
}

/// Which time a guest sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// The host's clocks.
    Real,
    /// The wall clock stands at this many seconds after 1970-01-01T00:00:00Z;
    /// the monotonic clock still runs, from zero, so that sleeping ends.
    Fixed(u64),
}

/// Which random bytes a guest sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Random {
    /// The host's cryptographic generator.
    Real,
    /// A generator with this seed: the same bytes in every call. Not secret.
    Fixed(u64),
}

/// One capability for one sandbox. Whatever no grant names is denied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Grant {
    /// A directory.
    Preopen(Preopen),
    /// An environment variable.
    Env {
        /// Its name: not empty, no `=`, no NUL.
        name: String,
        /// Its value: no NUL.
        value: String,
    },
    /// The time, and sleeping.
    Clock(Clock),
    /// Random bytes.
    Random(Random),
    /// Outbound HTTP to these host patterns. Not offered yet: a session with
    /// it is refused, rather than opened without it.
    Http {
        /// Host names, or `*.example.com`.
        hosts: Vec<String>,
    },
}

/// A grant cannot be given as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Two preopens at one guest path.
    #[error("two directories are granted at {0}; give each its own guest path")]
    SamePath(GuestPath),
    /// More preopens than one sandbox may hold.
    #[error("{0} directories are granted; the most is {MAX_PREOPENS}")]
    TooManyPreopens(usize),
    /// Not an environment variable's name or value.
    #[error(
        "environment variable {0:?} cannot be given: a name is not empty and holds no `=` or NUL, a value no NUL"
    )]
    Env(String),
    /// A larger environment than one sandbox may hold.
    #[error("the environment takes {0} bytes; the most is {MAX_ENV_BYTES}")]
    EnvTooLarge(usize),
    /// Outbound HTTP is not offered yet.
    #[error(
        "outbound HTTP cannot be granted yet; leave the grant out, and the sandbox has no network"
    )]
    Http,
    /// A call asked for what its sandbox does not hold.
    #[error("{0} is not among the sandbox's grants; a call may only hold fewer")]
    NotHeld(String),
}

/// All grants of a sandbox, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    preopens: BTreeMap<GuestPath, Preopen>,
    env: BTreeMap<String, String>,
    /// Of all names and values, with the `=` and the NUL that each pair takes.
    env_bytes: usize,
    clock: Option<Clock>,
    random: Option<Random>,
}

impl Grants {
    /// Nothing at all: no files, no environment, no time, no random bytes, no
    /// network. Arguments, working directory, exit status and the three
    /// standard streams are always there; they reach nothing but the caller.
    pub fn none() -> Self {
        Self::default()
    }

    /// `self` and one more grant. A later variable, clock or random replaces
    /// an earlier one.
    ///
    /// # Errors
    /// The grant is malformed, repeats a guest path, goes over a ceiling, or
    /// is not offered yet.
    pub fn with(mut self, grant: Grant) -> Result<Self, GrantError> {
        match grant {
            Grant::Preopen(preopen) => {
                if self.preopens.len() == MAX_PREOPENS {
                    return Err(GrantError::TooManyPreopens(MAX_PREOPENS + 1));
                }
                if self.preopens.contains_key(&preopen.guest) {
                    return Err(GrantError::SamePath(preopen.guest));
                }
                self.preopens.insert(preopen.guest.clone(), preopen);
            }
            Grant::Env { name, value } => {
                check_env(&name, &value)?;
                let bytes = name.len() + value.len() + 2;
                if let Some(old) = self.env.get(&name) {
                    self.env_bytes -= name.len() + old.len() + 2;
                }
                self.env_bytes += bytes;
                self.env.insert(name, value);
                if self.env_bytes > MAX_ENV_BYTES {
                    return Err(GrantError::EnvTooLarge(self.env_bytes));
                }
            }
            Grant::Clock(clock) => self.clock = Some(clock),
            Grant::Random(random) => self.random = Some(random),
            Grant::Http { .. } => return Err(GrantError::Http),
        }
        Ok(self)
    }

    /// All of `grants`.
    ///
    /// # Errors
    /// As [`Grants::with`], for the first that is not in order.
    pub fn of(grants: impl IntoIterator<Item = Grant>) -> Result<Self, GrantError> {
        grants.into_iter().try_fold(Self::none(), Self::with)
    }

    /// The directories, in the order of their guest paths.
    pub fn preopens(&self) -> impl Iterator<Item = &Preopen> {
        self.preopens.values()
    }

    /// The directory granted at just this guest path.
    pub fn preopen(&self, guest: &GuestPath) -> Option<&Preopen> {
        self.preopens.get(guest)
    }

    /// The environment variables, in the order of their names.
    pub fn env(&self) -> impl Iterator<Item = (&str, &str)> {
        self.env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Which time the guest sees; `None` denies it.
    pub fn clock(&self) -> Option<Clock> {
        self.clock
    }

    /// Which random bytes the guest sees; `None` denies them.
    pub fn random(&self) -> Option<Random> {
        self.random
    }

    /// Whether a component that imports this capability may start.
    pub fn admits(&self, capability: Capability) -> bool {
        match capability {
            // Harmless while nothing is granted: the list of preopens or
            // variables is empty, every socket call is refused.
            Capability::Stdio | Capability::Env | Capability::Files | Capability::Sockets => true,
            // Ceilings decide, when the guest asks.
            Capability::Spawn => true,
            Capability::Clock => self.clock.is_some(),
            Capability::Random => self.random.is_some(),
            Capability::Http | Capability::Unknown => false,
        }
    }

    /// `self` and these environment variables.
    ///
    /// # Errors
    /// As [`Grants::with`], for the first that is not in order.
    pub fn with_env(
        self,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, GrantError> {
        env.into_iter().try_fold(self, |grants, (name, value)| {
            grants.with(Grant::Env { name, value })
        })
    }
}

fn check_env(name: &str, value: &str) -> Result<(), GrantError> {
    let good = !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0');
    good.then_some(())
        .ok_or_else(|| GrantError::Env(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(guest: &str, access: Access) -> Grant {
        Grant::Preopen(Preopen {
            guest: guest.parse().unwrap(),
            host: "/host".into(),
            access,
        })
    }

    fn variable(name: &str, value: &str) -> Grant {
        Grant::Env {
            name: name.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn nothing_is_granted_by_default() {
        let none = Grants::none();
        assert_eq!(none.preopens().count() + none.env().count(), 0);
        for capability in [
            Capability::Clock,
            Capability::Random,
            Capability::Http,
            Capability::Unknown,
        ] {
            assert!(!none.admits(capability), "{capability}");
        }
    }

    #[test]
    fn an_unknown_kind_of_grant_is_an_error() {
        assert!(serde_json::from_str::<Grant>(r#"{"gpu": {}}"#).is_err());
        assert!(
            serde_json::from_str::<Grant>(r#"{"env": {"name":"A","value":"b","also":1}}"#).is_err()
        );
        let clock = serde_json::from_str::<Grant>(r#"{"clock": "real"}"#).unwrap();
        assert_eq!(clock, Grant::Clock(Clock::Real));
    }

    #[test]
    fn http_is_refused_and_not_ignored() {
        let http = Grant::Http {
            hosts: vec!["example.com".to_owned()],
        };
        assert_eq!(Grants::of([http]), Err(GrantError::Http));
    }

    #[test]
    fn one_guest_path_is_granted_once() {
        let twice = [
            directory("/d", Access::ReadOnly),
            directory("/d", Access::ReadWrite),
        ];
        assert_eq!(
            Grants::of(twice),
            Err(GrantError::SamePath("/d".parse().unwrap()))
        );
    }

    #[test]
    fn malformed_variables_are_refused() {
        for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "x\0")] {
            assert!(
                Grants::none().with(variable(name, value)).is_err(),
                "{name:?}={value:?}"
            );
        }
        let large = "x".repeat(MAX_ENV_BYTES);
        assert!(matches!(
            Grants::of([variable("A", &large)]),
            Err(GrantError::EnvTooLarge(_))
        ));
    }

    #[test]
    fn a_variable_given_twice_counts_once() {
        let half = "x".repeat(MAX_ENV_BYTES / 2);
        let twice = [
            variable("A", &half),
            variable("A", &half),
            variable("B", ""),
        ];
        assert!(Grants::of(twice).is_ok());
    }
}
