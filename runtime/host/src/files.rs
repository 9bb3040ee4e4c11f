//! `wasi:filesystem` for guests: wasmtime-wasi's own sandboxed operations,
//! with a ledger of disk use in front of every one that can grow a file
//! system, because wasmtime-wasi has no hook for quotas.
//!
//! ```text
//! guest ─► descriptor (this module) ─► ledger: room? ─► wasmtime-wasi ─► openat2 below a directory handle
//!               └─ streams                  └─ no: "no space left", noted in the Outcome
//! ```
//!
//! A folder may have a ceiling of its own beneath that of all. Its border is
//! that of a file system, as a volume's is in a pod: no link and no rename
//! leads across, so that what a file is counted in never changes.

mod descriptor;
mod disk;
mod folder;
mod ledger;
mod listing;
mod overflow;
mod stream;
mod sync;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::sync::{Arc, LazyLock};

use mote_api::{Access, GuestPath};
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, Dir, WasiFilesystemCtx, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::{FsPerms, OpenMode};

use crate::budget::Budget;
pub use disk::{Disk, DiskFull, DiskUse, HeldFile, Unlinked};
pub(crate) use folder::Folder;
pub use folder::FolderLimit;
pub(crate) use ledger::Ledger;
pub(crate) use overflow::Overflow;

/// A directory of the host, opened once, and where a guest sees it.
#[derive(Clone)]
pub(crate) struct OpenDir {
    pub(crate) guest: GuestPath,
    dir: Dir,
    /// Of which folder with a ceiling of its own it is.
    pub(crate) folder: Option<Folder>,
}

impl OpenDir {
    pub(crate) fn new(guest: GuestPath, dir: File, access: Access) -> Self {
        let (perms, mode) = match access {
            Access::ReadOnly => (FsPerms::ReadOnly, OpenMode::READ),
            Access::ReadWrite => (FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE),
        };
        Self {
            guest,
            dir: Dir::new(dir, perms, mode, ON_CALLING_THREAD),
            folder: None,
        }
    }

    /// The same, counted in `folder`.
    pub(crate) fn within(self, folder: Option<Folder>) -> Self {
        Self { folder, ..self }
    }

    /// Its handle, for the host's own use.
    pub(crate) fn handle(&self) -> &File {
        &self.dir.dir
    }

    /// Whether files below it may change.
    pub(crate) fn access(&self) -> Access {
        match self.dir.perms {
            FsPerms::ReadOnly => Access::ReadOnly,
            FsPerms::ReadWrite => Access::ReadWrite,
        }
    }
}

/// File operations run on the calling thread: a hop to another thread costs
/// more than most of them, and the code here relies on their ending at once.
/// What waits for the disk does not: see [`sync`].
const ON_CALLING_THREAD: bool = true;

/// The file system of one instance.
pub(crate) struct Files {
    preopens: Arc<[OpenDir]>,
    /// Handed out as `.` too.
    cwd: Option<OpenDir>,
    ledger: Arc<Ledger>,
    budget: Arc<Budget>,
    /// Held files by the number of their descriptor, so that the ledger knows
    /// which deleted files still take space.
    held: HashMap<u32, ledger::Held>,
    /// Of which folder with a ceiling of its own a descriptor is, by its
    /// number; those of others are not in here.
    folders: BTreeMap<u32, Folder>,
    /// Only says [`ON_CALLING_THREAD`].
    wasi: WasiFilesystemCtx,
}

impl Files {
    pub(crate) fn new(
        preopens: Arc<[OpenDir]>,
        cwd: Option<OpenDir>,
        ledger: Arc<Ledger>,
        budget: Arc<Budget>,
    ) -> Self {
        Self {
            preopens,
            cwd,
            ledger,
            budget,
            held: HashMap::new(),
            folders: BTreeMap::new(),
            wasi: on_calling_thread(),
        }
    }

    pub(crate) fn view<'a>(&'a mut self, table: &'a mut ResourceTable) -> FilesView<'a> {
        FilesView { files: self, table }
    }
}

/// wasmtime-wasi's settings. They can only be made through its builder, which
/// also seeds random generators: too much for each call.
fn on_calling_thread() -> WasiFilesystemCtx {
    static SETTINGS: LazyLock<WasiFilesystemCtx> = LazyLock::new(|| {
        let mut builder = wasmtime_wasi::WasiCtx::builder();
        builder.allow_blocking_current_thread(ON_CALLING_THREAD);
        std::mem::take(builder.build().filesystem())
    });
    SETTINGS.clone()
}

/// [`Files`] together with the table its descriptors live in.
pub(crate) struct FilesView<'a> {
    files: &'a mut Files,
    table: &'a mut ResourceTable,
}

impl FilesView<'_> {
    /// wasmtime-wasi's operations on the same descriptors.
    fn inner(&mut self) -> WasiFilesystemCtxView<'_> {
        WasiFilesystemCtxView {
            ctx: &mut self.files.wasi,
            table: self.table,
        }
    }
}

/// Names [`FilesView`] to wasmtime's linker.
pub(crate) struct HasFiles;

impl HasData for HasFiles {
    type Data<'a> = FilesView<'a>;
}

impl preopens::Host for FilesView<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let granted = self
            .files
            .preopens
            .iter()
            .map(|open| (open, open.guest.as_str()));
        let cwd = self.files.cwd.iter().map(|open| (open, "."));
        let mut directories = Vec::with_capacity(self.files.preopens.len() + 1);
        for (open, name) in granted.chain(cwd) {
            let descriptor = self.table.push(Descriptor::Dir(open.dir.clone()))?;
            if let Some(folder) = open.folder {
                self.files.folders.insert(descriptor.rep(), folder);
            }
            directories.push((descriptor, name.to_owned()));
        }
        Ok(directories)
    }
}

#[cfg(test)]
mod tests;
