//! Folders that may hold less than the sandbox.

use mote_api::{ByteSize, GuestPath};
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

use super::FilesView;

/// A folder that may hold less than the sandbox; what it holds counts for the
/// sandbox, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderLimit {
    /// The guest paths of grants that are of it, or of folders in it.
    pub guests: Vec<GuestPath>,
    /// Bytes that it may hold.
    pub max: ByteSize,
    /// Bytes that it holds already.
    pub held: u64,
}

/// One of a ledger's folders that have a ceiling of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Folder(pub(super) usize);

impl FilesView<'_> {
    /// The folder with a ceiling of its own that a descriptor is of.
    pub(super) fn folder(&self, fd: &Resource<Descriptor>) -> Option<Folder> {
        self.files.folders.get(&fd.rep()).copied()
    }

    /// Notes that `opened` was reached from `from`, which nothing leads out of.
    pub(super) fn inherit(&mut self, from: &Resource<Descriptor>, opened: &Resource<Descriptor>) {
        if let Some(folder) = self.folder(from) {
            self.files.folders.insert(opened.rep(), folder);
        }
    }

    /// Whether a file may have a name in both, one after the other or at once.
    ///
    /// # Errors
    /// They are counted apart: programs that move files copy them then.
    pub(super) fn together(
        &self,
        one: &Resource<Descriptor>,
        other: &Resource<Descriptor>,
    ) -> FsResult<()> {
        if self.folder(one) == self.folder(other) {
            return Ok(());
        }
        Err(ErrorCode::CrossDevice.into())
    }
}
