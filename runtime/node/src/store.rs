//! The folders of sandboxes on disk.
//!
//! ```text
//! STATE/lock                     held while a node runs
//! STATE/policies.json            who may call sandboxes that name a policy
//! STATE/sandboxes/ID.LIFE/sandbox.json   the record, replaced as a whole
//!                        /workspace      the sandbox's own files
//!                        /tmp            its scratch space
//!                        /volumes        what is mounted beside them
//!                        /files          the same, as it was sent
//!                        /calls.jsonl    its log
//!                        /command.log    what its command wrote
//!                        /command.times  and when
//! STATE/limbo/                   what is being made or deleted; emptied at start
//! ```
//!
//! A sandbox comes into being, and goes, by one rename. Its folder bears its
//! name and a number of its own: who still holds a sandbox that was deleted
//! does not find another of the same name.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mote_api::SandboxId;
use rand::RngExt;
use rustix::fs::{FlockOperation, RenameFlags};

use crate::outfit::Sent;
use crate::record::{Record, RecordError};
use crate::tree;
use crate::volumes::Volumes;

/// Only the node's own user reads what agents keep.
const FOLDER_MODE: u32 = 0o700;
const RECORD: &str = "sandbox.json";
const WORKSPACE: &str = "workspace";
const TMP: &str = "tmp";

/// The disk did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another node uses the folder.
    #[error("the state folder {} is in use by another mote; stop that one, or name another folder", .0.display())]
    InUse(PathBuf),
    /// A file operation failed.
    #[error("failed to {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A sandbox's files cannot be copied: a guest made them so.
    #[error("the sandbox's files cannot be copied")]
    Copy(#[source] io::Error),
    /// A record cannot be used.
    #[error("failed to read {}: {reason}", path.display())]
    Record {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::File {
        action,
        path,
        source,
    }
}

/// The folders of one node's sandboxes.
pub(crate) struct Store {
    root: PathBuf,
    _lock: File,
}

/// The folder of one sandbox.
#[derive(Clone, Debug)]
pub(crate) struct Home(Arc<Path>);

impl Home {
    pub(crate) fn workspace(&self) -> PathBuf {
        self.0.join(WORKSPACE)
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.0.join(TMP)
    }

    pub(crate) fn command_log(&self) -> PathBuf {
        self.0.join("command.log")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("calls.jsonl")
    }

    /// Its volumes.
    pub(crate) fn volumes(&self) -> Volumes<'_> {
        Volumes(&self.0)
    }

    /// Puts files in the place of those that were sent before for volumes.
    pub(crate) fn publish(&self, sent: &Sent) -> Result<(), StoreError> {
        let published = self.volumes().publish(sent);
        published.map_err(failed("write the volumes in", &self.0))
    }

    /// Replaces the record: after a crash there is the old or the new one.
    pub(crate) fn keep(&self, record: &Record) -> Result<(), StoreError> {
        let bytes = record.to_bytes();
        let bytes = bytes.map_err(|error| unusable(&self.0.join(RECORD), &error))?;
        replace(&self.0, RECORD, &bytes)
    }

    fn record(&self) -> Result<Record, StoreError> {
        let path = self.0.join(RECORD);
        let bytes = fs::read(&path).map_err(failed("read", &path))?;
        Record::parse(&bytes).map_err(|error| unusable(&path, &error))
    }
}

/// Sandboxes from before.
pub(crate) type Kept = Vec<(Home, Record)>;

fn unusable(path: &Path, error: &RecordError) -> StoreError {
    StoreError::Record {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

impl Store {
    /// Opens the state folder, makes it if it is not there, and finishes what
    /// a crash left half done.
    pub(crate) fn open(root: &Path) -> Result<Self, StoreError> {
        for folder in ["sandboxes", "limbo"] {
            let folder = root.join(folder);
            make_folder(&folder, true).map_err(failed("create", &folder))?;
        }
        // Sandboxes' folders are opened later, and no link is followed then.
        let root = &root.canonicalize().map_err(failed("find", root))?;
        let path = root.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed("open", &path))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| StoreError::InUse(root.to_owned()))?;
        empty(&root.join("limbo"))?;
        Ok(Self {
            root: root.to_owned(),
            _lock: lock,
        })
    }

    /// The sandboxes that are there, and those that cannot be used. Of two of
    /// one name, nobody was told of the one that was made first: it goes.
    pub(crate) fn load(&self) -> Result<(Kept, Vec<StoreError>), StoreError> {
        let sandboxes = self.root.join("sandboxes");
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&sandboxes).map_err(failed("list", &sandboxes))? {
            let path = entry.map_err(failed("list", &sandboxes))?.path();
            let home = Home(path.clone().into());
            match home.record() {
                Ok(record) if is_home_of(&path, &record.id) => {
                    good.push((home, record));
                }
                Ok(record) => bad.push(StoreError::Record {
                    path,
                    reason: format!("it is the record of {}, in another's folder", record.id),
                }),
                Err(error) => bad.push(error),
            }
        }
        let (good, doubles) = latest_of_each(good);
        for (home, record) in doubles {
            tracing::warn!(path = %home.0.display(), "a sandbox is removed: another of its name was made later");
            match self.remove(&record.id, &home) {
                Ok(draft) => drop(draft),
                Err(error) => bad.push(error),
            }
        }
        Ok((good, bad))
    }

    /// Makes the folder of a new sandbox; with `from`, with the same files, and
    /// with what was `sent` for its volumes.
    pub(crate) fn create(
        &self,
        record: &Record,
        from: Option<&Home>,
        sent: &Sent,
    ) -> Result<Home, StoreError> {
        let draft = Draft {
            path: self.limbo(&record.id),
        };
        make_folder(&draft.path, false).map_err(failed("create", &draft.path))?;
        let home = Home(draft.path.as_path().into());
        let made = home.volumes().make(record.outfit(), sent);
        made.map_err(failed("make the volumes in", &draft.path))?;
        self.fill(&home, record, from)?;
        self.place(draft, &record.id, sync)
    }

    /// Puts a draft where sandboxes are. `sync` has to say that it will be
    /// there after a loss of power, too.
    fn place(
        &self,
        draft: Draft,
        id: &SandboxId,
        sync: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<Home, StoreError> {
        let parent = self.root.join("sandboxes");
        let home = parent.join(one_by_chance(id));
        fs::rename(&draft.path, &home).map_err(failed("create", &home))?;
        if let Err(error) = sync(&parent) {
            // Whoever asked will ask for another of this name.
            if let Err(error) = fs::rename(&home, &draft.path) {
                tracing::error!(path = %home.display(), %error, "a sandbox that was not made is left behind; the next start removes it if there is another of its name");
            }
            return Err(failed("sync", &parent)(error));
        }
        // There is nothing in limbo to be removed.
        Ok(Home(home.into()))
    }

    fn fill(&self, draft: &Home, record: &Record, from: Option<&Home>) -> Result<(), StoreError> {
        let (workspace, tmp) = (draft.workspace(), draft.tmp());
        match from {
            Some(from) => {
                tree::copy(&from.workspace(), &workspace).map_err(StoreError::Copy)?;
                tree::copy(&from.tmp(), &tmp).map_err(StoreError::Copy)?;
            }
            None => {
                make_folder(&workspace, false).map_err(failed("create", &workspace))?;
                make_folder(&tmp, false).map_err(failed("create", &tmp))?;
            }
        }
        draft.keep(record)
    }

    /// A copy of a sandbox's workspace, for a transaction.
    pub(crate) fn draft(&self, id: &SandboxId, home: &Home) -> Result<Draft, StoreError> {
        let draft = Draft {
            path: self.limbo(id),
        };
        tree::copy(&home.workspace(), &draft.path).map_err(StoreError::Copy)?;
        Ok(draft)
    }

    /// Takes the folder of a sandbox away, at once; its files go on the way.
    pub(crate) fn remove(&self, id: &SandboxId, home: &Home) -> Result<Draft, StoreError> {
        let path = self.limbo(id);
        fs::rename(&home.0, &path).map_err(failed("remove", &home.0))?;
        Ok(Draft { path })
    }

    fn limbo(&self, id: &SandboxId) -> PathBuf {
        self.root.join("limbo").join(one_by_chance(id))
    }

    /// Where the node keeps what is its own.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }
}

/// A tree in limbo; it is removed when this is dropped.
pub(crate) struct Draft {
    path: PathBuf,
}

impl Draft {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the draft in the place of the workspace, and the old one into
    /// limbo: at each moment there is one or the other.
    pub(crate) fn exchange(&self, home: &Home) -> Result<(), StoreError> {
        let workspace = home.workspace();
        let cwd = rustix::fs::CWD;
        rustix::fs::renameat_with(cwd, &self.path, cwd, &workspace, RenameFlags::EXCHANGE)
            .map_err(|errno| failed("replace", &workspace)(errno.into()))?;
        sync(&home.0).map_err(failed("sync", &home.0))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Err(error) = tree::remove(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "failed to remove a tree; the next start will");
        }
    }
}

/// Removes what is in limbo. What cannot be removed keeps no node from
/// starting: nothing that is made there has its name.
fn empty(limbo: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(limbo).map_err(failed("list", limbo))? {
        let path = entry.map_err(failed("list", limbo))?.path();
        drop(Draft { path });
    }
    Ok(())
}

/// A name for a folder of a sandbox that no other has, nor had.
fn one_by_chance(id: &SandboxId) -> String {
    format!("{id}.{:016x}", rand::rng().random::<u64>())
}

/// The last of each name that was made, and the others.
fn latest_of_each(mut all: Kept) -> (Kept, Kept) {
    // Whatever order the disk tells them in, it is the same one that stays.
    all.sort_by(|(a, one), (b, other)| {
        let ages = other.created_at.cmp(&one.created_at);
        ages.then_with(|| b.0.cmp(&a.0))
    });
    let mut names = HashSet::new();
    all.into_iter()
        .partition(|(_, record)| names.insert(record.id.clone()))
}

fn is_home_of(path: &Path, id: &SandboxId) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.and_then(|name| name.split_once('.'))
        .is_some_and(|(name, _)| name == id.as_str())
}

fn make_folder(path: &Path, with_parents: bool) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(with_parents)
        .mode(FOLDER_MODE)
        .create(path)
}

/// Replaces a file of the node's own: after a crash there is the old or the
/// new one.
///
/// # Errors
/// The disk fails.
pub(crate) fn replace(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let path = folder.join(name);
    let draft = folder.join(format!(".{name}.new"));
    write_synced(&draft, bytes).map_err(failed("write", &draft))?;
    fs::rename(&draft, &path).map_err(failed("replace", &path))?;
    sync(folder).map_err(failed("sync", folder))
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Beginning, Terms};
    use jiff::Timestamp;
    use mote_api::Limits;

    fn record(id: &str) -> Record {
        let terms = Terms {
            id: id.parse().unwrap(),
            image: "mote.dev/base".to_owned(),
            grants: Vec::new(),
            limits: Limits::default(),
            env: Default::default(),
            labels: Default::default(),
            idle_timeout_seconds: None,
            ttl_seconds: None,
        };
        Record::new(
            terms,
            Beginning::default(),
            Default::default(),
            Timestamp::UNIX_EPOCH,
        )
    }

    #[test]
    fn sandboxes_are_there_after_a_restart() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(state.path()).unwrap();
        let home = store.create(&record("a"), None, &Sent::new()).unwrap();
        fs::write(home.workspace().join("f"), "x").unwrap();
        assert!(matches!(
            Store::open(state.path()),
            Err(StoreError::InUse(_))
        ));
        drop(store);

        let store = Store::open(state.path()).unwrap();
        let (good, bad) = store.load().unwrap();
        assert!(bad.is_empty());
        let (home, found) = &good[0];
        assert_eq!(*found, record("a"));
        assert_eq!(fs::read(home.workspace().join("f")).unwrap(), b"x");
    }

    #[test]
    fn one_broken_record_does_not_stop_the_others() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(state.path()).unwrap();
        store.create(&record("a"), None, &Sent::new()).unwrap();
        let b = store.create(&record("b"), None, &Sent::new()).unwrap();
        fs::write(b.0.join(RECORD), "{").unwrap();
        let (good, bad) = store.load().unwrap();
        assert_eq!((good.len(), bad.len()), (1, 1));
    }

    #[test]
    fn what_a_crash_left_half_done_is_gone_at_the_next_start() {
        let state = tempfile::tempdir().unwrap();
        drop(Store::open(state.path()).unwrap());
        let limbo = state.path().join("limbo");
        // Of a removal, as it was named once, and of a copy.
        for left in [
            "a.0/deep/deeper",
            "a.0~0/deep",
            "a.0~1/deep",
            "a.1/deep",
            "a.1~/1-2",
        ] {
            fs::create_dir_all(limbo.join(left)).unwrap();
        }
        drop(Store::open(state.path()).unwrap());
        assert_eq!(fs::read_dir(limbo).unwrap().count(), 0);
    }

    #[test]
    fn what_is_made_in_limbo_has_no_name_of_what_was_left_there() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(state.path()).unwrap();
        let home = store.create(&record("a"), None, &Sent::new()).unwrap();
        let id = "a".parse().unwrap();
        let mut drafts = Vec::new();
        for left in 0..3 {
            // As if it could not be removed at the start.
            for name in [format!("a.{left}"), format!("a.{left}~")] {
                fs::create_dir_all(state.path().join("limbo").join(name).join("full")).unwrap();
            }
            drafts.push(store.draft(&id, &home).unwrap());
        }
        store.remove(&id, &home).unwrap();
    }

    fn in_folder(state: &Path, folder: &str) -> usize {
        fs::read_dir(state.join(folder)).unwrap().count()
    }

    #[test]
    fn a_sandbox_that_may_be_lost_with_power_is_not_made() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(state.path()).unwrap();
        let id = "a".parse().unwrap();
        let draft = Draft {
            path: store.limbo(&id),
        };
        fs::create_dir_all(draft.path.join("workspace")).unwrap();
        let lost = |_: &Path| Err(io::ErrorKind::Other.into());
        assert!(store.place(draft, &id, lost).is_err());
        let left = |folder| in_folder(state.path(), folder);
        assert_eq!((left("sandboxes"), left("limbo")), (0, 0));
    }

    #[test]
    fn of_two_sandboxes_of_one_name_the_one_made_last_is_there() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(state.path()).unwrap();
        let made = |second| {
            let mut made = record("a");
            made.created_at = Timestamp::from_second(second).unwrap();
            made
        };
        let times = [3, 7, 5];
        let homes = times.map(|at| store.create(&made(at), None, &Sent::new()).unwrap());
        store.create(&record("b"), None, &Sent::new()).unwrap();
        let (good, bad) = store.load().unwrap();
        let found = |id: &str| good.iter().find(|(_, it)| it.id.as_str() == id).unwrap();
        assert_eq!((good.len(), bad.len()), (2, 0));
        assert_eq!(found("a").0.0, homes[1].0);
        assert_eq!(in_folder(state.path(), "sandboxes"), 2);
        assert_eq!(in_folder(state.path(), "limbo"), 0);
    }

    #[test]
    fn what_was_deleted_is_not_found_in_another_of_the_same_name() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(state.path()).unwrap();
        let old = store.create(&record("a"), None, &Sent::new()).unwrap();
        let draft = store.draft(&"a".parse().unwrap(), &old).unwrap();
        drop(store.remove(&"a".parse().unwrap(), &old).unwrap());
        let new = store.create(&record("a"), None, &Sent::new()).unwrap();
        fs::write(draft.path().join("secret"), "").unwrap();
        assert!(draft.exchange(&old).is_err() && old.keep(&record("a")).is_err());
        assert!(!new.workspace().join("secret").exists());
    }

    #[test]
    fn a_dropped_draft_leaves_the_workspace_and_an_exchanged_one_replaces_it() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(state.path()).unwrap();
        let home = store.create(&record("a"), None, &Sent::new()).unwrap();
        let file = home.workspace().join("f");
        fs::write(&file, "old").unwrap();
        let id = "a".parse().unwrap();

        let draft = store.draft(&id, &home).unwrap();
        fs::write(draft.path().join("f"), "new").unwrap();
        drop(draft);
        assert_eq!(fs::read(&file).unwrap(), b"old");

        let draft = store.draft(&id, &home).unwrap();
        fs::write(draft.path().join("f"), "new").unwrap();
        draft.exchange(&home).unwrap();
        drop(draft);
        assert_eq!(fs::read(&file).unwrap(), b"new");
    }
}
