//! The entries of a directory, read as the guest asks for them: wasmtime-wasi
//! collects them all first, which a large directory turns into memory that
//! nobody accounts for.

use std::fs::File;
use std::io;
use std::sync::Arc;

use cap_primitives::fs::{FileType, FileTypeExt, ReadDir};
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorType, DirectoryEntry, DirectoryEntryStream, ErrorCode,
};
use wasmtime_wasi::p2::{FsError, FsResult};

use crate::budget::Budget;

/// Memory of the host that an open listing takes: its buffer of entries.
const LISTING_BYTES: u64 = 32 << 10;

/// An open listing. What it takes counts as memory of the invocation.
pub(super) struct Listing {
    entries: ReadDir,
    budget: Arc<Budget>,
}

impl Listing {
    /// Starts reading a directory, from its beginning.
    pub(super) fn open(directory: &File, budget: &Arc<Budget>) -> FsResult<Self> {
        if !budget.take_memory(LISTING_BYTES) {
            return Err(ErrorCode::InsufficientMemory.into());
        }
        let opened = cap_primitives::fs::read_base_dir(directory);
        let entries = opened.map_err(|error| {
            budget.give_memory(LISTING_BYTES);
            io_error(error)
        })?;
        Ok(Self {
            entries,
            budget: Arc::clone(budget),
        })
    }

    /// The next entry; none at the end.
    pub(super) fn next(&mut self) -> FsResult<Option<DirectoryEntry>> {
        let Some(entry) = self.entries.next() else {
            return Ok(None);
        };
        let entry = entry.map_err(io_error)?;
        let type_ = kind(entry.file_type().map_err(io_error)?);
        let name = entry.file_name().into_string();
        let name = name.map_err(|_| FsError::from(ErrorCode::IllegalByteSequence))?;
        Ok(Some(DirectoryEntry { type_, name }))
    }

    /// Puts it into the table. The interface knows its handle by the type that
    /// wasmtime-wasi has for it; the table knows what is really behind it.
    pub(super) fn push(
        self,
        table: &mut ResourceTable,
    ) -> wasmtime::Result<Resource<DirectoryEntryStream>> {
        Ok(Resource::new_own(table.push(self)?.rep()))
    }

    /// What is behind a handle that [`Listing::push`] gave.
    pub(super) fn behind<'a>(
        table: &'a mut ResourceTable,
        handle: &Resource<DirectoryEntryStream>,
    ) -> FsResult<&'a mut Self> {
        Ok(table.get_mut(&Resource::new_borrow(handle.rep()))?)
    }

    /// Ends a listing.
    pub(super) fn delete(
        table: &mut ResourceTable,
        handle: &Resource<DirectoryEntryStream>,
    ) -> wasmtime::Result<()> {
        table.delete(Resource::<Self>::new_own(handle.rep()))?;
        Ok(())
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        self.budget.give_memory(LISTING_BYTES);
    }
}

fn io_error(error: io::Error) -> FsError {
    ErrorCode::from(error).into()
}

fn kind(found: FileType) -> DescriptorType {
    if found.is_dir() {
        DescriptorType::Directory
    } else if found.is_file() {
        DescriptorType::RegularFile
    } else if found.is_symlink() {
        DescriptorType::SymbolicLink
    } else if found.is_fifo() {
        DescriptorType::Fifo
    } else if found.is_socket() {
        DescriptorType::Socket
    } else if found.is_char_device() {
        DescriptorType::CharacterDevice
    } else if found.is_block_device() {
        DescriptorType::BlockDevice
    } else {
        DescriptorType::Unknown
    }
}
