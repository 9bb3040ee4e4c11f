//! A sandbox of files alone, for the tests of what is spoken to it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::{
    Backend, Command, Files, Full, Gone, Held, Quota, Running, StartError, State, Unavailable,
    Unlimited,
};

/// A sandbox of files alone; clones are handles on one.
#[derive(Clone)]
pub(crate) struct TestBackend {
    folder: Arc<TempDir>,
    files: Files,
    state: Arc<State>,
    unavailable: Option<Unavailable>,
}

impl TestBackend {
    /// Files in a folder of their own, which programs see at `/workspace`.
    pub(crate) fn new() -> Self {
        Self::with_quota(Arc::new(Unlimited))
    }

    pub(crate) fn with_quota(quota: Arc<dyn Quota>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        Self {
            folder: Arc::new(folder),
            files: Files::new(Arc::new(root), "/workspace", quota),
            state: Arc::default(),
            unavailable: None,
        }
    }

    /// The same, but it answers so.
    pub(crate) fn unavailable(self, why: Unavailable) -> Self {
        Self {
            unavailable: Some(why),
            ..self
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn raw_files(&self) -> &Files {
        &self.files
    }
}

impl Backend for TestBackend {
    async fn start(&self, _command: Command) -> Result<Running, StartError> {
        Err(StartError::NotFound("no programs here".to_owned()))
    }

    async fn files(&self) -> Result<Files, Unavailable> {
        self.health().map(|()| self.files.clone())
    }

    fn state(&self) -> &State {
        &self.state
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        [("SANDBOX_ID".to_owned(), "a<b".to_owned())].into()
    }

    fn health(&self) -> Result<(), Unavailable> {
        self.unavailable.clone().map_or(Ok(()), Err)
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(60)
    }
}

/// An account with two ends, which must hold at any time.
#[derive(Debug)]
pub(crate) struct Account {
    used: Mutex<(u64, u64)>,
    most: (u64, u64),
    /// How many files are open.
    open: watch::Sender<usize>,
}

/// One that is open, of those.
struct OpenFile(watch::Sender<usize>);

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

impl Account {
    pub(crate) fn new(bytes: u64, entries: u64) -> Arc<Self> {
        Arc::new(Self {
            used: Mutex::default(),
            most: (bytes, entries),
            open: watch::Sender::default(),
        })
    }

    /// Bytes and names.
    pub(crate) fn used(&self) -> (u64, u64) {
        *self.used.lock().unwrap()
    }

    /// How many files are held open.
    pub(crate) fn open(&self) -> usize {
        *self.open.borrow()
    }

    /// Completes once no file is held open.
    pub(crate) async fn all_closed(&self) {
        let mut open = self.open.subscribe();
        open.wait_for(|open| *open == 0).await.unwrap();
    }
}

impl Quota for Account {
    fn grow(&self, bytes: u64, entries: u64) -> Result<(), Full> {
        let mut used = self.used.lock().unwrap();
        let more = (used.0 + bytes, used.1 + entries);
        if more.0 > self.most.0 || more.1 > self.most.1 {
            return Err(Full::Sandbox);
        }
        *used = more;
        Ok(())
    }

    fn shrink(
        &self,
        remove: &mut dyn FnMut() -> std::io::Result<Option<Gone>>,
    ) -> std::io::Result<()> {
        let mut used = self.used.lock().unwrap();
        if let Some(gone) = remove()? {
            used.1 = used.1.checked_sub(1).unwrap();
            if gone.links == 1 {
                used.0 = used.0.checked_sub(gone.bytes).unwrap();
            }
        }
        Ok(())
    }

    fn hold(&self, _file: &Arc<File>) -> std::io::Result<Held> {
        self.open.send_modify(|open| *open += 1);
        Ok(Held::new(OpenFile(self.open.clone())))
    }
}
