//! Files and folders brought to the disk. That takes seconds where much was
//! written, and nothing interrupts it: it runs where it keeps no thread from
//! others, and no lock is held meanwhile.

use std::fs::File;
use std::io;
use std::sync::{Arc, LazyLock};

use rustix::fs::{Mode, OFlags};
use tokio::sync::{AcquireError, Semaphore};
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::{FsError, FsResult};

use super::FilesView;

/// Files that are brought to the disk at once, over all sandboxes; more wait.
/// Each holds a thread of the 512 for everything that blocks, and a disk does
/// no more for more of them.
const SYNCS: usize = 16;
/// How many of them one sandbox may have, so that no sandbox has them all.
pub(super) const SYNCS_OF_SANDBOX: usize = 2;

/// What is brought to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What the file holds.
    Data,
    /// That, and what is said of it.
    All,
}

impl FilesView<'_> {
    /// Completes once it is on the disk.
    pub(super) async fn flush(&mut self, fd: &Resource<Descriptor>, kind: Kind) -> FsResult<()> {
        let handle = match self.table.get(fd)? {
            Descriptor::File(file) => Handle::File(Arc::clone(&file.file)),
            Descriptor::Dir(dir) => Handle::Folder(Arc::clone(&dir.dir)),
        };
        let flushed = flush(handle, kind, self.files.ledger.syncs()).await;
        flushed.map_err(|error| FsError::from(ErrorCode::from(error)))
    }
}

/// What is open.
enum Handle {
    File(Arc<File>),
    Folder(Arc<File>),
}

impl Handle {
    /// Blocks on the disk.
    fn flush(&self, kind: Kind) -> io::Result<()> {
        match self {
            Self::File(file) => kind.flush(file),
            Self::Folder(folder) => {
                // The handle itself may be one of a path alone.
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let opened = rustix::fs::openat(folder, ".", flags, Mode::empty())?;
                kind.flush(&opened.into())
            }
        }
    }
}

impl Kind {
    fn flush(self, file: &File) -> io::Result<()> {
        match self {
            Self::Data => file.sync_data(),
            Self::All => file.sync_all(),
        }
    }
}

async fn flush(handle: Handle, kind: Kind, of_sandbox: &Arc<Semaphore>) -> io::Result<()> {
    static ALL: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(SYNCS)));
    // In this order: who waits for its own sandbox keeps others from nothing.
    let places = async {
        let of_sandbox = Arc::clone(of_sandbox).acquire_owned().await?;
        let of_all = Arc::clone(&ALL).acquire_owned().await?;
        Ok::<_, AcquireError>((of_sandbox, of_all))
    };
    let places = places.await.map_err(io::Error::other)?;
    let flush = move || {
        // A caller that goes meanwhile leaves the thread at it.
        let _places = places;
        handle.flush(kind)
    };
    tokio::task::spawn_blocking(flush).await?
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Waker};

    use super::*;

    fn waits(work: Pin<&mut impl Future<Output = io::Result<()>>>) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        work.poll(&mut context).is_pending()
    }

    #[test]
    fn the_calling_thread_does_not_wait_for_the_disk() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.max_blocking_threads(1).build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("f")).unwrap();
        let opened = File::open(folder.path()).unwrap();
        runtime.block_on(async {
            for handle in [Handle::File(file.into()), Handle::Folder(opened.into())] {
                // The thread on which it is to run is taken.
                let (release, taken) = std::sync::mpsc::channel::<()>();
                tokio::task::spawn_blocking(move || taken.recv());
                let of_sandbox = Arc::new(Semaphore::new(1));
                let mut flushed = Box::pin(flush(handle, Kind::All, &of_sandbox));
                assert!(waits(flushed.as_mut()));
                assert_eq!(of_sandbox.available_permits(), 0);
                drop(release);
                flushed.await.unwrap();
                assert_eq!(of_sandbox.available_permits(), 1);
            }
        });
    }

    #[tokio::test]
    async fn one_sandbox_waits_for_its_own_and_keeps_none_from_others() {
        let file = || Handle::File(tempfile::tempfile().unwrap().into());
        let (busy, other) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(1)));
        let taken = Arc::clone(&busy).acquire_owned().await.unwrap();
        let mut waiting = Box::pin(flush(file(), Kind::Data, &busy));
        assert!(waits(waiting.as_mut()));
        flush(file(), Kind::Data, &other).await.unwrap();
        assert!(waits(waiting.as_mut()));
        drop(taken);
        waiting.await.unwrap();
    }
}
