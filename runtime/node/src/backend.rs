//! A sandbox as the surfaces see it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use cap_std::fs::Dir;
use mote_api::GuestPath;
use mote_host::{Disk, Unlinked};
use mote_surface::{
    Backend, Command, Files, Full, Gone, Quota, Running, StartError, State, Unavailable,
};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::call;
use crate::life::Request;
use crate::metrics::Surface;
use crate::sandbox::Sandbox;

/// How long files and calls wait for a transaction to end: longer than most calls take, shorter than clients wait.
pub(crate) const GATE_WAIT: Duration = Duration::from_secs(30);

/// A sandbox, as it is spoken to by one protocol.
#[derive(Clone)]
pub(crate) struct Spoken {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) surface: Surface,
}

impl Backend for Spoken {
    async fn start(&self, command: Command) -> Result<Running, StartError> {
        call::start(self, command).await
    }

    async fn files(&self) -> Result<Files, Unavailable> {
        self.sandbox.admit()?;
        let gate = reading(&self.sandbox.gate, GATE_WAIT)
            .await
            .map_err(|Closed| {
                let id = &self.sandbox.id;
                Unavailable::NotNow(format!("a transaction runs in sandbox {id}; call again"))
            })?;
        let failed = |error: String| {
            tracing::error!(sandbox = %self.sandbox.id, error, "failed to open files");
            Unavailable::NotNow(
                "the sandbox's files cannot be opened; its host's log says why".to_owned(),
            )
        };
        let session = self
            .sandbox
            .session()
            .await
            .map_err(|error| failed(error.to_string()))?;
        let workspace = GuestPath::workspace();
        let folder = session
            .folder(&workspace)
            .map_err(|error| failed(error.to_string()))?;
        let account = Account {
            disk: session.disk(),
            sandbox: Arc::clone(&self.sandbox),
            _gate: gate,
        };
        Ok(Files::new(
            Arc::new(Dir::from_std_file(folder)),
            workspace.as_str(),
            Arc::new(account),
        ))
    }

    fn state(&self) -> &State {
        &self.sandbox.surface
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        mote_surface::metadata(self.sandbox.record().env.into_iter(), METADATA_PREFIX)
    }

    fn health(&self) -> Result<(), Unavailable> {
        self.sandbox.would(Request::Call)
    }

    fn deadline(&self) -> Duration {
        self.sandbox.limits().deadline
    }
}

/// Variables of this prefix are told by `/v1/metadata`, as sandboxd does.
const METADATA_PREFIX: &str = "SANDBOX_";

/// A sandbox's account of its disk, and its gate held open meanwhile.
struct Account {
    disk: Disk,
    sandbox: Arc<Sandbox>,
    _gate: OwnedRwLockReadGuard<()>,
}

impl Quota for Account {
    fn grow(&self, bytes: u64, entries: u64) -> Result<(), Full> {
        self.disk.grow(bytes, entries).map_err(|_| Full)
    }

    fn shrink(&self, remove: &mut dyn FnMut() -> io::Result<Option<Gone>>) -> io::Result<()> {
        self.disk.shrink(&mut || {
            Ok(remove()?.map(|Gone { id, links, bytes }| Unlinked { id, links, bytes }))
        })
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.sandbox.touch();
    }
}

/// The gate did not open in time.
pub(crate) struct Closed;

pub(crate) async fn reading(
    gate: &Arc<RwLock<()>>,
    wait: Duration,
) -> Result<OwnedRwLockReadGuard<()>, Closed> {
    let gate = Arc::clone(gate).read_owned();
    tokio::time::timeout(wait, gate).await.map_err(|_| Closed)
}

pub(crate) async fn writing(
    gate: &Arc<RwLock<()>>,
    wait: Duration,
) -> Result<OwnedRwLockWriteGuard<()>, Closed> {
    let gate = Arc::clone(gate).write_owned();
    tokio::time::timeout(wait, gate).await.map_err(|_| Closed)
}
