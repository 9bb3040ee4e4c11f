//! One pull, from a name to an image that can be run.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mote_api::{Clock, Digest, Grant, Grants, Random};
use mote_host::{HostError, PrepareError};
use tokio::sync::{Mutex, MutexGuard};

use super::credentials::Login;
use super::disk::Draft;
use super::failure::Failure;
use super::manifest::{self, Layer, Parsed};
use super::reference::Reference;
use super::registry::Registry;
use super::shelf::{Access, Image, Key};
use super::{Images, Inner};
use crate::feed::Change;

/// Longest time from the first request to the last byte: the largest program
/// at 1 MiB/s. A registry that sends a byte now and then holds a place no
/// longer.
const PULL_TIME: Duration = Duration::from_secs(5 * 60);
/// How long a pull waits for another that fetches the same image, which is most
/// often about to have it: who waits longer may wait for a registry that is
/// slow on purpose, and fetches its own.
const OTHERS_TIME: Duration = Duration::from_secs(10);

/// Pulls of one image by several names at once. One fetches while the others
/// wait, if it fetches soon; one checks, which no registry can make slow, while
/// the others wait for as long as it takes.
#[derive(Default)]
pub(super) struct Arriving {
    fetch: Mutex<()>,
    check: Mutex<()>,
}

/// A pull that is told how it ended, even if it is given up.
struct Flight {
    images: Images,
    key: Key,
    over: bool,
}

/// A promise of room, taken back when dropped.
struct Room<'a> {
    images: &'a Inner,
    bytes: u64,
}

/// What a registry says an image is.
struct Resolved {
    digest: Digest,
    manifest: Bytes,
    layer: Layer,
}

/// Pulls an image; those who ask meanwhile are told that it is on its way.
pub(super) fn begin(
    images: &Images,
    key: Key,
    reference: Reference,
    login: Option<Login>,
    tenant: String,
) {
    let flight = Flight {
        images: images.clone(),
        key,
        over: false,
    };
    tokio::spawn(async move {
        let images = Arc::clone(&flight.images.0);
        let own = images.tenants.of(tenant);
        let _turn = own.acquire().await;
        let _place = images.places.acquire().await;
        let began = Instant::now();
        let pulled = images.pull(&reference, login.as_ref(), &flight.key).await;
        flight.end(&reference, began, pulled);
    });
}

impl Flight {
    fn end(mut self, reference: &Reference, began: Instant, pulled: Result<(), Failure>) {
        self.over = true;
        let (image, seconds) = (reference.text(), began.elapsed().as_secs_f64());
        match pulled {
            Ok(()) => tracing::info!(image, seconds, "an image is here"),
            Err(failure) => {
                tracing::warn!(image, seconds, %failure, "an image could not be pulled");
                let mut shelf = self.images.0.shelf();
                shelf.failed(&self.key, failure.of(image), Instant::now());
            }
        }
        self.images.0.feed.changed(Change::Node);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.over {
            let given_up = Failure::Host("its pull was given up; ask again".to_owned());
            let failure = given_up.of(&self.key.name);
            self.images
                .0
                .shelf()
                .failed(&self.key, failure, Instant::now());
        }
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.images.shelf().redeem(self.bytes);
    }
}

impl Arriving {
    /// Waits until the image is to be fetched, or another pull has it; gives
    /// the turn to fetch, which who waited too long goes without.
    async fn fetch(&self) -> Option<MutexGuard<'_, ()>> {
        let turn = tokio::time::timeout(OTHERS_TIME, self.fetch.lock()).await;
        // What another has fetched is not fetched again while it is checked.
        drop(self.check.lock().await);
        turn.ok()
    }

    /// The turn to check what was fetched, unless another pull has it by then.
    async fn check(&self, fetched: Option<MutexGuard<'_, ()>>) -> MutexGuard<'_, ()> {
        let turn = self.check.lock().await;
        // Not before, or the next would fetch what is about to be checked.
        drop(fetched);
        turn
    }
}

impl Inner {
    fn is_here(&self, digest: &Digest) -> bool {
        self.shelf().get(digest, Instant::now()).is_some()
    }

    async fn pull(
        self: &Arc<Self>,
        reference: &Reference,
        login: Option<&Login>,
        key: &Key,
    ) -> Result<(), Failure> {
        let program = reference.program();
        if self.host.has_program(program) {
            return Err(Failure::Invalid(format!(
                "each sandbox has a program {program} of its own; push it to a repository with another last name"
            )));
        }
        let mut registry = self.registries.of(reference, login);
        let slow = || {
            Failure::Unreachable(format!(
                "{} takes more than {} s to send it; see whether it works",
                reference.registry(),
                PULL_TIME.as_secs()
            ))
        };
        let resolved = tokio::time::timeout(PULL_TIME, resolve(&mut registry, reference)).await;
        let resolved = resolved.map_err(|_| slow())??;
        let digest = resolved.digest;
        let arriving = self.arriving.of(digest);
        let fetching = arriving.fetch().await;
        if !self.is_here(&digest) {
            let layer = resolved.layer;
            let room = self.promise(layer.bytes).await?;
            let draft = self.blocking(|inner| inner.disk.draft()).await?;
            let fetch = self.fetch(&mut registry, &draft, layer);
            let fetched = tokio::time::timeout(PULL_TIME, fetch).await;
            fetched.map_err(|_| slow())??;
            let _checking = arriving.check(fetching).await;
            if !self.is_here(&digest) {
                self.check(&draft, program).await?;
                self.keep(draft, resolved).await?;
            }
            drop(room);
        }
        let access = if registry.login_was_used() {
            key.access
        } else {
            Access::Anybody
        };
        let moving = reference.is_moving();
        self.shelf()
            .arrived(key, access, moving, digest, Instant::now());
        self.remember_names(digest).await
    }

    /// Room for a program; what has to go for it goes.
    async fn promise(self: &Arc<Self>, bytes: u64) -> Result<Room<'_>, Failure> {
        let make_room = move |inner: &Self| {
            let mut shelf = inner.shelf();
            let gone = shelf.promise(bytes)?;
            // Before anybody can pull one of them again.
            let away = gone.iter().map(|image| inner.take_away(image));
            let away: Vec<_> = away.collect();
            let forgotten = gone.iter().map(|image| image.program);
            let forgotten: Vec<_> = forgotten.filter(|it| !shelf.has_program(it)).collect();
            drop(shelf);
            for program in forgotten {
                if let Err(error) = inner.host.forget(&program) {
                    tracing::warn!(%program, %error, "failed to remove compiled code");
                }
            }
            drop(away);
            Ok(())
        };
        let inner = Arc::clone(self);
        let made = tokio::task::spawn_blocking(move || make_room(&inner)).await;
        made.map_err(|error| Failure::host(&error))??;
        Ok(Room {
            images: self,
            bytes,
        })
    }

    fn take_away(&self, image: &Image) -> Option<Draft> {
        tracing::info!(image = %image.digest, "an image that nobody uses makes room");
        let removed = self.disk.remove(&image.digest);
        let removed = removed.inspect_err(|error| {
            tracing::warn!(image = %image.digest, %error, "failed to remove an image; it is here again after the next start");
        });
        removed.ok()
    }

    async fn fetch(
        self: &Arc<Self>,
        registry: &mut Registry<'_>,
        draft: &Draft,
        layer: Layer,
    ) -> Result<(), Failure> {
        let file = draft
            .create_program()
            .map_err(|error| Failure::host(&error))?;
        let mut file = tokio::fs::File::from_std(file);
        registry.layer(layer, &mut file).await?;
        file.sync_all().await.map_err(|error| Failure::host(&error))
    }

    /// Compiles a program, and looks whether sandboxes can run it.
    async fn check(&self, draft: &Draft, program: &str) -> Result<(), Failure> {
        let prepared = self.host.prepare_file(&draft.program()).await;
        let component = prepared.map_err(|error| match error {
            PrepareError::Refused(why) => {
                Failure::Invalid(format!("its program cannot be run here: {why}"))
            }
            PrepareError::Host(error) => Failure::host(&error),
        })?;
        // Folders make no difference: what a sandbox has none of is empty.
        let grants = Grants::of([Grant::Clock(Clock::Real), Grant::Random(Random::Real)]);
        let grants = grants.map_err(|error| Failure::host(&error))?;
        let checked = component.check(program, &grants);
        checked
            .map_err(|rejection| Failure::Invalid(format!("its program is refused: {rejection}")))
    }

    /// Puts what was pulled among the others, unless it came by another name
    /// meanwhile.
    async fn keep(self: &Arc<Self>, draft: Draft, resolved: Resolved) -> Result<(), Failure> {
        let Resolved {
            digest,
            manifest,
            layer,
        } = resolved;
        self.blocking(move |inner| {
            // Under its lock, so that none that leaves is in the way.
            let mut shelf = inner.shelf();
            if shelf.get(&digest, Instant::now()).is_some() {
                return Ok(());
            }
            let path = inner.disk.keep(&draft, &digest, &manifest)?;
            let image = Image {
                digest,
                program: layer.digest,
                path,
                bytes: layer.bytes,
                compiled: AtomicBool::new(true),
            };
            shelf.put(image, Instant::now());
            Ok(())
        })
        .await
    }

    /// Writes down by which names anybody may have an image.
    async fn remember_names(self: &Arc<Self>, digest: Digest) -> Result<(), Failure> {
        self.blocking(move |inner| {
            // Under its lock: another pull may have brought the same image.
            let shelf = inner.shelf();
            let names = shelf.names_of(&digest);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            inner.disk.name(&digest, &names)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let inner = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        let done = done.map_err(|error| Failure::host(&error))?;
        done.map_err(|error| {
            Failure::host(&HostError::File {
                action: "keep an image in",
                path: "the state folder".into(),
                source: error,
            })
        })
    }
}

/// What a registry says that a name stands for.
async fn resolve(registry: &mut Registry<'_>, reference: &Reference) -> Result<Resolved, Failure> {
    let (mut manifest, mut digest) = registry.manifest(reference.digest()).await?;
    let mut parsed = manifest::parse(&manifest).map_err(Failure::Invalid)?;
    if let Parsed::Elsewhere(other) = parsed {
        (manifest, digest) = registry.manifest(Some(other)).await?;
        parsed = manifest::parse(&manifest).map_err(Failure::Invalid)?;
    }
    match parsed {
        Parsed::Program(layer) => Ok(Resolved {
            digest,
            manifest,
            layer,
        }),
        Parsed::Elsewhere(_) => Err(Failure::Invalid(
            "its list of platforms leads to another list".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_what_is_checked_waits_for_as_long_as_it_takes() {
        let arriving = Arriving::default();
        let checking = arriving.check(arriving.fetch().await).await;
        let others = async { tokio::join!(arriving.fetch(), arriving.fetch()) };
        let mut others = Box::pin(others);
        assert!(timeout(10 * OTHERS_TIME, &mut others).await.is_err());
        drop(checking);
        let began = Instant::now();
        let (one, other) = others.await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(
            one.is_some() && other.is_none(),
            "one has the turn to fetch"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_fetches_for_ever_holds_others_up_once() {
        let (arriving, began) = (Arriving::default(), Instant::now());
        let slow = arriving.fetch().await;
        let fast = arriving.fetch().await;
        let checking = arriving.check(fast).await;
        assert_eq!(began.elapsed(), OTHERS_TIME);
        // Once it has it, it is not checked a second time meanwhile.
        let late = arriving.check(slow);
        assert!(timeout(OTHERS_TIME, late).await.is_err());
        drop(checking);
    }
}
