//! The operations on descriptors, each either passed on as it is or checked
//! against the ledger first.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use wasmtime::component::Resource;
use wasmtime_wasi::FsPerms;
use wasmtime_wasi::filesystem::{Descriptor, File};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry,
    DirectoryEntryStream, ErrorCode, Filesize, HostDescriptor, HostDirectoryEntryStream,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use super::FilesView;
use super::ledger::{Full, Held, Removed};
use super::listing::Listing;
use super::stream::{self, Books, Position, Reader, Writer};
use super::sync;
use crate::file_id::{FileId, file_id};

type Fd = Resource<Descriptor>;

/// A second handle on the same descriptor, for one call.
fn borrow(fd: &Fd) -> Fd {
    Resource::new_borrow(fd.rep())
}

/// The result of a file operation, which ends at once (see [`super::Files`]).
/// Running it to its end here lets the caller hold the ledger meanwhile.
pub(super) fn now<T>(operation: impl Future<Output = FsResult<T>>) -> FsResult<T> {
    match pin!(operation).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(FsError::trap(wasmtime::format_err!(
            "a file operation did not end at once"
        ))),
    }
}

impl FilesView<'_> {
    fn count(&self) {
        self.files.budget.add_file_call();
    }

    fn file(&self, fd: &Fd) -> FsResult<File> {
        match self.table.get(fd)? {
            Descriptor::File(file) => Ok(file.clone()),
            Descriptor::Dir(_) => Err(ErrorCode::IsDirectory.into()),
        }
    }

    /// Whether files below `fd` may change, so that the ledger cares.
    fn writable(&self, fd: &Fd) -> FsResult<bool> {
        let perms = match self.table.get(fd)? {
            Descriptor::File(file) => file.perms,
            Descriptor::Dir(dir) => dir.perms,
        };
        Ok(perms == FsPerms::ReadWrite)
    }

    fn refuse<T>(&self, full: Full) -> FsResult<T> {
        self.files.ledger.note(full, &self.files.budget);
        Err(ErrorCode::InsufficientSpace.into())
    }

    /// What the name stands for, itself and not what it links to; `None` if
    /// there is no such name.
    fn named(&mut self, fd: &Fd, path: &str) -> FsResult<Option<Removed>> {
        // The sandboxed lookup only tells size and links; the identity comes
        // from a handle on the parent opened the same sandboxed way.
        let stat = match now(self
            .inner()
            .stat_at(borrow(fd), PathFlags::empty(), path.to_owned()))
        {
            Ok(stat) => stat,
            Err(_) => return Ok(None),
        };
        let mut links = stat.link_count;
        let id = match stat.type_ {
            DescriptorType::RegularFile => self.identity(fd, path).unwrap_or_else(|_| {
                // It may be held, and its bytes not free when it goes: they
                // stay booked, which denies and does not grant.
                links = u64::MAX;
                FileId::default()
            }),
            _ => FileId::default(),
        };
        let size = if stat.type_ == DescriptorType::RegularFile {
            stat.size
        } else {
            0
        };
        Ok(Some(Removed { id, links, size }))
    }

    /// Whether two names stand for the same thing.
    fn is_same(&mut self, fd: &Fd, path: &str, other_fd: &Fd, other_path: &str) -> bool {
        let mut hash = |fd: &Fd, path: &str| {
            let flags = PathFlags::empty();
            now(self
                .inner()
                .metadata_hash_at(borrow(fd), flags, path.to_owned()))
        };
        match (hash(fd, path), hash(other_fd, other_path)) {
            (Ok(a), Ok(b)) => (a.lower, a.upper) == (b.lower, b.upper),
            _ => false,
        }
    }

    /// Device and inode of a regular file.
    fn identity(&mut self, fd: &Fd, path: &str) -> FsResult<FileId> {
        let opened = now(self.inner().open_at(
            borrow(fd),
            PathFlags::empty(),
            path.to_owned(),
            OpenFlags::empty(),
            DescriptorFlags::READ,
        ))?;
        let meta = self.file(&opened).map(|file| file.file.metadata());
        self.table.delete(opened)?;
        let meta = meta?.map_err(|error| FsError::from(ErrorCode::from(error)))?;
        Ok(file_id(&meta))
    }

    /// Creates one name by `operation`, if there is room for it. Names count
    /// for all folders together, and for none of them alone.
    fn create(&mut self, operation: impl FnOnce(&mut Self) -> FsResult<()>) -> FsResult<()> {
        let ledger = Arc::clone(&self.files.ledger);
        let mut account = ledger.open(None);
        if let Err(full) = account.room(0, 1) {
            return self.refuse(full);
        }
        operation(self)?;
        account.book_entry();
        Ok(())
    }

    /// Removes the name by `operation` and books what that freed.
    fn remove(
        &mut self,
        fd: &Fd,
        path: &str,
        operation: impl FnOnce(&mut Self) -> FsResult<()>,
    ) -> FsResult<()> {
        let ledger = Arc::clone(&self.files.ledger);
        let mut account = ledger.open(self.folder(fd));
        let removed = if self.writable(fd)? {
            self.named(fd, path)?
        } else {
            None
        };
        operation(self)?;
        if let Some(removed) = removed {
            account.book_removal(&removed);
        }
        Ok(())
    }

    /// Opens what is there, or creates it if there is room.
    fn open(
        &mut self,
        fd: &Fd,
        path_flags: PathFlags,
        path: String,
        oflags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Fd> {
        self.refuse_special(fd, path_flags, &path)?;
        let changes = oflags.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE);
        if !changes || !self.writable(fd)? {
            return now(self
                .inner()
                .open_at(borrow(fd), path_flags, path, oflags, flags));
        }
        let ledger = Arc::clone(&self.files.ledger);
        let mut account = ledger.open(self.folder(fd));
        let before = now(self.inner().stat_at(borrow(fd), path_flags, path.clone())).ok();
        if before.is_none()
            && oflags.contains(OpenFlags::CREATE)
            && let Err(full) = account.room(0, 1)
        {
            return self.refuse(full);
        }
        let opened = now(self
            .inner()
            .open_at(borrow(fd), path_flags, path, oflags, flags))?;
        match before {
            None => account.book_entry(),
            Some(stat) if oflags.contains(OpenFlags::TRUNCATE) => account.book_bytes(stat.size, 0),
            Some(_) => {}
        }
        Ok(opened)
    }

    /// Opening a pipe or a device waits for whoever is at its other end, and
    /// this thread with it. No guest can make one; a granted folder may hold
    /// one.
    fn refuse_special(&mut self, fd: &Fd, path_flags: PathFlags, path: &str) -> FsResult<()> {
        let stat = now(self
            .inner()
            .stat_at(borrow(fd), path_flags, path.to_owned()));
        match stat.map(|stat| stat.type_) {
            Ok(
                DescriptorType::RegularFile
                | DescriptorType::Directory
                | DescriptorType::SymbolicLink,
            )
            | Err(_) => Ok(()),
            Ok(_) => Err(ErrorCode::NotPermitted.into()),
        }
    }

    /// Tells the ledger about an open file it cares about.
    fn hold(&mut self, fd: &Fd) -> FsResult<()> {
        let Descriptor::File(file) = self.table.get(fd)? else {
            return Ok(());
        };
        if self.files.ledger.cares(file.perms) {
            let folder = self.folder(fd);
            let held = self
                .files
                .ledger
                .hold(&file.file, folder)
                .map_err(|e| FsError::from(ErrorCode::from(e)))?;
            self.files.held.insert(fd.rep(), held);
        }
        Ok(())
    }

    fn held(&self, fd: &Fd) -> Option<Held> {
        self.files.held.get(&fd.rep()).map(Held::again)
    }

    fn writer(&mut self, fd: &Fd, position: Position) -> FsResult<Resource<DynOutputStream>> {
        self.count();
        let file = self.file(fd)?;
        if file.perms.write_not_permitted() {
            return Err(ErrorCode::NotPermitted.into());
        }
        let writer = Writer {
            file,
            position,
            ledger: Arc::clone(&self.files.ledger),
            folder: self.folder(fd),
            budget: Arc::clone(&self.files.budget),
            _held: self.held(fd),
        };
        Ok(self.table.push(Box::new(writer) as DynOutputStream)?)
    }
}

impl types::Host for FilesView<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        self.inner().filesystem_error_code(error)
    }
}

impl HostDescriptor for FilesView<'_> {
    fn read_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        self.count();
        let reader = Reader {
            file: self.file(&fd)?,
            position: offset,
            budget: Arc::clone(&self.files.budget),
            _held: self.held(&fd),
        };
        Ok(self.table.push(Box::new(reader) as DynInputStream)?)
    }

    fn write_via_stream(
        &mut self,
        fd: Fd,
        offset: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        self.writer(&fd, Position::At(offset))
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        self.writer(&fd, Position::End)
    }

    async fn read(&mut self, fd: Fd, len: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        self.count();
        let read = self.inner().read(fd, len, offset).await?;
        self.files.budget.add_read(read.0.len() as u64);
        Ok(read)
    }

    async fn write(&mut self, fd: Fd, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        self.count();
        let file = self.file(&fd)?;
        if file.perms.write_not_permitted() {
            return Err(ErrorCode::NotPermitted.into());
        }
        let bytes = bytes.get(..stream::MAX_CALL_BYTES).unwrap_or(&bytes);
        let books = Books {
            ledger: &self.files.ledger,
            folder: self.folder(&fd),
            budget: &self.files.budget,
        };
        stream::write(&file, &Position::At(offset), bytes, books)
            .map_err(|error| FsError::from(ErrorCode::from(error)))?;
        Ok(bytes.len() as Filesize)
    }

    async fn set_size(&mut self, fd: Fd, size: Filesize) -> FsResult<()> {
        self.count();
        let file = self.file(&fd)?;
        if file.perms.write_not_permitted() {
            return Err(ErrorCode::NotPermitted.into());
        }
        let ledger = Arc::clone(&self.files.ledger);
        let mut account = ledger.open(self.folder(&fd));
        let io = |error| FsError::from(ErrorCode::from(error));
        let before = file.file.metadata().map_err(io)?.len();
        if let Err(full) = account.room(size.saturating_sub(before), 0) {
            return self.refuse(full);
        }
        now(self.inner().set_size(fd, size))?;
        account.book_bytes(before, size);
        Ok(())
    }

    async fn open_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        oflags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Fd> {
        self.count();
        let opened = self.open(&fd, path_flags, path, oflags, flags)?;
        self.inherit(&fd, &opened);
        self.hold(&opened)?;
        Ok(opened)
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        self.files.held.remove(&fd.rep());
        self.files.folders.remove(&fd.rep());
        self.table.delete(fd)?;
        Ok(())
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.count();
        self.create(|view| now(view.inner().create_directory_at(fd, path)))
    }

    async fn symlink_at(&mut self, fd: Fd, target: String, path: String) -> FsResult<()> {
        self.count();
        self.create(|view| now(view.inner().symlink_at(fd, target, path)))
    }

    async fn link_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        old_path: String,
        new_fd: Fd,
        new_path: String,
    ) -> FsResult<()> {
        self.count();
        self.together(&fd, &new_fd)?;
        self.create(|view| {
            now(view
                .inner()
                .link_at(fd, path_flags, old_path, new_fd, new_path))
        })
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.count();
        let dir = borrow(&fd);
        self.remove(&dir, &path.clone(), |view| {
            now(view.inner().unlink_file_at(fd, path))
        })
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.count();
        let dir = borrow(&fd);
        self.remove(&dir, &path.clone(), |view| {
            now(view.inner().remove_directory_at(fd, path))
        })
    }

    async fn rename_at(
        &mut self,
        fd: Fd,
        old_path: String,
        new_fd: Fd,
        new_path: String,
    ) -> FsResult<()> {
        self.count();
        self.together(&fd, &new_fd)?;
        let target = borrow(&new_fd);
        // Two names of one file, or one name twice: POSIX renames nothing.
        let unchanged = self.is_same(&fd, &old_path, &target, &new_path);
        if unchanged || !self.writable(&target)? || self.named(&target, &new_path)?.is_none() {
            return now(self.inner().rename_at(fd, old_path, new_fd, new_path));
        }
        self.remove(&target, &new_path.clone(), |view| {
            now(view.inner().rename_at(fd, old_path, new_fd, new_path))
        })
    }

    async fn advise(
        &mut self,
        fd: Fd,
        offset: Filesize,
        len: Filesize,
        advice: Advice,
    ) -> FsResult<()> {
        self.count();
        self.inner().advise(fd, offset, len, advice).await
    }

    async fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        self.count();
        self.flush(&fd, sync::Kind::Data).await
    }

    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        self.count();
        self.flush(&fd, sync::Kind::All).await
    }

    async fn get_flags(&mut self, fd: Fd) -> FsResult<DescriptorFlags> {
        self.inner().get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Fd) -> FsResult<DescriptorType> {
        self.inner().get_type(fd).await
    }

    async fn set_times(
        &mut self,
        fd: Fd,
        atime: NewTimestamp,
        mtime: NewTimestamp,
    ) -> FsResult<()> {
        self.count();
        self.inner().set_times(fd, atime, mtime).await
    }

    async fn set_times_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        atime: NewTimestamp,
        mtime: NewTimestamp,
    ) -> FsResult<()> {
        self.count();
        self.inner()
            .set_times_at(fd, path_flags, path, atime, mtime)
            .await
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<DirectoryEntryStream>> {
        self.count();
        let Descriptor::Dir(dir) = self.table.get(&fd)? else {
            return Err(ErrorCode::NotDirectory.into());
        };
        let listing = Listing::open(&dir.dir, &self.files.budget)?;
        listing.push(self.table).map_err(FsError::trap)
    }

    async fn stat(&mut self, fd: Fd) -> FsResult<DescriptorStat> {
        self.count();
        self.inner().stat(fd).await
    }

    async fn stat_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        self.count();
        self.inner().stat_at(fd, path_flags, path).await
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        self.count();
        self.inner().readlink_at(fd, path).await
    }

    async fn is_same_object(&mut self, a: Fd, b: Fd) -> wasmtime::Result<bool> {
        self.inner().is_same_object(a, b).await
    }

    async fn metadata_hash(&mut self, fd: Fd) -> FsResult<MetadataHashValue> {
        self.inner().metadata_hash(fd).await
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        self.count();
        self.inner().metadata_hash_at(fd, path_flags, path).await
    }
}

impl HostDirectoryEntryStream for FilesView<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        Listing::behind(self.table, &stream)?.next()
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        Listing::delete(self.table, &stream)
    }
}
