//! A sandbox as the surfaces see it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use cap_std::fs::Dir;
use mote_api::{Grants, GuestPath};
use mote_host::{Disk, DiskFull, Unlinked};
use mote_surface::{
    Backend, Caller, Command, Doings, Files, Full, Gone, Held, Log, Quota, Record, Running,
    StartError, State, Unavailable,
};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::call;
use crate::life::Request;
use crate::metrics::Surface;
use crate::observe::About;
use crate::sandbox::Sandbox;

/// How long files and calls wait for a transaction to end: longer than most calls take, shorter than clients wait.
pub(crate) const GATE_WAIT: Duration = Duration::from_secs(30);

/// A sandbox, as it is spoken to by one protocol.
#[derive(Clone)]
pub(crate) struct Spoken {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) surface: Surface,
    /// Whether the request was understood: it got as far as a call, which has
    /// a line of its own in the audit log, or a program that runs.
    pub(crate) reached: Arc<AtomicBool>,
}

impl Spoken {
    pub(crate) fn new(sandbox: Arc<Sandbox>, surface: Surface) -> Self {
        Self {
            sandbox,
            surface,
            reached: Arc::default(),
        }
    }
}

impl Backend for Spoken {
    async fn start(&self, command: Command) -> Result<Running, StartError> {
        self.reached.store(true, Relaxed);
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
            disk: session.disk().at(&workspace),
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
        self.reached.store(true, Relaxed);
        &self.sandbox.surface
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        mote_surface::metadata(self.sandbox.record().env.into_iter(), METADATA_PREFIX)
    }

    fn doings(&self) -> Option<Doings> {
        Some(self.sandbox.doings())
    }

    fn health(&self) -> Result<(), Unavailable> {
        self.sandbox.would(Request::Call)
    }

    fn deadline(&self) -> Duration {
        self.sandbox.limits().deadline
    }

    fn log(&self) -> Option<Arc<dyn Log>> {
        let log = self.sandbox.command_log()?;
        Some(Arc::new(log))
    }

    fn record(&self, argv: &[String], caller: &Caller) -> Option<Box<dyn Record>> {
        self.reached.store(true, Relaxed);
        let leave = self.sandbox.admit().ok();
        let nothing = Grants::none();
        let mut observed = self.sandbox.shared.observer.call(About {
            surface: Surface::Context,
            sandbox: &self.sandbox.id,
            caller,
            argv,
            grants: leave.as_ref().map_or(&nothing, |leave| &leave.grants),
            preopens: None,
        });
        observed.started(None);
        Some(Box::new(observed))
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
        let grown = self.disk.grow(bytes, entries);
        grown.map_err(|full| match full {
            DiskFull::Sandbox => Full::Sandbox,
            DiskFull::Folder(guest) => Full::Folder(guest),
        })
    }

    fn shrink(&self, remove: &mut dyn FnMut() -> io::Result<Option<Gone>>) -> io::Result<()> {
        self.disk.shrink(&mut || {
            Ok(remove()?.map(|Gone { id, links, bytes }| Unlinked { id, links, bytes }))
        })
    }

    fn hold(&self, file: &Arc<File>) -> io::Result<Held> {
        // Without the gate: a slow caller keeps no transaction waiting.
        self.disk.hold(file).map(Held::new)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.sandbox.touch();
        self.sandbox.tell_files();
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

#[cfg(test)]
mod tests {
    use mote_surface::Found;

    use super::*;
    use crate::node::tests::{make, open};

    #[tokio::test]
    async fn a_file_without_a_name_counts_for_as_long_as_it_is_sent_or_taken() {
        let state = tempfile::tempdir().unwrap();
        let sandbox = make(&open(state.path()), "a", "/workspace").await.unwrap();
        let bytes = || sandbox.doings().activity.disk_bytes;
        let spoken = Spoken::new(Arc::clone(&sandbox), Surface::Rest);
        let files = spoken.files().await.ok().unwrap();
        let put = |text: &str| {
            let mut upload = files.upload("f", 0o644).unwrap();
            upload.write(text.as_bytes()).unwrap();
            upload
        };
        put("12345").finish().unwrap();
        let Found::File(sent) = files.find("f").unwrap() else {
            panic!("it is a file");
        };
        put("123").finish().unwrap();
        assert_eq!(bytes(), 8);
        drop(sent);
        assert_eq!(bytes(), 3);

        let mut taken = put("1234");
        let listed = files.list("".as_ref()).unwrap();
        let unfinished = listed.iter().find(|it| it.name != "f").unwrap();
        files
            .remove(unfinished.name.to_str().unwrap(), false)
            .unwrap();
        taken.write(b"56").unwrap();
        assert_eq!(bytes(), 9);
        drop(taken);
        assert_eq!(bytes(), 3);
    }
}
