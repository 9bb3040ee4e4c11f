//! Why a claim has no sandbox, in the words of its `Ready` condition.

use std::time::Duration;

use crate::write::WriteError;

/// How often a claim looks again for what it lacks. It hears of most of it
/// sooner, by the watches; this is for what they do not tell.
const LACKING: Duration = Duration::from_secs(60);
/// How soon a claim tries again where others write too.
const CONTENDED: Duration = Duration::from_millis(100);

/// Why a claim cannot have a sandbox now.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Refusal {
    /// There is no such pool.
    #[error("SandboxWarmPool {0:?} not found")]
    PoolNotFound(String),
    /// The pool's template is not there.
    #[error("SandboxTemplate {0:?} not found")]
    TemplateNotFound(String),
    /// The claim brings labels or annotations it may not bring.
    #[error("invalid additionalPodMetadata: {0}")]
    Metadata(String),
    /// The claim brings environment variables it may not bring.
    #[error("environment variable injection rejected: {0}")]
    Environment(String),
    /// The claim or the template brings volume claim templates it may not bring.
    #[error("volume claim templates rejected: {0}")]
    Volumes(String),
    /// The name under which the claim would make a sandbox is taken.
    #[error(
        "Error seen: sandbox {0:?} exists and is not controlled by this claim; use another name for the claim or delete the sandbox"
    )]
    Taken(String),
    /// Others write to the sandbox that the claim has chosen.
    #[error("{0}; the next pass retries from a converged view")]
    Contended(String),
    /// The sandbox is there and cannot be seen yet.
    #[error("Sandbox already created; waiting for cache to converge")]
    Pending,
    /// The sandbox that the claim names cannot be read.
    #[error("Error seen: sandbox {name:?} cannot be read: {error}")]
    Unreadable {
        /// The sandbox.
        name: String,
        /// What is wrong with it.
        error: String,
    },
    /// The API server declines a request, for good or for now.
    #[error("Error seen: {0}")]
    Declined(String),
}

impl Refusal {
    /// The reason of the condition.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::PoolNotFound(_) => "WarmPoolNotFound",
            Self::TemplateNotFound(_) => "TemplateNotFound",
            Self::Metadata(_) => "InvalidMetadata",
            Self::Environment(_) => "EnvVarsInjectionRejected",
            Self::Volumes(_) => "VolumeClaimTemplatesError",
            Self::Contended(_) => "AdoptionConflict",
            Self::Pending => "SandboxCreatePending",
            Self::Taken(_) | Self::Unreadable { .. } | Self::Declined(_) => "ReconcilerError",
        }
    }

    /// When to look again; `None` where only a change can help, which is heard of.
    pub(super) fn again(&self) -> Option<Duration> {
        match self {
            Self::PoolNotFound(_) | Self::TemplateNotFound(_) | Self::Taken(_) => Some(LACKING),
            Self::Contended(_) | Self::Pending => Some(CONTENDED),
            Self::Declined(_) => Some(LACKING),
            Self::Metadata(_)
            | Self::Environment(_)
            | Self::Volumes(_)
            | Self::Unreadable { .. } => None,
        }
    }

    /// Whether someone has to change something: worth an event.
    pub(super) fn is_fault(&self) -> bool {
        !matches!(self, Self::Contended(_) | Self::Pending)
    }
}

/// Why a pass did not give its claim a sandbox.
#[derive(Debug)]
pub(super) enum Failure {
    /// It cannot.
    Refused(Refusal),
    /// A request failed.
    Write(WriteError),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        Self::Write(error)
    }
}
