//! Grants become powers, here and nowhere else: this module alone opens
//! directories by path and builds a `WasiCtx`.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mote_api::{Clock, GrantError, Grants, GuestPath, Preopen, Random};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use wasmtime_wasi::{HostWallClock, WasiCtx};

use crate::error::OpenError;
use crate::files::OpenDir;

/// Most random bytes one call may ask for: more than any key or seed, less
/// than what would make the host notice.
const MAX_RANDOM_BYTES: u64 = 1 << 20;

/// Opens a granted directory, once; guests get handles below it and never its
/// path. No link is followed on the way: a guest that may write above it could
/// have put one there since the grant was checked.
pub(crate) fn open(preopen: &Preopen) -> Result<OpenDir, OpenError> {
    let dir = open_without_links(&preopen.host).map_err(|errno| OpenError::Preopen {
        host: preopen.host.clone(),
        guest: preopen.guest.to_string(),
        source: errno.into(),
    })?;
    Ok(OpenDir::new(
        preopen.guest.clone(),
        File::from(dir),
        preopen.access,
    ))
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

#[cfg(target_os = "linux")]
fn open_without_links(path: &Path) -> Result<OwnedFd, Errno> {
    use rustix::fs::{CWD, ResolveFlags, openat2};
    openat2(
        CWD,
        path,
        DIRECTORY,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS,
    )
}

#[cfg(target_vendor = "apple")]
fn open_without_links(path: &Path) -> Result<OwnedFd, Errno> {
    // `O_NOFOLLOW_ANY` of <fcntl.h>.
    let no_links = OFlags::from_bits_retain(0x2000_0000);
    rustix::fs::open(path, DIRECTORY | no_links, Mode::empty())
}

/// The directories of `dirs` at these guest paths.
///
/// # Errors
/// One of them is not held.
pub(crate) fn attenuate(
    dirs: &[OpenDir],
    guests: &[GuestPath],
) -> Result<Arc<[OpenDir]>, GrantError> {
    let find = |guest: &GuestPath| dirs.iter().find(|dir| dir.guest == *guest).cloned();
    guests
        .iter()
        .map(|guest| find(guest).ok_or_else(|| GrantError::NotHeld(guest.to_string())))
        .collect()
}

/// What wasmtime-wasi serves for us: arguments, environment, working
/// directory, clocks and random bytes. It gets no files, no streams and no
/// sockets; those are ours.
pub(crate) fn context(
    grants: &Grants,
    argv: &[String],
    env: &BTreeMap<String, String>,
    cwd: &GuestPath,
) -> WasiCtx {
    let mut builder = WasiCtx::builder();
    builder
        .args(argv)
        .initial_cwd(cwd.as_str())
        .max_random_size(MAX_RANDOM_BYTES);
    for (name, value) in env {
        builder.env(name, value);
    }
    // Without the grant a component that imports it does not start.
    if let Some(Clock::Fixed(seconds)) = grants.clock() {
        builder.wall_clock(Stopped(Duration::from_secs(seconds)));
    }
    if let Some(Random::Fixed(seed)) = grants.random() {
        builder
            .secure_random(StdRng::seed_from_u64(seed))
            .insecure_random(StdRng::seed_from_u64(seed))
            .insecure_random_seed(seed.into());
    }
    builder.build()
}

/// A wall clock that stands.
struct Stopped(Duration);

impl HostWallClock for Stopped {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mote_api::Access;

    #[test]
    fn no_link_is_followed_to_a_granted_folder() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::os::unix::fs::symlink("a", root.join("link")).unwrap();
        let opens = |path: &str| {
            super::open(&Preopen {
                guest: "/d".parse().unwrap(),
                host: root.join(path),
                access: Access::ReadOnly,
            })
            .is_ok()
        };
        assert!(opens("a/b"));
        assert!(!opens("link") && !opens("link/b"));
    }

    #[test]
    fn attenuation_only_takes_away() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let open = |guest: &str| {
            let guest = guest.parse().unwrap();
            super::open(&Preopen {
                guest,
                host: folder.clone(),
                access: Access::ReadOnly,
            })
            .unwrap()
        };
        let all = [open("/a"), open("/b")];
        let less = attenuate(&all, &["/a".parse().unwrap()]).unwrap();
        assert_eq!(
            less.iter()
                .map(|dir| dir.guest.as_str())
                .collect::<Vec<_>>(),
            ["/a"]
        );
        assert!(attenuate(&all, &["/c".parse().unwrap()]).is_err());
        assert!(attenuate(&less, &["/b".parse().unwrap()]).is_err());
    }
}
