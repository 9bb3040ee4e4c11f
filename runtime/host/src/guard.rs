//! Keeps guests away from the code cache: whoever writes there decides what
//! native code runs in this process.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use mote_api::{Access, Preopen};

use crate::error::{HostError, OpenError};

/// Which file: device and inode.
type FileId = (u64, u64);

/// The folder of compiled code, and all folders above it.
pub(crate) struct Guard {
    cache: PathBuf,
    id: FileId,
    above: Vec<FileId>,
}

impl Guard {
    /// Guards a folder that is there.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub(crate) fn new(cache: &Path) -> Result<Self, HostError> {
        let failed = |error| HostError::file("inspect", cache)(error);
        let path = fs::canonicalize(cache).map_err(failed)?;
        let above = path.ancestors().skip(1).map(id_of);
        Ok(Self {
            id: id_of(&path).map_err(failed)?,
            above: above.collect::<io::Result<_>>().map_err(failed)?,
            cache: path,
        })
    }

    /// Whether a guest may be given this directory, which is there.
    ///
    /// # Errors
    /// With it, the guest could write compiled code.
    pub(crate) fn check(&self, preopen: &Preopen) -> Result<(), OpenError> {
        if preopen.access == Access::ReadOnly {
            return Ok(());
        }
        let granted = Place::of(preopen)?;
        if !granted.is_within(self.id) && !self.above.contains(&granted.id()) {
            return Ok(());
        }
        Err(OpenError::Cache {
            host: preopen.host.clone(),
            cache: self.cache.clone(),
        })
    }
}

/// Whether one file may have two names of which only one may change it: a
/// writable directory lies in one that is to be read.
///
/// # Errors
/// A directory to be read lies in a writable one, and could be changed there.
pub(crate) fn check_overlap(preopens: &[&Preopen]) -> Result<bool, OpenError> {
    let places = preopens.iter().map(|preopen| Place::of(preopen));
    let places = places.collect::<Result<Vec<_>, _>>()?;
    let all = || preopens.iter().zip(&places);
    let mut nested = false;
    for (read, read_at) in all().filter(|(preopen, _)| preopen.access == Access::ReadOnly) {
        for (write, write_at) in all().filter(|(preopen, _)| preopen.access == Access::ReadWrite) {
            if read_at.is_within(write_at.id()) {
                return Err(OpenError::Overlap {
                    read: read.host.clone(),
                    write: write.host.clone(),
                });
            }
            nested |= write_at.is_within(read_at.id());
        }
    }
    Ok(nested)
}

/// A directory and all above it.
struct Place {
    id: FileId,
    above: Vec<FileId>,
}

impl Place {
    fn of(preopen: &Preopen) -> Result<Self, OpenError> {
        let ids = || -> io::Result<Self> {
            let path = fs::canonicalize(&preopen.host)?;
            Ok(Self {
                id: id_of(&path)?,
                above: path
                    .ancestors()
                    .skip(1)
                    .map(id_of)
                    .collect::<Result<_, _>>()?,
            })
        };
        ids().map_err(|source| OpenError::Preopen {
            host: preopen.host.clone(),
            guest: preopen.guest.to_string(),
            source,
        })
    }

    fn id(&self) -> FileId {
        self.id
    }

    fn is_within(&self, folder: FileId) -> bool {
        self.id == folder || self.above.contains(&folder)
    }
}

fn id_of(path: &Path) -> io::Result<FileId> {
    fs::metadata(path).map(|meta| (meta.dev(), meta.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(guard: &Guard, host: &Path, access: Access) -> bool {
        let guest = "/workspace".parse().unwrap();
        let host = host.to_owned();
        guard
            .check(&Preopen {
                guest,
                host,
                access,
            })
            .is_ok()
    }

    #[test]
    fn no_guest_may_write_the_cache_a_folder_above_it_or_one_below_it() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("cache/below")).unwrap();
        fs::create_dir_all(at("beside")).unwrap();
        std::os::unix::fs::symlink(at("cache"), at("beside/link")).unwrap();
        let guard = Guard::new(&at("cache")).unwrap();
        for path in ["cache", "cache/below", "", "beside/link", "beside/.."] {
            assert!(
                !granted(&guard, &at(path), Access::ReadWrite),
                "{path:?} is granted"
            );
        }
        assert!(granted(&guard, &at("beside"), Access::ReadWrite));
        assert!(granted(&guard, &at("cache"), Access::ReadOnly));
    }

    #[test]
    fn what_may_only_be_read_does_not_lie_in_what_may_be_written() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        fs::create_dir(root.path().join("c")).unwrap();
        let preopen = |path: &str, access| Preopen {
            guest: format!("/{}", path.replace('/', "-")).parse().unwrap(),
            host: root.path().join(path),
            access,
        };
        let overlap = |read, write| {
            let (read, write) = (
                preopen(read, Access::ReadOnly),
                preopen(write, Access::ReadWrite),
            );
            check_overlap(&[&read, &write])
        };
        assert!(overlap("a/b", "a").is_err() && overlap("a", "a").is_err());
        assert!(overlap("a", "a/b").unwrap());
        assert!(!overlap("a", "c").unwrap());
    }
}
