//! Grants become powers, here and nowhere else: this module alone opens
//! directories by path and builds a `WasiCtx`.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use mote_api::{Clock, GrantError, Grants, GuestPath, Preopen, Random};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rustix::fs::{Mode, OFlags};
use wasmtime_wasi::{HostWallClock, WasiCtx};

use crate::error::OpenError;
use crate::files::OpenDir;

/// Most random bytes one call may ask for: more than any key or seed, less
/// than what would make the host notice.
const MAX_RANDOM_BYTES: u64 = 1 << 20;

/// Opens a granted directory, once; guests get handles below it and never its
/// path.
pub(crate) fn open(preopen: &Preopen) -> Result<OpenDir, OpenError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir: OwnedFd = rustix::fs::open(&preopen.host, flags, Mode::empty()).map_err(|errno| {
        OpenError::Preopen {
            host: preopen.host.clone(),
            guest: preopen.guest.to_string(),
            source: errno.into(),
        }
    })?;
    Ok(OpenDir::new(
        preopen.guest.clone(),
        File::from(dir),
        preopen.access,
    ))
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
    fn attenuation_only_takes_away() {
        let folder = tempfile::tempdir().unwrap();
        let open = |guest: &str| {
            let guest = guest.parse().unwrap();
            super::open(&Preopen {
                guest,
                host: folder.path().into(),
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
