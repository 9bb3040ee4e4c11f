//! A sandbox's folders: opened for a session, counted, and accounted for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use mote_api::{
    Access, ByteSize, Clock, Grant, GrantError, Grants, GuestPath, Limits, Preopen, Random,
};
use mote_host::{Disk, DiskUse, FolderLimit, ProgramFile, Session};
use mote_surface::{Files, StartError, Unavailable, Unlimited};

use super::{SESSION_DEADLINE, Sandbox};
use crate::feed::Change;
use crate::images::Reference;
use crate::life::Phase;
use crate::outfit::{Outfit, Volume};
use crate::record::Record;
use crate::tree;

impl Sandbox {
    /// Its session, opened if need be.
    pub(crate) async fn session(self: &Arc<Self>) -> Result<Arc<Session>, StartError> {
        let mut open = self.session.lock().await;
        if self.phase() == Phase::Gone {
            return Err(Unavailable::Gone(self.id.to_string()).into());
        }
        if let Some(session) = &*open {
            return Ok(Arc::clone(session));
        }
        let this = Arc::clone(self);
        let opened = tokio::task::spawn_blocking(move || this.open()).await;
        let session = opened.map_err(|_| StartError::Host)??;
        *open = Some(Arc::clone(&session));
        Ok(session)
    }

    fn open(&self) -> Result<Arc<Session>, StartError> {
        self.open_at(&self.home.workspace()).map(Arc::new)
    }

    /// The account of its folders. Whoever asks first waits for the counting;
    /// that is the one who opens the session, under its lock.
    fn disk(&self) -> Disk {
        if let Some(disk) = &self.life().disk {
            return disk.clone();
        }
        self.sweep();
        let counted = self.count();
        let bounded = self.bounded(&counted);
        let disk = Disk::new(&self.limits(), all(&counted), bounded);
        self.life().disk.get_or_insert(disk).clone()
    }

    /// Whether its folders hold anything.
    pub(crate) fn has_files(&self) -> bool {
        let counted = self.counted();
        let looked = || {
            let folders = self.folders();
            // One that cannot be read may hold something.
            let holds = |folder: &PathBuf| !tree::is_empty(folder).unwrap_or(false);
            folders.iter().any(holds)
        };
        let has = counted.map_or_else(looked, |held| held.entries > 0);
        self.told_files.store(has, Relaxed);
        has
    }

    /// Tells of it if its folders have got their first file, or lost the last.
    pub(crate) fn tell_files(&self) {
        let Some(held) = self.counted() else {
            return;
        };
        if self.told_files.swap(held.entries > 0, Relaxed) != (held.entries > 0) {
            self.shared.feed.changed(Change::Session(self.id.clone()));
        }
    }

    /// What its folders hold, if that was counted.
    fn counted(&self) -> Option<DiskUse> {
        self.life().disk.as_ref().map(Disk::used)
    }

    /// Counts its folders anew. Nobody may write meanwhile.
    pub(crate) fn recount(&self) {
        let counted = self.count();
        let bounded = self.bounded(&counted);
        let bounded: Vec<u64> = bounded.iter().map(|it| it.held).collect();
        self.disk().set(all(&counted), &bounded);
    }

    /// Books what is open and has lost its name with a folder that another
    /// took the place of.
    pub(crate) fn book_lost(&self) {
        if let Some(disk) = &self.life().disk {
            disk.book_lost();
        }
    }

    /// The folders in which its programs write.
    fn folders(&self) -> Vec<PathBuf> {
        let home = &self.home;
        let own = |record: &Record| -> Vec<_> {
            let names = record.outfit().own();
            names.map(|name| home.volumes().own(name)).collect()
        };
        let mut folders = self.look(own).unwrap_or_default();
        folders.extend([home.workspace(), home.tmp()]);
        folders
    }

    /// Those that may hold less than the sandbox, in the order of its record.
    fn bounded(&self, counted: &[(PathBuf, DiskUse)]) -> Vec<FolderLimit> {
        let limits = |record: &Record| {
            let outfit = record.outfit();
            let limit = |(volume, guests): (&Volume, Vec<GuestPath>)| {
                let folder = self.folder_of(outfit, &volume.name);
                let held = counted.iter().find(|(counted, _)| *counted == folder);
                FolderLimit {
                    guests,
                    max: ByteSize::bytes(volume.max_bytes),
                    held: held.map_or(0, |(_, held)| held.bytes),
                }
            };
            outfit.bounded().map(limit).collect()
        };
        self.look(limits).unwrap_or_default()
    }

    /// The folder of a volume in which programs write.
    fn folder_of(&self, outfit: &Outfit, volume: &str) -> PathBuf {
        match outfit.over_own(volume) {
            None => self.home.volumes().own(volume),
            Some(path) if *path == GuestPath::tmp() => self.home.tmp(),
            Some(_) => self.home.workspace(),
        }
    }

    /// Takes away what a host that was killed left of uploads.
    fn sweep(&self) {
        let workspace = self.home.workspace();
        let swept = Dir::open_ambient_dir(&workspace, ambient_authority())
            .map_err(|error| error.to_string())
            .and_then(|root| {
                let guest = GuestPath::workspace();
                let files = Files::new(Arc::new(root), guest.as_str(), Arc::new(Unlimited));
                files.sweep_temporary().map_err(|error| error.to_string())
            });
        if let Err(error) = swept {
            tracing::warn!(sandbox = %self.id, error, "failed to sweep unfinished uploads");
        }
    }

    /// What each of its folders holds. A tree that cannot be counted counts as
    /// full: that denies, and does not grant.
    fn count(&self) -> Vec<(PathBuf, DiskUse)> {
        let full = DiskUse {
            bytes: u64::MAX,
            entries: u64::MAX,
        };
        let counted = self.folders().into_iter().map(|folder| {
            let held = tree::count(&folder).unwrap_or_else(|error| {
                tracing::warn!(sandbox = %self.id, %error, "failed to count files; the sandbox counts as full");
                full
            });
            (folder, held)
        });
        counted.collect()
    }

    /// A session over `workspace` in the place of its own.
    pub(crate) fn open_at(&self, workspace: &Path) -> Result<Session, StartError> {
        let record = self.record();
        let disk = self.disk();
        let book = || disk.grow(0, 1).is_ok();
        self.home
            .volumes()
            .prepare(record.outfit(), (workspace, &self.home.tmp()), &book);
        let grants = self.granted(&record, workspace);
        let grants = grants.map_err(StartError::Invalid)?;
        let limits = Limits {
            deadline: SESSION_DEADLINE,
            ..record.limits
        };
        let opened = self.shared.host.session_on(grants, limits, &disk);
        let opened = opened.map(|session| {
            let session = session.with_share(self.share.clone());
            let session = session.with_part(self.part.clone());
            self.with_image(session, &record.image)
        });
        opened.map_err(|error| {
            tracing::error!(sandbox = %self.id, error = %error, "failed to open a session");
            match error {
                mote_host::OpenError::Host(_) => StartError::Host,
                error => StartError::Invalid(error.to_string()),
            }
        })
    }

    /// The same with the program of the image that was pulled for it.
    fn with_image(&self, session: Session, name: &str) -> Session {
        let (Some(image), Ok(reference)) = (&self.image, Reference::parse(name)) else {
            return session;
        };
        let program = ProgramFile {
            path: image.path.clone(),
            digest: image.program,
        };
        session.with_program(reference.program(), program)
    }

    /// What `record` grants, over `workspace` in the place of its own.
    pub(super) fn granted(&self, record: &Record, workspace: &Path) -> Result<Grants, String> {
        let mounted = self.home.volumes().grants(record.outfit());
        let mut granted = mounted.map_err(|error| format!("a volume of it: {error}"))?;
        granted.extend(record.grants.iter().cloned());
        grants(&granted, &record.env, workspace, &self.home.tmp())
            .map_err(|error| error.to_string())
    }

    /// Closes its session; running calls keep theirs.
    pub(crate) async fn close(&self) {
        *self.session.lock().await = None;
    }
}

/// The sum of what folders hold.
fn all(counted: &[(PathBuf, DiskUse)]) -> DiskUse {
    counted
        .iter()
        .fold(DiskUse::default(), |sum, (_, held)| DiskUse {
            bytes: sum.bytes.saturating_add(held.bytes),
            entries: sum.entries.saturating_add(held.entries),
        })
}

/// What a sandbox holds: its own folders, the time and random bytes unless
/// `granted` says otherwise, and what that grants.
///
/// # Errors
/// A grant is malformed, or is of a guest path that is taken.
pub(crate) fn grants(
    granted: &[Grant],
    env: &BTreeMap<String, String>,
    workspace: &Path,
    tmp: &Path,
) -> Result<Grants, GrantError> {
    let own = |guest, host: &Path| {
        Grant::Preopen(Preopen {
            guest,
            host: host.to_owned(),
            access: Access::ReadWrite,
        })
    };
    let usual = [
        own(GuestPath::workspace(), workspace),
        own(GuestPath::tmp(), tmp),
        Grant::Clock(Clock::Real),
        Grant::Random(Random::Real),
    ];
    let env = env.iter();
    Grants::of(usual.into_iter().chain(granted.iter().cloned()))?
        .with_env(env.map(|(name, value)| (name.clone(), value.clone())))
}
