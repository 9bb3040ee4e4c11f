use std::io;
use std::path::PathBuf;

use mote_api::{GrantError, LimitsError, Rejection};

/// The host could not do its part. Nothing a guest does causes one.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// wasmtime cannot run here.
    #[error("failed to set up wasmtime: {0:#}")]
    Engine(#[source] wasmtime::Error),
    /// A thread could not be started.
    #[error("failed to start a thread")]
    Thread(#[source] io::Error),
    /// A file of the host's own could not be used.
    #[error("failed to {action} {}", path.display())]
    File {
        /// What was tried: open, read, write …
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The compiler process could not be run.
    #[error("failed to run the compiler process {}", program.display())]
    Compiler {
        /// The program that was to be run.
        program: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The compiler process answered nonsense.
    #[error("the compiler process gave no usable answer: {0}")]
    CompilerAnswer(String),
    /// A built-in program is no component that can be used.
    #[error("failed to make the built-in program {program} ready: {reason}")]
    BuiltIn {
        /// Its name.
        program: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl HostError {
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }
}

/// A component could not be made ready to run.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The bytes are at fault; the text says how.
    #[error("{0}")]
    Refused(String),
    /// We are.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// A session could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A grant is not in order.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// A limit is not possible.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// A granted directory cannot be opened.
    #[error("failed to open the directory {} for {guest}: {source}", host.display())]
    Preopen {
        /// The directory on the host.
        host: PathBuf,
        /// Where the guest was to see it.
        guest: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A directory is granted for reading and lies in one granted for writing.
    #[error(
        "failed to grant {} for reading only: it lies in {}, which may be written; grant a folder outside of it, or leave the grant out",
        read.display(), write.display()
    )]
    Overlap {
        /// What is to be read.
        read: PathBuf,
        /// What may be written.
        write: PathBuf,
    },
    /// Two directories that share files are granted for writing, and only one
    /// of them has this size limit.
    #[error(
        "failed to grant {} and {} for writing: one lies in the other, and only one of them has a size limit; grant folders beside each other",
        one.display(), other.display()
    )]
    CountedApart {
        /// One of them.
        one: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// A directory may not be granted for writing.
    #[error(
        "failed to grant {} for writing: what mote compiled is kept in {}, where no guest may write; grant a folder beside it, or keep the cache elsewhere",
        host.display(), cache.display()
    )]
    Cache {
        /// The directory on the host.
        host: PathBuf,
        /// The code cache.
        cache: PathBuf,
    },
    /// We failed.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// An invocation has no outcome.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It was declined before any guest code ran.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// We failed.
    #[error(transparent)]
    Host(#[from] HostError),
}
