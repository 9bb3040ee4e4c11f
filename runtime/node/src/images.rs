//! Images that are pulled: programs of sandboxes from registries.
//!
//! ```text
//! ask ─► Shelf: here, pending, failed ── pull ─► Registry ─ Gate ─► manifest, layer
//!                                          └─► compiler process ─► checked ─► Disk, Shelf
//! ```
//!
//! Names of images, registries and what they send are untrusted. A name may
//! lead to no address that only the node can reach; each answer has a bound;
//! what arrives is checked by digest and compiled as any submitted program is,
//! in a process of its own. What was had with a login is not given to others.

mod authorities;
mod credentials;
mod disk;
mod failure;
mod gate;
mod manifest;
mod pull;
mod reference;
mod registry;
mod shelf;
mod turns;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use mote_api::{ByteSize, Digest};
use mote_host::Host;
use tokio::sync::Semaphore;

pub use authorities::{Authorities, AuthoritiesError};
pub(crate) use credentials::Credentials;
pub(crate) use failure::Failure;
pub use gate::{Authority, AuthorityError};
pub(crate) use reference::Reference;
pub(crate) use shelf::Image;

use crate::feed::Feed;
use disk::{Disk, Found};
use gate::Gate;
use registry::Registries;
use shelf::{Access, Answer, Key, Shelf};
use turns::Turns;

/// Pulls at once, of all tenants: they wait for the network most of the time,
/// and what they write is to leave the disk to sandboxes.
const PULLS_AT_ONCE: usize = 8;
/// Pulls at once of one tenant, whose registries may be slow on purpose.
const PULLS_OF_A_TENANT: usize = 2;

/// From where images are pulled, and how many are kept.
#[derive(Clone, Debug)]
pub struct ImagesConfig {
    /// Registries without TLS. Only these may be at addresses that lead to
    /// the node itself or to its next neighbours.
    pub insecure: Vec<Authority>,
    /// Who may say that a registry is who it says.
    pub authorities: Authorities,
    /// How much their programs may take on disk.
    pub disk: ByteSize,
}

/// The images that a node pulls.
#[derive(Clone)]
pub(crate) struct Images(Arc<Inner>);

struct Inner {
    host: Host,
    registries: Registries,
    disk: Disk,
    shelf: Mutex<Shelf>,
    feed: Arc<Feed>,
    places: Semaphore,
    tenants: Turns<String, Semaphore>,
    /// Images that are pulled under two names at once come once, if the first
    /// is fetched soon.
    arriving: Turns<Digest, pull::Arriving>,
}

/// An image is not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It is on its way.
    Pending,
    /// It cannot be had, for now.
    Failed(Failure),
}

/// Images cannot be kept or pulled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImagesError {
    /// The disk fails.
    #[error("failed to read the images that were pulled: {0}")]
    Disk(#[from] io::Error),
    /// The configuration makes no sense.
    #[error("{0}")]
    Config(String),
}

impl Images {
    /// Opens the folder of images in that of the node's state.
    ///
    /// # Errors
    /// The folder cannot be used, or an authority is none.
    pub(crate) fn open(
        config: ImagesConfig,
        state: &Path,
        host: Host,
        feed: Arc<Feed>,
    ) -> Result<Self, ImagesError> {
        let ImagesConfig {
            insecure,
            authorities,
            disk: capacity,
        } = config;
        let registries = Registries::new(Gate::new(insecure), authorities.store());
        let disk = Disk::open(state)?;
        let mut shelf = Shelf::new(capacity.as_u64());
        let now = Instant::now();
        for found in disk.load()? {
            shelve(&mut shelf, found, now);
        }
        Ok(Self(Arc::new(Inner {
            host,
            registries: registries.map_err(ImagesError::Config)?,
            disk,
            shelf: Mutex::new(shelf),
            feed,
            places: Semaphore::new(PULLS_AT_ONCE),
            tenants: Turns::new(|| Semaphore::new(PULLS_OF_A_TENANT)),
            arriving: Turns::new(pull::Arriving::default),
        })))
    }

    /// The image of this name, for a tenant who shows these credentials. One
    /// that is not here is pulled from now on; nobody waits for it.
    ///
    /// # Errors
    /// It is not here: not yet, or it cannot be had.
    pub(crate) fn ask(
        &self,
        reference: &Reference,
        credentials: &Credentials,
        tenant: &str,
    ) -> Result<Arc<Image>, Missing> {
        let login = credentials.login(reference);
        let print = login.map(|login| login.fingerprint(reference.registry()));
        let key = Key::new(reference, print.map_or(Access::Anybody, Access::Login));
        let answer = self.0.shelf().ask(&key, tenant, Instant::now());
        match answer {
            Answer::Here(image) => Ok(image),
            Answer::Pending => Err(Missing::Pending),
            Answer::Failed(failure) => Err(Missing::Failed(failure)),
            Answer::Pull => {
                pull::begin(
                    self,
                    key,
                    reference.clone(),
                    login.cloned(),
                    tenant.to_owned(),
                );
                Err(Missing::Pending)
            }
        }
    }

    /// The image of this digest, if it is here.
    pub(crate) fn get(&self, digest: &Digest) -> Option<Arc<Image>> {
        self.0.shelf().get(digest, Instant::now())
    }

    /// Compiles those that were pulled by another version, so that no call has
    /// to wait for it.
    pub(crate) async fn make_ready(&self) {
        let all = self.0.shelf().all();
        for image in all {
            match self.0.host.prepare_file(&image.path).await {
                Ok(_) => image.compiled.store(true, Relaxed),
                Err(error) => {
                    tracing::warn!(image = %image.digest, %error, "an image cannot be made ready");
                }
            }
        }
    }

    /// The names of those that are compiled.
    pub(crate) fn compiled(&self) -> BTreeSet<String> {
        self.0.shelf().compiled()
    }

    /// Pulls that have ended, well or not.
    pub(crate) fn pulls(&self) -> u64 {
        self.0.shelf().ended()
    }
}

impl Inner {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // Each critical section leaves it consistent.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts an image of before here, by the names that it had.
fn shelve(shelf: &mut Shelf, found: Found, now: Instant) {
    let Found {
        digest,
        layer,
        program,
        names,
    } = found;
    let image = Image {
        digest,
        program: layer.digest,
        path: program,
        bytes: layer.bytes,
        compiled: AtomicBool::new(false),
    };
    shelf.put(image, now);
    for name in names {
        let access = Access::Anybody;
        shelf.name(Key { name, access }, false, digest, now);
    }
}
