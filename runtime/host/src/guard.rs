//! Keeps guests away from the code cache: whoever writes there decides what
//! native code runs in this process.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mote_api::{Access, GuestPath, Preopen};

use crate::error::{HostError, OpenError};
use crate::file_id::{FileId, file_id};

/// The folder of compiled code.
pub(crate) struct Guard {
    cache: PathBuf,
    place: Place,
}

impl Guard {
    /// Guards a folder that is there.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub(crate) fn new(cache: &Path) -> Result<Self, HostError> {
        Ok(Self {
            cache: cache.to_owned(),
            place: Place::at(cache).map_err(HostError::file("inspect", cache))?,
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
        if !granted.is_within(self.place.id) && !self.place.is_within(granted.id) {
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
            if read_at.is_within(write_at.id) {
                return Err(OpenError::Overlap {
                    read: read.host.clone(),
                    write: write.host.clone(),
                });
            }
            nested |= write_at.is_within(read_at.id);
        }
    }
    Ok(nested)
}

/// Whether each file that can be written is counted in one folder at most:
/// `folder` is what a grant counts in.
///
/// # Errors
/// A writable directory lies in another that counts in something else.
pub(crate) fn check_counted<F: PartialEq>(
    preopens: &[&Preopen],
    folder: impl Fn(&GuestPath) -> Option<F>,
) -> Result<(), OpenError> {
    let writable = preopens.iter().filter(|it| it.access == Access::ReadWrite);
    let placed = writable.map(|it| Ok((it, folder(&it.guest), Place::of(it)?)));
    let placed = placed.collect::<Result<Vec<_>, OpenError>>()?;
    for (one, counts_in, at) in &placed {
        let apart = placed.iter().filter(|(_, other, _)| other != counts_in);
        for (other, _, other_at) in apart {
            if at.is_within(other_at.id) {
                return Err(OpenError::CountedApart {
                    one: one.host.clone(),
                    other: other.host.clone(),
                });
            }
        }
    }
    Ok(())
}

/// A directory and all above it.
struct Place {
    id: FileId,
    above: Vec<FileId>,
}

impl Place {
    fn at(path: &Path) -> io::Result<Self> {
        let path = fs::canonicalize(path)?;
        let id = |path: &Path| fs::metadata(path).map(|meta| file_id(&meta));
        Ok(Self {
            id: id(&path)?,
            above: path.ancestors().skip(1).map(id).collect::<Result<_, _>>()?,
        })
    }

    fn of(preopen: &Preopen) -> Result<Self, OpenError> {
        Self::at(&preopen.host).map_err(|source| OpenError::Preopen {
            host: preopen.host.clone(),
            guest: preopen.guest.to_string(),
            source,
        })
    }

    fn is_within(&self, folder: FileId) -> bool {
        self.id == folder || self.above.contains(&folder)
    }
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

    #[test]
    fn no_file_that_can_be_written_is_counted_in_two_folders() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        fs::create_dir(root.path().join("c")).unwrap();
        let check = |grants: &[(&str, &str, Access)], bounded: &[&str]| {
            let preopens: Vec<_> = grants
                .iter()
                .map(|(guest, path, access)| Preopen {
                    guest: guest.parse().unwrap(),
                    host: root.path().join(path),
                    access: *access,
                })
                .collect();
            let folder = |guest: &GuestPath| bounded.contains(&guest.as_str()).then_some(());
            check_counted(&preopens.iter().collect::<Vec<_>>(), folder)
        };
        let write = Access::ReadWrite;
        let nested = [("/a", "a", write), ("/b", "a/b", write)];
        for bounded in ["/a", "/b"] {
            assert!(check(&nested, &[bounded]).is_err(), "{bounded}");
        }
        assert!(check(&nested, &["/a", "/b"]).is_ok());
        let twice = [("/a", "a", write), ("/b", "a", write)];
        assert!(check(&twice, &["/b"]).is_err());
        let beside = [("/a", "a", write), ("/c", "c", write)];
        assert!(check(&beside, &["/a"]).is_ok());
        let read = [("/a", "a", write), ("/b", "a/b", Access::ReadOnly)];
        assert!(check(&read, &["/b"]).is_ok(), "what is read grows nothing");
    }
}
